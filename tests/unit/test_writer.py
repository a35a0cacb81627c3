"""The writer against a store that fails on command: a table of named faults, and fairness."""

from collections.abc import Callable
from datetime import datetime

import pytest

from ledger.decider import Decider
from ledger.domain.commands import (
    MoveMember,
    RegisterOrganisation,
)
from ledger.domain.errors import (
    AlreadyExists,
    IdempotencyMismatch,
)
from ledger.store.requests import Draft, Refused, Request
from tests.desk import (
    Desk,
    Held,
    ask,
    check_log,
    failed_and_lost,
    failed_but_persisted,
    moved_by_another_process,
    moved_for_no_reason,
    register,
    sound,
)


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
