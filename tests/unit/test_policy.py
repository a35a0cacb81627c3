"""Incentives on offer: defined, amended, closed; their quotas over time."""

from datetime import date
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.errors import CorruptLog
from ledger.domain.events import PolicyAmended, PolicyClosed, PolicyDefined, PolicyQuotaFreed
from ledger.domain.policy import Policy, evolve
from ledger.domain.quota import Taken
from ledger.domain.values import Terms, Threshold
from tests.scenario import (
    ADMIN,
    OTHER_TOWN,
    REGION,
    TOWN,
    Scenario,
    amend_policy,
    caller,
    county,
    county_at_work,
    define_policy,
)

STAMP = Scenario().act(c.ClosePolicy(policy="Y1", reason_code="over"), ADMIN).stamp()
TOWN_ADMIN = caller("town-hall", "admin", regions=(TOWN,))
CLOSE = c.ClosePolicy(policy="Y1", reason_code="over")
FUND = c.OpenFund(
    fund="F1",
    name="关爱基金",
    organisation="O1",
    region=REGION,
    terms=Terms(purpose="incentives", opens_on=date(2025, 1, 1), closes_on=date(2025, 12, 31)),
)


def policy(ledger: Scenario) -> Policy:
    state = ledger.state("policy/Y1")
    assert isinstance(state, Policy)
    return state


def test_a_policy_is_defined_as_its_first_version() -> None:
    outcome = county().when(define_policy(quota_member=2, quota_total=9, quota_period="month"))
    outcome.then_in("policy/Y1").then_answer(policy="Y1", version=1)
    outcome.then_event(
        PolicyDefined,
        version=1,
        dimension="economic_incentive",
        region=REGION,
        threshold=Threshold(minutes=120, months=12),
        credit_cost=60,
        fen_cost=0,
        fund=None,
        quota_member=2,
        quota_total=9,
        quota_period="month",
    )


def test_a_policy_is_defined_once_even_when_closed() -> None:
    ledger = county().given(define_policy())
    ledger.when(define_policy()).then_refused("already_exists", at="policy", policy="Y1")
    ledger.given(CLOSE).when(define_policy()).then_refused("already_exists", at="policy")


def test_an_amendment_is_the_next_version_of_everything_said() -> None:
    ledger = county().given(define_policy(quota_total=9))
    outcome = ledger.when(amend_policy(credit_cost=90)).then_answer(policy="Y1", version=2)
    outcome.then_event(PolicyAmended, version=2, credit_cost=90, quota_total=None)
    ledger.when(amend_policy(credit_cost=80)).then_event(PolicyAmended, version=3)
    assert [terms.credit_cost for terms in policy(ledger).versions] == [60, 90, 80]


def test_an_amendment_that_says_the_same_is_none() -> None:
    ledger = county().given(define_policy())
    ledger.when(amend_policy()).then_refused("nothing_changes", at="policy")


def test_a_closed_policy_is_neither_amended_nor_closed_again() -> None:
    ledger = county().given(define_policy(), amend_policy(credit_cost=90))
    ledger.when(CLOSE).then_event(PolicyClosed, version=2, reason_code="over")
    ledger.when(CLOSE).then_refused("policy_closed", at="policy")
    ledger.when(amend_policy()).then_refused("policy_closed", at="policy")


@pytest.mark.parametrize("command", [amend_policy(), CLOSE])
def test_an_unknown_policy_is_neither_amended_nor_closed(command: c.Command) -> None:
    county().when(command).then_refused("policy_not_found", at="policy", policy="Y1")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": " 公交"}),
        ("closes_on", {"closes_on": date(2024, 12, 31)}),
        ("fund", {"fen_cost": 100}),
    ],
)
def test_what_cannot_be_granted_is_not_offered(field: str, changes: dict[str, Any]) -> None:
    ledger = county()
    ledger.when(define_policy(**changes)).then_refused("invalid_command", at=field)
    ledger.given(define_policy()).when(amend_policy(**changes)).then_refused(
        "invalid_command", at=field
    )


def test_the_fund_that_pays_is_known_and_in_scope() -> None:
    ledger = county_at_work()
    paid = define_policy(fen_cost=100, fund="F1")
    ledger.when(paid).then_refused("fund_not_found", at="fund", fund="F1")
    ledger.given(FUND)
    of_f2 = caller("office", "admin", funds=("F2",))
    ledger.when(paid, by=of_f2).then_refused("fund_not_found", at="fund", fund="F1")
    ledger.given(paid, define_policy("Y2", fund="F1"))


def test_a_policy_is_set_up_by_those_whose_scope_its_region_is() -> None:
    ledger = county().given(define_policy(), define_policy("Y2", region=OTHER_TOWN))
    ledger.when(define_policy("Y3"), by=TOWN_ADMIN).then_refused("forbidden", at="region")
    # A policy of the whole county is seen from a town, one of another town is not.
    ledger.when(CLOSE, by=TOWN_ADMIN).then_refused("forbidden", at="region")
    hidden = c.ClosePolicy(policy="Y2", reason_code="over")
    ledger.when(hidden, by=TOWN_ADMIN).then_refused("policy_not_found")
    ledger.given(define_policy("Y3", region=TOWN), by=TOWN_ADMIN)


def test_a_policy_stays_in_its_region_since_its_money_is_counted_there() -> None:
    ledger = county().given(define_policy(region=TOWN))
    for region in (REGION, OTHER_TOWN):
        wider = amend_policy(region=region, credit_cost=0)
        ledger.when(wider).then_refused("invalid_command", at="region", region=TOWN)


def test_grants_are_counted_by_month_by_year_and_for_ever() -> None:
    taken = Taken()
    for day in (date(2025, 5, 31), date(2025, 6, 1), date(2025, 6, 30), date(2026, 6, 1)):
        taken.take(day)
    on = date(2025, 6, 16)
    assert [taken.within(period, on) for period in ("month", "year", "ever")] == [2, 3, 4]
    taken.free(date(2025, 6, 1))
    assert [taken.within(period, on) for period in ("month", "year", "ever")] == [1, 2, 3]
    assert taken.within("month", date(2025, 7, 1)) == 0


def test_a_policy_stream_starts_with_a_definition_and_knows_its_events() -> None:
    ledger = county().given(define_policy(), CLOSE)
    opened, closed = ledger.log[0][1], ledger.log[-1][1]
    freed = PolicyQuotaFreed(grant="V0001-G1", taken_after=0, **STAMP)
    for state, event in ((None, closed), (policy(ledger), opened), (policy(ledger), freed)):
        with pytest.raises(CorruptLog):
            evolve(state, "policy/Y1", event)
