"""Two engines, one answer: every read model folded and recomputed, and held against each other.

While the log is read row by row for the folds, another thread takes the same log apart into
columns, so two engines take hardly longer than one.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self

from msgspec import Struct

from ledger.domain.errors import BadSegment, LedgerError
from ledger.store.log import LogStore, Row
from projections.column_files import Columns
from projections.database import Reads
from projections.models import TABLES, Projector
from projections.parting import first_event, parted, shown
from projections.rebuild import at_one_moment, first_difference
from projections.replay import Replay
from projections.runner import BATCH_EVENTS
from projections.segments import Segment, cells_of
from projections.session import Snapshot
from projections.sums import wrong_sums
from projections.tables import Table

#: What is held against the recomputed tables.
STORED: Final = "stored"
FOLDED: Final = "folded"


class Parting(Struct, frozen=True, kw_only=True):
    """A table that is not what the log says, and where the two part first.

    `engine`: `stored` for the tables in use, `folded` for the other way to make them. A row that
    is only in one of them is None in the other.
    """

    table: str
    engine: str
    figure: str
    #: The first event that the row does not agree with, None where no event speaks of it.
    position: int | None
    live_row: tuple[Any, ...] | None
    fresh_row: tuple[Any, ...] | None


class TwoEngines:
    """All read models made twice from a log: `take` its rows in order, then `compare`."""

    def __init__(self, store: LogStore, reads: Reads, until: int) -> None:
        """Begin to take the log apart up to a position, and empty tables to fold it into."""
        self._store, self._reads = store, reads
        self._rows: list[Row] = []
        self._columns = Columns(store)
        self._generation = reads.begin()
        with reads.read(self._generation) as snapshot:
            self._projector = Projector(snapshot)
        self._thread = ThreadPoolExecutor(1, "ledger-columns")
        self._taken_apart = self._thread.submit(self._columns.extend, until)

    def take(self, rows: Iterable[Row]) -> None:
        """The next rows of the log. Raises CorruptLog."""
        self._rows.extend(rows)
        if len(self._rows) >= BATCH_EVENTS:
            self._fold()

    def _fold(self) -> None:
        folded = self._projector
        after, deltas = folded.position, folded.fold(self._rows)
        self._rows.clear()
        self._reads.write(self._generation, after, folded.position, deltas, folded.leaf)

    def hold(self, segments: Sequence[Segment]) -> None:
        """Hold what is sealed against the columns of the log. Raises BadSegment, CorruptLog."""
        self._taken_apart.result()
        # Meanwhile the log may have grown and been sealed beyond what was taken apart.
        self._columns.extend(max((each.manifest.last for each in segments), default=0))
        cells: list[Path] = []
        for segment in segments:
            manifest = segment.manifest
            position = self._columns.first_difference(segment.columns)
            if position is not None:
                error, name = "other columns than the line", manifest.columns.name
                raise BadSegment("segment", file=name, position=position, error=error)
            table = wrong_sums(segment.columns, segment.sums, cells)
            if table is not None:
                name = manifest.sums[table].name
                raise BadSegment("segment", file=name, error="not the sums of the columns")
            cells += cells_of([segment])

    def compare(self) -> list[Parting]:
        """The tables in use, and those folded here, where they are not the recomputed ones."""
        if self._rows:
            self._fold()
        self._taken_apart.result()
        with at_one_moment(self._store, self._reads, self._generation) as (live, folded):
            self._columns.extend(live.position)
            with Replay(self._columns, live.position) as replay:
                right = replay.snapshot()
                found = (self._partings(live, folded, right, table) for table in TABLES)
                return [each for each in chain.from_iterable(found) if each is not None]

    def _partings(
        self, live: Snapshot, folded: Snapshot, right: Snapshot, table: Table
    ) -> list[Parting | None]:
        """What is stored is right where the database finds it like folds that are."""
        of_folds = self._parting(FOLDED, folded, right, table)
        if of_folds is None and live.has_the_rows_of(folded, table):
            return []
        return [self._parting(STORED, live, right, table), of_folds]

    def _parting(
        self, engine: str, snapshot: Snapshot, right: Snapshot, table: Table
    ) -> Parting | None:
        theirs, ours = first_difference(snapshot, right, table)
        if theirs is None and ours is None:
            return None
        key, figure, row = parted(table, theirs, ours)
        return Parting(
            table=table.name,
            engine=engine,
            figure=figure,
            position=first_event(self._store, table, figure, key, row, until=right.position),
            live_row=shown(theirs),
            fresh_row=shown(ours),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._columns.close()
        with suppress(LedgerError):
            self._reads.drop_unused(self._generation)
