"""Tables that are functions of other tables: the query for their rows, in SQL that all can read.

The folds keep them beside the others; whoever makes the others at once, or doubts them, asks here.
"""

from typing import Final, NamedTuple, get_args

from ledger.domain.values import MemberKind
from projections.fund_parts import PARTS, SELECT_SQL
from projections.fund_usage import USAGE
from projections.participation import ACTIVE, CELLS
from projections.people import DIGITS, PEOPLE, PLAIN, PRESENCE, TOWN, WHOLE
from projections.rollups import ROLLUPS
from projections.totals import TOTALS


class Derived(NamedTuple):
    """The query for a table's rows, and the tables it reads."""

    needs: tuple[str, ...]
    sql: str


def _sliced(slice_: str, key: str = "", condition: str = "") -> str:
    """The minutes of members in slices of one sort: `slice_` names the slice of each `key`."""
    chosen, grouped = (f"{key} AS key, ", f"{key}, ") if key else ("", "")
    where = f" WHERE {condition}" if condition else ""
    return (
        f"SELECT {slice_} AS slice, member, minutes FROM"
        f" (SELECT {chosen}member, CAST(SUM(minutes) AS BIGINT) AS minutes"
        f" FROM {{g}}active AS active JOIN {{g}}cells AS cells ON id = cell{where}"
        f" GROUP BY {grouped}member) AS summed"
    )


def _presence() -> str:
    """Sort by sort: no two have a slice in common."""
    month = "CAST(key AS TEXT)"
    parts = [
        _sliced(f"'{WHOLE}'"),
        _sliced(f"'month/' || substr({month}, 1, 4) || '-' || substr({month}, 5, 2)", "month"),
        *(
            _sliced(
                f"'region:{n}/' || key",
                f"substr(region, 1, {n})",
                f"length(region) > {TOWN}" if n > TOWN else "",
            )
            for n in DIGITS
        ),
        *(_sliced(f"'{name}/' || key", name) for name in PLAIN),
        *(
            _sliced(f"'member_kind/{kind}'", condition=f"member_kinds LIKE '%{kind}%'")
            for kind in get_args(MemberKind)
        ),
    ]
    return " UNION ALL ".join(parts)


_PEOPLE: Final = (
    "SELECT slice, CAST(SUM(CASE WHEN minutes > 0 THEN 1 ELSE 0 END) AS BIGINT) AS active,"
    " CAST(SUM(CASE WHEN minutes > 0 THEN minutes ELSE 0 END) AS BIGINT) AS minutes"
    " FROM {g}presence GROUP BY slice"
)

#: Table → how it is made of others, in an order in which these come first.
DERIVED: Final[dict[str, Derived]] = {
    **{rollup.table.name: Derived((TOTALS.name,), rollup.select_sql) for rollup in ROLLUPS},
    PRESENCE.name: Derived((ACTIVE.name, CELLS.name), _presence()),
    PEOPLE.name: Derived((PRESENCE.name,), _PEOPLE),
    PARTS.name: Derived((USAGE.name,), SELECT_SQL),
}
