"""The tailer: follows the log by position and keeps the read models up to date.

It polls, because to be told of each event costs the writer more than looking now and
then costs us. It reads all topics, so its position is always the log's. Whatever goes
wrong, it waits and begins again at the position that was written last.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from msgspec import Struct, structs

from ledger.domain.errors import CorruptLog, InvalidSettings, LedgerError
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
#: Seconds between looks at a log where nothing happens, and at one where something just did.
PAUSE_MAX_S: Final = 1.0
PAUSE_MIN_S: Final = 0.01
#: Seconds until the next try after an error, doubled each time.
RETRY_MIN_S: Final = 0.05
RETRY_MAX_S: Final = 5.0

OTHER_LOG: Final = "the figures are of another log, or an older state of it: hourledger rebuild"
#: What is kept of the first row, and of the last.
_ENDS: Final = (
    f"SELECT state FROM {{g}}rules WHERE position = 1 UNION ALL SELECT leaf FROM {{g}}{TIP.name}"
)

#: What `Reads.write` is told of a batch.
Told = tuple[int, int, int, Deltas, bytes]

log = logging.getLogger(__name__)


class Lag(Struct, frozen=True, kw_only=True):
    """How far the read models are behind the log."""

    #: The position they are true at, and the log's.
    position: int
    head: int
    #: Seconds since they were last seen to be up to date.
    seconds: float
    #: What the tailer failed on last, empty when it is well.
    error: str

    @property
    def events(self) -> int:
        """Events not yet folded."""
        return self.head - self.position


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
    pause = PAUSE_MIN_S / 2
    while reads.position < position:
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, PAUSE_MIN_S * 5)
    return True


class Tailer:
    """A thread that keeps the read models up to date. `start`, then `stop`; `lag` at any time."""

    def __init__(
        self,
        store: LogStore,
        reads: Reads,
        limit: int = BATCH_EVENTS,
        *,
        pause_min_s: float = PAUSE_MIN_S,
    ) -> None:
        """`pause_min_s`: between looks at a log that grows, unless someone is in a `hurry`."""
        self._store, self._reads, self._limit = store, reads, limit
        self._pause_min_s = pause_min_s
        self._stopping = threading.Event()
        #: Set when the pause is over for someone who waits.
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-tailer", daemon=True)
        self._projector: Projector | None = None
        self._seen = Lag(position=0, head=0, seconds=0.0, error="")
        self._up_to_date_at = time.monotonic()

    def start(self) -> None:
        """Begin to follow the log."""
        self._thread.start()

    def hurry(self) -> None:
        """Look now: someone waits for what was just written."""
        self._hurried.set()

    def stop(self) -> None:
        """Finish the batch at hand, then stop."""
        self._stopping.set()
        self.hurry()
        if self._thread.is_alive():
            self._thread.join()

    def lag(self) -> Lag:
        """How far behind the read models are; during an outage, as far as last seen."""
        seen = self._seen
        try:
            position, head = self._reads.position, self._store.head().position
        except LedgerError as error:
            position, head = seen.position, seen.head
            seen = structs.replace(seen, error=seen.error or str(error))
        behind = time.monotonic() - self._up_to_date_at if position < head else 0.0
        return structs.replace(seen, position=position, head=max(position, head), seconds=behind)

    def _run(self) -> None:
        pause, retry = self._pause_min_s, RETRY_MIN_S
        while not self._stopping.is_set():
            try:
                count = self._advance()
            except PositionMoved:
                # Someone else is at it, or the tables were replaced: look anew, not in step.
                self._projector = None
                self._stopping.wait(retry * random.random())  # noqa: S311 (no secret)
            except CancelledError:
                return
            except Exception as error:  # noqa: BLE001 (whatever it is, the tailer must go on)
                self._projector = None
                self._fail(error)
                self._stopping.wait(retry)
                retry = min(retry * 2, RETRY_MAX_S)
            else:
                retry = RETRY_MIN_S
                self._up_to_date_at = time.monotonic()
                pause = self._pause_min_s if count else min(pause * 1.5, PAUSE_MAX_S)
                self._hurried.wait(pause)
                self._hurried.clear()

    def _advance(self) -> int:
        """All there is, on a fresh view where there is none; how many events it was."""
        if self._projector is None:
            self._projector = self._begin()
        count = follow(
            self._store,
            self._reads,
            self._projector,
            self._limit,
            is_stopping=self._stopping.is_set,
        )
        position = self._projector.position
        self._seen = Lag(position=position, head=position, seconds=0.0, error="")
        return count

    def _begin(self) -> Projector:
        """A projector on a fresh view; what is mostly new by then was recomputed."""
        with self._reads.read() as snapshot:
            check_same_log(self._store, snapshot)
            if not is_mostly_new(snapshot.position, self._store.head().position):
                return Projector(snapshot)
        from projections.rebuild import fill  # noqa: PLC0415 (the columnar engine is heavy)

        fill(self._store, self._reads, self._go_on)
        with self._reads.read() as snapshot:
            check_same_log(self._store, snapshot)
            return Projector(snapshot)

    def _go_on(self, _: int) -> None:
        """Raises CancelledError when it is time to stop."""
        if self._stopping.is_set():
            raise CancelledError

    def _fail(self, error: Exception) -> None:
        """Remember an error for whoever asks; the same one is logged once."""
        said = f"{type(error).__name__}: {error}"
        if said != self._seen.error:
            log.warning("read models fall behind: %s", said)
        self._seen = structs.replace(self._seen, error=said)
