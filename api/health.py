"""Whether the service can do its work, and how far its figures are behind the log."""

import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from ledger.application import Ledger
from ledger.domain.errors import LedgerError
from projections.database import Reads
from projections.tailer import Tailer

#: Looks at the log that are remembered, and seconds between two of them.
LOOKS_MAX: Final = 1000
LOOK_EVERY_S: Final = 0.5


class Readiness(Struct, frozen=True, kw_only=True):
    """Ready, or the reason why not. Positions are as last seen; `lag_seconds` is at least that."""

    ready: bool
    reason: str
    position: int
    head: int
    lag_events: int
    lag_seconds: float


class Health:
    """Looks at log and figures. Thread-safe; meant to be asked now and then."""

    def __init__(
        self, ledger: Ledger, reads: Reads, tailer: Tailer | None, lag_s_max: float
    ) -> None:
        self._store, self._writer = ledger.store, ledger.apart
        self._reads, self._tailer = reads, tailer
        self._lag_s_max = lag_s_max
        #: When which head was seen, until the figures have come as far.
        self._heads: deque[tuple[float, int]] = deque(maxlen=LOOKS_MAX)
        self._lock = threading.Lock()
        self._position = self._head = 0
        #: Seconds the log was ahead of this machine's clock when last looked at.
        self.ahead_s = 0.0

    def look(self) -> Readiness:
        """How things stand now."""
        try:
            last = self._store.head()
            head, position = last.position, self._reads.position
        except LedgerError as error:
            return self._told(f"{error.code}: {error}")
        self.ahead_s = last.ahead_s(datetime.now(UTC))
        with self._lock:
            self._position, self._head = position, max(head, position)
            now = time.monotonic()
            while self._heads and self._heads[0][1] <= position:
                self._heads.popleft()
            is_due = not self._heads or now - self._heads[-1][0] > LOOK_EVERY_S
            if head > position and is_due:
                self._heads.append((now, head))
        reason = ""
        if self._lag_s() > self._lag_s_max:
            failed = self._tailer.lag().error if self._tailer else ""
            reason = f"the figures are too far behind the log{': ' if failed else ''}{failed}"
        if self._writer is not None and not (self._writer.is_ready or self._writer.is_here):
            reason = "the writer's process is being started"
        return self._told(reason)

    @property
    def has_writer(self) -> bool:
        """Whether the writer's process stands ready."""
        return self._writer is not None and self._writer.is_ready

    def _lag_s(self) -> float:
        """Seconds since the log had an event that the figures still lack, as far as was seen."""
        with self._lock:
            return time.monotonic() - self._heads[0][0] if self._heads else 0.0

    def _told(self, reason: str) -> Readiness:
        return Readiness(
            ready=not reason,
            reason=reason,
            position=self._position,
            head=self._head,
            lag_events=self._head - self._position,
            lag_seconds=round(self._lag_s(), 3),
        )
