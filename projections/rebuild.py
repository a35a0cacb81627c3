"""Rebuild: fresh read models beside those in use, compared with them, then swapped in.

Reads go on throughout, on the old tables until the swap and on the new ones after it.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice, zip_longest
from typing import Any, Final

from msgspec import Struct

from ledger.domain.errors import LedgerError
from ledger.store.log import LogStore
from projections.column_files import NO_ROOM
from projections.database import Reads
from projections.models import TABLES
from projections.progress import Progress, beyond, unwatched
from projections.refill import ROWS_AT_ONCE, refill
from projections.runner import BATCH_EVENTS, REFILLED_EVENTS, catch_up, is_mostly_new
from projections.segments import Segment
from projections.session import PositionMoved, Snapshot
from projections.tables import Table, digest_of, ordered_sql, plain

#: How often the log may run ahead of the fresh tables before a rebuild gives up.
SWAPS_MAX: Final = 50
#: How often both generations are looked for at the same position.
LOOKS_MAX: Final = 3

log = logging.getLogger(__name__)


class Difference(Struct, frozen=True, kw_only=True):
    """A table whose rows are not what the log says, and the first row that is not.

    A row that is only in one of them is None in the other.
    """

    table: str
    live_digest: str
    fresh_digest: str
    live_row: tuple[Any, ...] | None
    fresh_row: tuple[Any, ...] | None


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a rebuild found: both were compared at `compared_at`."""

    position: int
    generation: int
    compared_at: int
    differences: list[Difference]


def rebuild(
    store: LogStore,
    reads: Reads,
    limit: int = BATCH_EVENTS,
    progress: Progress = unwatched,
    *,
    segments: Sequence[Segment] = (),
    refilled_from: int = REFILLED_EVENTS,
) -> Rebuilt:
    """Build, compare and swap. Raises PositionMoved when another rebuild was faster.

    Logs of `refilled_from` events or more are recomputed from columns, from sealed segments as
    far as they go, others folded `limit` events at a time; both are compared where the tables in
    use stand. What lies behind that is folded in, or where it is most of the log, all of it
    recomputed. `progress` is told how many more events were taken in.
    """
    old, new = reads.generation, reads.begin()
    begun, head = [new], store.head().position
    try:
        # As far as the tables in use have come, if the log goes that far.
        goal = min(reads.position, head)
        if goal >= refilled_from:
            refill(store, reads, new, goal, segments=segments, progress=progress)
        else:
            _build(store, reads, new, goal, limit=limit, progress=progress)
        compared_at, differences = compare(store, reads, new, limit)
        if is_mostly_new(compared_at, head):
            new = reads.begin()
            begun.append(new)
            refill(store, reads, new, head, segments=segments, progress=beyond(goal, progress))
        position = _swap(store, reads, old, new)
    except BaseException:
        with suppress(LedgerError):
            reads.drop_unused(*begun)
        raise
    with suppress(LedgerError):
        # What a slow reader still holds is dropped by the next rebuild.
        reads.drop_unused()
    return Rebuilt(
        position=position, generation=new, compared_at=compared_at, differences=differences
    )


def fill(store: LogStore, reads: Reads, progress: Progress = unwatched) -> None:
    """Recompute the tables from columns, as far as the log goes now, without comparing.

    `progress` is told how many more events were taken in. Who else filled them meanwhile is let be.
    So is a disk that has no room, or no folder, for columns: whoever asked folds on without them.
    """
    old, new = reads.generation, reads.begin()
    try:
        refill(store, reads, new, store.head().position, progress=progress)
        _swap(store, reads, old, new)
    except BaseException as error:
        with suppress(LedgerError):
            reads.drop_unused(new)
        if isinstance(error, (OSError, *NO_ROOM)):
            log.warning("figures are folded, not recomputed: %s", str(error).partition("\n")[0])
        elif not isinstance(error, PositionMoved):
            raise
    else:
        with suppress(LedgerError):
            reads.drop_unused()


def _build(
    store: LogStore,
    reads: Reads,
    new: int,
    goal: int,
    *,
    limit: int,
    progress: Progress,
) -> None:
    """Fold the log up to a position."""
    position = 0
    while position < goal:
        until = min(goal, position + limit)
        reached = catch_up(store, reads, limit, until=until, generation=new)
        progress(reached - position)
        position = reached


def compare(
    store: LogStore, reads: Reads, new: int, limit: int = BATCH_EVENTS
) -> tuple[int, list[Difference]]:
    """The position both were compared at, and the tables that differ."""
    with at_one_moment(store, reads, new, limit) as (live, fresh):
        return live.position, _differences(live, fresh)


@contextmanager
def at_one_moment(
    store: LogStore, reads: Reads, new: int, limit: int = BATCH_EVENTS
) -> Iterator[tuple[Snapshot, Snapshot]]:
    """The generation in use and a new one, which is folded up to the same position.

    As one transaction sees them where that can be had: not while batches follow each other all
    the time, nor where the tables in use are of more than the log has.
    """
    for _ in range(LOOKS_MAX):
        catch_up(store, reads, limit, until=reads.position, generation=new)
        with reads.read_beside(new) as (live, fresh):
            if live.position == fresh.position:
                yield live, fresh
                return
    with reads.read(unhurried=True) as live:
        catch_up(store, reads, limit, until=live.position, generation=new)
        with reads.read(new, unhurried=True) as fresh:
            yield live, fresh


def _differences(live: Snapshot, fresh: Snapshot) -> list[Difference]:
    """The tables that differ. Rows are read only where the database does not find them alike."""
    found = []
    for table in TABLES:
        if live.has_the_rows_of(fresh, table):
            continue
        live_row, fresh_row = first_difference(live, fresh, table)
        if live_row is not None or fresh_row is not None:
            found.append(
                Difference(
                    table=table.name,
                    live_digest=digest_of(live.stream(ordered_sql(table))),
                    fresh_digest=digest_of(fresh.stream(ordered_sql(table))),
                    live_row=live_row,
                    fresh_row=fresh_row,
                )
            )
    return found


def _swap(store: LogStore, reads: Reads, old: int, new: int) -> int:
    """Take the fresh tables into use; the position they stand at."""
    for _ in range(SWAPS_MAX):
        position = catch_up(store, reads, BATCH_EVENTS, generation=new)
        is_beyond = reads.position > store.head().position  # of another log, or of a later state
        if reads.swap(old, new, even_back=is_beyond):
            return position
        if reads.generation != old:
            break
    raise PositionMoved(generation=new)


def digests(snapshot: Snapshot) -> dict[str, str]:
    """SHA-256 over all rows of each table: alike for the same log on every database."""
    return {table.name: digest_of(snapshot.stream(ordered_sql(table))) for table in TABLES}


def first_difference(
    live: Snapshot, fresh: Snapshot, table: Table
) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """The first row of a table that is not the same in both; Nones when all are."""
    sql = ordered_sql(table)
    ours, theirs = live.stream(sql), fresh.stream(sql)
    while True:
        some, others = list(islice(ours, ROWS_AT_ONCE)), list(islice(theirs, ROWS_AT_ONCE))
        # Thousands are compared at once; row by row only where they are not the same.
        if some != others:
            rows = zip_longest(map(_row, some), map(_row, others))
            found = next(((row, other) for row, other in rows if row != other), None)
            if found:
                return found
        if not some:
            return None, None


def _row(row: Any) -> tuple[Any, ...] | None:
    return None if row is None else tuple(map(plain, row))
