"""Files of typed columns: from the lines of the log to Parquet, and from Parquet to queries."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

from ledger.domain.errors import CorruptLog
from ledger.store.log import LogStore
from projections.catalogue import RULING
from projections.columnar import ID
from projections.columns import COLUMNS, NOTHING, typed
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
    connection: duckdb.DuckDBPyConnection, query: str, path: Path, compression: str
) -> None:
    """Turn lines into a Parquet file of typed columns. Raises CorruptLog."""
    try:
        connection.execute(
            f"COPY ({query}) TO '{quoted(path)}' (FORMAT parquet, COMPRESSION {compression})"
        )
    except duckdb.Error as error:
        with suppress(OSError):
            path.unlink()
        raise CorruptLog("state", error=str(error).splitlines()[0]) from error


def load(
    store: LogStore, after: int, until: int, folder: Path, progress: Progress = unwatched
) -> list[Path]:
    """The columns of what is not sealed, in files for a while.

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
    write_parquet(connection, typed(quoted(lines)), path, "lz4")
    lines.unlink()


def open_columns(
    connection: duckdb.DuckDBPyConnection,
    store: LogStore,
    sealed: Sequence[Path],
    tail: Sequence[Path],
    position: int,
) -> None:
    """Make the view `events`, the columns up to a position and `owner`; and the states of rules.

    What is not sealed has no states, so those of the rules are fetched from the log.
    """
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    events = f"read_parquet({_files([*sealed, *tail])})" if sealed or tail else f"({NOTHING})"
    connection.execute(
        f"CREATE VIEW events AS SELECT {columns}, {ID.format('originator_id')} AS owner"
        f" FROM {events} WHERE position <= {position}"
    )
    connection.execute("CREATE TABLE rules (position BIGINT, state VARCHAR)")
    if sealed:
        connection.execute(
            f"INSERT INTO rules SELECT position, rule FROM read_parquet({_files(sealed)})"
            " WHERE rule IS NOT NULL"
        )
    if tail:
        found = connection.execute(
            f"SELECT position FROM read_parquet({_files(tail)})"
            f" WHERE topic IN ({', '.join(map(repr, RULING))})"
        ).fetchall()
        rules = store.select_positions([position for (position,) in found])
        for row in rules:
            connection.execute(
                "INSERT INTO rules VALUES (?, ?)", (row.position, row.state.decode())
            )


def _files(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(f"'{quoted(path)}'" for path in paths) + "]"


def quoted(path: Path) -> str:
    """A path as SQL writes it between quotes."""
    return str(path).replace("'", "''")
