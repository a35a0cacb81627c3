"""What a read model's table is: its columns, and how a batch's deltas merge into its rows.

Tables are named without their generation here; SQL writes `{g}` before a table's
name, which the database replaces by the generation's prefix.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

Type = Literal["text", "integer", "bytes"]
#: key: part of the primary key · add: summed · latest: replaced when a value is given ·
#: append: bytes put behind what is there · first: what is there stays.
Merge = Literal["key", "add", "latest", "append", "first"]
Value = str | int | bytes | None
Record = tuple[Value, ...]


class Column(NamedTuple):
    """A column, and what a delta does to it."""

    name: str
    type: Type
    merge: Merge


class Table(NamedTuple):
    """A table; its key columns come first."""

    name: str
    columns: tuple[Column, ...]
    #: Columns that are also searched by, without the key.
    searched_by: tuple[str, ...] = ()
    #: The table in which its rows with a positive sum are counted, whenever deltas are merged. That
    #: table's key is the first column of this one's; it counts rows, and sums what is positive.
    counted_in: "Table | None" = None

    def names(self, *merges: Merge) -> list[str]:
        """Names of the columns that merge like this; of all columns when nothing is said."""
        return [column.name for column in self.columns if not merges or column.merge in merges]


#: What one batch writes: a table with its deltas, each key at most once.
Deltas = list[tuple[Table, list[Record]]]


def text(*names: str, merge: Merge = "key") -> tuple[Column, ...]:
    """Text columns, of the key unless said otherwise."""
    return tuple(Column(name, "text", merge) for name in names)


def integers(*names: str, merge: Merge = "add") -> tuple[Column, ...]:
    """Integer columns, summed unless said otherwise."""
    return tuple(Column(name, "integer", merge) for name in names)


_MERGED: Final[dict[Merge, str]] = {
    "add": "{c} = old.{c} + excluded.{c}",
    # SQLite makes text of joined bytes unless told otherwise.
    "append": "{c} = CAST(old.{c} || excluded.{c} AS {bytes})",
    "latest": "{c} = COALESCE(excluded.{c}, old.{c})",
}


def create_sql(table: Table, types: Mapping[Type, str], suffix: str = "") -> str:
    """The statement that creates a table of a generation."""
    columns = ", ".join(
        f"{c.name} {types[c.type]}" + (" NOT NULL" if c.merge != "latest" else "")
        for c in table.columns
    )
    return (
        f"CREATE TABLE {{g}}{table.name} ({columns},"
        f" PRIMARY KEY ({', '.join(table.names('key'))})){suffix}"
    )


def index_sql(table: Table) -> str:
    """The statement that creates a table's other index."""
    columns = ", ".join(table.searched_by)
    return f"CREATE INDEX {{i}}_{table.name}_by ON {{g}}{table.name} ({columns})"


def upsert_sql(table: Table, types: Mapping[Type, str], source: str) -> str:
    """The statement that merges deltas from `source` (a VALUES clause or a query) into a table."""
    merged = [
        _MERGED[c.merge].format(c=c.name, bytes=types["bytes"])
        for c in table.columns
        if c.merge in _MERGED
    ]
    action = f"DO UPDATE SET {', '.join(merged)}" if merged else "DO NOTHING"
    return (
        f"INSERT INTO {{g}}{table.name} AS old ({', '.join(table.names())}) {source}"
        f" ON CONFLICT ({', '.join(table.names('key'))}) {action}"
    )


def counts_sql(table: Table, counts: Table, types: Mapping[Type, str], deltas: str) -> str:
    """The statement that counts which rows deltas make positive, before they are merged."""
    key, quantity = table.names("key"), table.names("add")[0]
    before, after = f"COALESCE(old.{quantity}, 0)", f"COALESCE(old.{quantity}, 0) + d.{quantity}"
    sums = [
        f"CAST(SUM({_positive(after, '1')} - {_positive(before, '1')}) AS BIGINT)",
        f"CAST(SUM({_positive(after, after)} - {_positive(before, before)}) AS BIGINT)",
    ]
    same = " AND ".join(f"old.{name} = d.{name}" for name in key)
    source = (
        f"SELECT d.{key[0]}, {', '.join(sums)} FROM {deltas} AS d"
        f" LEFT JOIN {{g}}{table.name} AS old ON {same} GROUP BY d.{key[0]}"
    )
    return upsert_sql(counts, types, source)


def _positive(sum_: str, value: str) -> str:
    return f"CASE WHEN {sum_} > 0 THEN {value} ELSE 0 END"


def ordered_sql(table: Table) -> str:
    """The query for all rows of a table in the order of its key."""
    key = ", ".join(table.names("key"))
    return f"SELECT {', '.join(table.names())} FROM {{g}}{table.name} ORDER BY {key}"


def counts_of_both_sql(table: Table, one: str, other: str) -> str:
    """The query for how many rows two tables have, by their prefixes, and how many both have."""
    same = " AND ".join(
        f"(one.{c.name} = other.{c.name}"
        + (f" OR one.{c.name} IS NULL AND other.{c.name} IS NULL)" if c.merge == "latest" else ")")
        for c in table.columns
    )
    counts = (
        f"{one}{table.name}",
        f"{other}{table.name}",
        f"{one}{table.name} AS one JOIN {other}{table.name} AS other ON {same}",
    )
    return "SELECT " + ", ".join(f"(SELECT COUNT(*) FROM {rows})" for rows in counts)


def layout_of(rows: Iterable[object]) -> str:
    """A fingerprint of data that says what stored rows mean."""
    return hashlib.sha256(repr(tuple(rows)).encode()).hexdigest()[:16]


def digest_of(records: Iterable[Sequence[Value]]) -> str:
    """SHA-256 over rows in order, alike on every database."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(repr(tuple(map(plain, record))).encode())
    return digest.hexdigest()


def plain(value: Value | memoryview) -> Value:
    """A value as it was written, whatever the driver makes of it."""
    return bytes(value) if isinstance(value, memoryview) else value
