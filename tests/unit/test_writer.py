"""The writer against a store that fails on command: a table of named faults, and fairness."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import pytest

from ledger import states
from ledger.decider import Decider
from ledger.domain.access import operator
from ledger.domain.commands import (
    Command,
    MoveMember,
    OpenLedger,
    RegisterMember,
    RegisterOrganisation,
)
from ledger.domain.errors import (
    AlreadyExists,
    IdempotencyMismatch,
    InvalidCommand,
    NothingChanges,
    Unavailable,
)
from ledger.log import merkle
from ledger.store import writer as writing
from ledger.store.log import Batch, HeadMoved, Row
from ledger.store.requests import Answered, Draft, Refused, Request
from ledger.store.writer import Writer
from tests.memory_store import MemoryStore

OPERATOR = operator("boss")
Write = Callable[[], None]


def register(member: str) -> RegisterMember:
    return RegisterMember(member=member, region="330424001")


def ask(command_id: str, *commands: Command, **options: object) -> Request:
    return Request(commands=commands, caller=OPERATOR, command_id=command_id, **options)  # type: ignore[arg-type]


class Desk:
    """A store, its writer, and what a test asks of them."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.writer = self.open()
        self.do("open", OpenLedger(origin="t.example"))

    def open(self) -> Writer:
        return Writer(self.store, Decider(self.store))

    def do(self, command_id: str, *commands: Command, **options: object) -> Answered:
        return self.writer.submit(ask(command_id, *commands, **options)).result(timeout=30)

    def streams(self) -> list[str]:
        return [row.originator_id for row in self.store.rows]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(writing, "PATIENCE_S", 0.5)
    desk = Desk()
    yield desk
    desk.writer.close()


# what can go wrong in an append; each is called with the store, the batch and the sound write
def moved_by_another_process(store: MemoryStore, batch: Batch, write: Write) -> None:
    """Another process registers V9 first, so the positions are taken."""
    other = Writer(store, Decider(store))
    other.submit(ask("other", register("V9"))).result(timeout=30)
    other.close()
    write()


def failed_but_persisted(store: MemoryStore, batch: Batch, write: Write) -> None:
    """The line breaks between the commit and its answer."""
    write()
    raise Unavailable


def failed_and_lost(store: MemoryStore, batch: Batch, write: Write) -> None:
    """The line breaks before the commit."""
    raise Unavailable


def moved_for_no_reason(store: MemoryStore, batch: Batch, write: Write) -> None:
    """A clash that leaves nothing to see."""
    raise HeadMoved


class Held:
    """An append that waits, so that what comes meanwhile forms one group."""

    def __init__(self, desk: Desk) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        desk.store.faults = [self._append]
        self._first = desk.writer.submit(ask("held", register("V0")))
        assert self._begun.wait(30)

    def _append(self, store: MemoryStore, batch: Batch, write: Write) -> None:
        self._begun.set()
        assert self._go.wait(30)
        write()

    def let_go(self) -> None:
        self._go.set()
        self._first.result(timeout=30)


@pytest.mark.parametrize(
    ("faults", "streams_before"),
    [
        ([], []),
        ([moved_by_another_process], ["member/V9"]),
        ([failed_but_persisted], []),
        ([failed_and_lost], []),
        ([moved_for_no_reason], []),
        ([moved_for_no_reason, failed_but_persisted], []),
        ([failed_and_lost, moved_by_another_process], ["member/V9"]),
        ([moved_by_another_process, failed_and_lost, failed_but_persisted], ["member/V9"]),
    ],
    ids=lambda value: "+".join(getattr(f, "__name__", str(f)) for f in value) or "none",
)
def test_a_command_is_kept_exactly_once_whatever_the_append_does(
    desk: Desk, faults: list[Callable[..., None]], streams_before: list[str]
) -> None:
    desk.store.faults = list(faults)
    answer = desk.do("c1", register("V1"))
    assert desk.streams() == ["ledger/t.example", *streams_before, "member/V1"]
    assert answer.outcomes == [{"member": "V1"}]
    assert answer.position == len(desk.store.rows) == answer.first_position
    assert [row.position for row in desk.store.rows] == list(range(1, len(desk.store.rows) + 1))
    again = desk.do("c1", register("V1"))
    assert (again.outcomes, again.position, again.replayed) == (
        answer.outcomes,
        answer.position,
        True,
    )


