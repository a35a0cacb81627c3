"""The log in a schema of PostgreSQL: a recorder on the library's own, and its factory.

Named as PERSISTENCE_MODULE it takes `LEDGER_DATABASE_URL`; schema and tables
are made only when `CREATE_TABLE` says so, by the role that shall own them. The
service works as a role that may insert and select (`grant_service`).
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final

# Importing the factory's name would give this module two factories.
import eventsourcing.postgres as stock
import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    PersistenceError,
    Subscription,
)
from eventsourcing.utils import Environment, EnvType, strtobool
from psycopg.rows import tuple_row

from ledger.domain.errors import InvalidSettings, LedgerError
from ledger.store import postgres_schema as sql
from ledger.store.log import Batch
from ledger.store.place import PostgresSchema, parse_url
from ledger.store.postgres_copy import copy_data
from ledger.store.postgres_datastore import Datastore
from ledger.store.recorder import NOT_INITIALISED, LogRecorder, translated

#: From here on COPY and its three round trips are faster than one statement with arrays.
COPY_FROM_ROWS: Final = 200


class PostgresLog(LogRecorder, stock.PostgresApplicationRecorder):
    """LogStore in a schema of PostgreSQL. Thread-safe; several processes may share the schema."""

    datastore: Datastore
    #: The server has a process for each connection; more than this keep two processors no busier.
    readers_max = 3

    def __init__(self, datastore: Datastore, *, create: bool = False) -> None:
        """Raises InvalidSettings where no ledger is, NotDurable, Unavailable."""
        self.statements = sql.statements(datastore.schema)
        self.writes = sql.writes(datastore.schema)
        with translated():
            super().__init__(datastore)
            # The library's composite type of events, which our tables do without.
            datastore.db_type_names.discard(self.stored_event_type_name)
            if not self._is_created():
                if not create:
                    raise InvalidSettings("LEDGER_DATABASE_URL", reason=NOT_INITIALISED)
                self._create()

    # The library's own selects, without its blind retry of up to ten times.
    select_events = inspect.unwrap(stock.PostgresApplicationRecorder.select_events)
    select_notifications = inspect.unwrap(stock.PostgresApplicationRecorder.select_notifications)
    max_notification_id = inspect.unwrap(stock.PostgresApplicationRecorder.max_notification_id)

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Nothing is notified here; whoever follows the log asks by position."""
        raise NotImplementedError

    def create_table(self) -> None:
        """Tables are made when the log is opened for creation."""

    def _is_created(self) -> bool:
        with self.reading() as inside:
            ((found,),) = inside.execute(self.writes.is_created, self.datastore.schema)
        return bool(found)

    def _create(self) -> None:
        """Make schema, tables and guards, once, however many processes ask for it."""
        with self.transaction() as inside:
            inside.execute(self.writes.creation_lock, self.datastore.schema)
            ((found,),) = inside.execute(self.writes.is_created, self.datastore.schema)
            if not found:
                for statement in sql.create(self.datastore.schema):
                    inside.execute(statement)

    def grant_service(self, role: str) -> None:
        """Let a role do what the service does, and nothing else. For the owner."""
        with self.transaction() as inside:
            for statement in sql.grants(self.datastore.schema, role):
                inside.execute(statement)

    @contextmanager
    def reading(self) -> Iterator["Inside"]:
        """A connection for reading; each statement is a snapshot of its own."""
        with translated(), self.datastore.get_connection() as connection:
            yield Inside(connection, self.writes)

    @contextmanager
    def transaction(self) -> Iterator["Inside"]:
        """A transaction for writing."""
        with translated(), self.datastore.get_connection() as connection:
            with connection.transaction():
                inside = Inside(connection, self.writes)
                yield inside
            if inside.has_erased:
                _rewrite_notes(inside)

    def made_ready(self, batch: Batch) -> Batch:
        """Many rows as COPY takes them."""
        if len(batch.rows) < COPY_FROM_ROWS:
            return batch
        return batch._replace(bulk=copy_data(batch.rows))

    def append(self, batch: Batch) -> None:
        """As in LogStore. Few rows are one statement and so their own transaction."""
        if batch.erased or len(batch.rows) >= COPY_FROM_ROWS:
            with self.transaction() as inside:
                inside.write(batch)
        else:
            with self.reading() as inside:
                inside.insert(batch)

    def close(self) -> None:
        """Close all connections."""
        self.datastore.close()


