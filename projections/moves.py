"""The posting table at work: from events to moves, and to flows between account classes.

The rows of each topic are compiled once into two plain functions, because the
read models run them over every event there ever was.

- A *move* is exact: accounts by name, one for each lot.
- A *flow* leaves the accounts' rests and the lots out: (route, month, quantity).
  A route is a commodity with the classes of both accounts, as its index in ROUTES.
  Where an account may turn out to be the world, only the moves know, so there are no flows.
"""

from collections.abc import Callable, Iterable
from datetime import date
from functools import cache
from string import Formatter
from typing import Any, Final, NamedTuple, cast, get_args, get_origin

from msgspec.structs import fields

from ledger.domain.events import TOPICS, Event
from ledger.domain.values import Lot
from projections.postings import POSTINGS, M, Posting, class_of

WORLD: Final = "world"
ABSENT: Final = "-"


class Move(NamedTuple):
    """A quantity of a commodity on its way from one account to another."""

    commodity: str
    source: str
    target: str
    quantity: int
    #: The day it counts on.
    day: date
    #: The part of a receipt that moved, for money.
    lot: Lot | None


class Route(NamedTuple):
    """What flows between which classes of accounts."""

    commodity: str
    source: str
    target: str


#: Index of the route, month as YYYYMM, quantity.
Flow = tuple[int, int, int]
#: (event, id of its stream) → moves.
MovesOf = Callable[[Any, str], list[Move]]
FlowsOf = Callable[[Any], list[Flow]]
#: Adds what an event moves to sums at hand.
Adder = Callable[[Any, list[int]], None]
#: (number of a topic's row, one of its routes) → sums it changes, as (index, sign).
Effects = Callable[[int, Route], Iterable[tuple[int, int]]]


def month_of(day: date) -> int:
    """The calendar month as YYYYMM."""
    return day.year * 100 + day.month


def routes_of(row: Posting) -> list[Route]:
    """The routes of a row: two when its commodity is decided by the event's kind."""
    commodities = M.values() if row.commodity == "M" else (row.commodity,)
    return [Route(each, class_of(row.source), class_of(row.target)) for each in commodities]


def _has_route(row: Posting) -> bool:
    """Whether the classes of both accounts are known before the event is."""
    return "?" not in row.source + row.target


#: All routes there are, in the order of the table.
ROUTES: Final[tuple[Route, ...]] = tuple(
    dict.fromkeys(route for row in POSTINGS if _has_route(row) for route in routes_of(row))
)


# The compiler: a row becomes a few lines of Python, made of the table's own words only.


@cache
def _field(topic: str, name: str) -> str:
    """The expression for a name in a row, as text or number."""
    if name.isdigit():
        return name
    if name.startswith("lots."):
        return f"lot.{name[5:]}"
    declared = {f.name: f.type for f in fields(TOPICS[topic])}.get(name)
    if declared is None:
        return "owner"
    if get_origin(declared) is tuple:
        return f"'+'.join(event.{name})"
    if type(None) in get_args(declared):
        return f"{ABSENT!r} if event.{name} is None else event.{name}"
    return f"event.{name}"


def _account(topic: str, template: str) -> str:
    """The expression for an account's name."""
    text, needed = "", ""
    for literal, name, _, _ in Formatter().parse(template):
        text += literal
        if name is not None:
            text += f"{{{_field(topic, name.rstrip('?'))}}}"
            needed = name[:-1] if name.endswith("?") else needed
    return f'(f"{text}" if event.{needed} is not None else {WORLD!r})' if needed else f'f"{text}"'


def _by_kind(values: Iterable[str | int]) -> str:
    """The expression for the only value, or for the one of two that the event's kind decides."""
    first, *others = map(repr, values)
    return f"({first} if event.kind == {next(iter(M))!r} else {others[0]})" if others else first


def _moves_text(topic: str, rows: list[Posting]) -> str:
    """The source of a topic's moves."""
    lines = ["def compiled(event, owner):", " out = []"]
    for row in rows:
        commodity = _by_kind(route.commodity for route in routes_of(row))
        accounts = f"{_account(topic, row.source)}, {_account(topic, row.target)}"
        is_lots = row.quantity.startswith("lots.")
        lines += [
            " for lot in event.lots:" if is_lots else " for lot in (None,):",
            f"  quantity = {_field(topic, row.quantity)}",
            "  if quantity:",
            f"   out.append(Move({commodity}, {accounts}, quantity, event.{row.date}, lot))",
        ]
    return "\n".join([*lines, " return out"])


