"""Looks: who read what, when. Reads of members' and funds' data, beside the log and not in it.

Kept in the read database, outside the generations, so that a rebuild leaves it
alone. Looking must not wait for it: looks are queued and written by a thread. The
queue is bounded; what does not fit is dropped and counted, never passed over silently.
"""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple

from ledger.domain.errors import LedgerError
from projections.session import Engine

#: Looks that may wait to be written.
QUEUE_MAX: Final = 20_000
#: Looks written in one transaction.
BATCH_MAX: Final = 500
#: Seconds a look waits for others to be written with it, unless someone asks for what was kept.
GATHERED_S: Final = 0.05
#: Seconds between two tries during an outage.
RETRY_S: Final = 0.5
#: Seconds that are given to the last looks when the service stops.
LAST_S: Final = 5.0

log = logging.getLogger(__name__)


class Look(NamedTuple):
    """One look: at what (`member/V0001`, `fund/F1`), in which way, by whom, in which request."""

    at: str
    holder: str
    key: str
    about: str
    way: str
    request: str


COLUMNS: Final = ", ".join(Look._fields)


class Looks:
    """The looks kept in one database. `add` never waits and never fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._table = f"{engine.schema}reads"
        self._queue: queue.Queue[Look | None] = queue.Queue(QUEUE_MAX)
        #: Looks that were not kept, because too many waited or the service stopped.
        self.dropped = 0
        with engine.writing() as session:
            engine.prepare(session)
            columns = ", ".join(f"{name} TEXT NOT NULL" for name in Look._fields)
            session.run(f"CREATE TABLE IF NOT EXISTS {self._table} ({columns})")
            session.run(f"CREATE INDEX IF NOT EXISTS looks_about ON {self._table} (about, at)")
        self._stopping = threading.Event()
        #: Set while someone waits for what is not written yet.
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-looks", daemon=True)
        self._thread.start()

    def add(self, holder: str, key: str, about: str, way: str, request: str) -> None:
        """Note that someone looks at something now."""
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        try:
            self._queue.put_nowait(Look(at, holder, key, about, way, request))
        except queue.Full:
            self.dropped += 1

    @property
    def waiting(self) -> int:
        """Looks that are not written yet."""
        return self._queue.qsize()

    def looks_at(self, about: str, limit: int = 100, before: str = "9999") -> list[Look]:
        """The last looks at something, the latest first. Raises Unavailable."""
        with self._engine.reading() as session:
            rows = session.rows(
                f"SELECT {COLUMNS} FROM {self._table} WHERE about = ? AND at < ?"
                " ORDER BY at DESC LIMIT ?",
                (about, before, limit),
            )
        return [Look(*row) for row in rows]

    def flush(self, timeout_s: float = LAST_S) -> bool:
        """Wait until what was added before is written; whether it is in time."""
        deadline = time.monotonic() + timeout_s
        self._hurried.set()
        while self._queue.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)
        self._hurried.clear()
        return not self._queue.unfinished_tasks

    def close(self) -> None:
        """Write what waits, in bounded time, and close."""
        self.flush()
        self._stopping.set()
        self.dropped += self._queue.qsize()
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(LAST_S)
        self._engine.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            batch = self._next_batch()
            if batch and not self._keep(batch):
                self.dropped += len(batch)
            for _ in batch:
                self._queue.task_done()

    def _next_batch(self) -> list[Look]:
        """Wait for a look and take along what comes soon after it."""
        batch = []
        look = self._queue.get()
        # A transaction for each would take as long as the reads themselves.
        if self._queue.qsize() < BATCH_MAX:
            self._hurried.wait(GATHERED_S)
        while look is not None:
            batch.append(look)
            if len(batch) == BATCH_MAX:
                break
            try:
                look = self._queue.get_nowait()
            except queue.Empty:
                break
        return batch

    def _keep(self, batch: Sequence[Look]) -> bool:
        """Write a batch, again during an outage until the service stops."""
        told = False
        while True:
            try:
                self._write(batch)
            except LedgerError as error:
                if not told:
                    log.warning("looks wait to be written: %s", error)
                told = True
                if self._stopping.wait(RETRY_S):
                    return False
            except Exception:
                log.exception("looks were lost")
                return False
            else:
                return True

    def _write(self, batch: Sequence[Look]) -> None:
        row = f"({', '.join('?' * len(Look._fields))})"
        values = ", ".join([row] * len(batch))
        with self._engine.writing() as session:
            session.run(
                f"INSERT INTO {self._table} ({COLUMNS}) VALUES {values}",
                [value for look in batch for value in look],
            )
