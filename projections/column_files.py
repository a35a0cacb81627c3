"""Files of typed columns: from the lines of the log to Parquet, and from Parquet to queries."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore
from typing import Final, NamedTuple

import duckdb

from ledger.domain.errors import CorruptLog
from ledger.store.log import LogStore
from projections.catalogue import RULING
from projections.columnar import ID, words
from projections.columns import (
    COLUMNS,
    FIELDS,
    FREQUENT,
    FREQUENT_FIELDS,
    NOTHING,
    PLACE,
    typed,
)
from projections.progress import Progress, unwatched
from projections.under_way import Wanted, awaited, workers

#: Lines asked for at once.
LINES_AT_ONCE: Final = 10_000
#: Events taken apart at once where nothing is sealed.
TAKEN_AT_ONCE: Final = 122_880
#: Threads that take lines apart: one for each of the two processors we count on, and one that waits
#: for a database in a process of its own.
WORKERS: Final = 3
#: What stands between two lines, to count them by. To look for a newline alone takes Python five
#: times as long.
NEXT_LINE: Final = b'\n{"o'
#: What DuckDB raises for the trouble of a disk, or of memory that finds no room on one.
NO_ROOM: Final = (duckdb.IOException, duckdb.OutOfMemoryException)
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
    """The lines above `after` up to `until`, some hundreds at a time. Raises CorruptLog."""
    for _, pieces in lines_apart(store, after, until, ()):
        yield from pieces


def lines_apart(
    store: LogStore, after: int, until: int, topics: Sequence[str]
) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Pieces of the same, those of some topics apart from all others. Raises CorruptLog."""
    while after < until:
        limit = min(LINES_AT_ONCE, until - after)
        found = store.select_lines(after, limit, topics)
        if sum(map(lines_in, chain(*found))) != limit:
            raise CorruptLog("position", after=after, error="missing")
        yield found
        after += limit


def lines_in(piece: bytes) -> int:
    """How many lines there are in a piece of some."""
    return piece.count(NEXT_LINE) + 1


def write_parquet(
    connection: duckdb.DuckDBPyConnection, query: str, path: Path, compression: str
) -> None:
    """Turn lines into a Parquet file of typed columns. Raises CorruptLog.

    OSError where it cannot be read or written, as on a full disk: that says nothing of the log.
    """
    try:
        connection.execute(
            f"COPY ({query}) TO '{quoted(path)}' (FORMAT parquet, COMPRESSION {compression})"
        )
    except duckdb.Error as error:
        with suppress(OSError):
            path.unlink()
        said = str(error).splitlines()[0]
        if isinstance(error, NO_ROOM):
            raise OSError(said) from error
        raise CorruptLog("state", error=said) from error


class Columns:
    """The columns of a log as far as it was read: from sealed segments, and in files for a while.

    To be closed, which removes those. `extend` is for one thread at a time; whoever reads what is
    there already need not wait.
    """

    def __init__(self, store: LogStore, sealed: Sequence[Sealed] = ()) -> None:
        """Columns of the first segments of a log."""
        self.position = sealed[-1].last if sealed else 0
        self._store = store
        self._reading = Semaphore(store.readers_max)
        self._sealed = list(sealed)
        #: Of events that are not sealed: those of FREQUENT, and all others.
        self._frequent: list[Path] = []
        self._tail: list[Path] = []
        self._folder = TemporaryDirectory(prefix="hourledger-")
        self.folder = Path(self._folder.name)

    def extend(self, until: int, progress: Progress = unwatched) -> None:
        """Take in the log up to a position.

        Some stretches of it at once, a thread each: while the database puts lines together for
        one, those of another are taken apart. Where `progress` raises, they are given up. Raises
        CorruptLog, Unavailable.
        """
        with connect() as connection, workers(WORKERS, "ledger-columns") as (threads, wanted):
            connection.execute("SET threads = 1")  # of its own; ours come on top
            pending: deque[tuple[int, Future[tuple[list[Path], list[Path]]]]] = deque()
            begun = self.position
            while self.position < until:
                while begun < until and len(pending) < WORKERS + 1:
                    last = min(until, begun + TAKEN_AT_ONCE)
                    cursor = connection.cursor()
                    taken = threads.submit(self._take_apart, cursor, begun, last, wanted)
                    pending.append((last, taken))
                    begun = last
                last, taken = pending.popleft()
                frequent, others = awaited(taken, progress)
                self._frequent += frequent
                self._tail += others
                progress(last - self.position)
                self.position = last

    def _take_apart(
        self, connection: duckdb.DuckDBPyConnection, after: int, until: int, wanted: Wanted
    ) -> tuple[list[Path], list[Path]]:
        """Turn the lines between two positions into columns: of FREQUENT, and of all others."""
        frequent, others = (self.folder / f"{until}.{name}" for name in ("frequent", "others"))
        with self._reading, frequent.open("wb") as one, others.open("wb") as other:
            for apart, rest in lines_apart(self._store, after, until, FREQUENT):
                wanted.check()
                one.writelines(apart)
                other.writelines(rest)
        return (
            _take_lines_apart(connection, frequent, FREQUENT_FIELDS),
            _take_lines_apart(connection, others, FIELDS),
        )

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
        for name, files in (("events", sealed), (f"{REST}.events", rest)):
            view(connection, name, [*files, *self._tail], self._frequent, position)
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
        sql = f"SELECT position FROM {source} WHERE topic IN ({words(RULING)})"
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


def _take_lines_apart(
    connection: duckdb.DuckDBPyConnection, lines: Path, told: Mapping[str, str]
) -> list[Path]:
    """Turn a file of lines, if there are any in it, into one of columns."""
    path = lines.with_suffix(f"{lines.suffix}.parquet")
    is_any = lines.stat().st_size > 0
    if is_any:
        write_parquet(connection, typed(quoted(lines), told), path, "lz4")
    lines.unlink()
    return [path] if is_any else []


def view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[Path],
    frequent: Sequence[Path] = (),
    position: int | None = None,
) -> None:
    """Make a view of all columns in some files, up to a position if one is given, and `owner`.

    `frequent`: files of FREQUENT, which have the columns of those only.
    """
    source = _selected(COLUMNS, files) if files else NOTHING
    if frequent:
        source += f" UNION ALL BY NAME {_selected((*PLACE, *FREQUENT_FIELDS), frequent)}"
    until = "" if position is None else f" WHERE position <= {position}"
    connection.execute(
        f"CREATE VIEW {name} AS SELECT *, {ID.format('originator_id')} AS owner"
        f" FROM ({source}){until}"
    )


def _selected(names: Iterable[str], files: Sequence[Path]) -> str:
    columns = ", ".join(f'"{name}"' for name in names)
    return f"SELECT {columns} FROM read_parquet({listed(files)})"


def listed(paths: Sequence[Path]) -> str:
    """Paths as SQL lists them."""
    return "[" + ", ".join(f"'{quoted(path)}'" for path in paths) + "]"


def quoted(path: Path) -> str:
    """A path as SQL writes it between quotes."""
    return str(path).replace("'", "''")
