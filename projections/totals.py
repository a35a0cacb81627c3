"""Totals: minutes, credit, money, person-times and activities by what they are grouped by.

A cube of sums: every flow takes its quantity out of one state (class of account)
and puts it into another, so over all states each commodity sums to zero.
Training stands apart from service throughout.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import fields

from ledger.domain.events import TOPICS
from projections.filters import NO_FILTERS, Group, Where, groups, named, where
from projections.folding import Handler
from projections.moves import Route, adder, months_getter, routes_of, rows_of_topic
from projections.postings import POSTINGS, M
from projections.rollups import EVER, FIGURES, ROLLUPS, Rollup, roll_up, rollup_for
from projections.session import Snapshot
from projections.tables import Deltas, Record, Table, integers, text

#: What an event is grouped by, where it says so; a target of money stands for its project.
DIMENSIONS: Final = ("region", "organisation", "project", "kind", "category", "evidence")
TOTALS: Final = Table(
    "totals",
    (
        *text("commodity", "state"),
        *integers("month", merge="key"),
        *text(*DIMENSIONS),
        *integers("quantity"),
    ),
    searched_by=("project",),
)
TABLES: Final = (TOTALS, *(rollup.table for rollup in ROLLUPS))

#: Money a fund still has stands at no project, month or place of its own (it may be allocated to
#: another region than the fund's), so it is told of the whole only; `fund_usage` has it by fund.
WHOLE_ONLY: Final = ("fen_unallocated", "fen_in_transit")
GROUPINGS: Final = (*DIMENSIONS, "month")
MONTHLY: Final = frozenset({"month", "from_month", "to_month"})
FILTERS: Final = (*GROUPINGS, "from_month", "to_month")

_BY_STATE: Final = {(c, state): (name, sign) for name, (c, state, sign) in FIGURES.items()}

Keys = tuple[str, ...]
#: (keys, months of the dates) → the sum of each row's quantities.
Cells = defaultdict[tuple[Keys, tuple[int, ...]], list[int]]
Sums = defaultdict[tuple[str | int, ...], int]
#: Where the kind stands, which decides the commodity of some rows; others have one route.
_KIND: Final = DIMENSIONS.index("kind")
_ONLY: Final = next(iter(M))


class Totals(Struct, frozen=True, kw_only=True):
    """Sums of each group: its keys (a month as `2025-06`), and the figures by name.

    `fen_unallocated` and `fen_in_transit` only when nothing is grouped or filtered by.
    """

    position: int
    as_of: date | None = None
    group_by: tuple[str, ...]
    filters: dict[str, str]
    rows: list[dict[str, str | int]]


class TotalsFold:
    """What flowed since the last drain: of each topic, by dimensions and months."""

    def __init__(self, _: Snapshot) -> None:
        self._cells: dict[str, Cells] = {
            row.topic: _cells(len(rows_of_topic(row.topic)))
            for row in POSTINGS
            if row.commodity != "HED"
        }

    def handlers(self) -> Mapping[str, Handler]:
        """All that moves anything but heads: those are counted by their accounts."""
        return {topic: _adding(topic, cells) for topic, cells in self._cells.items()}

    def drain(self) -> Deltas:
        """The deltas gathered so far; gathering begins anew."""
        sums: Sums = defaultdict(int)
        for topic, cells in self._cells.items():
            _move(topic, cells, sums)
            cells.clear()
        rows: list[Record] = [(*key, quantity) for key, quantity in sums.items()]
        return [(TOTALS, rows), *roll_up(sums, DIMENSIONS)]


def _cells(count: int) -> Cells:
    return defaultdict(lambda: [0] * count)


def _adding(topic: str, cells: Cells) -> Handler:
    """Adds up the quantities of a topic's rows."""
    keys_of, months_of = keys_getter(topic), months_getter(topic)
    add_to = adder(topic, _apart)

    def add(_: int, __: str, event: Any) -> None:
        add_to(event, cells[keys_of(event), months_of(event)])

    return add


def _move(topic: str, cells: Cells, sums: Sums) -> None:
    """Take the quantities of each row of a topic out of one state and into another."""
    rows = rows_of_topic(topic)
    days = list(dict.fromkeys(row.date for row in rows))
    for number, row in enumerate(rows):
        day = days.index(row.date)
        routes = dict(zip(M, routes_of(row), strict=False))
        for (keys, months), quantities in cells.items():
            quantity = quantities[number]
            if quantity:
                route = routes[keys[_KIND]] if len(routes) > 1 else routes[_ONLY]
                sums[route.commodity, route.source, months[day], *keys] -= quantity
                sums[route.commodity, route.target, months[day], *keys] += quantity


def _apart(number: int, _: Route) -> list[tuple[int, int]]:
    """Each row of the table of moves has a sum of its own."""
    return [(number, 1)]


