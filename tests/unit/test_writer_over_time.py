"""The writer beside other writers, and from its first day to its last."""

import pytest

from ledger import states
from ledger.decider import Decider
from ledger.domain.commands import (
    Command,
    MoveMember,
    RegisterMember,
)
from ledger.domain.errors import (
    InvalidCommand,
    NothingChanges,
    Unavailable,
)
from ledger.store import writer as writing
from ledger.store.writer import Writer
from tests.desk import (
    Desk,
    ask,
    check_log,
    register,
)


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


def test_what_another_writer_wrote_is_taken_in_and_no_stream_is_read_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers take turns on one member; each knows what the other did."""
    monkeypatch.setattr(writing, "LOOKS_MIN", 100)
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
