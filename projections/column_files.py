"""Files of typed columns: from the lines of the log to Parquet, and from Parquet to queries."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

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
TAKEN_AT_ONCE: Final = 122_880
#: The schema of what no sealed sums have.
REST: Final = "rest"


class Sealed(NamedTuple):
    """Files of a sealed segment that ends at `last`: its columns, and its sums by their table."""

    last: int
    columns: Path
    sums: Mapping[str, Path]


def connect() -> duckdb.DuckDBPyConnection:
    """An empty database in memory, which shows no progress of its own: it would be printed."""
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    return connection


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


class Columns:
    """The columns of a log as far as it was read: from sealed segments, and in files for a while.

    To be closed, which removes those. `extend` is for one thread at a time; whoever reads what is
    there already need not wait.
    """

    def __init__(self, store: LogStore, sealed: Sequence[Sealed] = ()) -> None:
        """Columns of the first segments of a log."""
        self.position = sealed[-1].last if sealed else 0
        self._store = store
        self._sealed = list(sealed)
        self._tail: list[Path] = []
        self._folder = TemporaryDirectory(prefix="hourledger-")
        self.folder = Path(self._folder.name)

    def extend(self, until: int, progress: Progress = unwatched) -> None:
        """Take in the log up to a position.

        The next lines are read while those before are taken apart. Raises CorruptLog, Unavailable.
        """
        with ThreadPoolExecutor(1, "ledger-columns") as thread, connect() as connection:
            pending: Future[Path] | None = None
            while self.position < until:
                last = min(until, self.position + TAKEN_AT_ONCE)
                lines = self._write_lines(last, progress)
                if pending is not None:
                    self._tail.append(pending.result())
                pending = thread.submit(_take_apart, connection, lines)
                self.position = last
            if pending is not None:
                self._tail.append(pending.result())

    def _write_lines(self, until: int, progress: Progress) -> Path:
        path = self.folder / f"{until}.lines"
        with path.open("wb") as file:
            for text in lines_between(self._store, self.position, until):
                file.write(text + b"\n")
                progress(text.count(b"\n") + 1)
        return path

    def open(self, connection: duckdb.DuckDBPyConnection, position: int) -> None:
        """Make two views `events`: of all up to a position, and in REST of what no `sums` have.

        Beside them the table `rules`, of the events that set rules.
        """
        begun = (0, *(each.last for each in self._sealed))
        reached = [
            each for each, after in zip(self._sealed, begun, strict=False) if after < position
        ]
        sealed = [each.columns for each in reached]
        rest = [each.columns for each in reached if each.last > position]
        connection.execute(f"CREATE SCHEMA {REST}")
        view(connection, "events", [*sealed, *self._tail], position)
        view(connection, f"{REST}.events", [*rest, *self._tail], position)
        connection.execute("CREATE TABLE rules (position BIGINT, state VARCHAR)")
        if sealed:
            source = f"read_parquet({listed(sealed)})"
            sql = f"INSERT INTO rules SELECT position, rule FROM {source} WHERE rule IS NOT NULL"
            connection.execute(sql)
        if self._tail:
            self._fetch_rules(connection)

    def sums(self, position: int) -> dict[str, list[Path]]:
        """Sealed sums up to a position, by their table."""
        found: dict[str, list[Path]] = {}
        for each in self._sealed:
            if each.last <= position:
                for name, path in each.sums.items():
                    found.setdefault(name, []).append(path)
        return found

    def _fetch_rules(self, connection: duckdb.DuckDBPyConnection) -> None:
        """The states of rules that are not sealed come from the log."""
        source = f"read_parquet({listed(self._tail)})"
        sql = f"SELECT position FROM {source} WHERE topic IN ({_RULING})"
        found = [position for (position,) in connection.execute(sql).fetchall()]
        for row in self._store.select_positions(found):
            rule = (row.position, row.state.decode())
            connection.execute("INSERT INTO rules VALUES (?, ?)", rule)

    def first_difference(self, sealed: Path) -> int | None:
        """The first position at which a sealed file has other columns than these have.

        None where it has none. What is sealed must not reach further than these do.
        """
        ours, theirs = (
            "row(" + ", ".join(f'{side}."{name}"' for name in COLUMNS) + ")"
            for side in ("ours", "theirs")
        )
        with connect() as connection:
            self.open(connection, self.position)
            ((first,),) = connection.execute(
                f"SELECT min(theirs.position) FROM read_parquet('{quoted(sealed)}') AS theirs"
                f" LEFT JOIN events AS ours USING (position) WHERE {ours} IS DISTINCT FROM {theirs}"
            ).fetchall()
        return None if first is None else int(first)

    def close(self) -> None:
        """Remove what was kept for a while."""
        self._folder.cleanup()


_RULING: Final = ", ".join(map(repr, RULING))


def _take_apart(connection: duckdb.DuckDBPyConnection, lines: Path) -> Path:
    path = lines.with_suffix(".parquet")
    write_parquet(connection, typed(quoted(lines)), path, "lz4")
    lines.unlink()
    return path


def view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[Path],
    position: int | None = None,
) -> None:
    """Make a view of all columns in some files, up to a position if one is given, and `owner`."""
    source = f"read_parquet({listed(files)})" if files else f"({NOTHING})"
    columns = ", ".join(f'"{column}"' for column in COLUMNS)
    until = "" if position is None else f" WHERE position <= {position}"
    connection.execute(
        f"CREATE VIEW {name} AS SELECT {columns}, {ID.format('originator_id')} AS owner"
        f" FROM {source}{until}"
    )


def listed(paths: Sequence[Path]) -> str:
    """Paths as SQL lists them."""
    return "[" + ", ".join(f"'{quoted(path)}'" for path in paths) + "]"


def quoted(path: Path) -> str:
    """A path as SQL writes it between quotes."""
    return str(path).replace("'", "''")
