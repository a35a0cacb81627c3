"""The registry: members, their kinds, region, credentials and memberships."""

from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.account import Belonging, Certificate, Member, evolve
from ledger.domain.errors import CorruptLog
from ledger.domain.events import (
    CredentialRecorded,
    CredentialWithdrawn,
    MemberDeregistered,
    MemberJoined,
    MemberKindsChanged,
    MemberLeft,
    MemberMoved,
    MemberRegistered,
)
from tests.scenario import (
    ELSEWHERE,
    GRANTER,
    OTHER_TOWN,
    REGION,
    TOWN,
    Scenario,
    caller,
    county,
    county_at_work,
    define_policy,
    log_hours,
    register,
    served,
    verify_hours,
)

TOWN_ADMIN = caller("town-hall", "admin", regions=(TOWN,))
OTHER_ADMIN = caller("other-town-hall", "admin", regions=(OTHER_TOWN,))
LICENCE = c.RecordCredential(
    member="V0001", credential="social_work", level="assistant", tier="county"
)
WITHDRAW = c.WithdrawCredential(member="V0001", credential="social_work", reason_code="expired")
MOVE = c.MoveMember(member="V0001", region=OTHER_TOWN)
JOIN = c.JoinOrganisation(member="V0001", organisation="O2", residency="newcomer")
LEAVE = c.LeaveOrganisation(member="V0001", organisation="O2")
DEREGISTER = c.DeregisterMember(member="V0001", reason_code="left")


def member(ledger: Scenario, number: str = "V0001") -> Member:
    state = ledger.state(f"member/{number}")
    assert isinstance(state, Member)
    return state


# Registration


def test_a_member_is_registered_with_each_kind_once_and_sorted() -> None:
    outcome = county().when(register(kinds=("volunteer", "party_member", "volunteer")))
    outcome.then_in("member/V0001").then_answer(member="V0001")
    outcome.then_event(MemberRegistered, region=TOWN, kinds=("party_member", "volunteer"))


def test_a_number_is_registered_once() -> None:
    ledger = county().given(register())
    ledger.when(register(region=REGION)).then_refused("already_exists", at="member")


def test_a_scoped_admin_registers_within_the_scope_only() -> None:
    ledger = county().given(register(), by=TOWN_ADMIN)
    ledger.when(register("V0002", OTHER_TOWN), by=TOWN_ADMIN).then_refused("forbidden", at="region")


def test_a_deregistered_member_can_be_registered_anew_and_keeps_the_history() -> None:
    ledger = county_at_work().given(log_hours(), DEREGISTER)
    assert not member(ledger).registered
    ledger.when(register(region=OTHER_TOWN)).then_events(MemberRegistered)
    assert (member(ledger).registered, member(ledger).region) == (True, OTHER_TOWN)
    assert member(ledger).pending == 120


def test_nobody_takes_over_whoever_was_deregistered_outside_their_scope() -> None:
    ledger = county_at_work().given(log_hours(), DEREGISTER)
    taken = ledger.when(register(region=OTHER_TOWN), by=OTHER_ADMIN)
    taken.then_refused("already_exists", at="member", member="V0001")
    ledger.when(register(), by=TOWN_ADMIN).then_events(MemberRegistered)


# Kinds, region


def test_changed_kinds_are_said_before_and_after() -> None:
    ledger = county().given(register())
    change = c.ChangeMemberKinds(member="V0001", kinds=("volunteer", "social_worker"))
    ledger.when(change).then_event(
        MemberKindsChanged,
        region=TOWN,
        kinds_before=("volunteer",),
        kinds_after=("social_worker", "volunteer"),
    )
    ledger.when(change).then_refused("nothing_changes", at="kinds")


def test_a_move_is_said_before_and_after() -> None:
    ledger = county().given(register())
    ledger.when(MOVE).then_event(
        MemberMoved, kinds=("volunteer",), region_before=TOWN, region_after=OTHER_TOWN
    )
    ledger.when(MOVE).then_refused("nothing_changes", at="region")


def test_nobody_is_moved_out_of_the_callers_scope() -> None:
    county().given(register()).when(MOVE, by=TOWN_ADMIN).then_refused("forbidden", at="region")


# Deregistration


def test_deregistration_says_what_the_member_was() -> None:
    ledger = county().given(register())
    outcome = ledger.when(DEREGISTER)
    outcome.then_event(MemberDeregistered, region=TOWN, kinds=("volunteer",), reason_code="left")


@pytest.mark.parametrize(
    "command",
    [
        DEREGISTER,
        MOVE,
        LICENCE,
        JOIN,
        c.ChangeMemberKinds(member="V0001", kinds=("party_member",)),
        log_hours(minutes=30),
        c.GrantIncentive(member="V0001", policy="Y1"),
    ],
)
def test_nothing_new_is_recorded_of_a_deregistered_member(command: c.Command) -> None:
    ledger = county_at_work().given(define_policy(), DEREGISTER)
    ledger.when(command).then_refused("member_not_found", at="member")


