"""Grants: whether a member may have an incentive, and granting and revoking it.

A grant is one transaction over member, policy and, if it costs money, fund.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final

from msgspec import Struct

from ledger.domain.account import Member
from ledger.domain.commands import Command, GrantIncentive, RevokeGrant
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    CorruptLog,
    GrantNotFound,
    GrantRevoked,
    InsufficientCredit,
    InvalidCommand,
    NotEligible,
    PolicyClosed,
    QuotaExhausted,
    Refusal,
)
from ledger.domain.events import (
    FundsSpent,
    IncentiveGranted,
    IncentiveRevoked,
    PolicyQuotaFreed,
    PolicyQuotaTaken,
    PolicyTerms,
)
from ledger.domain.fund import Fund, check_spending, next_expense, spend_lots
from ledger.domain.member import find_registered
from ledger.domain.policy import Policy, find_policy
from ledger.domain.quota import Taken
from ledger.domain.values import GrantInputs, Lot, contains, months_before, owner_of

#: The spending category of money that is granted.
CATEGORY: Final = "incentive"


class Eligibility(Struct, frozen=True, kw_only=True):
    """Why a member may have an incentive on a day, why not, and how far from it."""

    member: str
    policy: str
    version: int
    #: The region whose members the policy is for.
    region: str
    on: date
    #: Figures the answer rests on.
    inputs: GrantInputs
    #: Verified service minutes needed within the window, and how many are missing.
    minutes_needed: int
    minutes_missing: int
    #: Credit-minutes it costs, and how many are missing.
    credit_cost: int
    credit_missing: int
    #: Grants a member, and all members, may have in the period; None for any number.
    quota_member: int | None
    quota_total: int | None
    #: Everything that forbids it, what is checked first in front.
    reasons: tuple[Refusal, ...]
    #: The money it would be paid with; empty when it costs none or there is too little.
    lots: tuple[Lot, ...]

    @property
    def eligible(self) -> bool:
        """Whether nothing forbids it."""
        return not self.reasons


def eligibility(books: Books, member: Member, policy: Policy, on: date) -> Eligibility:
    """Whether a member may have an incentive on a day."""
    terms, taken = policy.terms, member.taken.get(policy.id, Taken())
    window_from = months_before(on, terms.threshold.months)
    inputs = GrantInputs(
        window_from=window_from,
        window_minutes=member.entries.verified_between(window_from, on),
        credit_available=member.available,
        member_taken=taken.within(terms.quota_period, on),
        policy_taken=policy.taken_within(on),
    )
    lots, money_refusal = find_money(books, policy, on)
    reasons = [*refusals(member, policy, on, inputs)]
    if money_refusal is not None:
        reasons.append(money_refusal)
    return Eligibility(
        member=member.id,
        policy=policy.id,
        version=terms.version,
        region=terms.region,
        on=on,
        inputs=inputs,
        minutes_needed=terms.threshold.minutes,
        minutes_missing=max(0, terms.threshold.minutes - inputs.window_minutes),
        credit_cost=terms.credit_cost,
        credit_missing=max(0, terms.credit_cost - inputs.credit_available),
        quota_member=terms.quota_member,
        quota_total=terms.quota_total,
        reasons=tuple(reasons),
        lots=lots,
    )


def refusals(member: Member, policy: Policy, on: date, inputs: GrantInputs) -> Iterator[Refusal]:
    """What forbids a grant but for money.

    PolicyClosed, NotEligible, InsufficientCredit, QuotaExhausted, in this order.
    """
    terms = policy.terms
    if not policy.is_open(on):
        yield PolicyClosed(
            "policy",
            day=on.isoformat(),
            opens_on=terms.opens_on.isoformat(),
            closes_on=terms.closes_on.isoformat(),
        )
    if not contains(terms.region, member.region):
        yield NotEligible("member", region=terms.region)
    needed = terms.threshold.minutes
    if inputs.window_minutes < needed:
        yield NotEligible(
            "member",
            window_from=inputs.window_from.isoformat(),
            window_minutes=inputs.window_minutes,
            minutes_needed=needed,
        )
    available = inputs.credit_available
    if terms.credit_cost and available < terms.credit_cost:
        yield InsufficientCredit(
            "member", credit_available=available, credit_cost=terms.credit_cost
        )
    yield from quota_refusals(terms, inputs)


def quota_refusals(terms: PolicyTerms, inputs: GrantInputs) -> Iterator[QuotaExhausted]:
    """The member's quota, then that of all."""
    if terms.quota_member is not None and inputs.member_taken >= terms.quota_member:
        yield QuotaExhausted(
            "member", quota_member=terms.quota_member, member_taken=inputs.member_taken
        )
    if terms.quota_total is not None and inputs.policy_taken >= terms.quota_total:
        yield QuotaExhausted(
            "policy", quota_total=terms.quota_total, policy_taken=inputs.policy_taken
        )


