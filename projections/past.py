"""The past: the tables of all read models as they stood at a moment, made again from the log.

Short logs are folded event by event, which is also what any other way is held against; long
ones are recomputed from typed columns.

They live in a temporary SQLite database that keeps in memory what is used and spills the rest
to a file nobody else sees. A few are kept for whoever asks again, and as the base of later ones.
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ledger.store.log import LogStore, Row
from ledger.store.tree import rows_between
from projections.models import TABLES, Projector
from projections.moments import Moment
from projections.session import Snapshot
from projections.sqlite import SqliteSession
from projections.tables import index_sql

if TYPE_CHECKING:
    from projections.replayed import Replays

#: Events folded at a time.
BATCH_EVENTS: Final = 20_000
#: How many pasts are kept, and how many bytes they may take together.
KEPT_MAX: Final = 8
KEPT_BYTES_MAX: Final = 1 << 30
#: Events from which a past is recomputed from columns: there it is faster than folding.
REPLAYED_EVENTS: Final = 50_000
#: Memory of each that is folded.
CACHE_KIB: Final = 32_768


class _Shared(SqliteSession):
    """A connection that several threads read, one query at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.lock = threading.Lock()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        with self.lock:
            return super().rows(sql, params)

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """The same: what comes later must not wait for whoever reads slowly."""
        return iter(self.rows(sql, params))


class Tables:
    """All read models in a database of their own. Filled by one thread, then read by any."""

    def __init__(self, as_of: date | None = None, base: "Tables | None" = None) -> None:
        """Empty, or a copy of what another one holds for the same day."""
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._session = _Shared(self._connection)
        self.as_of = as_of
        self.position = 0
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._connection.execute(f"PRAGMA {pragma}")
        if base is None:
            self._create()
        else:
            with base._session.lock:  # noqa: SLF001 (of its own kind)
                base._connection.backup(self._connection)  # noqa: SLF001
            self.position = base.position

    def _create(self) -> None:
        for table in TABLES:
            self._session.create(table, "")
            if table.searched_by:
                self._session.run(index_sql(table).format(g="", i="by"))

    def fold(self, rows: Iterable[Row]) -> None:
        """Add rows of the log, in its order. Raises CorruptLog."""
        projector, left = Projector(self.snapshot()), iter(rows)
        while batch := list(islice(left, BATCH_EVENTS)):
            self._connection.execute("BEGIN")
            for table, records in projector.fold(batch):
                self._session.upsert(table, "", records)
            self._connection.execute("COMMIT")
        self.position = projector.position

    def snapshot(self, moment: Moment | None = None) -> Snapshot:
        """What is there, at the moment it was folded for."""
        position, time = (moment.position, moment.time) if moment else (self.position, None)
        return Snapshot(self._session, 0, position, "", as_of=self.as_of, moment=time)

    @property
    def size(self) -> int:
        """Bytes of all pages."""
        ((pages,),) = self._session.rows("PRAGMA page_count")
        ((page,),) = self._session.rows("PRAGMA page_size")
        return int(pages * page)

    def close(self) -> None:
        """Give everything back."""
        self._connection.close()


@contextmanager
def folded(rows: Iterable[Row], moment: Moment) -> Iterator[Snapshot]:
    """Tables of these rows alone, for what rests on no others; rows beyond are left out."""
    tables = Tables(moment.as_of)
    try:
        tables.fold(row for row in rows if row.position <= moment.position)
        yield tables.snapshot(moment)
    finally:
        tables.close()


def rows_until(store: LogStore, after: int, position: int) -> Iterator[Row]:
    """The log above a position up to another. Raises CorruptLog when it is not all there."""
    return chain.from_iterable(rows_between(store, after, position))


class Past(Protocol):
    """Tables of one moment, read by any thread."""

    def snapshot(self, moment: Moment) -> Snapshot:
        """What is there, at the moment it was made for."""

    @property
    def size(self) -> int:
        """Bytes it takes."""

    def close(self) -> None:
        """Give everything back."""


class _Kept:
    """One past, and how many are reading it."""

    def __init__(self) -> None:
        self.making = threading.Lock()
        self.readers = 0
        self.tables: Past | None = None
        self.size = 0


#: Position and day.
_Key = tuple[int, date | None]


class Pasts:
    """Pasts of a whole log, a few of them kept. Thread-safe."""

    def __init__(
        self,
        store: LogStore,
        *,
        sealed: Path | None = None,
        replayed_from: int = REPLAYED_EVENTS,
        kept_max: int = KEPT_MAX,
        bytes_max: int = KEPT_BYTES_MAX,
    ) -> None:
        """From position `replayed_from` on, pasts come from columns, those in `sealed` first."""
        self._store = store
        self._sealed, self._replayed_from = sealed, replayed_from
        self._replays: Replays | None = None
        self._kept_max, self._bytes_max = kept_max, bytes_max
        #: The least recently used in front. Those not kept any more end with their last reader.
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        #: One is made at a time: it is work for a processor.
        self._making = threading.Lock()

    @contextmanager
    def at(self, moment: Moment) -> Iterator[Snapshot]:
        """Everything as it stood at a moment. Raises Unavailable, CorruptLog."""
        kept = self._take((moment.position, moment.as_of))
        try:
            with kept.making:
                if kept.tables is None:
                    with self._making:
                        kept.tables = self._make(moment)
            yield kept.tables.snapshot(moment)
        finally:
            self._leave(kept)

    def _take(self, key: _Key) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            self._kept.move_to_end(key)
            kept.readers += 1
            return kept

    def _make(self, moment: Moment) -> Past:
        """In the way that is faster."""
        if moment.position < self._replayed_from:
            return self._fold(moment)
        if self._replays is None:
            from projections.replayed import Replays  # noqa: PLC0415 (short logs need no columns)

            self._replays = Replays(self._store, self._sealed)
        return self._replays.make(moment)

    def _fold(self, moment: Moment) -> Tables:
        """Fold the log, from the nearest past of the same day on."""
        base = self._take_base(moment)
        found = base.tables if base else None
        tables = Tables(moment.as_of, found if isinstance(found, Tables) else None)
        if base is not None:
            self._leave(base)
        try:
            tables.fold(rows_until(self._store, tables.position, moment.position))
        except BaseException:
            tables.close()
            raise
        return tables

    def _take_base(self, moment: Moment) -> _Kept | None:
        with self._lock:
            made = {
                position: kept
                for (position, as_of), kept in self._kept.items()
                if as_of == moment.as_of and position < moment.position and kept.tables
            }
            if not made:
                return None
            base = made[max(made)]
            base.readers += 1
            return base

    def _leave(self, kept: _Kept) -> None:
        """Read no more, and let go of what was not used for longest."""
        # What is recomputed only when it is read has grown meanwhile.
        kept.size = kept.tables.size if kept.tables else 0
        with self._lock:
            kept.readers -= 1
            left = [kept]
            while len(self._kept) > self._kept_max or self._size() > self._bytes_max:
                left.append(self._kept.popitem(last=False)[1])
            for each in left:
                if not each.readers and each not in self._kept.values():
                    _drop(each)

    def _size(self) -> int:
        return sum(kept.size for kept in self._kept.values())

    def close(self) -> None:
        """Let go of all. Whoever still reads one finishes with it."""
        with self._lock:
            for kept in self._kept.values():
                if not kept.readers:
                    _drop(kept)
            self._kept.clear()
        if self._replays is not None:
            self._replays.close()


def _drop(kept: _Kept) -> None:
    if kept.tables is not None:
        kept.tables.close()
        kept.tables = None
