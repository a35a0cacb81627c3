"""Rules on logged hours: verified or rejected, corrected or voided; four eyes, and credit."""

from datetime import date
from typing import Final

from msgspec.structs import replace

from ledger.domain import events as e
from ledger.domain.access import Caller
from ledger.domain.account import Member
from ledger.domain.commands import (
    Command,
    CorrectHours,
    EntryCommand,
    RejectHours,
    VerifyHours,
    VoidHours,
)
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.entry import Entry, like, minutes_of
from ledger.domain.errors import (
    CreditSpent,
    DateTooOld,
    DayOverfull,
    EntryNotFound,
    EntryNotPending,
    EntryNotVerified,
    EvidenceFixed,
    FourEyes,
    InvalidCommand,
    MinutesOutOfRange,
    NothingChanges,
    ReasonRequired,
)
from ledger.domain.rulebook import Limits


def verify_hours(command: VerifyHours, books: Books, act: Act) -> Decision:
    """Verify a pending entry for all or fewer of its minutes; what is less is declined.

    Credit is by the accrual rule in force on the day of service as known now; training earns
    none. Raises InvalidCommand, EntryNotFound, EntryNotPending, FourEyes, MinutesOutOfRange.
    """
    member, entry = find_entry(command, books, act)
    check_pending(member, entry)
    about = entry.heading
    if about.recorder == act.caller.holder or member.id in act.caller.members:
        raise FourEyes("entry", entry=f"{member.id}-{entry.number}")
    minutes = entry.minutes if command.minutes is None else command.minutes
    if not 1 <= minutes <= entry.minutes:
        raise MinutesOutOfRange("minutes", minutes=minutes, minutes_max=entry.minutes)
    facts = about.facts
    rule = None
    if facts["kind"] == "service":
        rule = books.rulebook.accrual_rule(
            facts["region"], facts["category"], facts["evidence"], entry.service_on
        )
    event = replace(
        like(e.HoursVerified, about, act),
        entry=f"{member.id}-{entry.number}",
        effective_on=act.effective_on,
        service_on=entry.service_on,
        minutes=minutes,
        declined=entry.minutes - minutes,
        credit=credit_of(rule, member, entry, minutes),
        rule=None if rule is None else rule.rule,
    )
    return entered(member, event)


def reject_hours(command: RejectHours, books: Books, act: Act) -> Decision:
    """Reject a pending entry, one's own too.

    Raises InvalidCommand, EntryNotFound, EntryNotPending.
    """
    member, entry = find_entry(command, books, act)
    check_pending(member, entry)
    event = replace(
        like(e.HoursRejected, entry.heading, act),
        entry=f"{member.id}-{entry.number}",
        effective_on=act.effective_on,
        service_on=entry.service_on,
        minutes=entry.minutes,
        reason_code=command.reason_code,
    )
    return entered(member, event)


def correct_hours(command: CorrectHours, books: Books, act: Act) -> Decision:
    """Correct the minutes of a verified entry; its credit follows by the rule it was verified by.

    Raises InvalidCommand, EntryNotFound, EntryNotVerified, ReasonRequired, MinutesOutOfRange,
    NothingChanges, CreditSpent; when minutes or credit rise, FourEyes, and when minutes do,
    EvidenceFixed, DayOverfull.
    """
    member, entry = find_entry(command, books, act)
    reason_code = check_verified(command, member, entry)
    after = command.minutes
    if not 1 <= after <= entry.minutes:
        raise MinutesOutOfRange("minutes", minutes=after, minutes_max=entry.minutes)
    if after == entry.verified:
        raise NothingChanges("minutes", minutes=after)
    if after > entry.verified:
        check_raise(member, entry, after, books, act.caller)
    kept = entry.standing.rule
    rule = None if kept is None else books.rulebook.accruals[kept]
    credit = credit_of(rule, member, entry, after)
    if credit > entry.credit:
        # Fewer minutes may earn more too: what others had earned of the day is free again.
        check_four_eyes(member, entry, act.caller)
    event = replace(
        like(e.HoursCorrected, entry.heading, act),
        entry=f"{member.id}-{entry.number}",
        effective_on=act.effective_on,
        service_on=entry.service_on,
        before=entry.verified,
        after=after,
        credit_before=entry.credit,
        credit_after=credit,
        rule=kept,
        reason_code=reason_code,
        deficit=deficit_after(command, member, credit - entry.credit, act.caller),
    )
    return entered(member, event)


def void_hours(command: VoidHours, books: Books, act: Act) -> Decision:
    """Take a verified entry back whole, with its credit.

    Raises InvalidCommand, EntryNotFound, EntryNotVerified, ReasonRequired, CreditSpent.
    """
    member, entry = find_entry(command, books, act)
    reason_code = check_verified(command, member, entry)
    event = replace(
        like(e.HoursVoided, entry.heading, act),
        entry=f"{member.id}-{entry.number}",
        effective_on=act.effective_on,
        service_on=entry.service_on,
        minutes=entry.verified,
        credit=entry.credit,
        reason_code=reason_code,
        deficit=deficit_after(command, member, -entry.credit, act.caller),
    )
    return entered(member, event)


