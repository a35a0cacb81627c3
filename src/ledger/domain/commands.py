"""Every command, defined once: HTTP bodies, batch lines, options and import rows are these.

A command is a wish; `rules` turns it into events or refuses it. `op` tags a
line of a batch. `effective_on` is the day of the act, today when absent; it may
lie back as far as the limits allow. Field types carry their own bounds
(`values.py`), so what decodes is well-formed. Minutes are whole minutes, money
is fen.
"""
# Unformatted: one screen a noun.
# fmt: off

import re
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from ledger.domain.values import (
    END, ActivityKind, ClockTime, Code, Count, Digest, Dimension, EntryKind, Evidence, Fen, FenOrNone,
    Lot, MemberId, MemberKinds, Minutes, Name, Origin, OrgKind, PayeeKind, Positive, QuotaPeriod,
    RegionCode, Residency, Role, SourceKind, SourceRef, StarLevel, Target, Terms, Text, Threshold,
    Word,
)

#: An id the ledger assigned: its owner's and a number, such as `V0001-3` or `F1-E2`.
Derived = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}-[A-Z]?[1-9][0-9]{0,8}" + END)]
Transferred = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}-T[1-9][0-9]{0,8}" + END)]
#: Whole minutes as wished for; which of them are possible is for the rules to say.
WishedMinutes = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, examples=[120])]


def op_of(class_name: str) -> str:
    """The `op` of a command class: `LogHours` → `log_hours`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()


class Command(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="op", tag=op_of, gc=False,
):
    """What someone asks of the ledger."""

    effective_on: date | None = None


# the ledger
class OpenLedger(Command, frozen=True, kw_only=True):
    """Open the log: its name, its fixed offset from UTC, its currency."""
    origin: Origin
    utc_offset: Annotated[str, Meta(pattern=r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]" + END)] = "+08:00"
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}" + END)] = "CNY"
class SetLimits(Command, frozen=True, kw_only=True):
    """How far back a day may lie, and how many minutes a member's day may have."""
    region: RegionCode; backdating_days: Count; day_minutes_max: Minutes
class ProfileRegion(Command, frozen=True, kw_only=True):
    """A region's name and inhabitants, with the source of the figure."""
    region: RegionCode; name: Name; population: Positive; source: Name
class SetStarLevels(Command, frozen=True, kw_only=True):
    """The verified minutes from which members of a region have stars."""
    region: RegionCode; levels: Annotated[tuple[StarLevel, ...], Meta(min_length=1, max_length=10)]
class SetAccrualRule(Command, frozen=True, kw_only=True):
    """Credit = verified minutes × num / den, floored; at most so much an entry and a day."""
    rule: Code; region: RegionCode
    categories: tuple[Word, ...] = (); evidence: tuple[Evidence, ...] = ()
    num: Annotated[int, Meta(ge=0, le=1000)]; den: Annotated[int, Meta(ge=1, le=1000)]
    entry_max: Positive | None = None; day_max: Positive | None = None
class EraseText(Command, frozen=True, kw_only=True):
    """Erase the text kept under a hash; the hash stays in the log."""
    note: Digest


# members
class RegisterMember(Command, frozen=True, kw_only=True):
    """Register a person by public number."""
    member: MemberId; region: RegionCode; kinds: MemberKinds = ("volunteer",)
class ChangeMemberKinds(Command, frozen=True, kw_only=True):
    """Say what a member is: volunteer, social worker, party member."""
    member: MemberId; kinds: MemberKinds
class MoveMember(Command, frozen=True, kw_only=True):
    """Move a member to another region."""
    member: MemberId; region: RegionCode
class DeregisterMember(Command, frozen=True, kw_only=True):
    """End a registration; history and figures stay."""
    member: MemberId; reason_code: Word
class RecordCredential(Command, frozen=True, kw_only=True):
    """Record a certificate and its level and tier, or a new level of it."""
    member: MemberId; credential: Word; level: Word; tier: Word | None = None
class WithdrawCredential(Command, frozen=True, kw_only=True):
    """Withdraw a certificate."""
    member: MemberId; credential: Word; reason_code: Word
