"""Organisations: who organises, where."""

from typing import Final

from msgspec import Struct

from ledger.domain.access import Caller, require_region
from ledger.domain.commands import Command, RegisterOrganisation
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    AlreadyExists,
    CorruptLog,
    Forbidden,
    OrganisationNotFound,
)
from ledger.domain.events import Event, OrganisationRegistered
from ledger.domain.values import OrgKind, check_name


class Organisation(Struct, frozen=True, kw_only=True):
    """An organisation as registered; it never changes."""

    id: str
    name: str
    org_kind: OrgKind
    region: str


def evolve(state: Organisation | None, stream: str, event: Event) -> Organisation:
    """The organisation after one more event. Raises CorruptLog for an event of another noun."""
    if state is not None or not isinstance(event, OrganisationRegistered):
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    return Organisation(
        id=stream.removeprefix("organisation/"),
        name=event.name,
        org_kind=event.org_kind,
        region=event.region,
    )


def find_organisation(
    books: Books, organisation: str, caller: Caller, at: str = "organisation"
) -> Organisation:
    """The organisation. Raises OrganisationNotFound, also when it is out of the caller's scope."""
    state = books.get(f"organisation/{organisation}")
    if (
        not isinstance(state, Organisation)
        or not caller.sees_organisation(organisation)
        or not caller.sees_region(state.region)
    ):
        raise OrganisationNotFound(at, organisation=organisation)
    return state


def register_organisation(command: RegisterOrganisation, books: Books, act: Act) -> Decision:
    """Register it. Raises Forbidden, AlreadyExists, InvalidCommand (the name is not clean)."""
    require_region(act.caller, command.region)
    if not act.caller.sees_organisation(command.organisation):
        raise Forbidden("organisation", organisation=command.organisation)
    check_name(command.name)
    stream = f"organisation/{command.organisation}"
    if books.get(stream) is not None:
        raise AlreadyExists("organisation", organisation=command.organisation)
    event = OrganisationRegistered(
        name=command.name, org_kind=command.org_kind, region=command.region, **act.stamp()
    )
    return Decision(events=[(stream, event)], answer={"organisation": command.organisation})


RULES: Final[dict[type[Command], Rule]] = {RegisterOrganisation: register_organisation}
