"""Rules on logged hours: verified or rejected, corrected or voided."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.account import Member
from ledger.domain.events import HoursRejected, HoursVerified
from tests.scenario import (
    OTHER_TOWN,
    RECORDER,
    REGION,
    SATURDAY,
    TOWN,
    VERIFIER,
    Scenario,
    accrual,
    caller,
    county_at_work,
    log_hours,
    open_project,
    verify_hours,
)

REJECT = c.RejectHours(entry="V0001-1", reason_code="not_there")
VOID = c.VoidHours(entry="V0001-1", reason_code="not_there")
#: A holder who records and verifies, one with two keys, and the member's own key.
BOTH = caller("association", "verifier", key="second-key")
MEMBER = caller("wang", "verifier", members=frozenset({"V0001"}))


def logged(*rows: c.LogHours) -> Scenario:
    """A county in which these (or two hours) were logged."""
    return county_at_work().given(*(rows or (log_hours(),)))


def member(ledger: Scenario) -> Member:
    state = ledger.state("member/V0001")
    assert isinstance(state, Member)
    return state


def figures(ledger: Scenario) -> tuple[int, int, int]:
    """Pending and verified minutes, available credit-minutes."""
    return member(ledger).pending, member(ledger).verified, member(ledger).available


# Verifying


def test_an_entry_is_verified_in_full_and_repeats_what_it_is_grouped_by() -> None:
    ledger = logged(log_hours(team="O2"))
    outcome = ledger.when(verify_hours()).then_in("member/V0001").then_answer(entry="V0001-1")
    outcome.then_event(
        HoursVerified,
        entry="V0001-1",
        minutes=120,
        declined=0,
        credit=120,
        rule="R1",
        project="P001",
        organisation="O1",
        team="O2",
        region=REGION,
        member_region=TOWN,
        member_kinds=("volunteer",),
        category="elder_care",
        service_on=SATURDAY,
        actor="street-office",
    )
    assert figures(ledger) == (0, 120, 120)


def test_what_is_not_verified_is_declined() -> None:
    outcome = logged().when(verify_hours(minutes=90))
    outcome.then_event(HoursVerified, minutes=90, declined=30, credit=90)


@pytest.mark.parametrize("minutes", [0, -1, 121])
def test_no_more_is_verified_than_was_logged_and_no_less_than_a_minute(minutes: int) -> None:
    outcome = logged().when(verify_hours(minutes=minutes))
    outcome.then_refused("minutes_out_of_range", at="minutes", minutes_max=120)
    logged().given(verify_hours(minutes=1))


@pytest.mark.parametrize("by", [RECORDER, BOTH])
def test_the_recorder_does_not_verify_by_whatever_key(by: Any) -> None:
    also_verifier = caller(by.holder, "recorder", "verifier", key=by.key)
    logged().when(verify_hours(), by=also_verifier).then_refused("four_eyes", at="entry")


def test_members_do_not_verify_themselves() -> None:
    logged().when(verify_hours(), by=MEMBER).then_refused("four_eyes", at="entry")
    logged(log_hours("V0002")).given(verify_hours("V0002-1"), by=MEMBER)


@pytest.mark.parametrize("ending", [(verify_hours(),), (REJECT,), (verify_hours(), VOID)])
@pytest.mark.parametrize("command", [verify_hours(), REJECT])
def test_only_what_is_pending_is_verified_or_rejected(
    ending: tuple[c.Command, ...], command: c.Command
) -> None:
    logged().given(*ending).when(command).then_refused("entry_not_pending", at="entry")


def test_a_recorder_without_the_role_verifies_nothing() -> None:
    logged().when(verify_hours(), by=RECORDER).then_refused("forbidden")


# Rejecting


@pytest.mark.parametrize("by", [RECORDER, VERIFIER])
def test_a_pending_entry_is_rejected_also_by_its_recorder(by: Any) -> None:
    ledger = logged()
    ledger.when(REJECT, by=by).then_event(HoursRejected, minutes=120, reason_code="not_there")
    assert figures(ledger) == (0, 0, 0)


# Naming an entry


def test_an_entry_is_named_by_its_row() -> None:
    ledger = logged(log_hours(source="app", source_ref="7"))
    by_row = c.VerifyHours(member="V0001", source="app", source_ref="7")
    ledger.when(by_row).then_answer(entry="V0001-1")


def test_a_row_names_the_entry_that_has_its_identity_now() -> None:
    row: Any = {"source": "app", "source_ref": "7"}
    ledger = logged(log_hours(**row)).given(REJECT, log_hours(replaces="V0001-1", **row))
    ledger.when(c.VerifyHours(member="V0001", **row)).then_answer(entry="V0001-2")


@pytest.mark.parametrize(
    "naming",
    [
        {},
        {"member": "V0001"},
        {"member": "V0001", "source": "app"},
        {"source": "app", "source_ref": "7"},
        {"entry": "V0001-1", "member": "V0001"},
        {"entry": "V0001-1", "source": "app", "source_ref": "7", "member": "V0001"},
    ],
)
def test_an_entry_is_named_in_one_of_two_ways(naming: dict[str, Any]) -> None:
    logged().when(c.VerifyHours(**naming)).then_refused("invalid_command", at="entry")


@pytest.mark.parametrize("entry", ["V0001-2", "V0009-1", "V0001-G1", "V0001-1-1", "P.1-1"])
@pytest.mark.parametrize("kind", [c.VerifyHours, c.RejectHours, c.CorrectHours, c.VoidHours])
def test_an_entry_that_is_not_there_is_not_found(kind: type[c.Command], entry: str) -> None:
    rest: dict[str, Any] = {"minutes": 1} if kind is c.CorrectHours else {}
    rest |= {"reason_code": "x"} if kind is c.RejectHours else {}
    command = kind(entry=entry, **rest)  # type: ignore[call-arg]
    logged().when(command).then_refused("entry_not_found", at="entry", entry=entry)


def test_a_row_that_is_not_there_is_not_found() -> None:
    for number in ("V0001", "V0009"):
        command = c.VerifyHours(member=number, source="app", source_ref="8")
        ledger = logged(log_hours(source="app", source_ref="7"))
        ledger.when(command).then_refused("entry_not_found", at="source_ref", source_ref="8")


@pytest.mark.parametrize("scope", [{"regions": (TOWN,)}, {"organisations": ("O2",)}])
def test_an_entry_out_of_scope_is_not_found(scope: dict[str, Any]) -> None:
    by = caller("office", "verifier", **scope)
    logged().when(verify_hours(), by=by).then_refused("entry_not_found", at="entry")


def test_an_entry_is_in_scope_by_its_project_wherever_its_member_is_now() -> None:
    by = caller("office", "verifier", regions=(TOWN,))
    ledger = county_at_work().given(open_project("P002", region=TOWN), log_hours(project="P002"))
    ledger.given(c.MoveMember(member="V0001", region=OTHER_TOWN))
    ledger.given(verify_hours(), by=by)


# Credit


def credit(ledger: Scenario, entry: str = "V0001-1", minutes: int | None = None) -> int:
    """The credit-minutes that verifying an entry earns."""
    return ledger.when(verify_hours(entry, minutes=minutes)).event(HoursVerified).credit


def test_credit_is_the_fraction_floored() -> None:
    ledger = logged().given(accrual("HALF", num=2, den=3, effective_on=SATURDAY))
    assert credit(ledger, minutes=100) == 66


def test_hours_without_a_rule_earn_nothing_and_name_none() -> None:
    ledger = county_at_work().given(log_hours(service_on=SATURDAY))
    ledger.given(open_project("P002", region="640522"), log_hours(project="P002"))
    outcome = ledger.when(verify_hours("V0001-2"))
    outcome.then_event(HoursVerified, credit=0, rule=None)


def test_training_earns_nothing() -> None:
    ledger = logged(log_hours(kind="training", category="training"))
    ledger.when(verify_hours()).then_event(HoursVerified, credit=0, rule=None)
    assert (member(ledger).verified, member(ledger).training_verified) == (0, 120)
    assert member(ledger).training_pending == 0


def test_an_entry_earns_at_most_its_rules_maximum() -> None:
    ledger = logged(log_hours(minutes=40), log_hours(source="app", source_ref="1"))
    ledger.given(accrual("CAP", entry_max=50))
    assert [credit(ledger), credit(ledger, "V0001-2")] == [40, 50]


def test_a_day_earns_at_most_its_rules_maximum_over_all_its_entries() -> None:
    sunday = SATURDAY + timedelta(days=1)
    ledger = county_at_work().given(
        accrual("DAY", day_max=150, effective_on=SATURDAY),
        open_project("P002"),
        log_hours(),
        log_hours(project="P002"),
        log_hours(service_on=sunday),
        log_hours(source="app", source_ref="1"),
    )
    earned = [credit(ledger, f"V0001-{n}") for n in (1, 2, 3, 4)]
    assert earned == [120, 30, 120, 0]


def test_the_rule_is_the_one_in_force_on_the_day_of_service_as_known_when_verifying() -> None:
    ledger = logged().given(accrual("DOUBLE", num=2, effective_on=SATURDAY))
    ledger.given(accrual("LATER", num=3, effective_on=SATURDAY + timedelta(days=1)))
    ledger.when(verify_hours()).then_event(HoursVerified, rule="DOUBLE", credit=240)


@pytest.mark.parametrize(
    ("given", "act"),
    [
        ((), verify_hours),
        ((), partial(c.RejectHours, entry="V0001-1", reason_code="mistaken")),
        ((verify_hours(),), partial(c.CorrectHours, entry="V0001-1", minutes=1, reason_code="x")),
        ((verify_hours(),), partial(c.VoidHours, entry="V0001-1", reason_code="mistaken")),
    ],
)
def test_nothing_done_about_hours_counts_before_they_were_served(given: Any, act: Any) -> None:
    """Else there would be days with credit for hours still to come."""
    ledger = logged().given(*given)
    early = act(effective_on=SATURDAY - timedelta(days=1))
    ledger.when(early).then_refused("date_too_old", at="effective_on", service_on="2025-06-14")
    assert ledger.when(act(effective_on=SATURDAY)).events
