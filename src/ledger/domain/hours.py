"""Rules on hours as they are logged: once, in time, within the day, no minute twice.

What becomes of them afterwards is in `verification`.
"""

from typing import Final

from msgspec.structs import replace

from ledger.domain import events as e
from ledger.domain import verification
from ledger.domain.access import Caller
from ledger.domain.account import Member
from ledger.domain.activity import find_activity
from ledger.domain.commands import Command, LogHours
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.entry import Entry, Span, heading, like, span
from ledger.domain.errors import (
    ActivityNotFound,
    CategoryNotOffered,
    DateInFuture,
    DateTooOld,
    EntryNotFound,
    InvalidCommand,
    MinutesOutOfRange,
    OverlappingService,
    ProjectClosed,
    RowConflict,
)
from ledger.domain.member import check_registered, find_member
from ledger.domain.organisation import find_organisation
from ledger.domain.project import Project, find_project
from ledger.domain.rulebook import Limits
from ledger.domain.verification import check_day_room, name_for, sees


def log_hours(command: LogHours, books: Books, act: Act) -> Decision:
    """Record one stretch of service. The same row again is already there, and answers so.

    Raises InvalidCommand, MemberNotFound, ProjectNotFound, EntryNotFound (what it replaces),
    RowConflict, OrganisationNotFound (the team), ActivityNotFound, ProjectClosed,
    CategoryNotOffered, DateInFuture, DateTooOld, MinutesOutOfRange, DayOverfull,
    OverlappingService.
    """
    caller = act.caller
    when = check_pairs(command)
    member = find_member(books, command.member, caller)
    project = find_project(books, command.project, caller)
    replaced = find_replaced(command, member, caller) if command.replaces is not None else None
    known = find_row(command, member)
    if known is not None and known is not replaced:
        return already_there(command, member, known, caller)
    if replaced is not None:
        check_unreplaced(member, replaced, caller)
    check_registered(member)
    check_links(command, books, caller)
    check_project(command, project)
    rulebook = books.rulebook
    check_days(command, act, rulebook.limits(project.region, act.today))
    check_minutes(command, when)
    check_room(command, member, when, rulebook.limits(project.region, command.service_on), caller)
    entry = f"{member.id}-{len(member.entries.numbered) + 1}"
    about = heading(
        project.id,
        project.organisation,
        command.team,
        project.region,
        member.region,
        member.kinds,
        command.kind,
        command.category,
        command.evidence,
        command.activity,
        command.source,
        caller.holder,
    )
    event = replace(
        like(e.HoursLogged, about, act),
        entry=entry,
        effective_on=act.effective_on,
        service_on=command.service_on,
        minutes=command.minutes,
        start=command.start,
        end=command.end,
        source=command.source,
        source_ref=command.source_ref,
        replaces=command.replaces,
    )
    return Decision(events=[(f"member/{member.id}", event)], answer={"entry": entry})


def check_pairs(command: LogHours) -> Span | None:
    """The span, when given. Raises InvalidCommand for half a pair, at the half that is missing."""
    if (command.start is None) is not (command.end is None):
        missing = "start" if command.start is None else "end"
        raise InvalidCommand(missing, reason="start and end come together")
    if (command.source is None) is not (command.source_ref is None):
        missing = "source" if command.source is None else "source_ref"
        raise InvalidCommand(missing, reason="source and source_ref come together")
    return span(command.start, command.end)


def find_replaced(command: LogHours, member: Member, caller: Caller) -> Entry:
    """The rejected or voided entry of this member that the row replaces.

    Raises EntryNotFound, and RowConflict for one that still stands.
    """
    named = command.replaces or ""
    entry = member.find_entry(named)
    if entry is None or not sees(caller, entry):
        raise EntryNotFound("replaces", entry=named)
    if entry.is_live:
        raise RowConflict("replaces", entry=named)
    return entry


def check_unreplaced(member: Member, replaced: Entry, caller: Caller) -> None:
    """One entry stands in place of another at most. Raises RowConflict."""
    other = member.entries.replacement_of(replaced)
    if other is not None and other.is_live:
        raise RowConflict("replaces", entry=name_for(caller, member, other))


def find_row(command: LogHours, member: Member) -> Entry | None:
    """The entry that has this row's identity: its reference, else project, day and start."""
    if command.source is not None and command.source_ref is not None:
        return member.entries.find_referred(command.source, command.source_ref)
    return member.entries.find_unreferred(command.project, command.service_on, command.start)


def already_there(command: LogHours, member: Member, known: Entry, caller: Caller) -> Decision:
    """The row was recorded before. Raises RowConflict when it said something else then."""
    facts = known.heading.facts
    same = (
        command.minutes == known.minutes
        and command.service_on == known.service_on
        and command.project == facts["project"]
        and command.category == facts["category"]
        and command.evidence == facts["evidence"]
        and command.kind == facts["kind"]
        and command.team == facts["team"]
        and command.activity == facts["activity"]
        and span(command.start, command.end) == known.span
        and command.replaces == member.entries.replacing.get(known.number)
    )
    if not same:
        at = "service_on" if command.source_ref is None else "source_ref"
        raise RowConflict(at, entry=name_for(caller, member, known))
    return Decision(answer={"entry": f"{member.id}-{known.number}", "already": True})


def check_links(command: LogHours, books: Books, caller: Caller) -> None:
    """The team and the activity are there. Raises OrganisationNotFound, ActivityNotFound."""
    if command.team is not None:
        find_organisation(books, command.team, caller, at="team")
    if command.activity is not None:
        activity = find_activity(books, command.activity, caller)
        if activity.project != command.project:
            raise ActivityNotFound("activity", activity=command.activity)


def check_project(command: LogHours, project: Project) -> None:
    """The project runs that day and offers that. Raises ProjectClosed, CategoryNotOffered."""
    if not project.runs_on(command.service_on):
        raise ProjectClosed("service_on", day=command.service_on.isoformat())
    if command.category not in project.categories:
        raise CategoryNotOffered("category", category=command.category)


def check_days(command: LogHours, act: Act, limits: Limits) -> None:
    """The day has come, and not too long ago by today's limits; a replacement is of any day.

    Raises DateInFuture, DateTooOld.
    """
    service_on = command.service_on
    if service_on > act.effective_on:
        raise DateInFuture("service_on", day=service_on.isoformat())
    days_max = limits.backdating_days
    if (act.today - service_on).days > days_max and command.replaces is None:
        raise DateTooOld("service_on", day=service_on.isoformat(), days_max=days_max)


def check_minutes(command: LogHours, when: Span | None) -> None:
    """At least one minute, and no more than there are. Raises MinutesOutOfRange."""
    minutes = command.minutes
    if minutes < 1:
        raise MinutesOutOfRange("minutes", minutes=minutes, minutes_min=1)
    if when is not None and minutes > when.last - when.first:
        raise MinutesOutOfRange("minutes", minutes=minutes, minutes_max=when.last - when.first)


def check_room(
    command: LogHours, member: Member, when: Span | None, limits: Limits, caller: Caller
) -> None:
    """The member's day has room, and none of the time is taken.

    Raises DayOverfull, OverlappingService.
    """
    service_on = command.service_on
    near = member.entries.live_around(service_on, when)
    on_day = near and [entry for entry in near if entry.service_on == service_on]
    check_day_room(command.minutes, on_day, service_on, limits, caller)
    if when is not None and near:
        for entry in near:
            if entry.overlaps(service_on, when):
                raise OverlappingService("start", entry=name_for(caller, member, entry))


RULES: Final[dict[type[Command], Rule]] = {LogHours: log_hours, **verification.RULES}
