"""Bytes an event, by part: rows, indexes, idempotency rows; and the figures beside them."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import psycopg

from benchmarks.county import size_of
from benchmarks.options import Options, run_alone
from benchmarks.places import Places
from benchmarks.running import Row, rounded
from ledger.settings import Settings
from ledger.store.place import PostgresSchema, SqliteFile
from ledger.store.sqlite_datastore import connect

BYTES = {"SQLite": 700.0, "PostgreSQL": 800.0}
#: Tables and indexes → the part they are.
PARTS = {
    "stored_events": "events",
    "sqlite_autoindex_stored_events_1": "index of streams",
    "commands": "idempotency",
}
#: An index is a part of its own on PostgreSQL: of positions, of streams, of commands.
SIZES = """
SELECT class.relname, owner.relname, class.relkind = 'i',
       pg_total_relation_size(class.oid) * (class.relkind = 'i')::int
       + pg_table_size(class.oid) * (class.relkind = 'r')::int,
       coalesce(pg_get_indexdef(class.oid), '')
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_index AS entry ON entry.indexrelid = class.oid
LEFT JOIN pg_class AS owner ON owner.oid = entry.indrelid
WHERE space.nspname = %s AND class.relkind IN ('r', 'i')
"""


def parts_of(url: str) -> Mapping[str, int]:
    """Bytes of each part of a log, and of its figures."""
    settings = Settings(database_url=url)
    log, figures = settings.log, settings.read_models
    if isinstance(log, SqliteFile):
        assert isinstance(figures, SqliteFile)
        return {**_of_file(log), "figures": figures.path.stat().st_size}
    assert isinstance(figures, PostgresSchema)
    return {**_of_schema(log), "figures": sum(_of_schema(figures).values())}


def _of_file(place: SqliteFile) -> dict[str, int]:
    """Pages of each table, counted by SQLite itself where it was built to."""
    with closing(connect(place.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = connection.execute(
            "SELECT name, SUM(pgsize) FROM dbstat WHERE aggregate = FALSE GROUP BY name"
        )
        return _summed((PARTS.get(name, "the rest"), size) for name, size in rows)


def _of_schema(place: PostgresSchema) -> dict[str, int]:
    with psycopg.connect(place.conninfo) as connection:
        rows = connection.execute(SIZES.encode(), (place.schema,)).fetchall()
    return _summed(
        (_part(name, owner, is_index, definition), size)
        for name, owner, is_index, size, definition in rows
    )


def _part(name: str, owner: str | None, is_index: bool, definition: str) -> str:
    if not is_index:
        return PARTS.get(name, "the rest")
    if owner == "commands":
        return "idempotency"
    if owner != "stored_events":
        return "the rest"
    return "index of streams" if "originator_id" in definition else "index of positions"


def _summed(sizes: Iterator[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part, size in sizes:
        found[part] = found.get(part, 0) + size
    return found


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """The live store whole, then each part."""
    for database in options.databases:
        url = places.county(database, options.county).url
        count, parts = size_of(url), parts_of(url)
        live = sum(size for part, size in parts.items() if part != "figures")
        yield Row(
            "live store, indexes and idempotency", database, "bytes/event", rounded(live / count),
            target=BYTES[database], is_upper=True, note=f"{count:,} events",
        )  # fmt: skip
        for part, size in sorted(parts.items(), key=lambda item: -item[1]):
            yield Row(f"… {part}", database, "bytes/event", rounded(size / count))


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
