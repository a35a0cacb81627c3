"""The read models as they stood at any position and day, recomputed from typed columns.

Its tables are read like those kept up to date, so every query runs on them; each is made when
a query first names it. Events come from sealed segments and, behind them, from the log.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self
from uuid import uuid4

import duckdb

from ledger.store.log import LogStore
from projections.column_files import Columns, connect, quoted
from projections.models import TABLES
from projections.progress import Progress, unwatched
from projections.recompute import NEEDS
from projections.segments import Segment, columns_of
from projections.session import Snapshot
from projections.sums import Sums

STREAMED_ROWS: Final = 5000
#: What the names of tables begin with here.
PREFIX: Final = "replay."
_NAMES: Final = {table.name: table.names() for table in TABLES}
_NAMED: Final = re.compile(r"\breplay\.(\w+)")


class Replay:
    """The read models at one position, with the moves that count on `as_of` or before.

    Any thread may read; statements are carried out one at a time, which bounds what they need of
    memory. To be closed, and before its columns are.
    """

    def __init__(self, columns: Columns, position: int, as_of: date | None = None) -> None:
        """Over columns that reach the position; nothing is recomputed yet."""
        assert position <= columns.position
        self.position, self.as_of = position, as_of
        self._turn = Lock()
        self._folder = columns.folder
        self._made: set[str] = set()
        self._sums = Sums(columns.sums(position), as_of)
        self._connection = connect()
        try:
            self._connection.execute(f"SET temp_directory = '{quoted(self._folder)}'")
            self._connection.execute(f"CREATE SCHEMA {PREFIX[:-1]}")
            columns.open(self._connection, position)
            self._sums.open(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def make(self, *names: str) -> None:
        """Recompute tables, if they are not there yet."""
        for name in names:
            if name not in self._made:
                self.make(*NEEDS.get(name, ()))
                columns = ", ".join(_NAMES.get(name, ("*",)))
                query = self._sums.query(name).replace("{g}", PREFIX)
                with self._turn:
                    self._connection.execute(
                        f"CREATE TABLE {PREFIX}{name} AS SELECT {columns} FROM ({query})"
                    )
                self._made.add(name)

    def drop(self, name: str) -> None:
        """Give up a table, which is made anew when it is asked for again."""
        with self._turn:
            self._connection.execute(f"DROP TABLE {PREFIX}{name}")
        self._made.discard(name)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        return self.run(sql, params).fetchall()

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of a query that may be long, in bounded memory."""
        found = self.run(sql, params)
        while rows := found.fetchmany(STREAMED_ROWS):
            yield from rows

    def run(self, sql: str, params: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        """Carry out a statement on the tables it names, which are made if need be."""
        self.make(*_NAMED.findall(sql))
        with self._turn:
            return self._connection.cursor().execute(sql, params)

    @contextmanager
    def csv(self, sql: str) -> Iterator[Path]:
        """A file of the rows of a query, for a while. An empty text has quotes, a null has none."""
        path = self._folder / f"{uuid4().hex}.csv"
        try:
            self.run(f"COPY ({sql}) TO '{quoted(path)}' (FORMAT csv, HEADER false)")
            yield path
        finally:
            path.unlink(missing_ok=True)

    def snapshot(self) -> Snapshot:
        """What every query of the read models runs on."""
        return Snapshot(self, 0, self.position, PREFIX)

    @property
    def size(self) -> int:
        """Bytes of memory it takes."""
        ((size,),) = self.rows("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()")
        return int(size)

    def close(self) -> None:
        """Give everything back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def replayed(
    store: LogStore,
    position: int,
    as_of: date | None = None,
    *,
    segments: Sequence[Segment] = (),
    progress: Progress = unwatched,
) -> Iterator[Replay]:
    """The read models at a position, from segments as far as they go, then from the log.

    `progress` is told how many more events were taken in. Raises CorruptLog, Unavailable.
    """
    columns = columns_of(store, segments)
    try:
        progress(min(columns.position, position))
        columns.extend(position, progress)
        with Replay(columns, position, as_of) as replay:
            yield replay
    finally:
        columns.close()
