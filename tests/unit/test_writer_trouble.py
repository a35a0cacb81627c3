"""The writer in trouble: nobody waits for ever, and what was not written leaves nothing behind."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import date

import pytest

from ledger.decider import Decider
from ledger.domain.access import Caller
from ledger.domain.commands import Command, IssueKey, MoveMember, OpenLedger, RevokeKey
from ledger.domain.errors import Unauthenticated, Unavailable
from ledger.store import writer as writing
from ledger.store.log import Batch, Head
from ledger.store.requests import Answered, OnError, Refused, Request
from ledger.store.writer import Writer
from tests.desk import (
    Desk,
    Held,
    ask,
    check_log,
    failed_and_lost,
    failed_but_persisted,
    register,
    sound,
)
from tests.memory_store import MemoryStore


def test_an_outage_is_told_in_bounded_time_and_the_writer_goes_on_afterwards(desk: Desk) -> None:
    desk.store.faults = [failed_and_lost] * 50
    with pytest.raises(Unavailable):
        desk.do("c1", register("V1"))
    desk.store.faults = []
    assert desk.do("c1", register("V1")).replayed is False
    assert desk.streams() == ["ledger/t.example", "member/V1"]


def test_who_asks_late_in_an_outage_is_told_at_once(desk: Desk) -> None:
    """Two tries, not the whole patience; and afterwards there is patience again."""

    def away(*_: object) -> None:
        raise Unavailable

    desk.store.faults = [away] * 1_000
    with pytest.raises(Unavailable):
        desk.do("a", register("V1"))
    before = desk.store.appends
    assert before > 2
    with pytest.raises(Unavailable):
        desk.do("b", register("V2"))
    assert desk.store.appends == before + 2
    desk.store.faults = [away]
    assert desk.do("b", register("V2")).count == 1
    desk.store.faults = [away] * 3
    assert desk.do("c", register("V3")).count == 1


def test_twins_are_both_told_of_an_outage_and_the_writer_goes_on_afterwards(
    desk: Desk,
) -> None:
    held = Held(desk)
    desk.store.faults = [failed_and_lost] * 50
    twins = [desk.writer.submit(ask("c1", register("V1"))) for _ in range(2)]
    held.let_go()
    for twin in twins:
        with pytest.raises(Unavailable):
            twin.result(timeout=30)
    desk.store.faults = []
    assert desk.do("c1", register("V1")).replayed is False


def test_who_is_answered_is_told_before_the_writer_waits(desk: Desk) -> None:
    """A replay does not share the outage that its neighbour in the group meets."""
    desk.do("c1", register("V1"))
    desk.writer.close()
    asked: list[Future[Answered]] = []
    told: list[bool] = []
    desk.writer = Writer(
        desk.store, Decider(desk.store), told=lambda: told.extend(each.done() for each in asked[:1])
    )
    held = Held(desk)
    asked += [
        desk.writer.submit(ask(*each)) for each in (("c1", register("V1")), ("c2", register("V2")))
    ]
    seen: list[bool] = []

    def away(*_: object) -> None:
        raise Unavailable

    def back(store: MemoryStore, batch: Batch, write: Callable[[], None]) -> None:
        seen.append(True in told)
        write()

    desk.store.faults = [away, back]
    held.let_go()
    assert [each.result(timeout=30).replayed for each in asked] == [True, False]
    assert seen == [True]


def test_an_opening_that_was_not_kept_leaves_no_name_behind() -> None:
    store = MemoryStore()
    writer = Writer(store, Decider(store))
    for name, is_dry in (("a.example", True), ("b.example", False)):
        batch = ask(name, OpenLedger(origin=name), register("V1"), dry_run=is_dry)
        assert writer.submit(batch).result(timeout=30).outcomes[0] == {"origin": name}
    writer.close()
    assert [row.originator_id for row in store.rows] == ["ledger/b.example", "member/V1"]


def test_what_another_process_did_between_two_looks_is_answered_as_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are looked up before the head is read: what is in between may be this very command."""
    other = desk.open()
    other.submit(ask("x", register("V8"))).result(timeout=30)
    head = desk.store.head

    def late() -> Head:
        monkeypatch.setattr(desk.store, "head", head)
        other.submit(ask("c1", register("V1"))).result(timeout=30)
        return head()

    monkeypatch.setattr(desk.store, "head", late)
    answer = desk.do("c1", register("V1"))
    assert (answer.replayed, answer.outcomes) == (True, [{"member": "V1"}])
    other.close()


