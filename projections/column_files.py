"""Files of typed columns: from the lines of the log to Parquet, and from Parquet to queries."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

from ledger.domain.errors import CorruptLog
from ledger.store.log import LogStore
from projections.columnar import ID
from projections.columns import typed
from projections.tables import Progress, unwatched

#: Lines asked for at once.
LINES_AT_ONCE: Final = 10_000
#: Events taken apart at once where nothing is sealed.
LOADED_EVENTS: Final = 122_880


def lines_between(store: LogStore, after: int, until: int) -> Iterator[bytes]:
    """The lines above `after` up to `until`, some thousands at a time. Raises CorruptLog."""
    while after < until:
        limit = min(LINES_AT_ONCE, until - after)
        lines = store.select_lines(after, limit)
        if lines.count(b"\n") + bool(lines) != limit:
            raise CorruptLog("position", after=after, error="missing")
        yield lines
        after += limit


def write_parquet(
    connection: duckdb.DuckDBPyConnection,
    lines: Path,
    path: Path,
    *,
    compression: str,
    whole: bool,
) -> None:
    """Turn a file of lines into a Parquet file of typed columns. Raises CorruptLog."""
    source = (
        f"SELECT line FROM read_csv('{quoted(lines)}', columns = {{'line': 'VARCHAR'}},"
        " auto_detect = false, header = false, delim = '\\x1f', quote = '', escape = '',"
        " new_line = '\\n', max_line_size = 33554432, null_padding = false)"
    )
    try:
        connection.execute(
            f"COPY ({typed(source, whole=whole)}) TO '{quoted(path)}'"
            f" (FORMAT parquet, COMPRESSION {compression})"
        )
    except duckdb.Error as error:
        with suppress(OSError):
            path.unlink()
        raise CorruptLog("state", error=str(error).splitlines()[0]) from error


def load(
    store: LogStore, after: int, until: int, folder: Path, progress: Progress = unwatched
) -> list[Path]:
    """The columns of what is not sealed, in files for a while; the states of rules only.

    The next lines are read while those before are taken apart. Raises CorruptLog.
    """
    paths: list[Path] = []
    with ThreadPoolExecutor(1, "ledger-columns") as thread, duckdb.connect() as connection:
        pending: list[Future[None]] = []
        while after < until:
            last = min(until, after + LOADED_EVENTS)
            lines = folder / f"{last}.lines"
            with lines.open("wb") as file:
                for text in lines_between(store, after, last):
                    file.write(text + b"\n")
                    progress(text.count(b"\n") + 1)
            if pending:
                pending.pop().result()
            paths.append(lines.with_suffix(".parquet"))
            pending.append(thread.submit(_take_apart, connection, lines, paths[-1]))
            after = last
        if pending:
            pending.pop().result()
    return paths


def _take_apart(connection: duckdb.DuckDBPyConnection, lines: Path, path: Path) -> None:
    write_parquet(connection, lines, path, compression="lz4", whole=False)
    lines.unlink()


def open_columns(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], position: int
) -> None:
    """Make the view `events`: the columns of these files up to a position, and `owner`."""
    named = ", ".join(f"'{quoted(file)}'" for file in files)
    source = (
        f"read_parquet([{named}])"
        if files
        else f"({typed('SELECT NULL AS line LIMIT 0', whole=False)})"
    )
    connection.execute(
        f"CREATE VIEW events AS SELECT *, {ID.format('originator_id')} AS owner"
        f" FROM {source} WHERE position <= {position}"
    )


def quoted(path: Path) -> str:
    """A path as SQL writes it between quotes."""
    return str(path).replace("'", "''")
