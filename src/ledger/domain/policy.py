"""Policies: incentives on offer, in versions, with what of their quotas is taken.

A policy names the fund that pays for it, which must be there and be seen by whoever
offers it; its money is looked at when an incentive is granted.
"""

from datetime import date
from typing import Any, Final

from msgspec import Struct, field

from ledger.domain.access import Caller, require_region
from ledger.domain.commands import AmendPolicy, ClosePolicy, Command, DefinePolicy, PolicyCommand
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    AlreadyExists,
    CorruptLog,
    InvalidCommand,
    NothingChanges,
    PolicyClosed,
    PolicyNotFound,
)
from ledger.domain.events import (
    Event,
    PolicyAmended,
    PolicyDefined,
    PolicyQuotaFreed,
    PolicyQuotaTaken,
    PolicyTerms,
)
from ledger.domain.events import PolicyClosed as PolicyClosedEvent
from ledger.domain.fund import find_fund
from ledger.domain.quota import Taken
from ledger.domain.values import check_name, contains

#: What a version of a policy says besides its number.
FIELDS: Final = (
    "name", "dimension", "region", "threshold", "credit_cost", "fen_cost", "fund",
    "quota_member", "quota_total", "quota_period", "opens_on", "closes_on",
)  # fmt: skip


class Policy(Struct, kw_only=True):
    """A policy as it stands. Grants keep the version they were made under."""

    id: str
    #: Version n stands at n − 1.
    versions: list[PolicyTerms]
    closed: bool = False
    #: Grants that stand, over all versions.
    taken: Taken = field(default_factory=Taken)
    #: Grant that stands → the day it counts on, so that it is freed in its own period.
    granted_on: dict[str, date] = field(default_factory=dict)

    @property
    def terms(self) -> PolicyTerms:
        """The latest version."""
        return self.versions[-1]

    @property
    def region(self) -> str:
        """The region whose members it is for."""
        return self.versions[-1].region

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return f"policy/{self.id}"

    def is_open(self, on: date) -> bool:
        """Whether it is granted on a day: not closed, and the day within its window."""
        return not self.closed and self.terms.opens_on <= on <= self.terms.closes_on

    def taken_within(self, on: date) -> int:
        """Grants that stand in the quota's period around a day."""
        return self.taken.within(self.terms.quota_period, on)


def evolve(state: Policy | None, stream: str, event: Event) -> Policy:
    """The policy after one more event. Raises CorruptLog for an event out of place."""
    if state is None and isinstance(event, PolicyDefined):
        return Policy(id=stream.removeprefix("policy/"), versions=[event])
    if state is None:
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    if isinstance(event, PolicyQuotaTaken):
        state.taken.take(event.effective_on)
        state.granted_on[event.grant] = event.effective_on
    elif isinstance(event, PolicyQuotaFreed):
        granted_on = state.granted_on.pop(event.grant, None)
        if granted_on is None:
            raise CorruptLog("grant", grant=event.grant, stream=stream)
        state.taken.free(granted_on)
    elif isinstance(event, PolicyAmended):
        state.versions.append(event)
    elif isinstance(event, PolicyClosedEvent):
        state.closed = True
    else:
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    return state


def find_policy(books: Books, policy: str, caller: Caller, at: str = "policy") -> Policy:
    """The policy, closed or not. Raises PolicyNotFound, also when it is out of the caller's scope.

    A policy of a wider region is on offer to the caller's members too, so it is seen.
    """
    state = books.get(f"policy/{policy}")
    if not isinstance(state, Policy) or not (
        caller.sees_region(state.region)
        or any(contains(state.region, region) for region in caller.regions)
    ):
        raise PolicyNotFound(at, policy=policy)
    return state


def define_policy(command: DefinePolicy, books: Books, act: Act) -> Decision:
    """Offer an incentive. Raises Forbidden, AlreadyExists, InvalidCommand, FundNotFound."""
    require_region(act.caller, command.region)
    if books.get(f"policy/{command.policy}") is not None:
        raise AlreadyExists("policy", policy=command.policy)
    check_terms(command, books, act.caller)
    return _entered(command.policy, PolicyDefined(version=1, **_said(command), **act.stamp()))


def amend_policy(command: AmendPolicy, books: Books, act: Act) -> Decision:
    """Offer a new version; what was taken of the quotas stays taken.

    Raises PolicyNotFound, Forbidden, PolicyClosed, InvalidCommand, FundNotFound, NothingChanges.
    """
    policy = find_changeable(books, command.policy, act.caller)
    if command.region != policy.terms.region:
        # Money is totalled by region: what was allocated there must be spent there.
        region = policy.terms.region
        raise InvalidCommand("region", reason="a policy keeps its region", region=region)
    check_terms(command, books, act.caller)
    if _said(command) == _said(policy.terms):
        raise NothingChanges("policy", policy=policy.id)
    version = policy.terms.version + 1
    return _entered(policy.id, PolicyAmended(version=version, **_said(command), **act.stamp()))


def close_policy(command: ClosePolicy, books: Books, act: Act) -> Decision:
    """Stop offering it, for good. Raises PolicyNotFound, Forbidden, PolicyClosed."""
    policy = find_changeable(books, command.policy, act.caller)
    version = policy.terms.version
    return _entered(
        policy.id,
        PolicyClosedEvent(version=version, reason_code=command.reason_code, **act.stamp()),
    )


def find_changeable(books: Books, policy: str, caller: Caller) -> Policy:
    """A policy that may be changed. Raises PolicyNotFound, Forbidden, PolicyClosed."""
    state = find_policy(books, policy, caller)
    require_region(caller, state.region)
    if state.closed:
        raise PolicyClosed("policy", policy=policy)
    return state


def check_terms(command: PolicyCommand, books: Books, caller: Caller) -> None:
    """What is offered can be granted. Raises InvalidCommand at the field, FundNotFound."""
    check_name(command.name)
    if command.closes_on < command.opens_on:
        opens_on = command.opens_on.isoformat()
        raise InvalidCommand("closes_on", reason="before it opens", opens_on=opens_on)
    if command.fund is None:
        if command.fen_cost:
            fen_cost = command.fen_cost
            raise InvalidCommand("fund", reason="money comes from a fund", fen_cost=fen_cost)
    else:
        find_fund(books, command.fund, caller)


def _said(version: PolicyCommand | PolicyTerms) -> dict[str, Any]:
    """What a version says, by field."""
    return {name: getattr(version, name) for name in FIELDS}


def _entered(policy: str, event: PolicyTerms | PolicyClosedEvent) -> Decision:
    """One more event in a policy's stream."""
    answer: dict[str, str | int | bool] = {"policy": policy, "version": event.version}
    return Decision(events=[(f"policy/{policy}", event)], answer=answer)


RULES: Final[dict[type[Command], Rule]] = {
    DefinePolicy: define_policy,
    AmendPolicy: amend_policy,
    ClosePolicy: close_policy,
}
