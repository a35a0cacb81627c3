"""What a grant costs in money, and why a member may have an incentive or not."""

from datetime import date
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.account import Member
from ledger.domain.events import (
    FundsSpent,
    IncentiveGranted,
    IncentiveRevoked,
    PolicyQuotaFreed,
    PolicyQuotaTaken,
)
from ledger.domain.grant import Eligibility, eligibility
from ledger.domain.policy import Policy
from ledger.domain.values import Lot, Terms, Threshold
from tests.scenario import (
    REGION,
    SATURDAY,
    TODAY,
    Scenario,
    caller,
    county_at_work,
    define_policy,
    policy_terms,
    served,
)

REVOKE = c.RevokeGrant(grant="V0001-G1", reason_code="withdrawn")
YEAR = {"opens_on": date(2025, 1, 1), "closes_on": date(2025, 12, 31)}


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


def paid(fen: int = 20_000, **terms: Any) -> Scenario:
    """As `offered`, at 80 yuan a grant; so much is allocated to the policy from two sources."""
    wish: dict[str, Any] = {"purpose": "incentives"} | YEAR
    ledger = county_at_work().given(
        *served(120, 120),
        c.OpenFund(
            fund="F1",
            name="关爱基金",
            organisation="O1",
            region=REGION,
            terms=Terms(**wish | terms),
        ),
        c.ReceiveFunds(
            fund="F1", source_kind="charity", source_id="S1", fen=5_000, document="slip 1"
        ),
        c.ReceiveFunds(
            fund="F1", source_kind="community", source_id="S2", fen=95_000, document="slip 2"
        ),
        define_policy(fen_cost=8_000, fund="F1"),
    )
    if fen:
        ledger.given(c.AllocateFunds(fund="F1", target="policy/Y1", fen=fen))
    return ledger


def verdict(ledger: Scenario, number: str = "V0001", on: date = TODAY) -> Eligibility:
    return eligibility(ledger.books, member(ledger, number), policy(ledger), on)


# Money


def test_a_grant_that_costs_money_is_paid_from_what_is_allocated_to_the_policy() -> None:
    ledger = paid()
    outcome = ledger.when(grant(document="receipt 77")).then_answer(
        grant="V0001-G1", expense="F1-E1"
    )
    outcome.then_events(IncentiveGranted, PolicyQuotaTaken, FundsSpent)
    outcome.then_in("member/V0001", "policy/Y1", "fund/F1")
    outcome.then_event(IncentiveGranted, fen=8_000, fund="F1", expense="F1-E1")
    outcome.then_event(
        FundsSpent,
        target="policy/Y1",
        organisation="O1",
        region=REGION,
        expense="F1-E1",
        category="incentive",
        payee_kind="member",
        grant="V0001-G1",
        lots=(
            Lot(receipt="F1-R1", source_kind="charity", source_id="S1", fen=5_000),
            Lot(receipt="F1-R2", source_kind="community", source_id="S2", fen=3_000),
        ),
    )


def test_payee_and_document_are_kept_as_texts_that_can_be_erased() -> None:
    ledger = paid()
    spent = ledger.when(grant(document="receipt 77")).event(FundsSpent)
    assert [ledger.notes[digest] for digest in (spent.payee, spent.document)] == [
        "V0001",
        "receipt 77",
    ]
    spent = ledger.when(grant()).event(FundsSpent)
    assert ledger.notes[spent.document] == "V0001-G2"


def test_a_grant_that_costs_no_money_has_no_place_for_a_document() -> None:
    offered().when(grant(document="receipt 77")).then_refused("invalid_command", at="document")


@pytest.mark.parametrize("fen", [0, 7_999])
def test_too_little_money_is_allocated(fen: int) -> None:
    paid(fen).when(grant()).then_refused(
        "insufficient_funds", at="policy", target="policy/Y1", available=fen
    )


def test_the_terms_of_the_money_hold_for_grants_too() -> None:
    paid(forbidden=("incentive",)).when(grant()).then_refused(
        "purpose_violation", at="policy", category="incentive"
    )
    ledger = paid().given(c.CloseFund(fund="F1", reason_code="over"))
    ledger.when(grant()).then_refused("fund_closed", at="policy", fund="F1")


def test_a_granter_need_not_see_the_fund_that_pays() -> None:
    paid().given(grant(), by=caller("office", "granter", funds=("F9",)))


# Order, and the query


def test_everything_that_forbids_a_grant_is_said_and_the_first_refuses_it() -> None:
    ledger = paid(0).given(
        c.AmendPolicy(
            **policy_terms(
                threshold=Threshold(minutes=300, months=12),
                credit_cost=300,
                quota_member=1,
                quota_total=1,
                fen_cost=8_000,
                fund="F1",
            )
        )
    )
    other = verdict(ledger, "V0002", on=date(2026, 1, 1))
    assert [reason.code for reason in other.reasons] == [
        "policy_closed",
        "not_eligible",
        "insufficient_credit",
        "insufficient_funds",
    ]
    assert not other.eligible
    ledger.when(grant("V0002")).then_refused("not_eligible")
    ledger.when(grant()).then_refused("not_eligible")


def test_eligibility_says_how_far_it_is() -> None:
    ledger = offered(threshold=Threshold(minutes=300, months=12), credit_cost=250, quota_member=2)
    said = verdict(ledger)
    assert (said.minutes_needed, said.minutes_missing) == (300, 60)
    assert (said.credit_cost, said.credit_missing) == (250, 10)
    assert (said.quota_member, said.quota_total, said.inputs.member_taken) == (2, None, 0)
    assert [reason.code for reason in said.reasons] == ["not_eligible", "insufficient_credit"]


def test_both_quotas_are_said() -> None:
    ledger = offered(quota_member=1, quota_total=1).given(grant())
    assert [(r.code, r.at) for r in verdict(ledger).reasons] == [
        ("quota_exhausted", "member"),
        ("quota_exhausted", "policy"),
    ]


def test_who_is_eligible_is_told_so_and_granted() -> None:
    ledger = paid()
    said = verdict(ledger)
    assert (said.eligible, said.reasons, said.minutes_missing, said.credit_missing) == (
        True,
        (),
        0,
        0,
    )
    assert sum(lot.fen for lot in said.lots) == 8_000
    assert ledger.when(grant()).event(IncentiveGranted).inputs == said.inputs


# Revoking


def test_revoking_gives_credit_and_quota_back_and_leaves_money_spent() -> None:
    ledger = paid().given(grant())
    outcome = ledger.when(REVOKE).then_answer(grant="V0001-G1")
    outcome.then_events(IncentiveRevoked, PolicyQuotaFreed).then_in("member/V0001", "policy/Y1")
    outcome.then_event(IncentiveRevoked, credit=60, policy_version=1, reason_code="withdrawn")
    outcome.then_event(PolicyQuotaFreed, grant="V0001-G1", taken_after=0)
    assert member(ledger).available == 240


def test_replayed_grants_are_the_same() -> None:
    ledger = paid().given(grant(), REVOKE, grant(effective_on=SATURDAY))
    assert ledger.replayed().states == ledger.books.states
