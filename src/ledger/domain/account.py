"""A member's account: what the member stream says of the person, the hours, the credit.

The state and its fold; the rules are in `member` (registry), `hours` and `grant`.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field

from ledger.domain import events as e
from ledger.domain.entry import (
    REJECTED,
    VOIDED,
    Entries,
    Entry,
    heading,
    shared_day,
    span,
    standing,
)
from ledger.domain.errors import CorruptLog
from ledger.domain.quota import Taken
from ledger.domain.values import MemberKind, Residency


class Certificate(Struct, frozen=True):
    """A credential a member holds, and the region it is counted in."""

    region: str
    level: str | None
    tier: str | None


class Belonging(Struct, frozen=True):
    """A membership in an organisation, and the region it is counted in."""

    region: str
    residency: Residency


class Member(Struct, kw_only=True):
    """State of a member stream. Minutes and credit-minutes are sums of what stands now."""

    id: str
    region: str
    #: Sorted.
    kinds: tuple[MemberKind, ...]
    #: False after deregistration: history stays, nothing new is accepted.
    registered: bool = True
    credentials: dict[str, Certificate] = field(default_factory=dict)
    #: Organisation → how the member belongs to it.
    memberships: dict[str, Belonging] = field(default_factory=dict)
    entries: Entries = field(default_factory=Entries)
    #: Service minutes logged and not yet verified or rejected.
    pending: int = 0
    #: Service minutes verified.
    verified: int = 0
    training_pending: int = 0
    training_verified: int = 0
    #: Credit-minutes earned by entries and spent on incentives.
    earned: int = 0
    spent: int = 0
    #: Grant n stands at n − 1.
    grants: list[e.IncentiveGranted] = field(default_factory=list)
    #: Revoked grant → why.
    revoked: dict[str, str] = field(default_factory=dict)
    #: Policy → grants of it that stand.
    taken: dict[str, Taken] = field(default_factory=dict)

    @property
    def available(self) -> int:
        """Credit-minutes left to spend; below zero only after a correction with `deficit`."""
        return self.earned - self.spent

    def find_entry(self, derived: str) -> Entry | None:
        """The entry with an id such as `V0001-3`."""
        owner, _, digits = derived.rpartition("-")
        return self.entries.find(digits) if owner == self.id else None

    def find_grant(self, derived: str) -> e.IncentiveGranted | None:
        """The grant with an id such as `V0001-G3`."""
        owner, _, digits = derived.rpartition("-G")
        number = int(digits) if owner == self.id and digits.isdecimal() else 0
        return self.grants[number - 1] if 0 < number <= len(self.grants) else None


def evolve(state: Member | None, stream: str, event: e.Event) -> Member:
    """The member after one more event. Raises CorruptLog for an event out of place."""
    if state is None:
        if not isinstance(event, e.MemberRegistered):
            raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
        return Member(id=stream.removeprefix("member/"), region=event.region, kinds=event.kinds)
    fold = FOLDS.get(type(event))
    if fold is None:
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    try:
        fold(state, event)
    except (LookupError, ValueError) as error:
        raise CorruptLog("state", topic=type(event).__name__, stream=stream) from error
    return state


def _registered(member: Member, event: e.MemberRegistered) -> None:
    member.registered, member.region, member.kinds = True, event.region, event.kinds


def _kinds_changed(member: Member, event: e.MemberKindsChanged) -> None:
    member.kinds = event.kinds_after


def _moved(member: Member, event: e.MemberMoved) -> None:
    member.region = event.region_after


def _deregistered(member: Member, _: e.MemberDeregistered) -> None:
    member.registered = False


def _credential_recorded(member: Member, event: e.CredentialRecorded) -> None:
    member.credentials[event.credential] = Certificate(
        event.region, event.level_after, event.tier_after
    )


def _credential_withdrawn(member: Member, event: e.CredentialWithdrawn) -> None:
    del member.credentials[event.credential]


def _joined(member: Member, event: e.MemberJoined) -> None:
    member.memberships[event.organisation] = Belonging(event.region, event.residency)


def _left(member: Member, event: e.MemberLeft) -> None:
    del member.memberships[event.organisation]


def _hours_logged(member: Member, event: e.HoursLogged) -> None:
    entries = member.entries
    number = len(entries.numbered) + 1
    about = heading(
        event.project,
        event.organisation,
        event.team,
        event.region,
        event.member_region,
        event.member_kinds,
        event.kind,
        event.category,
        event.evidence,
        event.activity,
        event.source,
        event.actor,
    )
    entry = Entry(
        number, about, shared_day(event.service_on), span(event.start, event.end), event.minutes
    )
    entries.add(entry, event.source_ref)
    if event.replaces is not None:
        entries.replace(entry, event.replaces)
    if event.kind == "service":
        member.pending += event.minutes
    else:
        member.training_pending += event.minutes


def _hours_verified(member: Member, event: e.HoursVerified) -> None:
    entry = _entry(member, event)
    _count(member, entry, -entry.minutes, event.minutes)
    member.earned += event.credit
    entry.verified, entry.credit = event.minutes, event.credit
    entry.standing = standing("verified", event.rule, (event.actor,))


def _hours_rejected(member: Member, event: e.HoursRejected) -> None:
    entry = _entry(member, event)
    _count(member, entry, -entry.minutes, 0)
    member.entries.end(entry, REJECTED)


def _hours_corrected(member: Member, event: e.HoursCorrected) -> None:
    entry = _entry(member, event)
    _count(member, entry, 0, event.after - entry.verified)
    member.earned += event.credit_after - entry.credit
    entry.verified, entry.credit = event.after, event.credit_after
    verifiers = entry.standing.verifiers
    if event.actor not in verifiers:
        entry.standing = standing("verified", event.rule, (*verifiers, event.actor))


def _hours_voided(member: Member, event: e.HoursVoided) -> None:
    entry = _entry(member, event)
    _count(member, entry, 0, -entry.verified)
    member.earned -= entry.credit
    member.entries.end(entry, VOIDED)


def _entry(member: Member, event: e.Hours) -> Entry:
    """The entry of an event, which is there: the rule has seen to that."""
    return member.entries.numbered[int(event.entry[len(member.id) + 1 :]) - 1]


def _count(member: Member, entry: Entry, pending: int, verified: int) -> None:
    """Add an entry's pending and verified minutes to the sums (negative to take away)."""
    if entry.heading.facts["kind"] == "service":
        member.pending += pending
        member.verified += verified
        member.entries.count(entry.service_on, verified)
    else:
        member.training_pending += pending
        member.training_verified += verified