def sound(store: MemoryStore, batch: Batch, write: Write) -> None:
    """Nothing goes wrong."""
    write()


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [failed_but_persisted],
        [failed_and_lost],
        [moved_by_another_process],
        [sound, moved_by_another_process],
        [sound, failed_but_persisted, sound, failed_and_lost],
        [failed_and_lost, failed_but_persisted, moved_for_no_reason],
    ],
    ids=lambda value: "+".join(f.__name__ for f in value) or "none",
)
def test_groups_under_way_are_each_kept_once_whole_and_in_order(
    desk: Desk, faults: list[Callable[..., None]]
) -> None:
    """While one group is written the next is decided on it; what fails takes its followers along.

    Each batch stands alone, and each but the first needs what the one before it wrote.
    """
    held = Held(desk)
    desk.store.faults = list(faults)
    batches = [
        desk.writer.submit(
            ask(f"b{n}", register(f"V{n}"), MoveMember(member=f"V{n - 1}", region=f"33042{n:04}"))
        )
        for n in range(1, 9)
    ]
    refused = desk.writer.submit(ask("bad", register("V50"), register("V3")))
    last = desk.writer.submit(ask("last", register("V51"), register("V52")))
    held.let_go()
    for n, batch in enumerate(batches, start=1):
        answer = batch.result(timeout=30)
        rows = desk.store.rows[answer.first_position - 1 : answer.position]
        assert [(row.originator_id, row.topic) for row in rows] == [
            (f"member/V{n}", "MemberRegistered"),
            (f"member/V{n - 1}", "MemberMoved"),
        ]
    with pytest.raises(AlreadyExists):
        refused.result(timeout=30)
    assert last.result(timeout=30).position == len(desk.store.rows)
    assert len(desk.store.rows) == 2 + 8 * 2 + 2 + (moved_by_another_process in faults)
    check_log(desk.store)


def check_log(store: MemoryStore) -> None:
    """The rows are sound, and the head is theirs."""
    assert store.head().frontier == check_rows(store.rows)


def check_rows(rows: Sequence[Row]) -> tuple[bytes, ...]:
    """Positions and versions have no gap, and every row has the hashes of its tree."""
    frontier: list[bytes] = []
    versions: dict[str, int] = {}
    for size, row in enumerate(rows):
        versions[row.originator_id] = versions.get(row.originator_id, 0) + 1
        assert (row.position, row.originator_version) == (size + 1, versions[row.originator_id])
        assert row.hashes == merkle.extend(frontier, size, merkle.leaf_hash(row.line()))
    return tuple(frontier)


