"""Granting and revoking incentives, and why a member may have one or not."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.account import Member
from ledger.domain.events import (
    IncentiveGranted,
    IncentiveRevoked,
    PolicyQuotaFreed,
    PolicyQuotaTaken,
)
from ledger.domain.policy import Policy
from ledger.domain.values import GrantInputs, Threshold
from tests.scenario import (
    OTHER_TOWN,
    REGION,
    SATURDAY,
    TODAY,
    TOWN,
    Scenario,
    amend_policy,
    caller,
    county_at_work,
    define_policy,
    log_hours,
    served,
    verify_hours,
)

REVOKE = c.RevokeGrant(grant="V0001-G1", reason_code="withdrawn")
IN_TOWN = caller("town-office", "granter", regions=(TOWN,))
IN_OTHER_TOWN = caller("other-office", "granter", regions=(OTHER_TOWN,))


def grant(member: str = "V0001", policy: str = "Y1", **changes: Any) -> c.GrantIncentive:
    return c.GrantIncentive(member=member, policy=policy, **changes)


def offered(**changes: Any) -> Scenario:
    """V0001 has four hours and four hours of credit; the policy is on offer."""
    return county_at_work().given(*served(120, 120), define_policy(**changes))


def member(ledger: Scenario, number: str = "V0001") -> Member:
    state = ledger.state(f"member/{number}")
    assert isinstance(state, Member)
    return state


def policy(ledger: Scenario) -> Policy:
    state = ledger.state("policy/Y1")
    assert isinstance(state, Policy)
    return state


# Granting


def test_a_grant_takes_credit_and_quota_at_once_and_says_what_it_saw() -> None:
    ledger = offered(quota_member=3, quota_total=5)
    outcome = ledger.when(grant()).then_answer(grant="V0001-G1")
    outcome.then_events(IncentiveGranted, PolicyQuotaTaken).then_in("member/V0001", "policy/Y1")
    outcome.then_event(
        IncentiveGranted,
        grant="V0001-G1",
        policy="Y1",
        policy_version=1,
        dimension="economic_incentive",
        region=REGION,
        member_region=TOWN,
        member_kinds=("volunteer",),
        credit=60,
        fen=0,
        fund=None,
        expense=None,
        inputs=GrantInputs(
            window_from=date(2024, 6, 16),
            window_minutes=240,
            credit_available=240,
            member_taken=0,
            policy_taken=0,
        ),
    )
    outcome.then_event(PolicyQuotaTaken, grant="V0001-G1", taken_after=1)
    assert (member(ledger).earned, member(ledger).spent, member(ledger).available) == (240, 60, 180)


def test_grants_are_numbered_and_see_the_ones_before() -> None:
    ledger = offered().given(grant())
    outcome = ledger.when(grant()).then_answer(grant="V0001-G2")
    inputs = outcome.event(IncentiveGranted).inputs
    assert (inputs.credit_available, inputs.member_taken, inputs.policy_taken) == (180, 1, 1)


def test_a_grant_is_made_under_the_latest_version() -> None:
    ledger = offered().given(amend_policy(credit_cost=100))
    ledger.when(grant()).then_event(IncentiveGranted, policy_version=2, credit=100)


def test_the_member_and_the_policy_are_known() -> None:
    ledger = offered()
    ledger.when(grant("V0009")).then_refused("member_not_found", at="member")
    ledger.when(grant(policy="Y9")).then_refused("policy_not_found", at="policy")


def test_a_policy_of_the_county_is_granted_in_a_town_to_its_members() -> None:
    ledger = offered()
    ledger.when(grant(), by=IN_OTHER_TOWN).then_refused("member_not_found", at="member")
    ledger.given(grant(), by=IN_TOWN)


# Policy closed


def test_a_closed_policy_is_not_granted() -> None:
    ledger = offered().given(c.ClosePolicy(policy="Y1", reason_code="over"))
    ledger.when(grant()).then_refused("policy_closed", at="policy")


@pytest.mark.parametrize(
    "window",
    [
        {"opens_on": TODAY + timedelta(days=1)},
        {"closes_on": TODAY - timedelta(days=1)},
    ],
)
def test_a_policy_is_granted_within_its_window_only(window: dict[str, date]) -> None:
    offered(**window).when(grant()).then_refused("policy_closed", day="2025-06-16")


def test_the_window_includes_its_first_and_last_day() -> None:
    offered(opens_on=TODAY, closes_on=TODAY).given(grant())


def test_it_is_the_day_the_grant_counts_on_that_lies_in_the_window() -> None:
    ledger = offered(closes_on=SATURDAY)
    ledger.when(grant()).then_refused("policy_closed")
    ledger.given(grant(effective_on=SATURDAY))


# Not eligible


def test_too_few_verified_minutes_are_not_enough() -> None:
    offered(threshold=Threshold(minutes=241, months=12)).when(grant()).then_refused(
        "not_eligible",
        at="member",
        window_minutes=240,
        minutes_needed=241,
        window_from="2024-06-16",
    )


def test_pending_training_rejected_and_voided_minutes_do_not_count() -> None:
    ledger = county_at_work().given(
        define_policy(threshold=Threshold(minutes=61, months=12), credit_cost=0),
        log_hours(minutes=100),
        log_hours(minutes=100, start="08:00", end="10:00", category="training", kind="training"),
        log_hours(minutes=100, start="11:00", end="13:00"),
        log_hours(minutes=100, start="14:00", end="16:00"),
        log_hours(minutes=100, start="17:00", end="19:00"),
        verify_hours("V0001-2"),
        c.RejectHours(entry="V0001-3", reason_code="x"),
        verify_hours("V0001-4"),
        c.VoidHours(entry="V0001-4", reason_code="x"),
        verify_hours("V0001-5", minutes=60),
    )
    ledger.when(grant()).then_refused("not_eligible", window_minutes=60)


@pytest.mark.parametrize(("months", "minutes"), [(1, 30), (2, 30 + 60), (3, 30 + 60 + 90)])
def test_the_window_is_of_calendar_months_back_from_the_day(months: int, minutes: int) -> None:
    days = {date(2025, 5, 16): 30, date(2025, 5, 15): 60, date(2025, 4, 1): 90}
    ledger = county_at_work()
    for n, (day, each) in enumerate(days.items(), 1):
        ledger.given(log_hours(minutes=each, service_on=day), verify_hours(f"V0001-{n}"))
    ledger.given(define_policy(threshold=Threshold(minutes=1000, months=months)))
    ledger.when(grant()).then_refused("not_eligible", window_minutes=minutes)


def test_service_after_the_day_of_the_grant_does_not_count_for_it() -> None:
    ledger = offered()
    ledger.when(grant(effective_on=SATURDAY - timedelta(days=1))).then_refused(
        "not_eligible", window_minutes=0
    )


def test_a_policy_is_for_members_of_its_region() -> None:
    ledger = offered(region=OTHER_TOWN)
    ledger.when(grant()).then_refused("not_eligible", at="member", region=OTHER_TOWN)


# Insufficient credit


def test_a_grant_costs_no_more_credit_than_there_is() -> None:
    ledger = offered(credit_cost=150).given(grant())
    ledger.when(grant()).then_refused(
        "insufficient_credit", at="member", credit_available=90, credit_cost=150
    )


def test_what_costs_no_credit_is_granted_even_in_deficit() -> None:
    ledger = offered(credit_cost=240).given(grant())
    ledger.given(c.VoidHours(entry="V0001-1", reason_code="error", deficit=True))
    ledger.given(define_policy("Y2", credit_cost=0))
    ledger.when(grant()).then_refused("insufficient_credit", credit_available=-120)
    ledger.given(grant(policy="Y2"))


# Quota exhausted


def test_a_members_quota_is_used_up() -> None:
    ledger = offered(quota_member=1).given(grant(), *served(120, member="V0002"))
    ledger.when(grant()).then_refused(
        "quota_exhausted", at="member", quota_member=1, member_taken=1
    )
    ledger.given(grant("V0002"))


def test_the_quota_of_all_is_used_up() -> None:
    ledger = offered(quota_total=1).given(grant(), *served(120, member="V0002"))
    ledger.when(grant("V0002")).then_refused(
        "quota_exhausted", at="policy", quota_total=1, policy_taken=1
    )


@pytest.mark.parametrize(
    ("period", "again"), [("month", date(2025, 7, 1)), ("year", date(2026, 1, 1))]
)
def test_a_quota_is_per_period(period: str, again: date) -> None:
    ledger = offered(quota_member=1, quota_period=period, closes_on=date(2026, 12, 31)).given(
        grant()
    )
    ledger.later(days=(again - TODAY).days - 1).when(grant()).then_refused("quota_exhausted")
    ledger.later(days=1).when(grant()).then_event(PolicyQuotaTaken, taken_after=1)


def test_a_quota_for_ever_is_over_all_versions() -> None:
    ledger = offered(quota_total=1).given(grant())
    ledger.given(amend_policy(quota_total=1, credit_cost=0))
    ledger.later(days=100).when(grant()).then_refused("quota_exhausted", at="policy")


# Revoking


def test_a_freed_quota_can_be_taken_again() -> None:
    ledger = offered(quota_member=1, quota_total=1).given(grant(), REVOKE)
    ledger.when(grant()).then_answer(grant="V0001-G2")


def test_the_quota_is_freed_in_the_period_of_the_grant() -> None:
    ledger = offered(quota_total=1, quota_period="month").given(grant())
    ledger.later(days=30).given(grant())
    ledger.when(REVOKE).then_event(PolicyQuotaFreed, taken_after=0)
    ledger.when(grant()).then_refused("quota_exhausted", policy_taken=1)
    assert policy(ledger).taken_within(TODAY) == 0


def test_the_members_own_quota_too_is_freed_in_the_period_of_the_grant() -> None:
    ledger = offered(quota_member=1, quota_period="month").given(grant())
    ledger.later(days=30).given(grant(), REVOKE)
    ledger.when(grant()).then_refused("quota_exhausted", at="member", member_taken=1)


def test_a_grant_repeats_the_version_it_was_made_under_when_revoked() -> None:
    ledger = offered().given(grant(), amend_policy(credit_cost=0))
    ledger.when(REVOKE).then_event(IncentiveRevoked, policy_version=1, credit=60)


def test_a_grant_is_revoked_once() -> None:
    ledger = offered().given(grant(), REVOKE)
    ledger.when(REVOKE).then_refused("grant_revoked", at="grant", grant="V0001-G1")


@pytest.mark.parametrize("named", ["V0001-G2", "V0009-G1", "V0001-1", "Y1-G1"])
def test_an_unknown_grant_is_not_revoked(named: str) -> None:
    ledger = offered().given(grant())
    command = c.RevokeGrant(grant=named, reason_code="x")
    ledger.when(command).then_refused("grant_not_found", at="grant", grant=named)


def test_a_grant_out_of_scope_is_not_found() -> None:
    offered().given(grant()).when(REVOKE, by=IN_OTHER_TOWN).then_refused("grant_not_found")


def test_a_grant_of_a_closed_policy_to_a_deregistered_member_can_be_revoked() -> None:
    ledger = offered().given(
        grant(),
        c.ClosePolicy(policy="Y1", reason_code="over"),
        c.DeregisterMember(member="V0001", reason_code="left"),
    )
    ledger.given(REVOKE)
