"""Rollups: the totals of one dimension at a time, so that they are looked up and not added up.

The cube of totals has a row for every combination there ever was. What is asked for most, the
whole or the parts of one dimension, is kept in small tables of its own, a row with all figures for
each: by month, and with month 0 for all months together. A question goes to the smallest table
that knows what it asks for.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

from projections.tables import Deltas, Record, Table, integers, text

#: The month that stands for all months.
EVER: Final = 0

#: Figure → (commodity, state, sign): minutes, credit-minutes, fen, person-times, activities.
#: `fen_transferred` is below zero where more came in from other regions than went there.
FIGURES: Final = {
    "logged_minutes": ("MIN", "served", -1),
    "pending_minutes": ("MIN", "pending", 1),
    "verified_minutes": ("MIN", "verified", 1),
    "refused_minutes": ("MIN", "refused", 1),
    "reversed_minutes": ("MIN", "reversed", 1),
    "training_logged_minutes": ("TRN", "served", -1),
    "training_pending_minutes": ("TRN", "pending", 1),
    "training_verified_minutes": ("TRN", "verified", 1),
    "training_refused_minutes": ("TRN", "refused", 1),
    "training_reversed_minutes": ("TRN", "reversed", 1),
    "credit_issued": ("CRD", "issued", -1),
    "credit_redeemed": ("CRD", "redeemed", 1),
    "fen_received": ("FEN", "source", -1),
    "fen_unallocated": ("FEN", "unallocated", 1),
    "fen_allocated": ("FEN", "allocated", 1),
    "fen_spent": ("FEN", "spent", 1),
    "fen_returned": ("FEN", "returned", 1),
    "fen_in_transit": ("FEN", "transit", 1),
    "fen_transferred": ("FEN", "transferred", 1),
    "person_times_registered": ("PPL", "registered", 1),
    "person_times_attended": ("PPL", "attended", 1),
    "person_times_served": ("PPL", "served", 1),
    "activities": ("ACT", "held", 1),
}
#: (Commodity, state) → which of the figures it is, and its sign.
_NUMBERED: Final = {(c, state): (n, sign) for n, (c, state, sign) in enumerate(FIGURES.values())}

Key = tuple[Any, ...]


class Rollup(NamedTuple):
    """A table of sums by these dimensions; all others are added up."""

    table: Table
    dimensions: tuple[str, ...]

    @property
    def select_sql(self) -> str:
        """The query for all its rows, from the cube."""
        columns = "".join(f", {name}" for name in self.dimensions)
        sums = ", ".join(f"{_sum_sql(*row)} AS {name}" for name, row in FIGURES.items())
        # By number, so that the month may be one for all.
        numbers = ", ".join(str(n) for n in range(1, len(self.dimensions) + 2))
        found = f"{sums} FROM {{g}}totals GROUP BY {numbers}"
        return (
            f"SELECT month{columns}, {found}"
            f" UNION ALL SELECT CAST({EVER} AS BIGINT) AS month{columns}, {found}"
        )


def _sum_sql(commodity: str, state: str, sign: int) -> str:
    """The sum of a figure over rows of the cube."""
    of_it = f"commodity = '{commodity}' AND state = '{state}'"
    return f"CAST(SUM(CASE WHEN {of_it} THEN {sign} * quantity ELSE 0 END) AS BIGINT)"


def _rollup(name: str, *dimensions: str) -> Rollup:
    keys = (*integers("month", merge="key"), *text(*dimensions))
    return Rollup(Table(f"totals_{name}", (*keys, *integers(*FIGURES))), dimensions)


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
    rows: defaultdict[Key, list[int]] = defaultdict(lambda: [0] * len(FIGURES))
    for (commodity, state, month, *kept), quantity in monthly.items():
        of_month, ever = rows[month, *kept], rows[EVER, *kept]
        number, sign = _NUMBERED.get((commodity, state), (0, 0))
        of_month[number] += sign * quantity
        ever[number] += sign * quantity
    return [(*key, *figures) for key, figures in rows.items()]