class Inside:
    """A connection at work, in a transaction or for single statements."""

    def __init__(self, connection: psycopg.Connection[Any], writes: sql.Writes) -> None:
        self._connection = connection
        self.writes = writes
        self.has_erased = False

    def execute(self, statement: str, *params: Any) -> list[Any]:
        """Run one statement and return its rows; lists are bound as arrays."""
        with self._connection.cursor(binary=True, row_factory=tuple_row) as cursor:
            cursor.execute(statement.encode(), params or None, prepare=bool(params) or None)
            return cursor.fetchall() if cursor.description else []

    def write(self, batch: Batch) -> None:
        """Write a batch, many rows by COPY."""
        if len(batch.rows) >= COPY_FROM_ROWS:
            self._copy(batch.bulk or copy_data(batch.rows))
            batch = batch._replace(rows=())
        self.insert(batch)
        if batch.erased:
            self.has_erased = True
            self.execute(self.writes.erase, [bytes.fromhex(digest) for digest in batch.erased])

    def insert(self, batch: Batch) -> None:
        """Write rows, commands and notes in one statement: one round trip, all or nothing."""
        columns: list[list[Any]] = []
        if batch.notes:
            notes = [(bytes.fromhex(n.digest), n.salt, n.text.encode()) for n in batch.notes]
            columns += map(list, zip(*notes, strict=True))
        if batch.commands:
            columns += map(list, zip(*batch.commands, strict=True))
        if batch.rows:
            place, stream, version, topic, state, hashes = map(list, zip(*batch.rows, strict=True))
            columns += [place, version, stream, topic, state, hashes]
        if columns:
            parts = (bool(batch.notes), bool(batch.commands), bool(batch.rows))
            self.execute(insert_statement(self.writes, *parts), *columns)

    def _copy(self, data: bytes) -> None:
        statement = self.writes.copy_events.encode()
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(data)


@cache
def insert_statement(writes: sql.Writes, notes: bool, commands: bool, rows: bool) -> str:
    """One statement for whatever there is to insert, its parameters in this order.

    The last part is the main statement and runs first, so that racing writers meet at the
    position, where one waits for the other, and not crosswise at position and command id.
    """
    texts = ((notes, writes.notes), (commands, writes.commands), (rows, writes.events))
    *side, main = [text for is_wanted, text in texts if is_wanted]
    parts = ", ".join(f"part{n} AS ({text})" for n, text in enumerate(side))
    return f"WITH {parts} {main}" if parts else main


def _rewrite_notes(inside: Inside) -> None:
    """Leave no trace of erased texts in the table's file, if the role owns the table.

    What was erased is committed and stays so whatever happens here. Another role leaves it to
    the owner: a vacuum frees the space, and only rewriting the table removes the bytes.
    """
    with suppress(PersistenceError, LedgerError, psycopg.Error):
        ((is_owner,),) = inside.execute(inside.writes.owns_notes)
        if is_owner:
            inside.execute(inside.writes.rewrite_notes)


class Factory(stock.PostgresFactory):
    """Makes our recorder for events, and the library's own for whatever else is asked for."""

    datastore: Datastore

    def __init__(self, env: Environment | EnvType | None = None) -> None:
        InfrastructureFactory.__init__(self, env)
        if strtobool(self.env.get(self.POSTGRES_ENABLE_DB_FUNCTIONS) or "no"):
            raise InvalidSettings(self.POSTGRES_ENABLE_DB_FUNCTIONS, reason="it loses events")
        url = self.env.get("LEDGER_DATABASE_URL")
        place = parse_url(url, self.env.get("LEDGER_SCHEMA")) if url else None
        if not isinstance(place, PostgresSchema):
            raise InvalidSettings("LEDGER_DATABASE_URL", reason="postgresql://… is needed here")
        self.datastore = Datastore(place)

    def application_recorder(self) -> PostgresLog:
        """The log. Raises InvalidSettings, NotDurable, Unavailable."""
        try:
            return PostgresLog(self.datastore, create=self.env_create_table())
        except BaseException:
            self.datastore.close()
            raise

    def env_create_table(self) -> bool:
        """Whether CREATE_TABLE was asked for; a mistyped URL must not make a new ledger."""
        return strtobool(self.env.get(self.CREATE_TABLE) or "no")
