"""A row is recorded once, whatever happens to the file it came from; and what replaces it."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.events import HoursLogged
from tests.scenario import (
    SATURDAY,
    TODAY,
    caller,
    county_at_work,
    from_sheet,
    log_hours,
    open_project,
    timed,
    verify_hours,
)

SUNDAY = SATURDAY + timedelta(days=1)
LONG_AGO = date(2025, 2, 1)
REJECT = c.RejectHours(entry="V0001-1", reason_code="wrong_day")
VOID = c.VoidHours(entry="V0001-1", reason_code="wrong_day")
HELD = c.HoldActivity(
    activity="A1",
    project="P001",
    category="elder_care",
    held_on=SATURDAY,
    responsible="O1",
    registered=9,
    attended=8,
)


# Once


@pytest.mark.parametrize("row", [log_hours(), from_sheet(), timed("09:00", "10:00")])
def test_the_same_row_again_is_already_there(row: c.LogHours) -> None:
    ledger = county_at_work().given(row)
    ledger.when(row).then_nothing().then_answer(entry="V0001-1", already=True)
    ledger.later(days=365).when(row).then_nothing()


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": 121},
        {"category": "child_care"},
        {"evidence": "system"},
        {"kind": "training"},
        {"team": "O2"},
        {"activity": "A1"},
        {"service_on": SUNDAY},
        {"project": "P002"},
        {"start": "09:00", "end": "12:00"},
    ],
)
def test_a_reference_with_other_content_is_a_conflict(change: dict[str, Any]) -> None:
    ledger = county_at_work().given(HELD, open_project("P002"), from_sheet())
    ledger.when(from_sheet(**change)).then_refused("row_conflict", at="source_ref", entry="V0001-1")


def test_without_a_reference_member_project_day_and_start_identify() -> None:
    ledger = county_at_work().given(open_project("P002"), log_hours(), timed("09:00", "10:00"))
    ledger.when(log_hours(minutes=60)).then_refused("row_conflict", at="service_on")
    ledger.when(timed("09:00", "09:45")).then_refused("row_conflict", entry="V0001-2")
    ledger.given(
        log_hours(service_on=SUNDAY),
        log_hours(project="P002"),
        log_hours("V0002"),
        timed("10:00", "11:00"),
        from_sheet(),
    )


def test_a_reference_is_one_of_its_source_and_member() -> None:
    ledger = county_at_work().given(from_sheet("1"))
    ledger.when(log_hours(source="app", source_ref="1")).then_answer(entry="V0001-2")
    ledger.when(from_sheet("1", member="V0002")).then_answer(entry="V0002-1")


def test_a_conflicting_row_out_of_scope_is_not_named() -> None:
    ledger = county_at_work().given(
        open_project("P002", organisation="O2"), from_sheet(project="P002")
    )
    of_o1 = caller("association", "recorder", organisations=("O1",))
    ledger.when(from_sheet(), by=of_o1).then_refused("row_conflict", entry=None)


@pytest.mark.parametrize("row", [log_hours(), from_sheet()])
def test_a_rejected_row_is_already_there_and_keeps_its_identity(row: c.LogHours) -> None:
    ledger = county_at_work().given(row, REJECT)
    ledger.when(row).then_nothing().then_answer(entry="V0001-1", already=True)


# Replacing


def replacing(row: c.LogHours, **changes: Any) -> c.LogHours:
    """The row again, mended."""
    wish = {name: getattr(row, name) for name in row.__struct_fields__}
    return c.LogHours(**wish | {"replaces": "V0001-1"} | changes)


@pytest.mark.parametrize("row", [log_hours(), from_sheet(), timed("09:00", "11:00")])
@pytest.mark.parametrize("ending", [(REJECT,), (verify_hours(), VOID)])
def test_a_replacement_takes_the_identity_over(
    row: c.LogHours, ending: tuple[c.Command, ...]
) -> None:
    ledger = county_at_work().given(row, *ending)
    mended = replacing(row, minutes=20)
    ledger.when(mended).then_answer(entry="V0001-2").then_event(HoursLogged, replaces="V0001-1")
    ledger.when(mended).then_nothing().then_answer(entry="V0001-2", already=True)
    ledger.when(row).then_refused("row_conflict", entry="V0001-2")


def test_a_replacement_can_be_replaced_in_turn() -> None:
    ledger = county_at_work().given(log_hours(), REJECT, replacing(log_hours(), minutes=20))
    ledger.given(c.RejectHours(entry="V0001-2", reason_code="still_wrong"))
    third = replacing(log_hours(), minutes=25, replaces="V0001-2")
    ledger.when(third).then_answer(entry="V0001-3")
    ledger.when(replacing(log_hours(), minutes=20)).then_refused("row_conflict", entry="V0001-3")


def test_an_exact_copy_of_a_rejected_row_may_replace_it() -> None:
    ledger = county_at_work().given(log_hours(), REJECT)
    ledger.when(replacing(log_hours())).then_answer(entry="V0001-2")


def test_a_replacement_may_be_of_any_past_day() -> None:
    ledger = county_at_work().given(log_hours(), REJECT)
    ledger.when(log_hours(service_on=LONG_AGO)).then_refused("date_too_old")
    future = log_hours(service_on=TODAY + timedelta(days=1), replaces="V0001-1")
    ledger.when(future).then_refused("date_in_future")
    ledger.given(log_hours(service_on=LONG_AGO, replaces="V0001-1"))


@pytest.mark.parametrize("ending", [(), (verify_hours(),)])
def test_what_still_stands_is_not_replaced(ending: tuple[c.Command, ...]) -> None:
    ledger = county_at_work().given(log_hours(), *ending)
    row = log_hours(minutes=20, service_on=SUNDAY, replaces="V0001-1")
    ledger.when(row).then_refused("row_conflict", at="replaces", entry="V0001-1")


@pytest.mark.parametrize("named", ["V0001-9", "V0002-1", "V0001-G1", "V0009-1", "V0001-1-1"])
def test_what_is_replaced_is_an_entry_of_the_member(named: str) -> None:
    ledger = county_at_work().given(log_hours(), REJECT, log_hours("V0002"))
    row = log_hours(service_on=SUNDAY, replaces=named)
    ledger.when(row).then_refused("entry_not_found", at="replaces", entry=named)


def test_an_entry_out_of_scope_is_not_replaced() -> None:
    ledger = county_at_work().given(
        open_project("P002", organisation="O2"), log_hours(project="P002"), REJECT
    )
    of_o1 = caller("association", "recorder", organisations=("O1",))
    ledger.when(replacing(log_hours()), by=of_o1).then_refused("entry_not_found", at="replaces")