def find_money(books: Books, policy: Policy, on: date) -> tuple[tuple[Lot, ...], Refusal | None]:
    """The lots that pay for one grant, or why there are none.

    InsufficientFunds, FundClosed or PurposeViolation.
    """
    terms = policy.terms
    if not terms.fen_cost:
        return (), None
    fund = paying_fund(books, terms)
    try:
        lots = spend_lots(fund, policy.stream, terms.fen_cost)
        check_spending(fund, lots, terms.region, CATEGORY, on)
    except Refusal as refusal:
        # Fund, target, category and amount are the policy's: no grant names them itself.
        refusal.at = "policy"
        return (), refusal
    return lots, None


def paying_fund(books: Books, terms: PolicyTerms) -> Fund:
    """The fund that pays, which is there: the policy's rule has seen to that."""
    fund = books.get(f"fund/{terms.fund}")
    if not isinstance(fund, Fund):
        raise CorruptLog("fund", fund=terms.fund)
    return fund


def grant_incentive(command: GrantIncentive, books: Books, act: Act) -> Decision:
    """Grant an incentive against its rules, in order.

    Raises MemberNotFound, PolicyNotFound, PolicyClosed, NotEligible, InsufficientCredit,
    QuotaExhausted, InsufficientFunds, FundClosed, PurposeViolation, and InvalidCommand for a
    document of a grant that costs no money.
    """
    member = find_registered(books, command.member, act.caller)
    policy = find_policy(books, command.policy, act.caller)
    verdict = eligibility(books, member, policy, act.effective_on)
    if verdict.reasons:
        raise verdict.reasons[0]
    if command.document is not None and not verdict.lots:
        raise InvalidCommand("document", reason="the grant costs no money")
    terms = policy.terms
    grant = f"{member.id}-G{len(member.grants) + 1}"
    fund = paying_fund(books, terms) if verdict.lots else None
    granted = IncentiveGranted(
        grant=grant,
        policy=policy.id,
        policy_version=terms.version,
        dimension=terms.dimension,
        region=terms.region,
        member_region=member.region,
        member_kinds=member.kinds,
        credit=terms.credit_cost,
        fen=terms.fen_cost,
        fund=None if fund is None else fund.id,
        expense=None if fund is None else next_expense(fund),
        inputs=verdict.inputs,
        **act.stamp(),
    )
    taken = PolicyQuotaTaken(
        grant=grant, taken_after=verdict.inputs.policy_taken + 1, **act.stamp()
    )
    decision = Decision(
        events=[(f"member/{member.id}", granted), (policy.stream, taken)], answer={"grant": grant}
    )
    if fund is not None:
        add_payment(decision, fund, verdict, command, act)
    return decision


def add_payment(
    decision: Decision, fund: Fund, verdict: Eligibility, command: GrantIncentive, act: Act
) -> None:
    """Add to a grant what it costs in money; payee and document are kept as erasable texts."""
    grant = str(decision.answer["grant"])
    payee = act.note("payee", command.member)
    document = act.note("document", grant if command.document is None else command.document)
    spent = FundsSpent(
        target=f"policy/{verdict.policy}",
        organisation=fund.organisation,
        region=verdict.region,
        lots=verdict.lots,
        expense=next_expense(fund),
        category=CATEGORY,
        payee_kind="member",
        payee=payee.digest,
        document=document.digest,
        grant=grant,
        **act.stamp(),
    )
    decision.events.append((fund.stream, spent))
    decision.answer["expense"] = spent.expense
    decision.notes = [*decision.notes, payee, document]


def revoke_grant(command: RevokeGrant, books: Books, act: Act) -> Decision:
    """Give credit and quota back; money stays spent until its expense is reversed.

    Raises GrantNotFound, also when out of the caller's scope, and GrantRevoked.
    """
    member = books.get(f"member/{owner_of(command.grant)}")
    granted = member.find_grant(command.grant) if isinstance(member, Member) else None
    if (
        not isinstance(member, Member)
        or granted is None
        or not act.caller.sees_region(granted.member_region)
    ):
        raise GrantNotFound("grant", grant=command.grant)
    if command.grant in member.revoked:
        raise GrantRevoked("grant", grant=command.grant)
    policy = books.get(f"policy/{granted.policy}")
    if not isinstance(policy, Policy):
        raise CorruptLog("policy", policy=granted.policy)
    revoked = IncentiveRevoked(
        grant=granted.grant,
        policy=granted.policy,
        policy_version=granted.policy_version,
        dimension=granted.dimension,
        region=granted.region,
        member_region=granted.member_region,
        member_kinds=granted.member_kinds,
        credit=granted.credit,
        reason_code=command.reason_code,
        **act.stamp(),
    )
    taken_after = policy.taken_within(granted.effective_on) - 1
    freed = PolicyQuotaFreed(grant=granted.grant, taken_after=taken_after, **act.stamp())
    return Decision(
        events=[(f"member/{member.id}", revoked), (policy.stream, freed)],
        answer={"grant": granted.grant},
    )


RULES: Final[dict[type[Command], Rule]] = {
    GrantIncentive: grant_incentive,
    RevokeGrant: revoke_grant,
}
