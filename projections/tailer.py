"""The tailer: follows the log by position and keeps the read models up to date.

It polls, because to be told of each event costs the writer more than looking now and
then costs us. Whatever goes wrong, it waits and begins again at the position that was
written last.
"""

import logging
import random
import threading
import time
from concurrent.futures import CancelledError
from typing import Final

from msgspec import Struct, structs

from ledger.domain.errors import LedgerError
from ledger.store.log import LogStore
from projections.database import Reads
from projections.models import Projector
from projections.runner import BATCH_EVENTS, check_same_log, follow, is_mostly_new
from projections.session import PositionMoved

#: Seconds between looks at a log where nothing happens, and at one where something just did.
PAUSE_MAX_S: Final = 1.0
PAUSE_MIN_S: Final = 0.01
#: Seconds until the next try after an error, doubled each time.
RETRY_MIN_S: Final = 0.05
RETRY_MAX_S: Final = 5.0

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
