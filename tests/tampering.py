"""Hands on the database itself: its guards taken away, rows changed as only its owner could."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Protocol

import psycopg

from ledger.log import merkle
from ledger.settings import Settings
from ledger.store.log import Row
from ledger.store.place import SqliteFile


class Database(Protocol):
    """One way to run SQL in one database."""

    events: str
    #: The name of the position's column.
    position: str

    def run(self, *statements: tuple[str, Sequence[Any]]) -> list[Any]:
        """Run statements in one transaction; the rows of the last. Parameters are `?`."""


class _Sqlite:
    events, position = "stored_events", "rowid"

    def __init__(self, place: SqliteFile) -> None:
        self._path = place.path
        triggers = self.run(("SELECT name FROM sqlite_master WHERE type = 'trigger'", ()))
        self.run(*((f"DROP TRIGGER {name}", ()) for (name,) in triggers), ("SELECT 1", ()))

    def run(self, *statements: tuple[str, Sequence[Any]]) -> list[Any]:
        with closing(sqlite3.connect(self._path, timeout=10)) as database, database:
            for statement, params in statements:
                found = database.execute(statement, params).fetchall()
        return found


class _Postgres:
    position = "notification_id"

    def __init__(self, conninfo: str, schema: str) -> None:
        self._conninfo, self._schema = conninfo, schema
        self.events = f"{schema}.stored_events"
        for table in ("stored_events", "commands", "notes", "checkpoints"):
            self.run((f"ALTER TABLE {schema}.{table} DISABLE TRIGGER ALL", ()))

    def run(self, *statements: tuple[str, Sequence[Any]]) -> list[Any]:
        with psycopg.connect(self._conninfo) as database:
            database.execute(f"SET search_path = {self._schema}".encode())
            for statement, params in statements:
                cursor = database.execute(statement.replace("?", "%s").encode(), params)
            return cursor.fetchall() if cursor.description else []


COLUMNS = ("originator_id", "originator_version", "topic", "state", "hashes")


class Tamper:
    """Changes rows of a log behind its back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table, self._position = database.events, database.position

    def rows(self) -> list[Row]:
        """All rows as they stand."""
        columns = ", ".join((self._position, *COLUMNS))
        sql = f"SELECT {columns} FROM {self._table} ORDER BY {self._position}"
        return [Row._make(row) for row in self._database.run((sql, ()))]

    def set(self, position: int, **columns: Any) -> None:
        """Change columns of a row."""
        names = ", ".join(f"{name} = ?" for name in columns)
        sql = f"UPDATE {self._table} SET {names} WHERE {self._position} = ?"
        self._database.run((sql, [*columns.values(), position]))

    def delete(self, position: int) -> None:
        """Take a row out."""
        self._database.run(
            (f"DELETE FROM {self._table} WHERE {self._position} = ?", [position]),
        )

    def cut(self, size: int) -> None:
        """Take away all rows behind the first `size`."""
        self._database.run((f"DELETE FROM {self._table} WHERE {self._position} > ?", [size]))

    def put(self, rows: Sequence[Row]) -> None:
        """Make these all rows there are."""
        names = ", ".join((self._position, *COLUMNS))
        insert = f"INSERT INTO {self._table} ({names}) VALUES (?, ?, ?, ?, ?, ?)"
        self._database.run(
            (f"DELETE FROM {self._table}", ()), *((insert, tuple(row)) for row in rows)
        )

    def swap(self, one: int, other: int) -> None:
        """Let two rows change places."""
        rows = self.rows()
        rows[one - 1], rows[other - 1] = (
            rows[other - 1]._replace(position=one),
            rows[one - 1]._replace(position=other),
        )
        self.put(rows)

    def rewrite(self, position: int) -> None:
        """Change a line and its own leaf, and nothing else."""
        row = changed(self.rows()[position - 1])
        leaf = merkle.leaf_hash(row.line())
        self.set(position, state=row.state, hashes=leaf + row.hashes[merkle.HASH_BYTES :])

    def forge(self, position: int) -> None:
        """Change a line and all hashes that depend on it: a new history."""
        rows = self.rows()
        rows[position - 1] = changed(rows[position - 1])
        self.put(hashed(rows))

    def do(self, statement: str, *params: Any) -> None:
        """Run a statement on any table."""
        self._database.run((statement, params))

    def forget_checkpoints(self) -> None:
        """Take away all checkpoints that were kept."""
        self._database.run(("DELETE FROM checkpoints", ()))


def changed(row: Row) -> Row:
    """The same row with another actor, and canonical as before."""
    at = row.state.index(b'"actor":"') + 9
    letter = b"x" if row.state[at : at + 1] != b"x" else b"y"
    return row._replace(state=row.state[:at] + letter + row.state[at + 1 :])


def hashed(rows: Sequence[Row]) -> list[Row]:
    """The rows at positions 1, 2, 3 …, with the hashes that belong to them."""
    frontier: list[bytes] = []
    made = []
    for size, row in enumerate(rows):
        placed = row._replace(position=size + 1)
        hashes = merkle.extend(frontier, size, merkle.leaf_hash(placed.line()))
        made.append(placed._replace(hashes=hashes))
    return made


def tampering(settings: Settings) -> Tamper:
    """Hands on the database of these settings, its guards taken away."""
    place = settings.log
    if isinstance(place, SqliteFile):
        return Tamper(_Sqlite(place))
    return Tamper(_Postgres(place.conninfo, place.schema))
