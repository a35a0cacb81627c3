"""The read database in a schema of a PostgreSQL database, over the store's connections.

Batches are not waited for (`synchronous_commit = off`): what a crash loses, it
loses together with the position it was tracked at, so it is folded again. Tables
and the switch from one generation to another are waited for.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg import IsolationLevel
from psycopg.rows import dict_row, tuple_row

from ledger.domain.errors import InvalidSettings, Unavailable
from ledger.store.place import PostgresSchema
from ledger.store.pool import Pool
from ledger.store.postgres_datastore import Datastore
from projections.postgres_reading import (
    UNHURRIED,
    PostgresReader,
    Statements,
    is_usable_soon,
    query,
)
from projections.session import Made, Reader, Session
from projections.tables import Record, Table, Type, Value, counts_sql, create_sql, upsert_sql

#: Bytes decide the order of text, as on SQLite.
TYPES: Final[dict[Type, str]] = {"text": 'text COLLATE "C"', "integer": "bigint", "bytes": "bytea"}
#: Free space is left in each page, so that a changed row stays on its page. Vacuum gives no
#: space back, since it would lock the readers out for that.
STORAGE: Final = " WITH (fillfactor = 70, vacuum_truncate = off)"
#: Deltas from which a temporary table and COPY are cheaper than one statement.
COPY_FROM_RECORDS: Final = 50
#: Bytes of a file that are in memory at once.
COPIED_BYTES: Final = 1_048_576
LOCK_WAIT_MS: Final = 5000
#: Held while an empty schema is set up, so that only one process does.
SETUP_LOCK: Final = 0x72656164


class PostgresSession:
    """One transaction that writes, on one connection."""

    def __init__(
        self, connection: psycopg.Connection[Any], recorder: PostgresTrackingRecorder
    ) -> None:
        self._connection = connection
        self._recorder = recorder

    def _execute(self, sql: str, params: Sequence[Any]) -> psycopg.Cursor[Any]:
        cursor = self._connection.cursor(row_factory=tuple_row)
        return cursor.execute(query(sql), params or None)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        return self._execute(sql, params).fetchall()

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Carry out a statement."""
        self._execute(sql, params)

    def create(self, table: Table, prefix: str) -> None:
        """Create a table whose name begins with `prefix`."""
        self.run(create_sql(table, TYPES, STORAGE).format(g=prefix))

    def take_time(self) -> None:
        """Let the rest of it take as long as it needs, for going through whole tables."""
        self.run(UNHURRIED)

    def upsert(self, table: Table, prefix: str, records: list[Record]) -> None:
        """Merge deltas, each key at most once, into a table."""
        if len(records) < COPY_FROM_RECORDS and table.counted_in is None:
            row = f"({', '.join('?' * len(table.columns))})"
            values = "VALUES " + ", ".join([row] * len(records))
            sql = upsert_sql(table, TYPES, values).format(g=prefix)
            self.run(sql, [value for record in records for value in record])
        else:
            self._copy(table, prefix, records)

    def _copy(self, table: Table, prefix: str, records: list[Record]) -> None:
        """Bring the deltas over by COPY, the fastest way in, and merge them there."""
        name = f"pg_temp.delta_{table.name}"
        columns = ", ".join(f"{column.name} {TYPES[column.type]}" for column in table.columns)
        self.run(
            f"CREATE TEMP TABLE IF NOT EXISTS delta_{table.name} ({columns}) ON COMMIT DELETE ROWS"
        )
        self._copy_in(name, records)
        if table.counted_in is not None:
            self.run(counts_sql(table, table.counted_in, TYPES, name).format(g=prefix))
        source = f"SELECT * FROM {name}"
        self.run(upsert_sql(table, TYPES, source).format(g=prefix))

    def fill(self, table: Table, prefix: str, csv: Path) -> None:
        """Put rows into a table that has none by COPY; the index of its key is made afterwards."""
        name, key = f"{prefix}{table.name}", ", ".join(table.names("key"))
        self.run(f"ALTER TABLE {name} DROP CONSTRAINT {name.rpartition('.')[2]}_pkey")
        with (
            csv.open("rb") as file,
            self._connection.cursor() as cursor,
            cursor.copy(query(f"COPY {name} FROM STDIN (FORMAT csv)")) as copy,
        ):
            while part := file.read(COPIED_BYTES):
                copy.write(part)
        self.run(f"ALTER TABLE {name} ADD PRIMARY KEY ({key})")

    def _copy_in(self, name: str, records: Sequence[Record]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy(query(f"COPY {name} FROM STDIN")) as copy,
        ):
            copy.write("".join(["\t".join(map(_copied, record)) + "\n" for record in records]))

    def track(self, name: str, position: int) -> None:
        """Move the position tracked under a name forward, with the library's recorder."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            self._recorder._insert_tracking(cursor, Tracking(name, position))  # noqa: SLF001 (its own transaction would be another one)


class PostgresEngine:
    """A schema of its own in a PostgreSQL database, created when it is not there."""

    shared: str = " FOR SHARE"
    exclusive: str = " FOR UPDATE"
    is_apart: bool = True
    table_named: str = "SELECT 1 WHERE to_regclass(?) IS NOT NULL"

    def __init__(self, place: PostgresSchema) -> None:
        self.schema = f"{place.schema}."
        self._datastore = Datastore(place)
        # Readers have connections of their own: what psycopg prepared it forgets whenever a table
        # is dropped or a transaction rolled back, and all else that was prepared with it.
        self._readers = Datastore(place, is_usable_soon)
        self._recorder = PostgresTrackingRecorder(self._datastore, tracking_table_name="tracking")
        self._statements: WeakKeyDictionary[psycopg.Connection[Any], Statements] = (
            WeakKeyDictionary()
        )

    def prepare(self, session: Session) -> None:
        """Create the schema and the table of tracked positions, one process at a time."""
        session.rows("SELECT pg_advisory_xact_lock(?)", (SETUP_LOCK,))
        session.run(f"CREATE SCHEMA IF NOT EXISTS {self.schema[:-1]}")
        for statement in self._recorder.sql_create_statements:
            session.run(statement.as_string())

    @contextmanager
    def _connection(self, store: Datastore) -> Iterator[psycopg.Connection[Any]]:
        """A connection for one transaction, with errors as ours."""
        pool = cast("Pool[psycopg.Connection[Any]]", store.pool)
        try:
            with pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable(reason=type(error).__name__) from error
        except psycopg.errors.InsufficientPrivilege as error:
            reason = "the role may not do this"
            raise InvalidSettings("LEDGER_READ_URL", reason=reason) from error

    @contextmanager
    def reading(self, held: str = "") -> Iterator[Reader]:
        """A transaction that sees one state of the database throughout and changes nothing."""
        with self._connection(self._readers) as connection:
            statements = self._statements.get(connection)
            if statements is None:
                statements = self._statements[connection] = Statements(connection.pgconn)
            reader = PostgresReader(connection, statements, held)
            try:
                yield reader
                reader.end()
            except BaseException:
                statements.roll_back()
                raise

    def writing(self, *, durable: bool = True) -> AbstractContextManager[Session]:
        """A transaction that is written whole when left without an error.

        A crash may take back one that is not durable, and all such since, but no table.
        """
        return self._transaction(_IN_BOUNDED_TIME if durable else _NOT_WAITED_FOR)

    @contextmanager
    def _transaction(self, first: str) -> Iterator[PostgresSession]:
        with self._connection(self._datastore) as connection:
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            with connection.transaction():
                session = PostgresSession(connection, self._recorder)
                session.run(first)
                yield session

    def load(self, prefix: str, made: Made) -> None:
        """Put rows into a table of a generation that has none, in one transaction."""
        with made.csv() as csv, self._transaction(_NOT_WAITED_FOR) as session:
            session.take_time()
            session.fill(made.table, prefix, csv)

    def close(self) -> None:
        """Close what is open."""
        self._readers.close()
        self._datastore.close()


_IN_BOUNDED_TIME: Final = f"SELECT set_config('lock_timeout', '{LOCK_WAIT_MS}', true)"
_NOT_WAITED_FOR: Final = f"{_IN_BOUNDED_TIME}, set_config('synchronous_commit', 'off', true)"


def _copied(value: Value) -> str:
    """A value as COPY reads it."""
    if isinstance(value, str):
        return value.replace("\\", "\\\\") if "\\" in value else value
    if isinstance(value, int):
        return str(value)
    return "\\N" if value is None else f"\\\\x{value.hex()}"
