"""A writer that takes itself for the only one, where it is, and where it is not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from ledger.domain.commands import (
    Command,
    LogHours,
    MoveMember,
    OpenProject,
    RegisterMember,
    RegisterOrganisation,
)
from ledger.domain.errors import NothingChanges
from ledger.store import writer as writing
from ledger.store.log import CommandRow
from tests.desk import Desk, ask, check_log, register

DAY = (datetime.now(UTC) - timedelta(days=3)).date()
HOURS = LogHours(
    member="V1", project="P1", service_on=DAY, minutes=60, category="care", evidence="manual",
    source="s", source_ref="r1",
)  # fmt: skip


def move(region: str) -> MoveMember:
    return MoveMember(member="V1", region=region)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(writing, "LOOKS_MIN", 2)
    desk = Desk()
    desk.do("c1", register("V1"))
    desk.do("c2", register("V2"))
    return desk


def count_glances(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many command ids each look from now on asks for."""
    asked: list[int] = []
    glance = desk.store.glance

    def counted(ids: Sequence[str]) -> tuple[int, dict[str, CommandRow]]:
        asked.append(len(ids))
        return glance(ids)

    monkeypatch.setattr(desk.store, "glance", counted)
    return asked


def test_who_has_found_nobody_else_looks_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count_glances(desk, monkeypatch)
    for number in range(3, 9):
        desk.do(f"c{number}", register(f"V{number}"))
    assert asked == []
    check_log(desk.store)


@pytest.mark.parametrize("is_refused_now", [True, False])
def test_a_command_that_comes_again_is_answered_as_the_first_time(
    desk: Desk, is_refused_now: bool
) -> None:
    """Whether the rules would refuse it now, or would do it once more."""
    first = desk.do("m1", move("330424002"))
    if not is_refused_now:
        desk.do("m2", move("330424003"))
    size = len(desk.store.rows)
    again = desk.do("m1", move("330424002"))
    assert (again.replayed, again.position) == (True, first.position)
    assert len(desk.store.rows) == size
    check_log(desk.store)


def test_after_one_that_came_again_it_looks_for_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a client that repeats all it asked does not break group after group."""
    desk.do("m1", move("330424002"))
    desk.do("m2", move("330424003"))
    desk.do("m1", move("330424002"))
    appends, asked = desk.store.appends, count_glances(desk, monkeypatch)
    desk.do("m2", move("330424003"))
    assert (desk.store.appends, asked[0]) == (appends, 1)


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_another_writer_did_meanwhile_is_known_to_what_is_done(
    desk: Desk, dry_run: bool
) -> None:
    other = desk.open()
    other.submit(ask("o1", move("330424002"))).result(timeout=30)
    other.close()
    with pytest.raises(NothingChanges):
        desk.do("m1", move("330424002"), dry_run=dry_run)
    check_log(desk.store)


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_another_writer_did_meanwhile_is_known_to_what_is_refused(
    desk: Desk, dry_run: bool
) -> None:
    other = desk.open()
    other.submit(ask("o1", move("330424002"))).result(timeout=30)
    other.close()
    answered = desk.do("m1", move("330424001"), dry_run=dry_run)  # as it knows it, it is there
    assert answered.count == 1
    check_log(desk.store)


def test_an_answer_without_events_is_true_at_the_head_as_it_is(desk: Desk) -> None:
    setting: list[Command] = [
        RegisterOrganisation(organisation="O1", name="O", org_kind="agency", region="330424"),
        OpenProject(
            project="P1", name="P", organisation="O1", region="330424001", categories=("care",),
            opens_on=DAY,
        ),
        HOURS,
    ]  # fmt: skip
    for number, command in enumerate(setting):
        desk.do(f"s{number}", command)
    other = desk.open()
    other.submit(ask("o1", RegisterMember(member="V9", region="330424001"))).result(timeout=30)
    other.close()
    answered = desk.do("again", HOURS)
    assert (answered.count, answered.position) == (0, len(desk.store.rows))