def test_trap_one_request_that_breaks_a_group_harms_no_neighbour(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = Decider.decide

    def breaking(decider: Decider, request: Request, now: datetime) -> Draft:
        if request.command_id == "broken":
            raise RuntimeError("a mistake in a rule")
        return decide(decider, request, now)

    monkeypatch.setattr(Decider, "decide", breaking)
    held = Held(desk)
    waiting = [
        desk.writer.submit(ask(name, register(f"V{n}")))
        for n, name in enumerate(["one", "broken", "three"], start=1)
    ]
    held.let_go()
    assert waiting[0].result(timeout=30).outcomes == [{"member": "V1"}]
    assert waiting[2].result(timeout=30).outcomes == [{"member": "V3"}]
    with pytest.raises(RuntimeError, match="a mistake in a rule"):
        waiting[1].result(timeout=30)
    assert desk.streams()[1:] == ["member/V0", "member/V1", "member/V3"]


def test_trap_a_stored_answer_tells_its_place_by_first_position_and_count(desk: Desk) -> None:
    answer = desk.do("b1", register("V1"), register("V2"))
    kept = desk.store.commands["b1"]
    assert (kept.first_position, kept.events) == (2, 2)
    assert b"position" not in kept.answer
    again = desk.do("b1", register("V1"), register("V2"))
    assert (again.first_position, again.count, again.position) == (2, 2, answer.position)


def test_a_refused_command_writes_nothing_and_harms_no_neighbour(desk: Desk) -> None:
    desk.do("c1", register("V1"))
    held = Held(desk)
    waiting = [
        desk.writer.submit(ask(f"w{n}", register(name)))
        for n, name in enumerate(["V3", "V1", "V4", "V3"])
    ]
    held.let_go()
    assert waiting[0].result(timeout=30).outcomes == [{"member": "V3"}]
    assert waiting[2].result(timeout=30).outcomes == [{"member": "V4"}]
    for refused in (waiting[1], waiting[3]):
        with pytest.raises(AlreadyExists):
            refused.result(timeout=30)
    assert desk.streams()[2:] == ["member/V0", "member/V3", "member/V4"]
    assert desk.store.appends == 4  # open, V1, V0, and one group for the four that waited


def test_a_refusal_that_rested_on_a_neighbour_is_judged_again_when_that_was_not_written(
    desk: Desk,
) -> None:
    """V9 is asked for twice in one group that loses to another process."""
    held = Held(desk)
    desk.store.faults = [moved_by_another_process]
    twins = [desk.writer.submit(ask(f"c{n}", register("V9"))) for n in (1, 2)]
    held.let_go()
    for twin in twins:  # the other process was first: both are refused, and rightly
        with pytest.raises(AlreadyExists):
            twin.result(timeout=30)
    assert desk.streams()[1:] == ["member/V0", "member/V9"]


def test_the_same_command_twice_in_one_group_has_one_effect_and_one_answer(desk: Desk) -> None:
    held = Held(desk)
    racers = [desk.writer.submit(ask("c1", register("V1"))) for _ in range(50)]
    other = desk.writer.submit(ask("c1", register("V2")))
    held.let_go()
    answers = [racer.result(timeout=30) for racer in racers]
    assert {(a.position, str(a.outcomes)) for a in answers} == {(3, "[{'member': 'V1'}]")}
    assert sum(not a.replayed for a in answers) == 1
    with pytest.raises(IdempotencyMismatch):
        other.result(timeout=30)
    assert desk.streams()[1:] == ["member/V0", "member/V1"]


def test_an_atomic_batch_is_kept_whole_or_not_at_all(desk: Desk) -> None:
    with pytest.raises(AlreadyExists) as refused:
        desk.do("b1", register("V1"), register("V2"), register("V1"))
    assert refused.value.index == 2
    assert desk.streams() == ["ledger/t.example"]
    assert desk.do("b1", register("V1"), register("V2")).count == 2


@pytest.mark.parametrize(("on_error", "kept"), [("stop", ["V1"]), ("continue", ["V1", "V2"])])
def test_what_is_kept_of_a_batch_is_what_was_asked_for(
    desk: Desk, on_error: str, kept: list[str]
) -> None:
    commands = [register("V1"), register("V1"), register("V2")]
    answer = desk.do("b1", *commands, on_error=on_error)
    assert desk.streams()[1:] == [f"member/{name}" for name in kept]
    refused = answer.outcomes[1]
    assert isinstance(refused, Refused)
    assert (refused.code, refused.at) == ("already_exists", "member")
    assert desk.do("b1", *commands, on_error=on_error).outcomes == answer.outcomes


@pytest.mark.parametrize("count", [1, 3])
def test_a_dry_run_answers_and_writes_nothing(desk: Desk, count: int) -> None:
    commands = [register(f"V{n}") for n in range(count)]
    dry = desk.do("d1", *commands, dry_run=True)
    assert (dry.count, dry.first_position, dry.position) == (count, 0, 1)
    assert desk.streams() == ["ledger/t.example"]
    assert desk.do("d1", *commands).outcomes == dry.outcomes
    assert desk.streams()[1:] == [f"member/V{n}" for n in range(count)]


def test_every_row_carries_the_nodes_of_the_tree(desk: Desk) -> None:
    desk.do("b1", *[register(f"V{n}") for n in range(9)])
    desk.do("b2", RegisterOrganisation(organisation="O1", name="队", org_kind="team", region="33"))
    check_log(desk.store)


def test_recorded_time_never_goes_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    last = desk.store.head().timestamp
    assert last is not None
    earlier = last.replace(year=last.year - 1)

    class Clock:
        @staticmethod
        def now(zone: object) -> object:
            return earlier

    monkeypatch.setattr(writing, "datetime", Clock)
    desk.do("c1", register("V1"))
    assert desk.store.head().timestamp == last


def test_what_another_writer_wrote_is_taken_in_and_no_stream_is_read_again(desk: Desk) -> None:
    """Two writers take turns on one member; each knows what the other did."""
    other = Writer(desk.store, Decider(desk.store))
    desk.do("c0", register("V1"))
    desk.do("c1", MoveMember(member="V1", region="330424002"))
    other.submit(ask("o1", MoveMember(member="V1", region="330424003"))).result(timeout=30)
    desk.do("c2", MoveMember(member="V1", region="330424002"))
    reads = desk.store.streams_read
    for turn in range(5):
        moved = MoveMember(member="V1", region=f"33042410{turn}")
        other.submit(ask(f"o2.{turn}", moved)).result(timeout=30)
        with pytest.raises(NothingChanges):  # so it knows
            desk.do(f"c3.{turn}", moved)
        desk.do(f"c4.{turn}", MoveMember(member="V1", region="330424002"))
    assert desk.store.streams_read == reads
    other.close()
    check_log(desk.store)


def test_what_is_too_much_to_take_in_is_read_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "FOLLOWED_MAX", 3)
    other = Writer(desk.store, Decider(desk.store))
    desk.do("c1", register("V1"))
    others = [register(f"V{n}") for n in range(2, 9)]
    moved = MoveMember(member="V1", region="330424003")
    other.submit(ask("o1", *others, moved)).result(timeout=30)
    other.close()
    with pytest.raises(NothingChanges):
        desk.do("c2", moved)


def test_a_closed_writer_finishes_what_was_submitted_and_takes_no_more() -> None:
    desk = Desk()
    futures = [desk.writer.submit(ask(f"c{n}", register(f"V{n}"))) for n in range(100)]
    desk.writer.close()
    assert {future.result(timeout=0).count for future in futures} == {1}
    with pytest.raises(Unavailable):
        desk.writer.submit(ask("late", register("V200")))


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (RegisterMember(member='A","position":7,"x":"', region="33"), "member"),
        (RegisterMember(member="V1", region=33), "region"),  # type: ignore[arg-type]
        (RegisterMember(member="V1\n", region="33"), "member"),
    ],
)
def test_a_command_made_in_python_is_checked_like_any_other(
    desk: Desk, command: Command, at: str
) -> None:
    with pytest.raises(InvalidCommand) as refused:
        desk.do("c1", command)
    assert refused.value.at == at
    assert desk.streams() == ["ledger/t.example"]