def _quantity(row: Posting) -> str:
    """The expression for the quantity of a row, over all lots."""
    quantity = _field(row.topic, row.quantity)
    is_lots = row.quantity.startswith("lots.")
    return f"sum([{quantity} for lot in event.lots])" if is_lots else quantity


def _months_lines(rows: list[Posting]) -> list[str]:
    """The statements that leave the month of each date in a name of its own."""
    lines = []
    for day in dict.fromkeys(row.date for row in rows):
        lines += [f" {day} = event.{day}", f" {day} = {day}.year * 100 + {day}.month"]
    return lines


def _flows_text(rows: list[Posting]) -> str:
    """The source of a topic's flows."""
    lines = ["def compiled(event):", " out = []", *_months_lines(rows)]
    for row in rows:
        route = _by_kind(ROUTES.index(route) for route in routes_of(row))
        quantity = _quantity(row)
        lines += [
            f" quantity = {quantity}",
            f" if quantity: out.append(({route}, {row.date}, quantity))",
        ]
    return "\n".join([*lines, " return out"])


@cache
def _compile(text: str) -> Any:
    """The function of a source made from the table."""
    names: dict[str, Any] = {"Move": Move}
    exec(text, names)  # noqa: S102 (the text is made of the table's words, of nothing from outside)
    return names["compiled"]


def _by_topic(rows: Iterable[Posting]) -> dict[str, list[Posting]]:
    found: dict[str, list[Posting]] = {}
    for row in rows:
        found.setdefault(row.topic, []).append(row)
    return found


def _effects_lines(row: Posting, effects: list[list[tuple[int, int]]]) -> list[str]:
    """The statements that add a row's quantity, by the event's kind where that decides."""
    of_kind = [
        [f"sums[{n}] {'+' if sign > 0 else '-'}= {_quantity(row)}" for n, sign in each]
        for each in effects
    ]
    if all(each == of_kind[0] for each in of_kind):
        return [f" {line}" for line in of_kind[0]]
    lines = []
    for kind, each in zip(M, of_kind, strict=True):
        lines += [f" if event.kind == {kind!r}:", *[f"  {line}" for line in each or ["pass"]]]
    return lines


@cache
def adder(topic: str, effects: Effects) -> Adder:
    """A function that adds what an event of a topic moves to sums: once for all lots."""
    lines = ["def compiled(event, sums):", " pass"]
    for number, row in enumerate(rows_of_topic(topic)):
        lines += _effects_lines(row, [[*effects(number, each)] for each in routes_of(row)])
    return cast("Adder", _compile("\n".join(lines)))


@cache
def months_getter(topic: str) -> Callable[[Any], tuple[int, ...]]:
    """A function that gives the month of each of a topic's dates, in the order of its rows."""
    rows = rows_of_topic(topic)
    days = ", ".join(dict.fromkeys(row.date for row in rows))
    lines = ["def compiled(event):", *_months_lines(rows), f" return ({days},)"]
    return cast("Callable[[Any], tuple[int, ...]]", _compile("\n".join(lines)))


def rows_of_topic(topic: str) -> list[Posting]:
    """A topic's rows of the table, of those that have routes."""
    return [row for row in POSTINGS if row.topic == topic and _has_route(row)]


#: The moves of each topic in the table.
MOVES: Final[dict[str, MovesOf]] = {
    topic: _compile(_moves_text(topic, rows)) for topic, rows in _by_topic(POSTINGS).items()
}
#: The flows of each topic that has routes.
FLOWS: Final[dict[str, FlowsOf]] = {
    topic: _compile(_flows_text(rows))
    for topic, rows in _by_topic(row for row in POSTINGS if _has_route(row)).items()
}


def moves(event: Event, stream: str) -> list[Move]:
    """The moves of an event of a stream such as `member/V0001`; some topics move nothing."""
    compiled = MOVES.get(type(event).__name__)
    return compiled(event, stream.partition("/")[2]) if compiled else []
