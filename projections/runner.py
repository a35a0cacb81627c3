"""Folding the log into the read models, batch after batch.

All topics are read, so the position of the read models is always the log's.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from ledger.domain.errors import CorruptLog, InvalidSettings
from ledger.store.log import LogStore
from ledger.store.tree import leaf_at
from projections.database import TIP, Reads
from projections.models import Projector
from projections.session import PositionMoved, Snapshot
from projections.tables import Deltas

#: Events folded at most before their deltas are written: the more, the fewer deltas an event, and
#: who is that far behind is read by nobody for its freshness.
BATCH_EVENTS: Final = 400_000
#: Events from which recomputing from columns is faster than folding, and how many are recomputed,
#: at least, while one is folded.
REFILLED_EVENTS: Final = 50_000
RECOMPUTED_A_FOLD: Final = 2
#: Rows of the log read at a time.
PAGE_ROWS: Final = 10_000
#: Seconds between looks of whoever waits for a position.
LOOK_EVERY_S: Final = 0.005

OTHER_LOG: Final = "the figures are of another log, or an older state of it: hourledger rebuild"
#: What is kept of the first row, and of the last.
_ENDS: Final = (
    f"SELECT state FROM {{g}}rules WHERE position = 1 UNION ALL SELECT leaf FROM {{g}}{TIP.name}"
)

#: What `Reads.write` is told of a batch.
Told = tuple[int, int, int, Deltas, bytes]


def catch_up(
    store: LogStore,
    reads: Reads,
    limit: int = BATCH_EVENTS,
    *,
    until: int | None = None,
    generation: int | None = None,
) -> int:
    """Fold what is in the log already, or what is until a position; the position reached.

    Raises Unavailable, CorruptLog, InvalidSettings (figures of another log). Another tailer may
    be at it too: then this one goes on from where the other is.
    """
    while True:
        try:
            with reads.read(generation) as snapshot:
                check_same_log(store, snapshot)
                projector = Projector(snapshot)
            follow(store, reads, projector, limit, until=until)
        except PositionMoved:
            if generation is not None:
                raise
        else:
            return projector.position


def is_mostly_new(position: int, head: int) -> bool:
    """Whether a whole log is recomputed before what is behind a position would be folded."""
    return head >= REFILLED_EVENTS and (head - position) * RECOMPUTED_A_FOLD > head


def check_same_log(store: LogStore, snapshot: Snapshot) -> None:
    """Raises InvalidSettings for figures of another log: to fold this one onto them makes neither.

    Such are left behind where a log's file was replaced, or restored to an earlier state, even if
    it has grown beyond them again. The first and the last row they were made of tell.
    """
    position = snapshot.position
    if position == 0:
        return
    kept = [bytes(value) for (value,) in snapshot.rows(_ENDS)]
    if position > store.head().position or kept != [
        store.select_rows(0, 1)[0].state,
        leaf_at(store, position),
    ]:
        raise InvalidSettings("LEDGER_READ_URL", reason=OTHER_LOG)


def _check_goes_on(store: LogStore, position: int, leaf: bytes) -> None:
    """The same for whoever folds on from a row whose leaf it remembers.

    A log may be restored to an earlier state while it is followed.
    """
    try:
        found = leaf_at(store, position)
    except CorruptLog:
        found = b""
    if found != leaf:
        raise InvalidSettings("LEDGER_READ_URL", reason=OTHER_LOG)


def follow(
    store: LogStore,
    reads: Reads,
    projector: Projector,
    limit: int,
    *,
    until: int | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Fold and write batch after batch until the log ends; how many events there were.

    A batch that is not full ends it, though the log may have grown meanwhile: where writers are at
    work it always has, and bit by bit it would cost them more than all at once a moment later.
    After an error the projector holds what was not written and must be thrown away.
    """
    begin = projector.position
    with _writing(reads) as write:
        is_full = True
        while is_full and not is_stopping():
            after, leaf = projector.position, projector.leaf
            end = after + limit if until is None else min(after + limit, until)
            _take(store, projector, end)
            if leaf:
                _check_goes_on(store, after, leaf)
            if projector.position == after:
                break
            is_full = projector.position == end
            deltas = projector.drain()
            told = projector.generation, after, projector.position, deltas, projector.leaf
            write(told, is_full)
    return projector.position - begin


def _take(store: LogStore, projector: Projector, end: int) -> None:
    """Fold the log page by page until a position, or as far as it goes now."""
    is_full = True
    while is_full and projector.position < end:
        wanted = min(PAGE_ROWS, end - projector.position)
        rows = store.select_rows(projector.position, wanted)
        projector.take(rows)
        is_full = len(rows) == wanted


@contextmanager
def _writing(reads: Reads) -> Iterator[Callable[[Told, bool], None]]:
    """How batches are written: while the next one is folded, if there is one and that helps."""
    with ThreadPoolExecutor(1, "ledger-read-models") as thread:
        pending: list[Future[None]] = []

        def write(told: Told, is_followed: bool) -> None:
            if pending:
                pending.pop().result()
            if is_followed and reads.is_apart:
                pending.append(thread.submit(reads.write, *told))
            else:
                reads.write(*told)

        yield write
        if pending:
            pending.pop().result()


def wait_for(reads: Reads, position: int, timeout_s: float) -> bool:
    """Wait until the read models stand at a position at least; whether they do in time."""
    deadline = time.monotonic() + timeout_s
    pause = LOOK_EVERY_S
    while reads.position < position:
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, LOOK_EVERY_S * 10)
    return True
