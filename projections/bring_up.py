"""Bringing read models to the end of the log, however far behind they are."""

from typing import Final

from ledger.store.log import LogStore
from projections.database import Reads
from projections.runner import catch_up, check_same_log, is_mostly_new
from projections.tables import Progress, unwatched

#: Events between two words on how far it is.
STEP: Final = 400_000


def bring_up(store: LogStore, reads: Reads, progress: Progress = unwatched) -> int:
    """Make the read models true at the end of the log as it is now; the position reached.

    Where most of a long log is new, all of it is recomputed from columns; else what is new is
    folded in. `progress` is told how many more events were taken in. Raises Unavailable,
    CorruptLog, InvalidSettings (the read models are of another log).
    """
    with reads.read() as snapshot:
        check_same_log(store, snapshot)
        position = snapshot.position
    head = store.head().position
    if is_mostly_new(position, head):
        from projections.rebuild import fill  # noqa: PLC0415 (the columnar engine is heavy)

        fill(store, reads, _beyond(position, progress))
        position = reads.position
    while position < head:
        reached = catch_up(store, reads, until=min(position + STEP, head))
        progress(reached - position)
        position = reached
    return position


def _beyond(position: int, progress: Progress) -> Progress:
    """A progress over one that is told only of what is beyond a position."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        before, done = max(done, position), done + more
        progress(max(done, position) - before)

    return advance
