"""Projects: what hours are given for; each belongs to one organisation and one region."""

from datetime import date
from typing import Final

from msgspec import Struct

from ledger.domain.access import Caller, require_region
from ledger.domain.commands import CloseProject, Command, OpenProject
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    AlreadyExists,
    CorruptLog,
    Forbidden,
    InvalidCommand,
    ProjectClosed,
    ProjectNotFound,
)
from ledger.domain.events import Event, ProjectOpened
from ledger.domain.events import ProjectClosed as ProjectClosedEvent
from ledger.domain.organisation import find_organisation
from ledger.domain.values import check_name


class Project(Struct, kw_only=True):
    """A project as it stands; both its days are counted in."""

    id: str
    name: str
    organisation: str
    region: str
    #: Categories of service it offers, sorted.
    categories: tuple[str, ...]
    opens_on: date
    #: Its last day; None while it is open.
    closes_on: date | None = None

    def runs_on(self, day: date) -> bool:
        """Whether the day lies within the project's dates."""
        return self.opens_on <= day and (self.closes_on is None or day <= self.closes_on)


def evolve(state: Project | None, stream: str, event: Event) -> Project:
    """The project after one more event. Raises CorruptLog for an event out of place."""
    if state is None and isinstance(event, ProjectOpened):
        return Project(
            id=stream.removeprefix("project/"),
            name=event.name,
            organisation=event.organisation,
            region=event.region,
            categories=event.categories,
            opens_on=event.opens_on,
        )
    if state is None or not isinstance(event, ProjectClosedEvent):
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    state.closes_on = event.closes_on
    return state


def find_project(books: Books, project: str, caller: Caller, at: str = "project") -> Project:
    """The project. Raises ProjectNotFound, also when it is out of the caller's scope."""
    state = books.get(f"project/{project}")
    if (
        not isinstance(state, Project)
        or not caller.sees_region(state.region)
        or not caller.sees_organisation(state.organisation)
    ):
        raise ProjectNotFound(at, project=project)
    return state


def open_project(command: OpenProject, books: Books, act: Act) -> Decision:
    """Open it. Raises Forbidden, OrganisationNotFound, AlreadyExists, InvalidCommand (name)."""
    require_region(act.caller, command.region)
    # Said of the caller's own list before anything is looked up, so it shows nothing.
    if not act.caller.sees_organisation(command.organisation):
        raise Forbidden("organisation", organisation=command.organisation)
    find_organisation(books, command.organisation, act.caller)
    check_name(command.name)
    stream = f"project/{command.project}"
    if books.get(stream) is not None:
        raise AlreadyExists("project", project=command.project)
    event = ProjectOpened(
        name=command.name,
        organisation=command.organisation,
        region=command.region,
        categories=tuple(sorted(set(command.categories))),
        opens_on=command.opens_on,
        **act.stamp(),
    )
    return Decision(events=[(stream, event)], answer={"project": command.project})


def close_project(command: CloseProject, books: Books, act: Act) -> Decision:
    """Set its last day, past or to come. Raises ProjectNotFound, ProjectClosed, InvalidCommand."""
    project = find_project(books, command.project, act.caller)
    if project.closes_on is not None:
        raise ProjectClosed("project", closes_on=project.closes_on.isoformat())
    if command.closes_on < project.opens_on:
        opens_on = project.opens_on.isoformat()
        raise InvalidCommand("closes_on", reason="before it opens", opens_on=opens_on)
    event = ProjectClosedEvent(
        organisation=project.organisation,
        region=project.region,
        closes_on=command.closes_on,
        reason_code=command.reason_code,
        **act.stamp(),
    )
    return Decision(
        events=[(f"project/{project.id}", event)],
        answer={"project": project.id, "closes_on": command.closes_on.isoformat()},
    )


RULES: Final[dict[type[Command], Rule]] = {OpenProject: open_project, CloseProject: close_project}