def find_entry(command: EntryCommand, books: Books, act: Act) -> tuple[Member, Entry]:
    """The entry a command names, by its id or by member, source and reference.

    Raises InvalidCommand for anything between, EntryNotFound, also when out of scope, and
    DateTooOld for an act that is to count on a day before the service was done.
    """
    source, source_ref = command.source, command.source_ref
    if command.entry is not None:
        if not (command.member is None and source is None and source_ref is None):
            raise InvalidCommand("entry", reason="named by its id, or by member and reference")
        owner, _, digits = command.entry.rpartition("-")
        member = books.get(f"member/{owner}")
        entry = member.entries.find(digits) if isinstance(member, Member) else None
    else:
        if command.member is None or source is None or source_ref is None:
            raise InvalidCommand("entry", reason="named by its id, or by member and reference")
        member = books.get(f"member/{command.member}")
        rows = member.entries if isinstance(member, Member) else None
        entry = rows.find_referred(source, source_ref) if rows is not None else None
    if entry is None or not isinstance(member, Member) or not sees(act.caller, entry):
        at = "source_ref" if command.entry is None else "entry"
        raise EntryNotFound(at, entry=command.entry, source_ref=source_ref)
    if act.effective_on < entry.service_on:
        # Or there would be days on which a member has credit for hours that are still to come.
        day, service_on = act.effective_on.isoformat(), entry.service_on.isoformat()
        raise DateTooOld("effective_on", day=day, service_on=service_on)
    return member, entry


def sees(caller: Caller, entry: Entry) -> bool:
    """Whether an entry's region and organisation are in the caller's scope."""
    facts = entry.heading.facts
    return caller.sees_region(facts["region"]) and caller.sees_organisation(facts["organisation"])


def name_for(caller: Caller, member: Member, entry: Entry) -> str | None:
    """An entry's id, for those who may see it."""
    return f"{member.id}-{entry.number}" if sees(caller, entry) else None


def check_pending(member: Member, entry: Entry) -> None:
    """Raises EntryNotPending."""
    if entry.status != "pending":
        raise EntryNotPending("entry", entry=f"{member.id}-{entry.number}", status=entry.status)


def check_verified(command: CorrectHours | VoidHours, member: Member, entry: Entry) -> str:
    """The reason for changing a verified entry. Raises EntryNotVerified, ReasonRequired."""
    if entry.status != "verified":
        raise EntryNotVerified("entry", entry=f"{member.id}-{entry.number}", status=entry.status)
    if command.reason_code is None:
        raise ReasonRequired("reason_code")
    return command.reason_code


def check_day_room(
    minutes: int, on_day: list[Entry], service_on: date, limits: Limits, caller: Caller
) -> None:
    """So many more minutes fit into a day beside its live entries.

    Raises DayOverfull, which says how many there are to whoever sees them all.
    """
    taken = minutes_of(on_day) if on_day else 0
    if taken + minutes > limits.day_minutes_max:
        raise DayOverfull(
            "minutes",
            day=service_on.isoformat(),
            minutes_before=taken if all(sees(caller, entry) for entry in on_day) else None,
            minutes_max=limits.day_minutes_max,
        )


def check_raise(member: Member, entry: Entry, after: int, books: Books, caller: Caller) -> None:
    """Verified minutes may rise, up to what was logged, by someone who had no hand in it.

    Raises EvidenceFixed, FourEyes, DayOverfull.
    """
    about = entry.heading
    if about.facts["evidence"] == "system":
        raise EvidenceFixed("minutes", before=entry.verified)
    check_four_eyes(member, entry, caller)
    day = entry.service_on
    limits = books.rulebook.limits(about.facts["region"], day)
    check_day_room(after - entry.verified, member.entries.live_on(day), day, limits, caller)


def check_four_eyes(member: Member, entry: Entry, caller: Caller) -> None:
    """Whoever recorded an entry, verified it or is the member adds nothing to it. FourEyes."""
    if (
        caller.holder == entry.heading.recorder
        or caller.holder in entry.standing.verifiers
        or member.id in caller.members
    ):
        raise FourEyes("entry", entry=f"{member.id}-{entry.number}")


def credit_of(rule: e.AccrualRuleSet | None, member: Member, entry: Entry, minutes: int) -> int:
    """Credit-minutes for so many verified minutes of an entry, within what its day may earn."""
    if rule is None:
        return 0
    credit = minutes * rule.num // rule.den
    if rule.entry_max is not None:
        credit = min(credit, rule.entry_max)
    if rule.day_max is not None:
        left = rule.day_max + entry.credit
        for of_day in member.entries.live_on(entry.service_on):
            left -= of_day.credit
        credit = min(credit, max(0, left))
    return credit


def deficit_after(
    command: CorrectHours | VoidHours, member: Member, change: int, caller: Caller
) -> int | None:
    """How far below zero the credit stands after a change of it; None when it does not.

    Raises CreditSpent when the change takes away what is spent and no deficit is asked for; it says
    what there is to whoever sees the member, and not the entry alone.
    """
    left = member.available + change
    if left >= 0:
        return None
    if change < 0 and not command.deficit:
        available = member.available if caller.sees_region(member.region) else None
        raise CreditSpent("deficit", credit_available=available, credit_taken=-change)
    return -left


def entered(member: Member, event: e.Hours) -> Decision:
    """One more event on an entry."""
    return Decision(events=[(f"member/{member.id}", event)], answer={"entry": event.entry})


RULES: Final[dict[type[Command], Rule]] = {
    VerifyHours: verify_hours,
    RejectHours: reject_hours,
    CorrectHours: correct_hours,
    VoidHours: void_hours,
}