class JoinOrganisation(Command, frozen=True, kw_only=True):
    """A member joins an organisation, as newcomer or native."""
    member: MemberId; organisation: Code; residency: Residency
class LeaveOrganisation(Command, frozen=True, kw_only=True):
    """A member leaves an organisation."""
    member: MemberId; organisation: Code


# hours
class LogHours(Command, frozen=True, kw_only=True):
    """Record one stretch of service or training of one member in one project."""
    member: MemberId; project: Code; service_on: date
    minutes: WishedMinutes
    category: Word; evidence: Evidence; kind: EntryKind = "service"
    team: Code | None = None; activity: Code | None = None
    start: ClockTime | None = None; end: ClockTime | None = None
    source: Code | None = None; source_ref: SourceRef | None = None
    replaces: Derived | None = None
class EntryCommand(Command, frozen=True, kw_only=True):
    """An entry is named by its id, or by member, source and source_ref."""
    entry: Derived | None = None
    member: MemberId | None = None; source: Code | None = None; source_ref: SourceRef | None = None
class VerifyHours(EntryCommand, frozen=True, kw_only=True):
    """Verify a pending entry, in full or for fewer minutes."""
    minutes: WishedMinutes | None = None
class RejectHours(EntryCommand, frozen=True, kw_only=True):
    """Reject a pending entry."""
    reason_code: Word
class CorrectHours(EntryCommand, frozen=True, kw_only=True):
    """Correct the minutes of a verified entry; its accrual rule stays."""
    minutes: WishedMinutes
    reason_code: Word | None = None; deficit: bool = False
class VoidHours(EntryCommand, frozen=True, kw_only=True):
    """Take a verified entry back whole."""
    reason_code: Word | None = None; deficit: bool = False


# incentives
class PolicyCommand(Command, frozen=True, kw_only=True):
    """An incentive on offer; an absent quota is unlimited."""
    policy: Code; name: Name; dimension: Dimension; region: RegionCode; threshold: Threshold
    credit_cost: Count = 0; fen_cost: FenOrNone = 0; fund: Code | None = None
    quota_member: Positive | None = None; quota_total: Positive | None = None
    quota_period: QuotaPeriod = "ever"; opens_on: date; closes_on: date
class DefinePolicy(PolicyCommand, frozen=True, kw_only=True):
    """Offer an incentive: threshold, cost in credit and money, quotas, window."""
class AmendPolicy(PolicyCommand, frozen=True, kw_only=True):
    """Offer a new version of an incentive; grants keep the version they were made under."""
class ClosePolicy(Command, frozen=True, kw_only=True):
    """Stop offering an incentive."""
    policy: Code; reason_code: Word
class GrantIncentive(Command, frozen=True, kw_only=True):
    """Grant an incentive to a member against its rules."""
    member: MemberId; policy: Code; document: Text | None = None
class RevokeGrant(Command, frozen=True, kw_only=True):
    """Revoke a grant: credit and quota come back, money only by reversing the expense."""
    grant: Derived; reason_code: Word


# organisations, projects, activities
class RegisterOrganisation(Command, frozen=True, kw_only=True):
    """Register who organises."""
    organisation: Code; name: Name; org_kind: OrgKind; region: RegionCode
class OpenProject(Command, frozen=True, kw_only=True):
    """Open a project of an organisation in a region."""
    project: Code; name: Name; organisation: Code; region: RegionCode
    categories: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=50)]; opens_on: date
class CloseProject(Command, frozen=True, kw_only=True):
    """Close a project; its last day may lie back."""
    project: Code; closes_on: date; reason_code: Word
class HoldActivity(Command, frozen=True, kw_only=True):
    """Record an activity of a project, with the person-times it counted."""
    activity: Code; project: Code; category: Word; kind: ActivityKind = "service"
    held_on: date; responsible: Code; registered: Count; attended: Count; served: Count = 0
class WithdrawActivity(Command, frozen=True, kw_only=True):
    """Take an activity back whole."""
    activity: Code; reason_code: Word


# money
class OpenFund(Command, frozen=True, kw_only=True):
    """Open a ring-fenced fund with its terms."""
    fund: Code; name: Name; organisation: Code; region: RegionCode; terms: Terms
