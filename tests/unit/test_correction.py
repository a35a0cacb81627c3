"""Rules on what changes after verification: corrected, voided, and credit already spent."""

from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.account import Member
from ledger.domain.events import HoursCorrected, HoursVoided
from tests.scenario import (
    ADMIN,
    ELSEWHERE,
    OTHER_VERIFIER,
    REGION,
    SATURDAY,
    VERIFIER,
    Scenario,
    accrual,
    caller,
    county_at_work,
    define_policy,
    log_hours,
    verify_hours,
)

REJECT = c.RejectHours(entry="V0001-1", reason_code="not_there")
VOID = c.VoidHours(entry="V0001-1", reason_code="not_there")
#: A holder who records and verifies, one with two keys, and the member's own key.
BOTH = caller("association", "verifier", key="second-key")
MEMBER = caller("wang", "verifier", members=frozenset({"V0001"}))
GRANT = c.GrantIncentive(member="V0001", policy="Y1")


def correct(minutes: int, entry: str = "V0001-1", **changes: Any) -> c.CorrectHours:
    """Correct an entry after a complaint."""
    wish: dict[str, Any] = {"reason_code": "complaint"}
    return c.CorrectHours(entry=entry, minutes=minutes, **wish | changes)


def void(**changes: Any) -> c.VoidHours:
    """Void the first entry."""
    wish: dict[str, Any] = {"reason_code": "never_happened"}
    return c.VoidHours(entry="V0001-1", **wish | changes)


def logged(*rows: c.LogHours) -> Scenario:
    """A county in which these (or two hours) were logged."""
    return county_at_work().given(*(rows or (log_hours(),)))


def verified(minutes: int = 120, **changes: Any) -> Scenario:
    """A county in which two hours were logged, and so many minutes verified."""
    return logged(log_hours(**changes)).given(verify_hours(minutes=minutes))


def spent() -> Scenario:
    """Two hours verified; an hour of the credit is spent."""
    return verified().given(define_policy(), GRANT)


def member(ledger: Scenario) -> Member:
    state = ledger.state("member/V0001")
    assert isinstance(state, Member)
    return state


def figures(ledger: Scenario) -> tuple[int, int, int]:
    """Pending and verified minutes, available credit-minutes."""
    return member(ledger).pending, member(ledger).verified, member(ledger).available


# Correcting


def test_a_correction_says_before_and_after() -> None:
    ledger = verified()
    ledger.when(correct(90)).then_event(
        HoursCorrected,
        before=120,
        after=90,
        credit_before=120,
        credit_after=90,
        rule="R1",
        reason_code="complaint",
        deficit=None,
    )
    assert figures(ledger) == (0, 90, 90)
    ledger.when(correct(80)).then_event(HoursCorrected, before=90, credit_before=90)


def test_a_correction_keeps_the_rule_of_the_verification() -> None:
    ledger = verified().given(accrual("DOUBLE", num=2, effective_on=SATURDAY))
    ledger.when(correct(90)).then_event(HoursCorrected, rule="R1", credit_after=90)


def test_a_correction_keeps_within_what_the_entry_and_the_day_may_earn() -> None:
    ledger = county_at_work().given(
        accrual("CAPS", entry_max=100, day_max=150, effective_on=SATURDAY),
        log_hours(),
        log_hours(source="app", source_ref="1"),
        verify_hours(),
        verify_hours("V0001-2"),
    )
    ledger.when(correct(110)).then_event(HoursCorrected, credit_before=100, credit_after=100)
    ledger.when(correct(40)).then_event(HoursCorrected, credit_before=100, credit_after=40)
    lower = correct(119, "V0001-2")
    ledger.when(lower, by=OTHER_VERIFIER).then_event(
        HoursCorrected, credit_before=50, credit_after=100
    )


def test_a_correction_of_hours_without_a_rule_or_of_training_moves_no_credit() -> None:
    ledger = verified(kind="training", category="training")
    ledger.when(correct(60)).then_event(HoursCorrected, credit_after=0, rule=None)
    assert member(ledger).training_verified == 60


@pytest.mark.parametrize("command", [correct(90), void()])
@pytest.mark.parametrize("ending", [(), (REJECT,), (verify_hours(), VOID)])
def test_only_what_is_verified_is_corrected_or_voided(
    command: c.Command, ending: tuple[c.Command, ...]
) -> None:
    logged().given(*ending).when(command).then_refused("entry_not_verified", at="entry")


@pytest.mark.parametrize("command", [correct(90, reason_code=None), void(reason_code=None)])
def test_a_change_of_what_is_verified_has_a_reason(command: c.Command) -> None:
    verified().when(command).then_refused("reason_required", at="reason_code")


@pytest.mark.parametrize("minutes", [0, -5, 121])
def test_a_correction_is_between_one_minute_and_what_was_logged(minutes: int) -> None:
    ledger = verified()
    ledger.when(correct(minutes), by=OTHER_VERIFIER).then_refused(
        "minutes_out_of_range", at="minutes", minutes_max=120
    )


@pytest.mark.parametrize("minutes", [1, 120])
def test_a_correction_may_leave_one_minute_or_all(minutes: int) -> None:
    verified(60).given(correct(minutes), by=OTHER_VERIFIER)


def test_a_correction_to_the_same_is_none() -> None:
    verified(90).when(correct(90)).then_refused("nothing_changes", at="minutes")