@cache
def keys_getter(topic: str) -> Any:
    """A function that gives an event's DIMENSIONS, empty where it has none."""
    names = {f.name for f in fields(TOPICS[topic])}
    if names.issuperset(DIMENSIONS):
        return attrgetter(*DIMENSIONS)
    readers = [_reader(name, names) for name in DIMENSIONS]
    return lambda event: tuple([read(event) for read in readers])


def _reader(name: str, names: set[str]) -> Any:
    """How one dimension is read from events that have these fields."""
    if name in names:
        return attrgetter(name)
    if name == "project" and "target" in names:
        return lambda event: project_of(event.target)
    return lambda _: ""


def project_of(target: str) -> str:
    """The project a target of money is, empty when it is a policy."""
    kind, _, target_id = target.partition("/")
    return target_id if kind == "project" else ""


def totals(
    snapshot: Snapshot, group_by: Sequence[str] = (), filters: Mapping[str, str] = NO_FILTERS
) -> Totals:
    """The figures by any of GROUPINGS (a region by its first digits: `region:6`).

    Raises InvalidCommand for an unknown grouping or filter or a malformed value, NotFound for
    an unknown project or organisation. One row without keys when nothing is grouped by.
    """
    by = groups(group_by, GROUPINGS)
    condition = where(snapshot, filters, FILTERS)
    hidden = WHOLE_ONLY if by or filters else ()
    told = [name for name in FIGURES if name not in hidden]
    rollup, months = _kept_in(by, filters)
    if rollup is None:
        found = _from_cube(snapshot, by, condition, told)
    else:
        within = condition._replace(sql=f"{months} AND {condition.sql}")
        found = _from_rollup(snapshot, rollup, by, within, told)
    return Totals(
        position=snapshot.position,
        as_of=snapshot.as_of,
        group_by=tuple(group_by),
        filters=dict(filters),
        rows=[named(by, key) | figures for key, figures in found],
    )


#: Of each group its key and its figures.
Found = Iterable[tuple[Sequence[Any], dict[str, int]]]


def _kept_in(by: Sequence[Group], filters: Mapping[str, str]) -> tuple[Rollup | None, str]:
    """The rollup that knows what is asked for with the fewest rows, and which months of it."""
    asked = {*(group.name for group in by), *filters}
    is_monthly = not asked.isdisjoint(MONTHLY)
    # Of one project the cube's own index finds the months.
    is_of_cube = is_monthly and "project" in filters
    rollup = None if is_of_cube else rollup_for(asked - MONTHLY)
    return rollup, f"month {'>' if is_monthly else '='} {EVER}"


def _from_rollup(
    snapshot: Snapshot, rollup: Rollup, by: Sequence[Group], condition: Where, told: Sequence[str]
) -> Found:
    """The sums of whole rows."""
    keys = ", ".join(group.sql for group in by)
    sums = ", ".join(f"CAST(SUM({name}) AS BIGINT)" for name in told)
    rows = snapshot.rows(
        f"SELECT {f'{keys}, ' if by else ''}{sums} FROM {{g}}{rollup.table.name}"
        f" WHERE {condition.sql}" + (f" GROUP BY {keys} ORDER BY {keys}" if by else ""),
        *condition.params,
    )
    for row in rows:
        # Without groups there is a row even of nothing.
        figures = row[len(by) :] if by else [value or 0 for value in row]
        yield row[: len(by)], dict(zip(told, figures, strict=True))


def _from_cube(
    snapshot: Snapshot, by: Sequence[Group], condition: Where, told: Sequence[str]
) -> Found:
    """The sums of each commodity and state, as figures."""
    columns = ", ".join([*(group.sql for group in by), "commodity", "state"])
    rows = snapshot.rows(
        f"SELECT {columns}, CAST(SUM(quantity) AS BIGINT) FROM {{g}}totals"
        f" WHERE {condition.sql} GROUP BY {columns} ORDER BY {columns}",
        *condition.params,
    )
    nothing = dict.fromkeys(told, 0)
    found: dict[tuple[Any, ...], dict[str, int]] = {} if by else {(): {**nothing}}
    for *key, commodity, state, quantity in rows:
        figures = found.setdefault(tuple(key), {**nothing})
        name, sign = _BY_STATE.get((commodity, state), ("", 0))
        if name in figures:
            figures[name] = sign * quantity
    return found.items()


def verified_minutes(snapshot: Snapshot, projects: Collection[str]) -> dict[str, int]:
    """Verified service minutes of each of these projects, so far."""
    if not projects:
        return {}
    marks = ", ".join("?" * len(projects))
    rows = snapshot.rows(
        "SELECT project, verified_minutes FROM {g}totals_projects"
        f" WHERE month = {EVER} AND project IN ({marks})",
        *projects,
    )
    return dict(rows)
