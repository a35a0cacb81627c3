"""The persisted vocabulary. What stands here, stands for ever.

Every event carries the quantities it moves and every key a read model groups
by. Fields are only ever added, and then optional; a new meaning is a new topic.
Golden bytes of every event are read by a test. Quantities: whole minutes,
credit-minutes, fen. Absent fields are omitted, lists sorted unless order matters.
"""
# Unformatted: one screen: three lines an event.
# fmt: off

from datetime import date, datetime
from typing import Literal

from ledger.domain.canonical import Canonical
from ledger.domain.values import (
    ActivityKind, Dimension, EntryKind, Evidence, GrantInputs, Lot, MemberKind,
    OrgKind, PayeeKind, QuotaPeriod, Residency, Role, SourceKind, StarLevel, Terms, Threshold,
)

Kinds = tuple[MemberKind, ...]
Lots = tuple[Lot, ...]


class Event(Canonical, frozen=True, kw_only=True):
    """What all carry: recorded when (UTC), counting on which day, by whom, with which key."""

    timestamp: datetime
    effective_on: date
    actor: str
    key: str
    command_id: str


# ledger/<origin>
class LedgerOpened(Event, frozen=True, kw_only=True):
    origin: str; utc_offset: str; currency: str; postings_version: int
class LimitsSet(Event, frozen=True, kw_only=True):
    region: str; backdating_days: int; day_minutes_max: int
class RegionProfiled(Event, frozen=True, kw_only=True):
    region: str; name: str; population: int; source: str
class StarLevelsSet(Event, frozen=True, kw_only=True):
    region: str; levels: tuple[StarLevel, ...]
class AccrualRuleSet(Event, frozen=True, kw_only=True):
    rule: str; region: str; categories: tuple[str, ...]; evidence: tuple[Evidence, ...]
    num: int; den: int; entry_max: int | None = None; day_max: int | None = None
class TextErased(Event, frozen=True, kw_only=True):
    note: str


# member/<member>: the person
class MemberRegistered(Event, frozen=True, kw_only=True):
    region: str; kinds: Kinds
class MemberKindsChanged(Event, frozen=True, kw_only=True):
    region: str; kinds_before: Kinds; kinds_after: Kinds
class MemberMoved(Event, frozen=True, kw_only=True):
    kinds: Kinds; region_before: str; region_after: str
class MemberDeregistered(Event, frozen=True, kw_only=True):
    region: str; kinds: Kinds; reason_code: str
class Credential(Event, frozen=True, kw_only=True):
    region: str; credential: str
    level_before: str | None = None; level_after: str | None = None
    tier_before: str | None = None; tier_after: str | None = None
class CredentialRecorded(Credential, frozen=True, kw_only=True): ...
class CredentialWithdrawn(Credential, frozen=True, kw_only=True):
    reason_code: str
class Membership(Event, frozen=True, kw_only=True):
    organisation: str; region: str; residency: Residency
class MemberJoined(Membership, frozen=True, kw_only=True): ...
class MemberLeft(Membership, frozen=True, kw_only=True): ...


# member/<member>: the hours
class Hours(Event, frozen=True, kw_only=True):
    """H: one entry, and all it is grouped by."""

    entry: str; project: str; organisation: str; team: str | None = None
    region: str; member_region: str; member_kinds: Kinds
    kind: EntryKind; category: str; evidence: Evidence; activity: str | None = None
    service_on: date
class HoursLogged(Hours, frozen=True, kw_only=True):
    minutes: int; start: str | None = None; end: str | None = None
    source: str | None = None; source_ref: str | None = None; replaces: str | None = None
class HoursVerified(Hours, frozen=True, kw_only=True):
    minutes: int; declined: int; credit: int; rule: str | None = None
class HoursRejected(Hours, frozen=True, kw_only=True):
    minutes: int; reason_code: str
class HoursCorrected(Hours, frozen=True, kw_only=True):
    before: int; after: int; credit_before: int; credit_after: int
    rule: str | None = None; reason_code: str; deficit: int | None = None
class HoursVoided(Hours, frozen=True, kw_only=True):
    minutes: int; credit: int; reason_code: str; deficit: int | None = None


# member/<member>: the incentives
class Incentive(Event, frozen=True, kw_only=True):
    """G: one grant, and all it is grouped by."""

    grant: str; policy: str; policy_version: int; dimension: Dimension
    region: str; member_region: str; member_kinds: Kinds; credit: int
class IncentiveGranted(Incentive, frozen=True, kw_only=True):
    fen: int; fund: str | None = None; expense: str | None = None; inputs: GrantInputs
class IncentiveRevoked(Incentive, frozen=True, kw_only=True):
    reason_code: str


# organisation/<organisation>, project/<project>
class OrganisationRegistered(Event, frozen=True, kw_only=True):
    name: str; org_kind: OrgKind; region: str
class ProjectOpened(Event, frozen=True, kw_only=True):
    name: str; organisation: str; region: str; categories: tuple[str, ...]; opens_on: date
class ProjectClosed(Event, frozen=True, kw_only=True):
    organisation: str; region: str; closes_on: date; reason_code: str


# activity/<activity>
class Activity(Event, frozen=True, kw_only=True):
    """A: one activity of a project, and the person-times it counted."""

    activity: str; project: str; organisation: str; region: str; category: str
    kind: ActivityKind; held_on: date; responsible: str
    registered: int; attended: int; served: int
