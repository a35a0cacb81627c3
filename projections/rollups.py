"""Rollups: the totals of one dimension at a time, so that they are looked up and not added up.

The cube of totals has a row for every combination there ever was. What is asked for most, the
whole or the parts of one dimension, is kept in small tables of its own: by month, and with month
0 for all months together. A question goes to the smallest table that knows what it asks for.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

from projections.tables import Deltas, Record, Table, integers, text

#: The month that stands for all months.
EVER: Final = 0

Key = tuple[Any, ...]


class Rollup(NamedTuple):
    """A table of sums by these dimensions; all others are added up."""

    table: Table
    dimensions: tuple[str, ...]

    @property
    def select_sql(self) -> str:
        """The query for all its rows, from the cube."""
        columns = "".join(f", {name}" for name in (*self.dimensions, "commodity", "state"))
        sums = "CAST(SUM(quantity) AS BIGINT) AS quantity FROM {g}totals GROUP BY"
        return (
            f"SELECT month{columns}, {sums} month{columns}"
            f" UNION ALL SELECT {EVER} AS month{columns}, {sums} {columns[2:]}"
        )


def _rollup(name: str, *dimensions: str) -> Rollup:
    keys = (*integers("month", merge="key"), *text(*dimensions, "commodity", "state"))
    return Rollup(Table(f"totals_{name}", (*keys, *integers("quantity"))), dimensions)


#: The smallest first: the first that has all that is asked for is taken.
ROLLUPS: Final = (
    _rollup("whole"),
    _rollup("regions", "region"),
    _rollup("organisations", "organisation"),
    _rollup("kinds", "kind", "category", "evidence"),
    _rollup("projects", "project"),
)


def rollup_for(wanted: Collection[str]) -> Rollup | None:
    """The rollup with all dimensions that are grouped and filtered by, None when there is none."""
    return next((each for each in ROLLUPS if set(each.dimensions) >= set(wanted)), None)


def roll_up(cube: Mapping[Key, int], dimensions: tuple[str, ...]) -> Deltas:
    """The deltas of all rollups, from those of the cube: (commodity, state, month, keys …)."""
    # Those by place are made from sums that leave the rest out, which are far fewer.
    places = ("region", "organisation", "project")
    by_place = _summed(cube.items(), dimensions, places)
    found: Deltas = []
    for rollup in ROLLUPS:
        is_of_places = set(rollup.dimensions) <= set(places)
        source, names = (by_place, places) if is_of_places else (cube, dimensions)
        monthly = _summed(source.items(), names, rollup.dimensions)
        found.append((rollup.table, _with_all_months(monthly)))
    return found


def _summed(
    cells: Iterable[tuple[Key, int]], names: tuple[str, ...], kept: tuple[str, ...]
) -> dict[Key, int]:
    """Sums by commodity, state, month and the dimensions that are kept."""
    key_of = itemgetter(0, 1, 2, *(names.index(name) + 3 for name in kept))
    sums: defaultdict[Key, int] = defaultdict(int)
    for key, quantity in cells:
        sums[key_of(key)] += quantity
    return sums


def _with_all_months(monthly: Mapping[Key, int]) -> list[Record]:
    """Rows of a rollup: of each month, and of all together."""
    ever: defaultdict[Key, int] = defaultdict(int)
    rows: list[Record] = []
    for (commodity, state, month, *kept), quantity in monthly.items():
        ever[*kept, commodity, state] += quantity
        rows.append((month, *kept, commodity, state, quantity))
    return [*rows, *((EVER, *key, quantity) for key, quantity in ever.items())]
