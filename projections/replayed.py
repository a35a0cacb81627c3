"""Pasts of long logs, recomputed from typed columns instead of folded event by event.

All of them rest on one reading of the log, which is kept in files and goes on where it ended.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ledger.domain.errors import BadSegment
from ledger.store.log import LogStore
from projections.column_files import Columns
from projections.moments import Moment
from projections.replay import PREFIX, Replay
from projections.segments import Segment, columns_of, opened
from projections.session import Snapshot

log = logging.getLogger(__name__)


class Replayed:
    """A replay that any thread reads, one query at a time."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._lock = threading.Lock()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        with self._lock:
            return self._replay.rows(sql, params)

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """The same: what comes later must not wait for whoever reads slowly."""
        return iter(self.rows(sql, params))

    def snapshot(self, moment: Moment) -> Snapshot:
        """What is there, at the moment it was made for."""
        return Snapshot(self, 0, moment.position, PREFIX, as_of=moment.as_of, moment=moment.time)

    @property
    def size(self) -> int:
        """Bytes of memory it takes now."""
        with self._lock:
            return self._replay.size

    def close(self) -> None:
        """Give everything back."""
        self._replay.close()


class Replays:
    """Makes pasts from the columns of a log. For one maker at a time; to be closed after them."""

    def __init__(self, store: LogStore, folder: Path | None = None) -> None:
        """`folder`: where segments are sealed; those that do not hold are done without."""
        self._held = ExitStack()
        self._columns: Columns = columns_of(store, _good(store, folder, self._held))

    def make(self, moment: Moment) -> Replayed:
        """The past of a moment. Raises CorruptLog, Unavailable."""
        self._columns.extend(moment.position)
        return Replayed(Replay(self._columns, moment.position, moment.as_of))

    def close(self) -> None:
        """Remove the columns that are not sealed."""
        self._columns.close()
        self._held.close()


def _good(store: LogStore, folder: Path | None, held: ExitStack) -> list[Segment]:
    """The segments of a folder, if all of them are what they are vouched to be."""
    try:
        return held.enter_context(opened(store, folder))
    except BadSegment as error:
        log.warning("sealed segments are not used: %s", error)
        return []
