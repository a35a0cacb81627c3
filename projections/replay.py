"""The read models as they stood at any position and day, recomputed from typed columns.

A snapshot like that of the tables kept up to date, so every query runs on it; a table is made
when a query first names it. Events come from sealed segments and, behind them, from the log.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from ledger.store.log import LogStore
from projections.column_files import load, open_columns
from projections.models import TABLES
from projections.recompute import NEEDS, QUERIES
from projections.segments import Segment
from projections.session import Snapshot

STREAMED_ROWS: Final = 5000
_NAMES: Final = {table.name: table.names() for table in TABLES}
_NAMED: Final = re.compile(r"\{g\}(\w+)")


class Replay(Snapshot):
    """The read models at one position, with the moves that count on `as_of` or before."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, position: int, as_of: date | None
    ) -> None:
        self.generation = 0
        self.position = position
        self.as_of = as_of
        self.today: date | None = None
        self._connection = connection
        self._made: set[str] = set()

    def make(self, *names: str) -> None:
        """Recompute tables, if they are not there yet."""
        for name in names:
            if name not in self._made:
                self.make(*NEEDS.get(name, ()))
                columns = ", ".join(_NAMES.get(name, ("*",)))
                query = QUERIES[name](self.as_of)
                self._connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM ({query})")
                self._made.add(name)

    def rows(self, sql: str, *params: object) -> list[Any]:
        """All rows of a query, as tuples; `{g}` stands before each table's name."""
        return self._run(sql, params).fetchall()

    def stream(self, sql: str, *params: object) -> Iterator[Any]:
        """Rows of a query that may be long, in bounded memory."""
        found = self._run(sql, params)
        while rows := found.fetchmany(STREAMED_ROWS):
            yield from rows

    def _run(self, sql: str, params: Sequence[object]) -> duckdb.DuckDBPyConnection:
        self.make(*_NAMED.findall(sql))
        return self._connection.cursor().execute(sql.format(g=""), params)


@contextmanager
def replayed(
    store: LogStore,
    position: int,
    as_of: date | None = None,
    segments: Sequence[Segment] = (),
) -> Iterator[Replay]:
    """The read models at a position, from segments as far as they go and then from the log.

    Raises CorruptLog.
    """
    used = [segment for segment in segments if segment.manifest.first <= position]
    after = min(used[-1].manifest.last, position) if used else 0
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(f"SET temp_directory = '{folder}'")
        tail = load(store, after, position, Path(folder)) if after < position else []
        open_columns(connection, [segment.path for segment in used] + tail, position)
        yield Replay(connection, position, as_of)
