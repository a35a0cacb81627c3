"""Connections to a SQLite file: durable or refused, one for writing, some for reading.

The library's pool is put aside: it never gives the writer's lock back when
opening a connection fails, and its transactions begin without asking for the
write lock, so that a writer who has read may fail at once instead of waiting.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import eventsourcing.sqlite as stock
from eventsourcing import persistence

from ledger.domain.errors import InvalidSettings, NotDurable
from ledger.store.durable import sync_folder
from ledger.store.pool import Pool
from ledger.store.sqlite_schema import APPLICATION_ID, CREATE, FORMAT

#: Seconds a write waits for the lock another process holds.
LOCK_WAIT_S: Final = 5.0
READERS_MAX: Final = 8

#: Whatever cannot be had is refused when read back (`_check_durable`). The write-ahead log is
#: folded into the file every 16 MiB: index pages are then written once for many transactions.
_PRAGMAS: Final = (
    "page_size = 8192",  # of a new file; a tenth less space and work than 4,096
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",
    "checkpoint_fullfsync = ON",
    "recursive_triggers = ON",
    "secure_delete = ON",
    "wal_autocheckpoint = 2048",
    "journal_size_limit = 67108864",
    "cache_size = -65536",
)


class Datastore(stock.SQLiteDatastore):
    """The library's datastore over our connections; stock recorders work on it as well."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), originator_id_type="text")
        self.pool.close()
        self.path = path
        #: The file that was written to last, or is to be first.
        self._written: tuple[int, int] | None = None
        self._writers = Pool(self._open_writer, self._is_usable, size=1, wait_s=LOCK_WAIT_S)
        self._readers = Pool(
            self._open_reader, self._is_usable, size=READERS_MAX, wait_s=LOCK_WAIT_S
        )

    def _is_usable(self, connection: sqlite3.Connection) -> bool:
        """Whether it is open, in no transaction, and of the file that has the name now.

        What is written to a file that was moved, deleted or replaced is lost when it is closed.
        """
        assert isinstance(connection, Connection)
        try:
            return not connection.in_transaction and connection.file == _file_at(self.path)
        except sqlite3.ProgrammingError:
            return False

    def _open_writer(self) -> sqlite3.Connection:
        connection = connect(self.path)
        self._written = self._written or connection.file
        return connection

    @contextmanager
    def _same_file(self) -> Iterator[sqlite3.Connection]:
        """The connection for writing. OperationalError, once, where another file has the name now.

        A log that was restored may have grown to where the other ended: whoever writes has to read
        it anew, for positions alone do not tell.
        """
        with self.writer() as connection:
            assert isinstance(connection, Connection)
            before, self._written = self._written, connection.file
            if before != self._written:
                raise sqlite3.OperationalError("another file has the name now")
            yield connection

    def _open_reader(self) -> sqlite3.Connection:
        connection = connect(self.path)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cache_size = -8192")
        return connection

    def writer(self) -> AbstractContextManager[sqlite3.Connection]:
        """The connection for writing, outside a transaction."""
        return self._writers.connection()

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[stock.SQLiteCursor]:
        """A transaction; for writing it holds the write lock from its beginning.

        Raises the library's errors. A connection that met trouble is not used again.
        """
        with (
            as_library_errors(),
            self._same_file() if commit else self._readers.connection() as connection,
            _closed_after_trouble(connection),
            ImmediateTransaction(stock.SQLiteConnection(connection, None), commit=commit) as cursor,
            cursor,
        ):
            yield cursor

    def close(self) -> None:
        """Close all connections."""
        super().close()
        for name in ("_writers", "_readers"):
            if hasattr(self, name):
                getattr(self, name).close()


class ImmediateTransaction(stock.SQLiteTransaction):
    """The library's, but a writer asks for the write lock before it reads anything."""

    def __enter__(self) -> stock.SQLiteCursor:
        cursor = self.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        return cursor


@contextmanager
def as_library_errors() -> Iterator[None]:
    """What opening a file and beginning a transaction raise; the library maps only the rest."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise persistence.OperationalError(error) from error
    except sqlite3.DatabaseError as error:
        raise persistence.DatabaseError(error) from error


@contextmanager
def _closed_after_trouble(connection: sqlite3.Connection) -> Iterator[None]:
    """A file that was moved, full or read-only for a while needs a new connection."""
    try:
        yield
    except (persistence.OperationalError, sqlite3.OperationalError):
        connection.close()
        raise


class Connection(sqlite3.Connection):
    """A connection that knows which file it opened."""

    #: As `_file_at` told before it was opened.
    file: tuple[int, int] | None = None


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file has this name, whatever it is called later; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connect(path: Path, *, create: bool = False) -> Connection:
    """Open the file, set what durability needs, read it back. Raises NotDurable, sqlite3.Error."""
    connection = _open_file(path, "rwc" if create else "rw")
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        _check_durable(connection)
    except BaseException:
        connection.close()
        raise
    connection.row_factory = sqlite3.Row
    return connection


def _open_file(path: Path, mode: str) -> Connection:
    file = _file_at(path)
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=LOCK_WAIT_S,
        factory=Connection,
    )
    connection.file = file
    return connection


def _check_durable(connection: sqlite3.Connection) -> None:
    wanted: dict[str, Any] = {"journal_mode": "wal", "synchronous": 2, "recursive_triggers": 1}
    for name, value in wanted.items():
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != value:
            raise NotDurable(name, wanted=str(value), found=str(found))


def initialise(path: Path) -> None:
    """Make the file and its tables, or leave them as they are.

    Several processes may do so at once: SQLite does not wait when it switches to the write-ahead
    log, so we do. Raises sqlite3.Error after the bounded wait, InvalidSettings for a file of
    another program.
    """
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            if not is_initialised(path):
                _create(path)
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _create(path: Path) -> None:
    with closing(connect(path, create=True)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if _is_empty(connection):
            for statement in CREATE:
                connection.execute(statement)
        connection.execute("COMMIT")
    sync_folder(path.parent)


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables == 0)


def is_initialised(path: Path) -> bool:
    """Whether the file holds a ledger. Raises InvalidSettings when it holds something else."""
    if not path.is_file():
        return False
    try:
        with closing(_open_file(path, "rw")) as connection:
            if _is_empty(connection):
                return False
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise InvalidSettings("LEDGER_DATABASE_URL", reason="not a SQLite database") from error
    if application_id != APPLICATION_ID:
        raise InvalidSettings("LEDGER_DATABASE_URL", reason="a database of another program")
    if version != FORMAT:
        raise InvalidSettings("LEDGER_DATABASE_URL", reason="another format", format=version)
    return True