def test_a_command_that_comes_again_while_it_is_being_written_is_answered_alike(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a command that writes, so that nothing is looked up again before it is told."""
    monkeypatch.setattr(writing, "GROUP_MAX", 2)
    held = Held(desk)
    desk.store.faults = [slowly]
    waiting = [
        desk.writer.submit(ask(name, register(member)))
        for name, member in (("c1", "V1"), ("c2", "V2"), ("c1", "V1"), ("c3", "V3"))
    ]
    held.let_go()
    answers = [future.result(timeout=30) for future in waiting]
    assert [answer.replayed for answer in answers] == [False, False, True, False]
    assert answers[0].outcomes == answers[2].outcomes


def test_a_key_that_was_revoked_since_it_was_looked_at_opens_nothing(desk: Desk) -> None:
    caller = holder_of_a_key(desk, "k1")

    def do(command_id: str, member: str) -> Answered:
        request = Request(commands=[register(member)], caller=caller, command_id=command_id)
        return desk.writer.submit(request).result(timeout=30)

    assert do("c1", "V1").count == 1
    desk.do("k2", RevokeKey(key=caller.key, reason_code="lost"))
    with pytest.raises(Unauthenticated):
        do("c2", "V2")
    assert do("c1", "V1").replayed


def test_nothing_is_done_behind_the_revocation_of_ones_own_key(desk: Desk) -> None:
    def lines(name: str, on_error: OnError) -> Answered:
        caller = holder_of_a_key(desk, name)
        commands: list[Command] = [register(f"{name}{n}") for n in (1, 2, 3)]
        commands.insert(1, RevokeKey(key=caller.key, reason_code="lost"))
        request = Request(commands=commands, caller=caller, command_id=name, on_error=on_error)
        return desk.writer.submit(request).result(timeout=30)

    def codes(answered: Answered) -> list[str]:
        return [o.code if isinstance(o, Refused) else "" for o in answered.outcomes]

    assert codes(lines("C", "continue")) == ["", "", "unauthenticated", "unauthenticated"]
    assert codes(lines("S", "stop")) == ["", "", "unauthenticated"]
    with pytest.raises(Unauthenticated) as refused:
        lines("A", "atomic")
    assert refused.value.index == 2
    registered = {stream for stream in desk.streams() if stream.startswith("member/")}
    assert registered == {"member/C1", "member/S1"}


def holder_of_a_key(desk: Desk, name: str) -> Caller:
    """An admin with a key issued for this."""
    wish = IssueKey(holder="street", roles=("admin",), expires_on=date(2999, 1, 1))
    (issued,) = desk.do(f"key of {name}", wish).outcomes
    assert isinstance(issued, dict)
    return Caller(holder="street", key=str(issued["key"]), roles=frozenset({"admin"}))


def slowly(store: MemoryStore, batch: Batch, write: Callable[[], None]) -> None:
    """An append that is still under way when the next group is decided."""
    time.sleep(0.2)
    write()


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_large_groups_in_the_air_together_are_kept_once_in_order_whichever_of_them_fails(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    """Three are in the air while a fourth is decided; what fails takes those behind it along."""
    monkeypatch.setattr(writing, "LARGE_EVENTS", 2)
    gate = threading.Event()

    def waiting(store: MemoryStore, batch: Batch, write: Callable[[], None]) -> None:
        assert gate.wait(30)
        (sound, failed_but_persisted, failed_and_lost)[fails](store, batch, write)

    held = Held(desk)
    desk.store.faults = [waiting, failed_and_lost]
    batches = [
        desk.writer.submit(
            ask(f"b{n}", register(f"V{n}"), MoveMember(member=f"V{n - 1}", region=f"33042{n:04}"))
        )
        for n in range(1, 7)
    ]
    held.let_go()
    deadline = time.monotonic() + 30
    while len(desk.writer._in_air) < writing.LARGE_MAX:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    gate.set()
    answers = [batch.result(timeout=30) for batch in batches]
    assert [answer.first_position for answer in answers] == [3, 5, 7, 9, 11, 13]
    assert len(desk.store.rows) == 14
    check_log(desk.store)


def test_small_groups_go_along_with_a_large_one_in_the_air(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is small need not wait for the large one before it, nor what is large behind that."""
    monkeypatch.setattr(writing, "LARGE_EVENTS", 5)
    gate = threading.Event()

    def waiting(store: MemoryStore, batch: Batch, write: Callable[[], None]) -> None:
        assert gate.wait(30)
        sound(store, batch, write)

    held = Held(desk)
    desk.store.faults = [waiting]
    sizes = [5, 2, 2, 2, 2, 2, 5]
    batches = [
        desk.writer.submit(ask(f"b{n}", *(register(f"V{n}X{m}") for m in range(size))))
        for n, size in enumerate(sizes)
    ]
    held.let_go()
    deadline = time.monotonic() + 30
    while len(desk.writer._in_air) < len(sizes):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    gate.set()
    answers = [batch.result(timeout=30) for batch in batches]
    assert [answer.count for answer in answers] == sizes
    firsts = [answer.first_position for answer in answers]
    assert firsts == sorted(firsts)
    check_log(desk.store)
