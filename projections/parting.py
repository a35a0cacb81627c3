"""Where a stored row and the log part: the figure, and the first event it does not agree with.

The log is folded once more, and the figure looked at after each event that changes its row:
the event wanted is the first one behind the last moment at which it was as it is stored.
"""

from collections.abc import Callable
from typing import Any, Final

from ledger.store.log import LogStore
from projections.models import Projector
from projections.replay import replayed
from projections.tables import Deltas, Record, Table

#: Rows folded at once while the row at hand is not concerned.
PAGE: Final = 2_000

Row = tuple[Any, ...]


def parted(table: Table, stored: Row | None, right: Row | None) -> tuple[Row, str, Row | None]:
    """Of two rows at the same place: the key, the figure in which they differ, what is stored.

    Where the keys differ, the row with the lower one is missing on the other side.
    """
    keys = len(table.names("key"))
    lowest = min(row[:keys] for row in (stored, right) if row is not None)
    stored = stored if stored is not None and stored[:keys] == lowest else None
    right = right if right is not None and right[:keys] == lowest else None
    if stored is None or right is None:
        return lowest, table.names()[-1], stored
    index = next(n for n, (a, b) in enumerate(zip(stored, right, strict=True)) if a != b)
    return lowest, table.names()[index], stored


def first_event(
    store: LogStore, table: Table, figure: str, key: Row, stored: Row | None, *, until: int
) -> int | None:
    """The position of the first event a stored figure does not agree with, None without any.

    Raises CorruptLog.
    """
    agrees = _agreement(table, figure, stored)
    with replayed(store, 0) as nothing:
        scout, exact = Projector(nothing.snapshot()), Projector(nothing.snapshot())
    running: Row | None = None
    found: int | None = None
    while exact.position < until:
        rows = store.select_rows(exact.position, min(PAGE, until - exact.position))
        if not rows or _change(scout.fold(rows), table, key) is None:
            exact.fold(rows)
            continue
        for row in rows:
            change = _change(exact.fold([row]), table, key)
            if change is not None:
                running = _merged(table, running, change)
                found = None if agrees(running) else found or row.position
    return found


def _change(deltas: Deltas, table: Table, key: Row) -> Record | None:
    """What deltas do to a row."""
    return next(
        (
            record
            for changed, records in deltas
            if changed.name == table.name
            for record in records
            if record[: len(key)] == key
        ),
        None,
    )


def _merged(table: Table, old: Row | None, change: Record) -> Row:
    """A row after a delta, as the database merges them."""
    if old is None:
        return change
    merged: list[Any] = []
    for column, before, more in zip(table.columns, old, change, strict=True):
        if column.merge in ("add", "append"):
            merged.append(before + more)
        else:
            merged.append(more if column.merge == "latest" and more is not None else before)
    return tuple(merged)


def _agreement(table: Table, figure: str, stored: Row | None) -> Callable[[Row], bool]:
    """Whether a row as it was has the figure that is stored, or of a list its beginning."""
    if stored is None:
        return lambda _: False
    index = table.names().index(figure)
    there: Any = stored[index]
    if table.columns[index].merge == "append":
        return lambda row: bool(there.startswith(row[index]))
    return lambda row: bool(there == row[index])


def shown(row: Row | None) -> Row | None:
    """A row as it is told: lists of positions in hexadecimal."""
    return row and tuple(value.hex() if isinstance(value, bytes) else value for value in row)
