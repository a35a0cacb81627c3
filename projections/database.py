"""The read database: generations of tables, consistent reads, and batches written whole.

All read models of one *generation* are tables with a prefix (`g1_`). One row says
which generation is read; a rebuild fills the next one beside it and switches by
compare and swap. Each generation has its tracked position, written in the
transaction of the deltas that lead to it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from ledger.store.place import Place, SqliteFile
from projections.models import TABLES
from projections.postings import POSTINGS
from projections.session import Engine, Made, PositionMoved, Readable, Session, Snapshot
from projections.sqlite import SqliteEngine
from projections.tables import (
    Column,
    Deltas,
    Table,
    index_sql,
    integers,
    layout_of,
)

#: The leaf hash of the last row a generation was made of: it tells a log from one that was restored
#: to an earlier state and has grown since.
TIP: Final = Table("tip", (*integers("one", merge="key"), Column("leaf", "bytes", "latest")))
#: What the tables look like and what events mean in them; another one begins anew.
LAYOUT: Final = layout_of((*TABLES, TIP, *POSTINGS))
#: How often a reader looks again when rebuilds drop the tables it was about to read.
ENTRIES_MAX: Final = 5


class Reads:
    """The read models of one log. Thread-safe. Raises Unavailable when the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Whether the database works in a process of its own, so that writing costs us no time.
        self.is_apart = engine.is_apart
        self._head = f"{engine.schema}generation"
        self._tracking = f"{engine.schema}tracking"
        #: The generation that was in use when one looked last: a reader begins with it.
        self._last = self._found() or self._prepared()
        #: What was found at the position one looked at last, by (generation, position).
        self._settled: tuple[tuple[int, int], dict[str, Any]] = ((0, 0), {})

    def _found(self) -> int | None:
        """The generation in use, None where this version made none.

        Looked for without a lock, so that nobody who only reads waits for whoever writes.
        """
        with self._engine.reading() as session:
            if not session.rows(self._engine.table_named, (self._head,)):
                return None
            sql = f"SELECT current FROM {self._head} WHERE layout = ?"
            return next((int(current) for (current,) in session.rows(sql, (LAYOUT,))), None)

    def _prepared(self) -> int:
        """The same, created where it is not there yet."""
        with self._engine.writing() as session:
            self._engine.prepare(session)
            self._prepare(session)
            return self._current(session)

    def _prepare(self, session: Session) -> None:
        """Create the first generation, or a new one where another version made what is there."""
        session.run(
            f"CREATE TABLE IF NOT EXISTS {self._head}"
            " (one INTEGER PRIMARY KEY, current BIGINT, latest BIGINT, layout VARCHAR(16))"
        )
        found = session.rows(f"SELECT latest, layout FROM {self._head}")
        if not found:
            self._create(session, 1)
            session.run(f"INSERT INTO {self._head} VALUES (1, 1, 1, ?)", (LAYOUT,))
        elif found[0][1] != LAYOUT:
            fresh = found[0][0] + 1
            self._create(session, fresh)
            sql = f"UPDATE {self._head} SET current = ?, latest = ?, layout = ?"
            session.run(sql, (fresh, fresh, LAYOUT))

    def _prefix(self, generation: int) -> str:
        """What the names of a generation's tables begin with."""
        return f"{self._engine.schema}g{generation}_"

    def _current(self, session: Readable | Session, lock: str = "") -> int:
        """The generation in use."""
        return int(session.rows(f"SELECT current FROM {self._head}{lock}")[0][0])

    def _tracked(self, session: Session, generation: int, lock: str = "") -> int:
        """The position a generation stands at, -1 when there is no such generation."""
        sql = f"SELECT notification_id FROM {self._tracking} WHERE application_name = ?{lock}"
        rows = session.rows(sql, (name_of(generation),))
        return int(rows[0][0]) if rows else -1

    def _stand(self, session: Readable, generation: int) -> tuple[int, int]:
        """The generation in use, and the position this one stands at (-1: there is none)."""
        # Both in one question: a reader waits for each answer.
        ((current, position),) = session.rows(
            f"SELECT current, notification_id FROM {self._head}"
            f" LEFT JOIN {self._tracking} ON application_name = ?",
            (name_of(generation),),
        )
        return current, -1 if position is None else position

    @contextmanager
    def read(self, generation: int | None = None, *, unhurried: bool = False) -> Iterator[Snapshot]:
        """One consistent view, of the generation in use unless one is named.

        `unhurried`: for going through whole tables, however long that takes.
        """
        with ExitStack() as stack:
            yield self._enter(stack, generation, unhurried=unhurried)

    def _enter(self, stack: ExitStack, generation: int | None, *, unhurried: bool) -> Snapshot:
        """A snapshot that lasts as long as the stack; again when its tables went meanwhile."""
        for _ in range(ENTRIES_MAX):
            chosen = self._last if generation is None else generation
            prefix = self._prefix(chosen)
            with suppress(PositionMoved), ExitStack() as attempt:
                session = attempt.enter_context(self._engine.reading(prefix + TABLES[0].name))
                if unhurried:
                    session.take_time()
                current, position = self._stand(session, chosen)
                if position >= 0 and (generation is not None or current == chosen):
                    stack.push(attempt.pop_all())
                    settled = self._settled_at(chosen, position)
                    return Snapshot(session, chosen, position, prefix, settled=settled)
            if generation is None:
                self._last = self._in_use()
        raise PositionMoved(generation=generation)

    def _settled_at(self, generation: int, position: int) -> dict[str, Any]:
        """What was found there before: a generation has one state at each position."""
        place, settled = self._settled
        if place != (generation, position):
            settled = {}
            self._settled = ((generation, position), settled)
        return settled

    def _in_use(self) -> int:
        """The generation in use now."""
        with self._engine.reading() as session:
            return self._current(session)

    @contextmanager
    def read_beside(self, new: int) -> Iterator[tuple[Snapshot, Snapshot]]:
        """The generation in use and a new one as one transaction sees them, unhurried.

        Raises PositionMoved when the new one is gone.
        """
        with self._engine.reading(self._prefix(new) + TABLES[0].name) as session:
            session.take_time()
            current, reached = self._stand(session, new)
            _, position = self._stand(session, current)
            if reached < 0:
                raise PositionMoved(generation=new)
            yield (
                Snapshot(session, current, position, self._prefix(current)),
                Snapshot(session, new, reached, self._prefix(new)),
            )

    @property
    def position(self) -> int:
        """The position the read models are true at."""
        with self.read() as snapshot:
            return snapshot.position

    @property
    def generation(self) -> int:
        """The generation in use."""
        with self.read() as snapshot:
            return snapshot.generation

    def write(
        self, generation: int, after: int, position: int, deltas: Deltas, leaf: bytes
    ) -> None:
        """Write what the events after `after` until `position` change: all or nothing.

        `leaf`: the leaf hash of the row at `position`. Raises PositionMoved when the generation
        does not stand at `after`, or is out of use.
        """
        with self._engine.writing(durable=False) as session:
            current = self._current(session, self._engine.shared)
            tracked = self._tracked(session, generation, self._engine.exclusive)
            if current > generation or tracked != after:
                raise PositionMoved(generation=generation, after=after)
            for table, records in deltas:
                if records:
                    session.upsert(table, self._prefix(generation), records)
            session.upsert(TIP, self._prefix(generation), [(1, leaf)])
            session.track(name_of(generation), position)

    def begin(self) -> int:
        """Create the empty tables of a new generation beside those in use; its number."""
        with self._engine.writing() as session:
            sql = f"SELECT latest FROM {self._head}{self._engine.exclusive}"
            fresh = int(session.rows(sql)[0][0]) + 1
            session.run(f"UPDATE {self._head} SET latest = ?", (fresh,))
            self._create(session, fresh)
            return fresh

    def load(self, generation: int, made: Made) -> None:
        """Fill a table of a new generation; its rows count once `write` says how far they go.

        Raises PositionMoved when another rebuild was faster and has dropped it.
        """
        try:
            self._engine.load(self._prefix(generation), made)
        except Exception as error:
            # Each database says in its own words that a table is gone.
            if not self._is_there(generation):
                raise PositionMoved(generation=generation) from error
            raise

    def _is_there(self, generation: int) -> bool:
        """Whether there is such a generation."""
        with self._engine.reading() as session:
            return self._stand(session, generation)[1] >= 0

    def _create(self, session: Session, generation: int) -> None:
        for table in (*TABLES, TIP):
            session.create(table, self._prefix(generation))
            if table.searched_by:
                session.run(
                    index_sql(table).format(g=self._prefix(generation), i=name_of(generation))
                )
        session.run(f"INSERT INTO {self._tracking} VALUES (?, 0)", (name_of(generation),))

    def swap(self, old: int, new: int, *, even_back: bool = False) -> bool:
        """Take `new` into use if `old` still is and is not ahead; otherwise nothing happens.

        `even_back`: also where `old` is ahead, since it is ahead of the log itself.
        """
        with self._engine.writing() as session:
            current = self._current(session, self._engine.exclusive)
            is_ahead = self._tracked(session, old) > self._tracked(session, new)
            if current != old or (is_ahead and not even_back):
                return False
            session.run(f"UPDATE {self._head} SET current = ?", (new,))
            return True

    def drop_unused(self, *also: int) -> None:
        """Drop the tables of all generations before the one in use, and of those named."""
        with self._engine.writing() as session:
            # Batches go on while we wait for a slow reader: what is in use only moves forward.
            current = self._current(session, self._engine.shared)
            for (name,) in session.rows(f"SELECT application_name FROM {self._tracking}"):
                generation = int(name[1:])
                if generation < current or generation in also:
                    # The first table first: that is the one a reader holds.
                    for table in (*TABLES, TIP):
                        session.run(f"DROP TABLE IF EXISTS {self._prefix(generation)}{table.name}")
                    sql = f"DELETE FROM {self._tracking} WHERE application_name = ?"
                    session.run(sql, (name,))

    def close(self) -> None:
        """Close all connections."""
        self._engine.close()


def name_of(generation: int) -> str:
    """The name a generation's position is tracked under."""
    return f"g{generation}"


def open_reads(place: Place) -> Reads:
    """The read models at a place (`settings.read_models`), created when they are not there.

    Raises InvalidSettings, Unavailable.
    """
    return Reads(open_engine(place))


def open_engine(place: Place) -> Engine:
    """The database at a place, whatever is kept in it."""
    if isinstance(place, SqliteFile):
        return SqliteEngine(place.path)
    from projections.postgres import PostgresEngine  # noqa: PLC0415  who uses SQLite need not load libpq

    return PostgresEngine(place)