class AmendFund(Command, frozen=True, kw_only=True):
    """Change a fund's terms, with the donor's consent on record."""
    fund: Code; terms: Terms; consent: Text
class CloseFund(Command, frozen=True, kw_only=True):
    """Close a fund: nothing is allocated, spent or sent any more; returns stay possible."""
    fund: Code; reason_code: Word
class ReceiveFunds(Command, frozen=True, kw_only=True):
    """Record one arrival of money from one source, if need be with terms of its own."""
    fund: Code; source_kind: SourceKind; source_id: Code; fen: Fen
    document: Text; terms: Terms | None = None
class AllocateFunds(Command, frozen=True, kw_only=True):
    """Allocate money to a project or policy, first in first out unless receipts are named."""
    fund: Code; target: Target; fen: Fen; receipts: tuple[str, ...] = ()
class ReleaseFunds(Command, frozen=True, kw_only=True):
    """Give allocated money back to the fund."""
    fund: Code; target: Target; fen: Fen
class SpendFunds(Command, frozen=True, kw_only=True):
    """Spend allocated money, first in first out within the target."""
    fund: Code; target: Target; fen: Fen; category: Word
    payee_kind: PayeeKind; payee: Text; document: Text
class ReverseSpend(Command, frozen=True, kw_only=True):
    """Take an expense back, whole or the lots named."""
    expense: Derived; lots: tuple[Lot, ...] = (); reason_code: Word
class ReturnFunds(Command, frozen=True, kw_only=True):
    """Return unallocated money to the source it came from."""
    fund: Code; source_kind: SourceKind; source_id: Code; fen: Fen; reason_code: Word
class SendTransfer(Command, frozen=True, kw_only=True):
    """Send money to another region, in this log or another's."""
    fund: Code; to_region: RegionCode; to_origin: Origin | None = None; fen: Fen
    receipts: tuple[str, ...] = (); terms: Terms | None = None
class AcceptTransfer(Command, frozen=True, kw_only=True):
    """Accept a transfer into a fund; for one sent to another log, note that it arrived there."""
    transfer: Transferred; fund: Code | None = None
class DeclineTransfer(Command, frozen=True, kw_only=True):
    """Decline a transfer: the money goes back to the sender."""
    transfer: Transferred; reason_code: Word
class ReceiveTransfer(Command, frozen=True, kw_only=True):
    """Receive a transfer that another log sent, once."""
    fund: Code; transfer: Transferred; from_origin: Origin; from_region: RegionCode
    lots: Annotated[tuple[Lot, ...], Meta(min_length=1)]; terms: Terms | None = None


# keys
class IssueKey(Command, frozen=True, kw_only=True):
    """Issue a key to a holder; empty scopes allow everything of that sort."""
    holder: Code; member: MemberId | None = None
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=7)]
    regions: tuple[RegionCode, ...] = (); organisations: tuple[Code, ...] = ()
    funds: tuple[Code, ...] = (); sources: tuple[Code, ...] = (); expires_on: date
class RevokeKey(Command, frozen=True, kw_only=True):
    """Revoke a key."""
    key: Code; reason_code: Word


#: `op` → class: every command there is.
COMMANDS: dict[str, type[Command]] = {
    op_of(cls.__name__): cls
    for cls in (
        OpenLedger, SetLimits, ProfileRegion, SetStarLevels, SetAccrualRule, EraseText,
        RegisterMember, ChangeMemberKinds, MoveMember, DeregisterMember,
        RecordCredential, WithdrawCredential, JoinOrganisation, LeaveOrganisation,
        LogHours, VerifyHours, RejectHours, CorrectHours, VoidHours,
        DefinePolicy, AmendPolicy, ClosePolicy, GrantIncentive, RevokeGrant,
        RegisterOrganisation, OpenProject, CloseProject, HoldActivity, WithdrawActivity,
        OpenFund, AmendFund, CloseFund, ReceiveFunds, AllocateFunds, ReleaseFunds,
        SpendFunds, ReverseSpend, ReturnFunds,
        SendTransfer, AcceptTransfer, DeclineTransfer, ReceiveTransfer,
        IssueKey, RevokeKey,
    )
}
