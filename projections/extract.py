"""Extracts: a stretch of the log in typed columns, for other programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from ledger.store.log import LogStore
from projections.column_files import (
    TAKEN_AT_ONCE,
    connect,
    lines_between,
    lines_in,
    listed,
    quoted,
    write_parquet,
)
from projections.columns import COLUMNS, whole
from projections.progress import Progress, unwatched

#: Rows that are in memory at once.
ROWS_AT_ONCE: Final = 5_000


class Extract:
    """Columns and states of the log between two positions, in its order."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str, folder: Path) -> None:
        self._connection = connection
        columns = ", ".join(f'"{column}"' for column in (*COLUMNS, "state"))
        self._query = f"SELECT {columns} FROM {source} ORDER BY position"
        self._folder = folder

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The values of COLUMNS, event by event, in bounded memory."""
        found = self._connection.execute(self._query)
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield from (row[:-1] for row in rows)

    def parquet(self) -> Path:
        """One file with all of it, which lasts as long as the extract."""
        path = self._folder / "extract.parquet"
        write_parquet(self._connection, self._query, path, "zstd")
        return path


@contextmanager
def extract(
    store: LogStore, after: int, until: int, progress: Progress = unwatched
) -> Iterator[Extract]:
    """The events with positions above `after` up to `until`. Raises CorruptLog."""
    parts: list[Path] = []
    with TemporaryDirectory(prefix="hourledger-") as name, connect() as connection:
        folder = Path(name)
        lines = folder / "lines"
        lines.touch()
        connection.execute(f"SET temp_directory = '{quoted(folder)}'")
        for start in range(after, until, TAKEN_AT_ONCE):
            with lines.open("wb") as file:
                for text in lines_between(store, start, min(start + TAKEN_AT_ONCE, until)):
                    file.write(text)
                    progress(lines_in(text))
            parts.append(folder / f"{start}.parquet")
            write_parquet(connection, whole(quoted(lines)), parts[-1], "zstd")
        source = f"read_parquet({listed(parts)})" if parts else f"({whole(quoted(lines))})"
        yield Extract(connection, source, folder)
