"""Members: a person by public number, with kinds, region, credentials and memberships.

The state of a member stream is in `account`; the rules on hours are in `hours`,
those on incentives in `grant`.
"""

from typing import Final

from ledger.domain import events as e
from ledger.domain.access import Caller, require_region
from ledger.domain.account import Member
from ledger.domain.commands import (
    ChangeMemberKinds,
    Command,
    DeregisterMember,
    JoinOrganisation,
    LeaveOrganisation,
    MoveMember,
    RecordCredential,
    RegisterMember,
    WithdrawCredential,
)
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    AlreadyExists,
    CredentialNotFound,
    MemberNotFound,
    MembershipNotFound,
    NothingChanges,
)
from ledger.domain.organisation import find_organisation
from ledger.domain.values import MemberKind


def find_member(books: Books, member: str, caller: Caller, at: str = "member") -> Member:
    """A member, registered or not. Raises MemberNotFound, also when out of the caller's scope."""
    state = books.get(f"member/{member}")
    if not isinstance(state, Member) or not caller.sees_region(state.region):
        raise MemberNotFound(at, member=member)
    return state


def find_registered(books: Books, member: str, caller: Caller, at: str = "member") -> Member:
    """A member of whom something new may be recorded. Raises MemberNotFound."""
    state = find_member(books, member, caller, at)
    check_registered(state, at)
    return state


def check_registered(member: Member, at: str = "member") -> None:
    """Nothing new is recorded of a deregistered member. Raises MemberNotFound."""
    if not member.registered:
        raise MemberNotFound(at, member=member.id)


def register_member(command: RegisterMember, books: Books, act: Act) -> Decision:
    """Register a person, also one who was deregistered within the caller's scope.

    Outside of it that would take over the history. Raises Forbidden, AlreadyExists.
    """
    require_region(act.caller, command.region)
    known = books.get(f"member/{command.member}")
    if isinstance(known, Member) and (known.registered or not act.caller.sees_region(known.region)):
        raise AlreadyExists("member", member=command.member)
    event = e.MemberRegistered(
        region=command.region, kinds=sorted_kinds(command.kinds), **act.stamp()
    )
    return _entered(command.member, event)


def change_member_kinds(command: ChangeMemberKinds, books: Books, act: Act) -> Decision:
    """Say what a member is. Raises MemberNotFound, NothingChanges."""
    member = find_registered(books, command.member, act.caller)
    kinds = sorted_kinds(command.kinds)
    if kinds == member.kinds:
        raise NothingChanges("kinds")
    event = e.MemberKindsChanged(
        region=member.region, kinds_before=member.kinds, kinds_after=kinds, **act.stamp()
    )
    return _entered(member.id, event)


def move_member(command: MoveMember, books: Books, act: Act) -> Decision:
    """Move a member to another region. Raises MemberNotFound, Forbidden, NothingChanges."""
    member = find_registered(books, command.member, act.caller)
    require_region(act.caller, command.region)
    if command.region == member.region:
        raise NothingChanges("region")
    event = e.MemberMoved(
        kinds=member.kinds,
        region_before=member.region,
        region_after=command.region,
        **act.stamp(),
    )
    return _entered(member.id, event)


def deregister_member(command: DeregisterMember, books: Books, act: Act) -> Decision:
    """End a registration; what was recorded stays and can still be decided. MemberNotFound."""
    member = find_registered(books, command.member, act.caller)
    event = e.MemberDeregistered(
        region=member.region,
        kinds=member.kinds,
        reason_code=command.reason_code,
        **act.stamp(),
    )
    return _entered(member.id, event)


def record_credential(command: RecordCredential, books: Books, act: Act) -> Decision:
    """Record a certificate or a new level of it. Raises MemberNotFound, NothingChanges.

    It stays counted in the region where it was first recorded, so that before and after balance.
    """
    member = find_registered(books, command.member, act.caller)
    held = member.credentials.get(command.credential)
    if held is not None and (held.level, held.tier) == (command.level, command.tier):
        raise NothingChanges("level")
    event = e.CredentialRecorded(
        region=held.region if held else member.region,
        credential=command.credential,
        level_before=held.level if held else None,
        level_after=command.level,
        tier_before=held.tier if held else None,
        tier_after=command.tier,
        **act.stamp(),
    )
    return _entered(member.id, event)


def withdraw_credential(command: WithdrawCredential, books: Books, act: Act) -> Decision:
    """Withdraw a certificate where it is counted. Raises MemberNotFound, CredentialNotFound."""
    member = find_member(books, command.member, act.caller)
    held = member.credentials.get(command.credential)
    if held is None:
        raise CredentialNotFound("credential", credential=command.credential)
    event = e.CredentialWithdrawn(
        region=held.region,
        credential=command.credential,
        level_before=held.level,
        tier_before=held.tier,
        reason_code=command.reason_code,
        **act.stamp(),
    )
    return _entered(member.id, event)


def join_organisation(command: JoinOrganisation, books: Books, act: Act) -> Decision:
    """Join, counted in the organisation's region.

    Raises MemberNotFound, OrganisationNotFound, AlreadyExists (to change residency, leave first).
    """
    member = find_registered(books, command.member, act.caller)
    organisation = find_organisation(books, command.organisation, act.caller)
    if command.organisation in member.memberships:
        raise AlreadyExists("organisation", organisation=command.organisation)
    event = e.MemberJoined(
        organisation=command.organisation,
        region=organisation.region,
        residency=command.residency,
        **act.stamp(),
    )
    return _entered(member.id, event)


def leave_organisation(command: LeaveOrganisation, books: Books, act: Act) -> Decision:
    """Leave, where it was counted.

    Raises MemberNotFound, OrganisationNotFound, MembershipNotFound.
    """
    member = find_member(books, command.member, act.caller)
    find_organisation(books, command.organisation, act.caller)
    belonging = member.memberships.get(command.organisation)
    if belonging is None:
        raise MembershipNotFound("organisation", organisation=command.organisation)
    event = e.MemberLeft(
        organisation=command.organisation,
        region=belonging.region,
        residency=belonging.residency,
        **act.stamp(),
    )
    return _entered(member.id, event)


def sorted_kinds(kinds: tuple[MemberKind, ...]) -> tuple[MemberKind, ...]:
    """Each kind once, in order."""
    return tuple(sorted(set(kinds)))


def _entered(member: str, event: e.Event) -> Decision:
    """One more event in a member's stream."""
    return Decision(events=[(f"member/{member}", event)], answer={"member": member})


RULES: Final[dict[type[Command], Rule]] = {
    RegisterMember: register_member,
    ChangeMemberKinds: change_member_kinds,
    MoveMember: move_member,
    DeregisterMember: deregister_member,
    RecordCredential: record_credential,
    WithdrawCredential: withdraw_credential,
    JoinOrganisation: join_organisation,
    LeaveOrganisation: leave_organisation,
}
