"""Sums of sealed segments: tables whose rows add up, made once for each segment.

The moves of a log are those of its segments, so a table of sums of a log is the sum of the tables
of its segments. A segment has these rows beside its columns, and a recomputation adds them up
instead of all events; of a segment that reaches beyond the position asked for, and of what is not
sealed, the events themselves are taken. Rows are by month: where only the moves until a day
count, they are of no use, and the events are taken as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from projections.balances import POLICIES
from projections.column_files import REST, connect, listed, quoted, view, write_parquet
from projections.fund_usage import USAGE
from projections.participation import ACTIVE, CELLS, HEADS
from projections.recompute import KNOWN_CELLS, QUERIES, VERIFIED
from projections.tables import Merge, Table, layout_of
from projections.totals import TOTALS
from projections.trail import TRAIL

#: The tables that add up, by name; cells, which are numbered through, follow each other instead.
SUMMED: Final = {
    table.name: table for table in (TOTALS, HEADS, POLICIES, USAGE, TRAIL, CELLS, ACTIVE)
}
#: Those that are the same whatever day counts.
OF_ANY_DAY: Final = frozenset({TRAIL.name})
#: How the rows of one key are merged. Bytes are lists of growing offsets, so they sort themselves.
_MERGED: Final[dict[Merge, str]] = {
    "add": "sum({0})::BIGINT",
    "append": "list_reduce(list({0} ORDER BY {0}), lambda one, more: one || more)",
    "first": "min({0})",
}
#: What sums mean; with another meaning a segment is sealed anew.
FORM: Final = layout_of((name, QUERIES[name](None)) for name in (VERIFIED, *SUMMED))


def write_sums(columns: Path, paths: Mapping[str, Path], cells: Sequence[Path]) -> None:
    """Add up a segment: each table into its file. `cells`: of all segments before it.

    Raises CorruptLog.
    """
    with _segment(columns, cells) as connection:
        for name, path in paths.items():
            write_parquet(connection, _rows(name), path, "zstd")


def wrong_sums(columns: Path, paths: Mapping[str, Path], cells: Sequence[Path]) -> str | None:
    """The first table of a sealed segment that is not what its columns add up to."""
    with _segment(columns, cells) as connection:
        for name, path in paths.items():
            ours, theirs = f"({_rows(name)})", f"(FROM read_parquet('{quoted(path)}'))"
            sql = f"({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours}) LIMIT 1"
            if connection.execute(sql).fetchall():
                return name
    return None


@contextmanager
def _segment(columns: Path, cells: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """All that the tables of a segment are made of."""
    with connect() as connection:
        view(connection, "events", [columns])
        know_cells(connection, cells)
        connection.execute(f"CREATE TABLE {VERIFIED} AS {_query(VERIFIED)}")
        new = f"SELECT {', '.join(CELLS.names())} FROM ({_query(CELLS.name)})"
        connection.execute(f"CREATE TABLE {CELLS.name} AS FROM {KNOWN_CELLS} UNION ALL {new}")
        yield connection


def know_cells(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    """Make the view KNOWN_CELLS of the cells in some files."""
    types = (f"NULL::{'BIGINT' if c.type == 'integer' else 'VARCHAR'}" for c in CELLS.columns)
    none = ", ".join(f"{t} AS {name}" for t, name in zip(types, CELLS.names(), strict=True))
    source = f"FROM read_parquet({listed(paths)})" if paths else f"SELECT {none} LIMIT 0"
    connection.execute(f"CREATE VIEW {KNOWN_CELLS} AS {source}")


def _query(name: str) -> str:
    return QUERIES[name](None).replace("{e}", "").replace("{g}", "")


def _rows(name: str) -> str:
    """The query for a table's rows over one segment."""
    return f"SELECT {', '.join(SUMMED[name].names())} FROM ({_query(name)})"


class Sums:
    """The sums up to a position, as far as they are of use for the moves of a day or before."""

    def __init__(self, paths: Mapping[str, Sequence[Path]], as_of: date | None) -> None:
        self._as_of = as_of
        self._paths = {n: p for n, p in paths.items() if as_of is None or n in OF_ANY_DAY}

    def open(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the view of the cells that are known."""
        know_cells(connection, self._paths.get(CELLS.name, ()))

    def query(self, name: str) -> str:
        """The query for a table: sealed rows, and what is to be added to them."""
        query = QUERIES[name](self._as_of)
        if name == VERIFIED and ACTIVE.name in self._paths:
            return query.replace("{e}", f"{REST}.")
        if name not in self._paths:
            return query.replace("{e}", "")
        return _merged(SUMMED[name], self._paths[name], query.replace("{e}", f"{REST}."))


def _merged(table: Table, paths: Sequence[Path], rest: str) -> str:
    keys = ", ".join(table.names("key"))
    merged = ", ".join(
        f"{_MERGED[column.merge].format(column.name)} AS {column.name}"
        for column in table.columns
        if column.merge != "key"
    )
    return (
        f"SELECT {keys}, {merged} FROM (FROM read_parquet({listed(paths)})"
        f" UNION ALL SELECT {', '.join(table.names())} FROM ({rest})) GROUP BY {keys}"
    )