class ActivityHeld(Activity, frozen=True, kw_only=True): ...
class ActivityWithdrawn(Activity, frozen=True, kw_only=True):
    reason_code: str


# policy/<policy>
class PolicyTerms(Event, frozen=True, kw_only=True):
    """One version of an incentive on offer; an absent quota is unlimited."""

    version: int; name: str; dimension: Dimension; region: str; threshold: Threshold
    credit_cost: int; fen_cost: int; fund: str | None = None
    quota_member: int | None = None; quota_total: int | None = None
    quota_period: QuotaPeriod; opens_on: date; closes_on: date
class PolicyDefined(PolicyTerms, frozen=True, kw_only=True): ...
class PolicyAmended(PolicyTerms, frozen=True, kw_only=True): ...
class PolicyClosed(Event, frozen=True, kw_only=True):
    version: int; reason_code: str
class PolicyQuota(Event, frozen=True, kw_only=True):
    grant: str; taken_after: int
class PolicyQuotaTaken(PolicyQuota, frozen=True, kw_only=True): ...
class PolicyQuotaFreed(PolicyQuota, frozen=True, kw_only=True): ...


# fund/<fund>
class FundOpened(Event, frozen=True, kw_only=True):
    name: str; organisation: str; region: str; terms: Terms
class FundAmended(Event, frozen=True, kw_only=True):
    terms: Terms; consent: str
class FundClosed(Event, frozen=True, kw_only=True):
    reason_code: str
class FundsReceived(Event, frozen=True, kw_only=True):
    organisation: str; region: str; lots: Lots; document: str; terms: Terms | None = None
class Allocation(Event, frozen=True, kw_only=True):
    """T: money for a target, with the target's organisation and region."""

    target: str; organisation: str; region: str; lots: Lots
class FundsAllocated(Allocation, frozen=True, kw_only=True): ...
class FundsReleased(Allocation, frozen=True, kw_only=True): ...
class FundsSpent(Allocation, frozen=True, kw_only=True):
    expense: str; category: str; payee_kind: PayeeKind; payee: str; document: str
    grant: str | None = None
class SpendReversed(Allocation, frozen=True, kw_only=True):
    expense: str; category: str; grant: str | None = None; reason_code: str
class FundsReturned(Event, frozen=True, kw_only=True):
    organisation: str; region: str
    source_kind: SourceKind; source_id: str; lots: Lots; reason_code: str
class Transfer(Event, frozen=True, kw_only=True):
    """X: money on its way between two regions, in one log or two."""

    transfer: str; from_origin: str; from_region: str; to_origin: str; to_region: str
    organisation: str; region: str; lots: Lots; terms: Terms | None = None
class TransferSent(Transfer, frozen=True, kw_only=True): ...
class TransferAccepted(Transfer, frozen=True, kw_only=True): ...
class TransferDeclined(Transfer, frozen=True, kw_only=True):
    reason_code: str
class TransferReceived(Transfer, frozen=True, kw_only=True): ...


# incoming/<origin>/<transfer>
class TransferClaimed(Event, frozen=True, kw_only=True):
    fund: str


# key/<key>
class KeyIssued(Event, frozen=True, kw_only=True):
    holder: str; member: str | None = None; roles: tuple[Role, ...]
    regions: tuple[str, ...]; organisations: tuple[str, ...]; funds: tuple[str, ...]
    sources: tuple[str, ...]; expires_on: date
class KeyRevoked(Event, frozen=True, kw_only=True):
    holder: str; reason_code: str


StreamType = Literal[
    "ledger", "member", "organisation", "project", "activity", "policy", "fund", "incoming", "key"
]

#: The topics of each type of stream: a topic stands in no other.
OF_STREAMS: dict[StreamType, tuple[type[Event], ...]] = {
    "ledger": (
        LedgerOpened, LimitsSet, RegionProfiled, StarLevelsSet, AccrualRuleSet, TextErased,
    ),
    "member": (
        MemberRegistered, MemberKindsChanged, MemberMoved, MemberDeregistered,
        CredentialRecorded, CredentialWithdrawn, MemberJoined, MemberLeft,
        HoursLogged, HoursVerified, HoursRejected, HoursCorrected, HoursVoided,
        IncentiveGranted, IncentiveRevoked,
    ),
    "organisation": (OrganisationRegistered,),
    "project": (ProjectOpened, ProjectClosed),
    "activity": (ActivityHeld, ActivityWithdrawn),
    "policy": (PolicyDefined, PolicyAmended, PolicyClosed, PolicyQuotaTaken, PolicyQuotaFreed),
    "fund": (
        FundOpened, FundAmended, FundClosed, FundsReceived, FundsAllocated, FundsReleased,
        FundsSpent, SpendReversed, FundsReturned,
        TransferSent, TransferAccepted, TransferDeclined, TransferReceived,
    ),
    "incoming": (TransferClaimed,),
    "key": (KeyIssued, KeyRevoked),
}
#: The allow-list: topic → class. A topic that is not here is refused.
TOPICS: dict[str, type[Event]] = {
    cls.__name__: cls for classes in OF_STREAMS.values() for cls in classes
}
#: Topic → type of its streams.
STREAM_OF: dict[str, StreamType] = {
    cls.__name__: stream for stream, classes in OF_STREAMS.items() for cls in classes
}
