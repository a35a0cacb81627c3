"""The read database in a SQLite file: a write-ahead log, so reads never wait for the tailer.

`synchronous = NORMAL` is enough here: a power cut may lose the last batches, but
with them the position they were tracked at, so they are folded again.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore, SQLiteTrackingRecorder

from ledger.domain.errors import InvalidSettings, Unavailable
from ledger.store.pool import Pool
from projections.session import Made, Reader, Session
from projections.tables import Record, Table, Type, counts_sql, create_sql, upsert_sql

TYPES: Final[dict[Type, str]] = {"text": "TEXT", "integer": "INTEGER", "bytes": "BLOB"}
#: Seconds a write waits for the lock of another, and a caller for a connection.
WAIT_S: Final = 5.0
CONNECTIONS_MAX: Final = 16
#: Pages (4 KiB) of write-ahead log before they are moved into the file.
CHECKPOINT_PAGES: Final = 8000
CACHE_KIB: Final = 65_536
#: Rows that are put into a table with one statement.
ROWS_TOGETHER: Final = 100
#: Not a file of ours, or no longer: it may be deleted, the log has everything.
_DAMAGED: Final = ("SQLITE_NOTADB", "SQLITE_CORRUPT")


class SqliteSession:
    """One transaction on one connection; without a recorder nothing can be tracked."""

    def __init__(
        self, connection: sqlite3.Connection, recorder: SQLiteTrackingRecorder | None = None
    ) -> None:
        self._connection = connection
        self._recorder = recorder

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        return self._connection.execute(sql, params).fetchall()

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of a query that may be long, in bounded memory."""
        return self._connection.execute(sql, params)

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Carry out a statement."""
        self._connection.execute(sql, params)

    def create(self, table: Table, prefix: str) -> None:
        """Create a table, of short rows within the index of its key."""
        is_wide = any(column.type == "bytes" for column in table.columns)
        sql = create_sql(table, TYPES, "" if is_wide else " WITHOUT ROWID")
        self._connection.execute(sql.format(g=prefix))

    def take_time(self) -> None:
        """Nothing to do: nobody hurries it."""

    def upsert(self, table: Table, prefix: str, records: list[Record]) -> None:
        """Merge deltas, each key at most once, into a table."""
        if table.counted_in is not None:
            self._upsert_counted(table, table.counted_in, prefix, records)
            return
        values = f"VALUES ({', '.join('?' * len(table.columns))})"
        self._connection.executemany(upsert_sql(table, TYPES, values).format(g=prefix), records)

    def insert(self, table: Table, prefix: str, records: Sequence[Record]) -> None:
        """Put rows into a table, many with each statement."""
        row = f"({', '.join('?' * len(table.columns))})"
        into = f"INSERT INTO {prefix}{table.name} VALUES {row}"
        whole = len(records) - len(records) % ROWS_TOGETHER
        for start in range(0, whole, ROWS_TOGETHER):
            together = records[start : start + ROWS_TOGETHER]
            self._connection.execute(
                into + f", {row}" * (ROWS_TOGETHER - 1), [*chain.from_iterable(together)]
            )
        self._connection.executemany(into, records[whole:])

    def _upsert_counted(
        self, table: Table, counts: Table, prefix: str, records: list[Record]
    ) -> None:
        """Bring the deltas into a temporary table, count there, merge from there."""
        deltas = f"temp.delta_{table.name}"
        columns = ", ".join(f"{column.name} {TYPES[column.type]}" for column in table.columns)
        self.run(f"CREATE TEMP TABLE IF NOT EXISTS delta_{table.name} ({columns})")
        marks = ", ".join("?" * len(table.columns))
        self._connection.executemany(f"INSERT INTO {deltas} VALUES ({marks})", records)
        self.run(counts_sql(table, counts, TYPES, deltas).format(g=prefix))
        source = f"SELECT * FROM {deltas} WHERE 1"  # or SQLite takes ON for that of a join
        self.run(upsert_sql(table, TYPES, source).format(g=prefix))
        self.run(f"DELETE FROM {deltas}")

    def track(self, name: str, position: int) -> None:
        """Move the position tracked under a name forward, with the library's recorder."""
        assert self._recorder is not None
        cursor = SQLiteCursor(self._connection.cursor())
        self._recorder._insert_tracking(cursor, Tracking(name, position))  # noqa: SLF001 (its own transaction would be another one)


class SqliteEngine:
    """A SQLite file. Raises InvalidSettings when it cannot keep a write-ahead log."""

    schema: str = ""
    # One writer at a time needs no locks of rows.
    shared: str = ""
    exclusive: str = ""
    is_apart: bool = False
    table_named: str = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"

    def __init__(self, path: Path) -> None:
        self._path = path
        datastore = SQLiteDatastore(str(path), originator_id_type="text")
        datastore.close()  # only the recorder's statements are wanted
        self._recorder = SQLiteTrackingRecorder(datastore)
        self._pool = Pool(self._connect, _is_usable, size=CONNECTIONS_MAX, wait_s=WAIT_S)

    def prepare(self, session: Session) -> None:
        """Create the table of tracked positions; SQLite has one writer at a time."""
        for statement in self._recorder.create_table_statements:
            session.run(statement)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[SqliteSession]:
        try:
            with self._pool.connection() as connection:
                connection.execute(begin)
                try:
                    yield SqliteSession(connection, self._recorder)
                    connection.execute("COMMIT")
                except BaseException as error:
                    _roll_back(connection, error)
                    raise
        except (sqlite3.OperationalError, sqlite3.InterfaceError) as error:
            raise Unavailable(reason=_name_of(error)) from error
        except sqlite3.DatabaseError as error:
            if _name_of(error) in _DAMAGED:
                raise InvalidSettings("LEDGER_READ_URL", reason=_name_of(error)) from error
            raise

    def reading(self, held: str = "") -> AbstractContextManager[Reader]:  # noqa: ARG002 (what a transaction sees stays)
        """A transaction that sees one state of the database throughout and changes nothing."""
        return self._transaction("BEGIN")

    def writing(self, *, durable: bool = True) -> AbstractContextManager[Session]:  # noqa: ARG002 (a file's last transactions go together)
        """A transaction that is written whole when left without an error."""
        return self._transaction("BEGIN IMMEDIATE")

    def load(self, prefix: str, made: Made) -> None:
        """Put rows into a table of a generation that has none.

        Some thousands with each transaction: batches are written between them.
        """
        for records in made.records():
            with self._transaction("BEGIN IMMEDIATE") as session:
                session.insert(made.table, prefix, records)

    def close(self) -> None:
        """Close what is open."""
        self._pool.close()


def _name_of(error: sqlite3.Error) -> str:
    """SQLite's own name of an error, where it is SQLite's."""
    return getattr(error, "sqlite_errorname", type(error).__name__)


def _roll_back(connection: sqlite3.Connection, error: BaseException) -> None:
    """Undo; a connection that met trouble is not used again."""
    if isinstance(error, sqlite3.OperationalError):
        connection.close()
    elif connection.in_transaction:
        connection.execute("ROLLBACK")


def _is_usable(connection: sqlite3.Connection) -> bool:
    try:
        return not connection.in_transaction
    except sqlite3.ProgrammingError:
        return False


def _use_wal(connection: sqlite3.Connection) -> None:
    """Set write-ahead logging and read it back; racing first opens find the file locked."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            raise InvalidSettings("LEDGER_READ_URL", journal_mode=mode)
        return
