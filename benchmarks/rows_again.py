"""The floor of the database: the rows of a log written again, without rules, hashes or answers."""

import time
from collections.abc import Iterator, Sequence

import psycopg

from benchmarks.running import Measured
from ledger.settings import Settings
from ledger.store import sqlite_schema
from ledger.store.log import Row
from ledger.store.open import open_store
from ledger.store.place import SqliteFile
from ledger.store.sqlite_datastore import connect

#: Rows of one transaction.
ROWS = 4000

Pages = list[Sequence[Row]]


def pages_of(url: str, size: int = ROWS) -> Pages:
    """All rows of a log, by transactions."""
    return list(_pages(url, size))


def _pages(url: str, size: int) -> Iterator[Sequence[Row]]:
    store = open_store(Settings(database_url=url))
    after = 0
    while rows := store.select_rows(after, size):
        yield rows
        after = rows[-1].position
    store.close()


def write(source: str, target: str) -> Measured:
    """Write the rows of a log into the tables of an empty one, with the same durability."""
    pages = pages_of(source)
    settings = Settings(database_url=target)
    open_store(settings, create=True).close()
    place = settings.log
    began = time.perf_counter()
    if isinstance(place, SqliteFile):
        _by_executemany(place, pages)
    else:
        _by_copy(place.conninfo, place.schema, pages)
    return Measured(sum(map(len, pages)), time.perf_counter() - began)


def _by_executemany(place: SqliteFile, pages: Pages) -> None:
    connection = connect(place.path)
    for rows in pages:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sqlite_schema.INSERT_EVENT, rows)
        connection.execute("COMMIT")
    connection.close()


def _by_copy(conninfo: str, schema: str, pages: Pages) -> None:
    columns = "notification_id, originator_version, originator_id, topic, state, hashes"
    sql = f"COPY {schema}.stored_events ({columns}) FROM STDIN (FORMAT binary)"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for rows in pages:
            with connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
                copy.set_types(("int8", "int8", "text", "text", "bytea", "bytea"))
                for position, stream, version, topic, state, hashes in rows:
                    copy.write_row((position, version, stream, topic, state, hashes))
