"""The way in to all rules: one command, one rule; one stream type, one fold."""

from functools import cache
from typing import Final

from msgspec.structs import fields

from ledger.domain import (
    account,
    activity,
    fund,
    grant,
    hours,
    key,
    ledger,
    member,
    organisation,
    policy,
    project,
    rulebook,
    spending,
    transfer,
)
from ledger.domain.access import require_role
from ledger.domain.commands import Command, OpenLedger, SetAccrualRule, SetLimits, SetStarLevels
from ledger.domain.decision import Act, Books, Decision, Evolve, Rule
from ledger.domain.errors import CorruptLog, DateInFuture, DateTooOld
from ledger.domain.events import Event
from ledger.domain.unbounded import KIND_OF
from ledger.domain.values import owner_of

RULES: Final[dict[type[Command], Rule]] = {
    **ledger.RULES,
    **member.RULES,
    **hours.RULES,
    **grant.RULES,
    **organisation.RULES,
    **project.RULES,
    **activity.RULES,
    **policy.RULES,
    **fund.RULES,
    **spending.RULES,
    **transfer.RULES,
    **key.RULES,
}

#: Stream type → its fold.
EVOLVE: Final[dict[str, Evolve]] = {
    "ledger": rulebook.evolve,
    "member": account.evolve,
    "organisation": organisation.evolve,
    "project": project.evolve,
    "activity": activity.evolve,
    "policy": policy.evolve,
    "fund": fund.evolve,
    "incoming": transfer.evolve,
    "key": key.evolve,
}

#: Dated tables and the opening: their day may lie anywhere.
UNDATED: Final = (OpenLedger, SetLimits, SetStarLevels, SetAccrualRule)

#: Command field → type of the stream it names; ids of the ledger lead to their owner.
STREAM_OF_FIELD: Final = {
    "member": "member",
    "project": "project",
    "organisation": "organisation",
    "team": "organisation",
    "policy": "policy",
    "fund": "fund",
    "activity": "activity",
    "key": "key",
}
STREAM_OF_DERIVED: Final = {
    "entry": "member", "grant": "member", "expense": "fund", "transfer": "fund"
}  # fmt: skip


def decide(command: Command, books: Books, act: Act) -> Decision:
    """What the command does. Raises a Refusal with the code of the rule that forbids it."""
    kind = KIND_OF[type(command)]
    require_role(act.caller, kind)
    if kind is not OpenLedger:
        _ = books.rulebook  # nothing stands in a log before its opening
    if command.effective_on is not None and kind not in UNDATED:
        check_day(books, act)
    return RULES[kind](command, books, act)


def check_day(books: Books, act: Act) -> None:
    """The day of an act has come, and is no further back than the limits allow anywhere."""
    if act.effective_on > act.today:
        raise DateInFuture("effective_on", day=act.effective_on.isoformat())
    days_max = books.rulebook.backdating_days_max(act.today)
    if (act.today - act.effective_on).days > days_max:
        raise DateTooOld("effective_on", day=act.effective_on.isoformat(), days_max=days_max)


def evolve(state: object | None, stream: str, event: Event) -> object:
    """The state of a stream after one more of its events. May change `state` in place.

    Raises CorruptLog for an event out of place.
    """
    return fold_of(stream)(state, stream, event)


def fold_of(stream: str) -> Evolve:
    """The fold of a stream's type."""
    return EVOLVE.get(stream.partition("/")[0], _out_of_place)


def _out_of_place(_: object, stream: str, event: Event) -> object:
    raise CorruptLog("topic", topic=type(event).__name__, stream=stream)


@cache
def _named(kind: type[Command]) -> tuple[tuple[str, str, bool], ...]:
    """The fields of a command that name streams: (field, stream type, derived)."""
    names = [f.name for f in fields(kind)]
    return tuple((n, STREAM_OF_FIELD[n], False) for n in names if n in STREAM_OF_FIELD) + tuple(
        (n, STREAM_OF_DERIVED[n], True) for n in names if n in STREAM_OF_DERIVED
    )


def streams_of(command: Command) -> list[str]:
    """Streams the rule will look at first, to be loaded many at once; a hint, not a bound."""
    streams = []
    for name, stream_type, derived in _named(type(command)):
        value = getattr(command, name)
        if value:
            streams.append(f"{stream_type}/{owner_of(value) if derived else value}")
    return streams
