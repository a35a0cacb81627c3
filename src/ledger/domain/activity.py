"""Activities: what a project held on a day, and the person-times it counted."""

from datetime import date
from typing import Any, Final

from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.commands import Command, HoldActivity, WithdrawActivity
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    ActivityNotFound,
    AlreadyExists,
    CategoryNotOffered,
    CorruptLog,
    DateInFuture,
    DateTooOld,
    InvalidCommand,
    NothingChanges,
    ProjectClosed,
)
from ledger.domain.events import ActivityHeld, ActivityWithdrawn, Event
from ledger.domain.project import Project, find_project
from ledger.domain.values import ActivityKind

#: What one has to be registered for, so that nobody attends who is not.
BY_REGISTRATION: Final[frozenset[ActivityKind]] = frozenset({"exam", "training"})
#: What an activity's events say of it besides its id.
FIELDS: Final = (
    "project", "organisation", "region", "category", "kind", "held_on", "responsible",
    "registered", "attended", "served",
)  # fmt: skip


class Activity(Struct, kw_only=True):
    """An activity as recorded. Counts are person-times."""

    id: str
    project: str
    organisation: str
    region: str
    category: str
    kind: ActivityKind
    held_on: date
    responsible: str
    registered: int
    attended: int
    served: int
    withdrawn: bool = False

    def facts(self) -> dict[str, Any]:
        """The fields its events share."""
        return {name: getattr(self, name) for name in FIELDS}


def evolve(state: Activity | None, stream: str, event: Event) -> Activity:
    """The activity after one more event. Raises CorruptLog for an event out of place."""
    if state is None and isinstance(event, ActivityHeld):
        return Activity(id=event.activity, **{name: getattr(event, name) for name in FIELDS})
    if state is None or not isinstance(event, ActivityWithdrawn):
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    state.withdrawn = True
    return state


def find_activity(books: Books, activity: str, caller: Caller, at: str = "activity") -> Activity:
    """The activity, withdrawn or not. Raises ActivityNotFound, also when out of scope."""
    state = books.get(f"activity/{activity}")
    if (
        not isinstance(state, Activity)
        or not caller.sees_region(state.region)
        or not caller.sees_organisation(state.organisation)
    ):
        raise ActivityNotFound(at, activity=activity)
    return state


def hold_activity(command: HoldActivity, books: Books, act: Act) -> Decision:
    """Record it.

    Raises ProjectNotFound, AlreadyExists, ProjectClosed, DateInFuture, DateTooOld,
    CategoryNotOffered, InvalidCommand (more attended than were registered).
    """
    project = find_project(books, command.project, act.caller)
    stream = f"activity/{command.activity}"
    if books.get(stream) is not None:
        raise AlreadyExists("activity", activity=command.activity)
    _check_day(command, project, books, act)
    if command.category not in project.categories:
        raise CategoryNotOffered("category", category=command.category)
    if command.kind in BY_REGISTRATION and command.attended > command.registered:
        signed_up = command.registered
        raise InvalidCommand("attended", reason="more than signed up", registered=signed_up)
    event = ActivityHeld(
        activity=command.activity,
        project=project.id,
        organisation=project.organisation,
        region=project.region,
        category=command.category,
        kind=command.kind,
        held_on=command.held_on,
        responsible=command.responsible,
        registered=command.registered,
        attended=command.attended,
        served=command.served,
        **act.stamp(),
    )
    return Decision(events=[(stream, event)], answer={"activity": command.activity})


def _check_day(command: HoldActivity, project: Project, books: Books, act: Act) -> None:
    """Held within the project's dates, not to come, no further back than the region's limits."""
    day = command.held_on.isoformat()
    if command.held_on > act.today:
        raise DateInFuture("held_on", day=day)
    if not project.runs_on(command.held_on):
        raise ProjectClosed("held_on", day=day)
    days_max = books.rulebook.limits(project.region, act.today).backdating_days
    if (act.today - command.held_on).days > days_max:
        raise DateTooOld("held_on", day=day, days_max=days_max)


def withdraw_activity(command: WithdrawActivity, books: Books, act: Act) -> Decision:
    """Take it back whole, once. Raises ActivityNotFound, NothingChanges."""
    activity = find_activity(books, command.activity, act.caller)
    if activity.withdrawn:
        raise NothingChanges("activity", activity=activity.id)
    event = ActivityWithdrawn(
        activity=activity.id, reason_code=command.reason_code, **activity.facts(), **act.stamp()
    )
    return Decision(events=[(f"activity/{activity.id}", event)], answer={"activity": activity.id})


RULES: Final[dict[type[Command], Rule]] = {
    HoldActivity: hold_activity,
    WithdrawActivity: withdraw_activity,
}
