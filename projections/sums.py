"""Sums of sealed segments: tables whose rows add up, made once for each segment.

The moves of a log are those of its segments, so a table of sums of a log is the sum of the tables
of its segments. A segment has these rows beside its columns, and a recomputation adds them up
instead of all events; of a segment that reaches beyond the position asked for, and of what is not
sealed, the events themselves are taken. Rows are by month: where only the moves until a day
count, they are of no use, and the events are taken as well.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from projections.balances import POLICIES
from projections.column_files import REST, listed, quoted, view, write_parquet
from projections.fund_usage import USAGE
from projections.participation import HEADS
from projections.recompute import QUERIES
from projections.tables import Merge, layout_of
from projections.totals import TOTALS
from projections.trail import TRAIL

#: The tables that add up, by name.
SUMMED: Final = {table.name: table for table in (TOTALS, HEADS, POLICIES, USAGE, TRAIL)}
#: Those that are the same whatever day counts.
OF_ANY_DAY: Final = frozenset({TRAIL.name})
#: How the rows of one key are merged. Bytes are lists of growing offsets, so they sort themselves.
_MERGED: Final[dict[Merge, str]] = {
    "add": "sum({0})::BIGINT",
    "append": "list_reduce(list({0} ORDER BY {0}), lambda one, more: one || more)",
}
#: What sums mean; with another meaning a segment is sealed anew.
FORM: Final = layout_of((name, QUERIES[name](None)) for name in SUMMED)


def write_sums(columns: Path, paths: Mapping[str, Path]) -> None:
    """Add up a segment: each table into its file. Raises CorruptLog."""
    with duckdb.connect() as connection:
        view(connection, "events", [columns])
        for name, path in paths.items():
            write_parquet(connection, _rows(name), path, "zstd")


def wrong_sums(columns: Path, paths: Mapping[str, Path]) -> str | None:
    """The first table of a sealed segment that is not what its columns add up to."""
    with duckdb.connect() as connection:
        view(connection, "events", [columns])
        for name, path in paths.items():
            ours, theirs = f"({_rows(name)})", f"(FROM read_parquet('{quoted(path)}'))"
            sql = f"({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours}) LIMIT 1"
            if connection.execute(sql).fetchall():
                return name
    return None


def summed(name: str, paths: Sequence[Path], as_of: date | None) -> str | None:
    """The query for a table: sealed rows, and what the view `events` of REST adds.

    None for a table that has to be made of all events.
    """
    if name not in SUMMED or not paths or (as_of is not None and name not in OF_ANY_DAY):
        return None
    table = SUMMED[name]
    keys = ", ".join(table.names("key"))
    merged = ", ".join(
        f"{_MERGED[column.merge].format(column.name)} AS {column.name}"
        for column in table.columns
        if column.merge != "key"
    )
    rest = QUERIES[name](as_of).replace("{e}", f"{REST}.")
    return (
        f"SELECT {keys}, {merged} FROM (FROM read_parquet({listed(paths)})"
        f" UNION ALL SELECT {', '.join(table.names())} FROM ({rest})) GROUP BY {keys}"
    )


def _rows(name: str) -> str:
    """The query for a table's rows over one segment."""
    query = QUERIES[name](None).replace("{e}", "")
    return f"SELECT {', '.join(SUMMED[name].names())} FROM ({query})"
