"""What the two read databases have in common: a transaction seen as a session."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ledger.domain.errors import LedgerError
from projections.tables import Record, Table, counts_of_both_sql

T = TypeVar("T")


class PositionMoved(LedgerError):  # noqa: N818 (a turn of events, like the store's HeadMoved)
    """Another process has written these read models further, or replaced them."""


class Readable(Protocol):
    """Tables at one moment. SQL has `?` for values; tables are named in full."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of a query that may be long, in bounded memory."""


class Reader(Readable, Protocol):
    """One transaction that reads."""

    def take_time(self) -> None:
        """Let the rest of it take as long as it needs, for going through whole tables."""


class Session(Protocol):
    """One transaction that writes."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Carry out a statement."""

    def create(self, table: Table, prefix: str) -> None:
        """Create a table whose name begins with `prefix`."""

    def upsert(self, table: Table, prefix: str, records: list[Record]) -> None:
        """Merge deltas, each key at most once, into a table."""

    def track(self, name: str, position: int) -> None:
        """Move the position tracked under a name forward, with the library's recorder."""


class Made(Protocol):
    """The rows of a table that was made elsewhere, in the order of its key."""

    @property
    def table(self) -> Table:
        """The table."""

    def records(self) -> Iterator[list[Record]]:
        """The rows, some thousands at a time."""

    def csv(self) -> AbstractContextManager[Path]:
        """A file of the rows: an empty field is null, text that is empty stands in quotes."""


class Engine(Protocol):
    """One read database. Every error of the line or the server is Unavailable."""

    #: What the names of all tables begin with.
    schema: str
    #: What a query says behind itself to hold the rows it found, with others or alone.
    shared: str
    exclusive: str
    #: Whether the database works in a process of its own, so that writing costs us no time.
    is_apart: bool
    #: The query that finds a table by its name.
    table_named: str

    def prepare(self, session: Session) -> None:
        """Create what is not there yet; nobody else does so until the session ends."""

    def reading(self, held: str = "") -> AbstractContextManager[Reader]:
        """A transaction that sees one state of the database throughout and changes nothing.

        `held` names a table that is kept from being dropped, before anything is seen; it, or the
        first question, raises PositionMoved when it is gone or going.
        """

    def writing(self, *, durable: bool = True) -> AbstractContextManager[Session]:
        """A transaction that is written whole when left without an error.

        One that is not durable may be lost in a crash, with all that were written after it.
        """

    def load(self, prefix: str, made: Made) -> None:
        """Put rows into a table of a generation that has none, in one transaction or in several.

        Durable with what is written after it.
        """

    def close(self) -> None:
        """Close what is open."""


class Snapshot:
    """The read models of one generation at one position, for the length of one transaction.

    Its figures are the moves up to the position that count on `as_of` or before; on any day
    when that is None. What depends on the time of asking, such as stars, is told for `moment`.
    """

    def __init__(
        self,
        session: Readable,
        generation: int,
        position: int,
        prefix: str,
        *,
        as_of: date | None = None,
        moment: datetime | None = None,
        settled: dict[str, Any] | None = None,
    ) -> None:
        """`settled`: what was found at the same position of the same tables before."""
        self._session = session
        self._known: dict[tuple[object, ...], list[Any]] = {}
        self._settled: dict[str, Any] = {} if settled is None else settled
        #: What the names of its tables begin with.
        self.prefix = prefix
        self.generation = generation
        self.position = position
        self.as_of = as_of
        self.moment = moment

    def until(
        self, position: int, as_of: date | None = None, moment: datetime | None = None
    ) -> "Snapshot":
        """The same tables for reading lists of positions, which end at this one.

        Figures are true there only where position and `as_of` are those of the tables.
        """
        other = Snapshot(
            self._session, self.generation, position, self.prefix, as_of=as_of, moment=moment
        )
        other._known, other._settled = self._known, self._settled
        return other

    def has_the_rows_of(self, other: "Snapshot", table: Table) -> bool:
        """Whether a table is found to have the very rows that it has in another generation.

        Only what one transaction sees can be compared by the database: False for anything else.
        """
        if other._session is not self._session:  # noqa: SLF001 (of our kind)
            return False
        sql = counts_of_both_sql(table, self.prefix, other.prefix)
        ((ours, theirs, both),) = self._session.rows(sql)
        return bool(ours == theirs == both)

    @property
    def keeps_sums(self) -> bool:
        """Whether sums were kept while the log was folded; else they would be made for one look."""
        return self.generation > 0

    def rows(self, sql: str, *params: object) -> list[Any]:
        """All rows of a query, as tuples; `{g}` stands before each table's name."""
        return self._session.rows(sql.format(g=self.prefix), params)

    def once(self, sql: str, *params: object) -> list[Any]:
        """As `rows`, but asked only once: who may see something asks for what is shown then."""
        key = (sql, *params)
        if key not in self._known:
            self._known[key] = self.rows(sql, *params)
        return self._known[key]

    def settled(self, sql: str, read: Callable[[list[Any]], T]) -> T:
        """What is read from the rows of a query, asked only once at each position.

        For small things that go with most figures; nobody may change them.
        """
        if sql not in self._settled:
            self._settled[sql] = read(self.rows(sql))
        found: T = self._settled[sql]
        return found

    def stream(self, sql: str, *params: object) -> Iterator[Any]:
        """Rows of a query that may be long, in bounded memory."""
        return self._session.stream(sql.format(g=self.prefix), params)
