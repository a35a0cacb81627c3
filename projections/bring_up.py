"""Bringing read models to the end of the log, however far behind they are."""

from typing import Final

from ledger.store.log import LogStore
from projections.database import Reads
from projections.progress import Progress, beyond, unwatched
from projections.runner import catch_up, check_same_log, is_mostly_new

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

        fill(store, reads, beyond(position, progress))
        position = reads.position
    while position < head:
        reached = catch_up(store, reads, until=min(position + STEP, head))
        progress(reached - position)
        position = reached
    return position