def test_minutes_are_raised_by_someone_who_had_no_hand_in_them() -> None:
    ledger = verified(60)
    for by in (BOTH, VERIFIER, MEMBER):
        ledger.when(correct(90), by=by).then_refused("four_eyes", at="entry")
    ledger.when(correct(90), by=OTHER_VERIFIER).then_event(
        HoursCorrected, after=90, credit_after=90
    )
    ledger.when(correct(100), by=OTHER_VERIFIER).then_refused("four_eyes", at="entry")
    ledger.when(correct(100), by=VERIFIER).then_refused("four_eyes", at="entry")
    ledger.given(correct(100), by=ADMIN)


@pytest.mark.parametrize("by", [BOTH, VERIFIER, MEMBER])
def test_credit_does_not_rise_by_who_had_a_hand_in_it_when_minutes_are_lowered(by: Any) -> None:
    ledger = county_at_work().given(
        accrual("CAP", day_max=120, effective_on=SATURDAY),
        log_hours(),
        log_hours(source="app", source_ref="1"),
        verify_hours(),
        verify_hours("V0001-2"),
        void(),
    )
    lower = correct(119, "V0001-2")
    ledger.when(lower, by=by).then_refused("four_eyes", at="entry")
    ledger.when(lower, by=OTHER_VERIFIER).then_event(
        HoursCorrected, before=120, after=119, credit_before=0, credit_after=119
    )


@pytest.mark.parametrize("by", [BOTH, VERIFIER, MEMBER])
def test_minutes_are_lowered_by_anyone_who_verifies(by: Any) -> None:
    verified().given(correct(90), by=by)


def test_what_a_system_has_timed_is_lowered_but_never_raised() -> None:
    ledger = verified(90, evidence="system")
    raised = ledger.when(correct(100), by=OTHER_VERIFIER)
    raised.then_refused("evidence_fixed", at="minutes")
    ledger.given(correct(80))


def test_minutes_are_not_raised_beyond_what_the_day_has_left() -> None:
    ledger = logged(log_hours(minutes=600)).given(
        verify_hours(minutes=100), log_hours(minutes=800, source="app", source_ref="1")
    )
    ledger.when(correct(161), by=OTHER_VERIFIER).then_refused(
        "day_overfull", at="minutes", minutes_before=900, minutes_max=960
    )
    ledger.given(correct(160), by=OTHER_VERIFIER)


# Voiding


def test_voiding_takes_back_what_stands_of_minutes_and_credit() -> None:
    ledger = verified().given(correct(90))
    ledger.when(void()).then_event(
        HoursVoided, minutes=90, credit=90, reason_code="never_happened", deficit=None
    )
    assert figures(ledger) == (0, 0, 0)
    entry = member(ledger).find_entry("V0001-1")
    assert entry is not None
    assert (entry.status, entry.minutes, entry.verified, entry.credit) == ("voided", 120, 0, 0)


# Credit that is spent


@pytest.mark.parametrize(("command", "taken"), [(correct(59), 61), (void(), 120)])
def test_credit_that_is_spent_is_not_taken_back(command: c.Command, taken: int) -> None:
    spent().when(command).then_refused(
        "credit_spent", at="deficit", credit_available=60, credit_taken=taken
    )


@pytest.mark.parametrize("command", [correct(59), void()])
def test_the_credit_there_is_is_told_to_who_sees_the_member(command: c.Command) -> None:
    by, ledger = caller("county", "verifier", regions=(REGION,)), spent()
    ledger.when(command, by=by).then_refused("credit_spent", credit_available=60)
    ledger.given(c.MoveMember(member="V0001", region=ELSEWHERE))
    ledger.when(command, by=by).then_refused("credit_spent", at="deficit", credit_available=None)


def test_credit_is_taken_back_down_to_nothing() -> None:
    ledger = spent()
    ledger.when(correct(60)).then_event(HoursCorrected, deficit=None)
    assert member(ledger).available == 0


def test_a_deficit_is_taken_on_when_asked_for_and_said() -> None:
    ledger = spent()
    ledger.when(correct(50, deficit=True)).then_event(HoursCorrected, deficit=10)
    ledger.when(void(deficit=True)).then_event(HoursVoided, credit=50, deficit=60)
    assert member(ledger).available == -60


def test_a_deficit_too_has_a_reason() -> None:
    wish = void(deficit=True, reason_code=None)
    spent().when(wish).then_refused("reason_required", at="reason_code")


def test_credit_may_rise_again_out_of_a_deficit() -> None:
    ledger = spent().given(correct(10, deficit=True))
    ledger.when(correct(20), by=OTHER_VERIFIER).then_event(HoursCorrected, deficit=40)
    ledger.when(correct(60), by=ADMIN).then_event(HoursCorrected, deficit=None)


# The fold


def test_a_replayed_member_is_the_same() -> None:
    ledger = spent().given(
        log_hours(source="app", source_ref="1"),
        c.RejectHours(entry="V0001-2", reason_code="double"),
        log_hours(source="app", source_ref="1", replaces="V0001-2", start="23:30", end="03:00"),
        correct(70),
        verify_hours("V0001-3"),
        c.VoidHours(entry="V0001-3", reason_code="double"),
    )
    assert ledger.replayed().states == ledger.books.states