def test_what_was_recorded_of_a_deregistered_member_can_still_be_decided() -> None:
    ledger = county_at_work().given(log_hours(), LICENCE, JOIN, DEREGISTER)
    ledger.given(verify_hours(), WITHDRAW, LEAVE)
    assert (member(ledger).verified, member(ledger).available) == (120, 120)


def test_a_row_of_a_deregistered_member_that_is_there_already_still_is() -> None:
    ledger = county_at_work().given(log_hours(), DEREGISTER)
    ledger.when(log_hours()).then_nothing().then_answer(entry="V0001-1", already=True)


# Credentials


def test_a_credential_is_recorded_in_the_members_region() -> None:
    ledger = county().given(register())
    ledger.when(LICENCE).then_event(
        CredentialRecorded,
        region=TOWN,
        level_before=None,
        level_after="assistant",
        tier_before=None,
        tier_after="county",
    )
    ledger.when(LICENCE).then_refused("nothing_changes", at="level")


def test_a_new_level_says_the_old_one_and_stays_counted_where_it_was() -> None:
    ledger = county().given(register(), LICENCE, MOVE)
    higher = c.RecordCredential(member="V0001", credential="social_work", level="senior")
    ledger.when(higher).then_event(
        CredentialRecorded,
        region=TOWN,
        level_before="assistant",
        level_after="senior",
        tier_before="county",
        tier_after=None,
    )


def test_a_withdrawal_repeats_the_region_where_the_credential_was_recorded() -> None:
    ledger = county().given(register(), LICENCE, MOVE)
    ledger.when(WITHDRAW).then_event(
        CredentialWithdrawn, region=TOWN, level_before="assistant", level_after=None
    )
    ledger.when(WITHDRAW).then_refused("credential_not_found", at="credential")
    ledger.when(LICENCE).then_event(CredentialRecorded, region=OTHER_TOWN, level_before=None)


# Memberships


def test_joining_counts_in_the_organisations_region_and_leaving_repeats_it() -> None:
    ledger = county_at_work()
    ledger.when(JOIN).then_event(MemberJoined, organisation="O2", region=TOWN, residency="newcomer")
    ledger.when(JOIN).then_refused("already_exists", at="organisation")
    ledger.given(MOVE)
    ledger.when(LEAVE).then_event(MemberLeft, organisation="O2", region=TOWN, residency="newcomer")
    ledger.when(LEAVE).then_refused("membership_not_found", at="organisation")


@pytest.mark.parametrize("command", [c.JoinOrganisation, c.LeaveOrganisation])
def test_an_unknown_organisation_is_neither_joined_nor_left(command: type[c.Command]) -> None:
    wish: dict[str, Any] = {"member": "V0001", "organisation": "O9"}
    wish |= {"residency": "native"} if command is c.JoinOrganisation else {}
    county_at_work().when(command(**wish)).then_refused("organisation_not_found", at="organisation")


# Scope


@pytest.mark.parametrize(
    "command",
    [
        DEREGISTER,
        MOVE,
        LICENCE,
        WITHDRAW,
        JOIN,
        LEAVE,
        c.ChangeMemberKinds(member="V0001", kinds=("party_member",)),
    ],
)
def test_a_member_out_of_scope_looks_like_one_that_does_not_exist(command: c.Command) -> None:
    unknown = county().when(command)
    unknown.then_refused("member_not_found", at="member", member="V0001")
    ledger = county_at_work().given(LICENCE, JOIN)
    hidden = ledger.when(command, by=OTHER_ADMIN)
    assert str(hidden.refusal) == str(unknown.refusal)


# The fold


def test_the_state_remembers_what_the_events_said() -> None:
    ledger = county_at_work().given(LICENCE, JOIN, MOVE)
    assert member(ledger).credentials == {"social_work": Certificate(TOWN, "assistant", "county")}
    assert member(ledger).memberships == {"O2": Belonging(TOWN, "newcomer")}
    assert ledger.replayed().states == ledger.books.states


def test_a_member_stream_starts_with_a_registration_and_knows_its_events() -> None:
    ledger = county_at_work().given(DEREGISTER)
    opened, deregistered = ledger.log[0][1], ledger.log[-1][1]
    for state, event in ((None, deregistered), (member(ledger), opened)):
        with pytest.raises(CorruptLog):
            evolve(state, "member/V0001", event)


def test_an_event_on_what_is_not_there_is_a_corrupt_log() -> None:
    ledger = county_at_work().given(*served(120), define_policy())
    verified = ledger.log[-2][1]
    ledger.given(c.GrantIncentive(member="V0001", policy="Y1"))
    revoked = ledger.when(c.RevokeGrant(grant="V0001-G1", reason_code="x")).events[0]
    empty = Member(id="V0001", region=TOWN, kinds=("volunteer",))
    for event in (verified, revoked):
        with pytest.raises(CorruptLog):
            evolve(empty, "member/V0001", event)


def test_members_of_any_region_are_registered_by_an_unscoped_admin() -> None:
    county().given(register(region=ELSEWHERE))
    assert GRANTER.sees_region(ELSEWHERE)