def _granted(member: Member, event: e.IncentiveGranted) -> None:
    member.grants.append(event)
    member.spent += event.credit
    member.taken.setdefault(event.policy, Taken()).take(event.effective_on)


def _revoked(member: Member, event: e.IncentiveRevoked) -> None:
    granted = member.grants[int(event.grant[len(member.id) + 2 :]) - 1]
    member.revoked[event.grant] = event.reason_code
    member.spent -= event.credit
    member.taken[event.policy].free(granted.effective_on)


FOLDS: Final[dict[type[e.Event], Callable[[Member, Any], None]]] = {
    e.MemberRegistered: _registered,
    e.MemberKindsChanged: _kinds_changed,
    e.MemberMoved: _moved,
    e.MemberDeregistered: _deregistered,
    e.CredentialRecorded: _credential_recorded,
    e.CredentialWithdrawn: _credential_withdrawn,
    e.MemberJoined: _joined,
    e.MemberLeft: _left,
    e.HoursLogged: _hours_logged,
    e.HoursVerified: _hours_verified,
    e.HoursRejected: _hours_rejected,
    e.HoursCorrected: _hours_corrected,
    e.HoursVoided: _hours_voided,
    e.IncentiveGranted: _granted,
    e.IncentiveRevoked: _revoked,
}
