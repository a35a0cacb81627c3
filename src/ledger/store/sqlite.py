"""The log in a SQLite file: a recorder on the library's own, and its factory.

Named as PERSISTENCE_MODULE it takes `LEDGER_DATABASE_URL`; tables are made only
when `CREATE_TABLE` says so.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, Final

# Importing the factory's name would give this module two factories.
import eventsourcing.sqlite as stock
from eventsourcing.persistence import InfrastructureFactory
from eventsourcing.utils import Environment, EnvType, strtobool

from ledger.domain.errors import CorruptLog, InvalidSettings, LedgerError
from ledger.store import sqlite_schema as sql
from ledger.store.log import Batch, HeadMoved, Row
from ledger.store.place import SqliteFile, parse_url
from ledger.store.recorder import NOT_INITIALISED, LogRecorder, translated
from ledger.store.sqlite_datastore import (
    LOCK_WAIT_S,
    Datastore,
    as_library_errors,
    initialise,
    is_initialised,
)

#: Milliseconds an erasure waits for readers before it leaves the rest to the next write.
ERASE_WAIT_MS: Final = 500


class SqliteLog(LogRecorder, stock.SQLiteApplicationRecorder):
    """LogStore in a SQLite file. Thread-safe; several processes may share the file."""

    statements = sql.STATEMENTS
    #: SQLite counts its memory under one lock of the process, so two that read wait for each other.
    readers_max = 1
    datastore: Datastore

    def __init__(self, datastore: Datastore, *, create: bool = False) -> None:
        """Raises InvalidSettings where no ledger is, NotDurable, Unavailable."""
        super().__init__(datastore)
        #: Who erased something may have been killed before the write-ahead log was emptied.
        self._is_erasure_due = True
        with translated(), as_library_errors():
            if create:
                initialise(datastore.path)
            elif not is_initialised(datastore.path):
                raise InvalidSettings("LEDGER_DATABASE_URL", reason=NOT_INITIALISED)
            with datastore.writer():
                pass  # opened once, so that what is not durable is refused at the start

    def create_table(self) -> None:
        """Tables are made when the log is opened for creation."""

    @contextmanager
    def reading(self) -> Iterator["Transaction"]:
        """A snapshot for reading."""
        with translated(), self.datastore.transaction(commit=False) as cursor:
            yield Transaction(cursor)

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """A transaction for writing, which keeps all other writers out."""
        with translated(), self.datastore.transaction(commit=True) as cursor:
            inside = Transaction(cursor)
            yield inside
        if inside.has_erased:
            self._finish_erasing(ERASE_WAIT_MS)
        elif self._is_erasure_due:
            self._finish_erasing(0)

    def append(self, batch: Batch) -> None:
        """As in LogStore."""
        with self.transaction() as inside:
            inside.write(batch)

    def _finish_erasing(self, wait_ms: int) -> None:
        """Remove what was erased from the write-ahead log too, now or after a later write.

        The transaction stands whatever happens here, so nothing is reported.
        """
        self._is_erasure_due = True
        with suppress(sqlite3.Error, LedgerError), self.datastore.writer() as connection:
            connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
            try:
                (is_blocked, _, _) = connection.execute(sql.TRUNCATE_LOG).fetchone()
                self._is_erasure_due = bool(is_blocked)
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(LOCK_WAIT_S * 1000)}")

    def close(self) -> None:
        """Close the file."""
        self.datastore.close()


class Transaction:
    """A SQLite transaction under way."""

    def __init__(self, cursor: stock.SQLiteCursor) -> None:
        self._cursor = cursor.sqlite_cursor
        self._cursor.row_factory = None
        self.has_erased = False

    def execute(self, statement: str, *params: Any) -> list[Any]:
        """Run one statement and return its rows; lists are bound as JSON."""
        bound = [json.dumps(p) if isinstance(p, list) else p for p in params]
        return self._cursor.execute(statement, bound).fetchall()

    def write(self, batch: Batch) -> None:
        """Write a batch. Raises HeadMoved when its first position is not the next one.

        CorruptLog for a hole in it, which a trigger would refuse on PostgreSQL.
        """
        cursor = self._cursor
        if batch.rows:
            ((last,),) = cursor.execute(sql.LAST_POSITION)
            if batch.rows[0].position != (last or 0) + 1:
                raise HeadMoved
            if batch.rows[-1].position != (last or 0) + len(batch.rows):
                raise CorruptLog("position", after=last or 0, rows=len(batch.rows))
            self._insert(batch.rows)
        if batch.commands:
            cursor.executemany(sql.INSERT_COMMAND, batch.commands)
        for note in batch.notes:
            digest = bytes.fromhex(note.digest)
            cursor.execute(sql.INSERT_NOTE, (digest, note.salt, note.text.encode()))
        for erased in batch.erased:
            self.has_erased = True
            cursor.execute(sql.ERASE_NOTE, (bytes.fromhex(erased),))

    def _insert(self, rows: Sequence[Row]) -> None:
        done = 0
        for size, statement in sql.INSERT_EVENTS.items():
            while len(rows) - done >= size:
                together = rows[done : done + size]
                self._cursor.execute(statement, [*chain.from_iterable(together)])
                done += size
        self._cursor.executemany(sql.INSERT_EVENT, rows[done:])


class Factory(stock.SQLiteFactory):
    """Makes our recorder for events, and the library's own for whatever else is asked for."""

    datastore: Datastore

    def __init__(self, env: Environment | EnvType | None = None) -> None:
        InfrastructureFactory.__init__(self, env)
        url = self.env.get("LEDGER_DATABASE_URL")
        place = parse_url(url, self.env.get("LEDGER_SCHEMA")) if url else None
        if not isinstance(place, SqliteFile):
            raise InvalidSettings("LEDGER_DATABASE_URL", reason="sqlite:///file is needed here")
        self.datastore = Datastore(place.path)

    def application_recorder(self) -> SqliteLog:
        """The log. Raises InvalidSettings, NotDurable, Unavailable."""
        try:
            return SqliteLog(self.datastore, create=self.env_create_table())
        except BaseException:
            self.datastore.close()
            raise

    def env_create_table(self) -> bool:
        """Whether CREATE_TABLE was asked for; a mistyped path must not make a new ledger."""
        return strtobool(self.env.get(self.CREATE_TABLE) or "no")
