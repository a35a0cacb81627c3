"""Filling a new generation of tables at once: recomputed from columns, put in by the thousand.

The columns come from sealed segments as far as there are good ones, else from the log.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final

from ledger.store.log import LogStore
from ledger.store.tree import leaf_at
from projections.database import Reads
from projections.models import TABLES
from projections.replay import Replay, replayed
from projections.segments import Segment
from projections.tables import Progress, Record, Table, ordered_sql, unwatched

#: Rows put in with one transaction.
ROWS_AT_ONCE: Final = 20_000


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

    `progress` is told how many more events were taken in. Raises CorruptLog, PositionMoved.
    """
    with (
        replayed(store, position, segments=segments, progress=progress) as replay,
        ThreadPoolExecutor(1, "ledger-refill") as thread,
    ):
        pending: Future[None] | None = None
        for table, records in _chunks(replay):
            if pending is not None:
                pending.result()
            pending = thread.submit(reads.load, generation, table, records)
        if pending is not None:
            pending.result()
    reads.write(generation, 0, position, [], leaf_at(store, position))


def _chunks(replay: Replay) -> Iterator[tuple[Table, list[Record]]]:
    """All rows of all tables, each in the order of its key, some thousands at a time."""
    for table in TABLES:
        rows = replay.snapshot().stream(ordered_sql(table))
        while records := list(islice(rows, ROWS_AT_ONCE)):
            yield table, records
