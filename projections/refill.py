"""Filling a new generation of tables at once: recomputed from columns, put in by the thousand.

The columns come from sealed segments as far as there are good ones, else from the log.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from ledger.store.log import LogStore
from ledger.store.tree import leaf_at
from projections.database import Reads
from projections.models import TABLES
from projections.participation import ACTIVE
from projections.people import PRESENCE
from projections.progress import Progress, unwatched
from projections.recompute import VERIFIED
from projections.replay import PREFIX, Replay, replayed
from projections.segments import Segment
from projections.tables import Record, Table, ordered_sql
from projections.under_way import Wanted, awaited, workers

#: Rows put in with one transaction.
ROWS_AT_ONCE: Final = 20_000
#: Of most rows: these are put in while the others are made.
LONG: Final = (ACTIVE, PRESENCE)


def refill(
    store: LogStore,
    reads: Reads,
    generation: int,
    position: int,
    *,
    segments: Sequence[Segment] = (),
    progress: Progress = unwatched,
) -> None:
    """Fill the empty tables of a generation as they stand at a position.

    `progress` is told how many more events were taken in; where it raises, all is given up.
    Raises CorruptLog, PositionMoved.
    """
    with (
        replayed(store, position, segments=segments, progress=progress) as replay,
        workers(1, "ledger-refill") as (thread, wanted),
    ):
        loads = []
        for made in _made(replay, wanted):
            loads.append(thread.submit(reads.load, generation, made))
            progress(0)
        for load in loads:
            awaited(load, progress)
    reads.write(generation, 0, position, [], leaf_at(store, position))


def _made(replay: Replay, wanted: Wanted) -> Iterator["MadeTable"]:
    """All tables, each as soon as it is recomputed."""
    for table in sorted(TABLES, key=lambda table: table not in LONG):
        replay.make(table.name)
        yield MadeTable(replay, table, wanted)
        if table is ACTIVE:
            replay.drop(VERIFIED)  # the largest of all; nothing else is made of it


class MadeTable(NamedTuple):
    """A recomputed table, its rows in the order of the key."""

    replay: Replay
    table: Table
    wanted: Wanted

    def records(self) -> Iterator[list[Record]]:
        """The rows, some thousands at a time."""
        found = self.replay.run(ordered_sql(self.table).format(g=PREFIX))
        while rows := found.fetchmany(ROWS_AT_ONCE):
            self.wanted.check()
            yield rows

    def csv(self) -> AbstractContextManager[Path]:
        """A file of the rows as PostgreSQL reads it, bytes as hexadecimal digits behind an x."""
        told = ", ".join(
            f"'\\x' || hex({c.name}) AS {c.name}" if c.type == "bytes" else c.name
            for c in self.table.columns
        )
        rows = ordered_sql(self.table).format(g=PREFIX)
        return self.replay.csv(f"SELECT {told} FROM ({rows})")
