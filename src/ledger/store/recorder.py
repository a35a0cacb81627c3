"""What both recorders do alike: reading, the write session, and the library's way in.

A database brings its statements (`Statements`), a way to run one for reading,
and a transaction for writing; everything else stands here once. Reading is one
statement each, so every answer is true at one position.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final, NamedTuple, Protocol, Self

from eventsourcing.persistence import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    StoredEvent,
)

from ledger.domain.decision import Note
from ledger.domain.errors import AlreadyExists, CorruptLog, InvalidSettings, Unavailable
from ledger.log import codec, merkle
from ledger.store.log import (
    Batch,
    CommandRow,
    Head,
    HeadMoved,
    KeptCheckpoint,
    KeySecret,
    Row,
    number,
)

#: Streams read with one statement.
STREAMS_AT_ONCE: Final = 500
NOT_INITIALISED: Final = "there is no ledger yet: run hourledger init"


class Statements(NamedTuple):
    """The SQL of one database; parameters and columns in the order of the names given here."""

    #: Keeps all other writers out until the transaction ends; empty where it does so by itself.
    lock: str
    #: → topic, state, position of the last event
    last: str
    #: positions → hashes
    hashes_at: str
    #: ids → last position, and the columns of CommandRow (null when none is known)
    glance: str
    #: streams → columns of Row without hashes
    streams: str
    #: after, limit → columns of Row
    rows: str
    #: after, until, topics → position, and lines of LINES_TOGETHER behind it: of these, of others
    lines: str
    #: positions → columns of Row
    rows_at: str
    #: after, limit → columns of CommandRow
    commands: str
    #: after, limit → digest, salt, text
    notes: str
    #: position → stream
    streams_after: str
    #: digest → salt, text
    note: str
    #: columns of KeySecret →
    put_key: str
    #: key → columns of KeySecret
    find_key: str
    #: holder → member
    members_of_holder: str
    #: → columns of KeySecret
    list_keys: str
    #: columns of KeptCheckpoint →
    keep_checkpoint: str
    #: size, verifier → note
    find_checkpoint: str
    #: verifier or nothing → columns of KeptCheckpoint
    last_checkpoint: str
    #: size, the same again, limit → columns of KeptCheckpoint
    checkpoints: str


class Inside(Protocol):
    """A transaction under way. Leaving its context commits; an error rolls back."""

    def execute(self, statement: str, *params: Any) -> list[Any]:
        """Run one statement and return its rows; lists are bound as one parameter."""

    def write(self, batch: Batch) -> None:
        """Write a batch."""


class Session:
    """A write session: the head stands still between entering and leaving."""

    def __init__(self, recorder: "LogRecorder") -> None:
        self._recorder = recorder

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._inside = stack.enter_context(self._recorder.transaction())
            if self._recorder.statements.lock:
                self._inside.execute(self._recorder.statements.lock)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: Any) -> None:  # noqa: PYI036  handed on
        self._stack.__exit__(*exc)

    def end(self) -> Head:
        """The head without its time, which needs no decoding."""
        return read_end(self._recorder.statements, self._inside)[0]

    def head(self) -> Head:
        """The head, which cannot move meanwhile."""
        return read_head(self._recorder.statements, self._inside)

    def append(self, batch: Batch) -> None:
        """Write a batch; durable when the session is left without an error."""
        self._inside.write(batch)


class LogRecorder(ABC):
    """LogStore, and the library's `insert_events`, over a database's statements."""

    statements: Statements
    readers_max: int

    @abstractmethod
    def reading(self) -> AbstractContextManager[Inside]:
        """A connection for reading, one statement at a time."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Inside]:
        """A transaction for writing."""

    @abstractmethod
    def append(self, batch: Batch) -> None:
        """As in LogStore."""

    def made_ready(self, batch: Batch) -> Batch:
        """As in LogStore; here there is nothing to do."""
        return batch

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""

    def exclusive(self) -> Session:
        """A write session in which the head stands still, for writers that lost a race."""
        return Session(self)

    def _select(self, statement: str, *params: Any) -> list[Any]:
        with self.reading() as inside:
            return inside.execute(statement, *params)

    def head(self) -> Head:
        """Where the log ends now (position 0, no time, empty frontier when empty)."""
        with self.reading() as inside:
            return read_head(self.statements, inside)

    def glance(self, ids: Sequence[str]) -> tuple[int, dict[str, CommandRow]]:
        """The last position and the answered commands among `ids`, in one round trip."""
        found = self._select(self.statements.glance, list(ids))
        rows = [CommandRow(*columns) for _, *columns in found if columns[0] is not None]
        return found[0][0], {row.command_id: row for row in rows}

    def select_streams(self, ids: Sequence[str]) -> Iterator[Row]:
        """All rows of many streams, each stream's in version order; `hashes` are empty."""
        for start in range(0, len(ids), STREAMS_AT_ONCE):
            part = list(ids[start : start + STREAMS_AT_ONCE])
            for columns in self._select(self.statements.streams, part):
                yield Row._make((*columns, b""))

    def select_rows(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` rows with positions above `after`, in order, gapless."""
        return list(map(Row._make, self._select(self.statements.rows, after, limit)))

    def select_lines(
        self, after: int, limit: int, apart: Sequence[str] = ()
    ) -> tuple[list[bytes], list[bytes]]:
        """The canonical lines at the next positions, a newline behind each; none at the end."""
        found = self._select(self.statements.lines, after, after + limit, list(apart))
        # Sorted here: a database would sort the lines themselves.
        found = sorted(found)
        return [own for _, own, _ in found if own], [rest for _, _, rest in found if rest]

    def select_positions(self, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions, in order."""
        return list(map(Row._make, self._select(self.statements.rows_at, list(positions))))

    def select_hashes(self, positions: Sequence[int]) -> list[bytes]:
        """What the rows at these distinct positions store of hashes, in their order.

        Raises CorruptLog when one of them is not there.
        """
        wanted = sorted(positions)
        found = [bytes(row[0]) for row in self._select(self.statements.hashes_at, wanted)]
        if len(found) != len(wanted):
            raise CorruptLog("position", error="the log has gaps, or ends before")
        by_position = dict(zip(wanted, found, strict=True))
        return [by_position[position] for position in positions]

    def select_commands(self, after: str, limit: int) -> list[CommandRow]:
        """Up to `limit` answered commands with ids above `after`, in the order of their bytes."""
        return list(map(CommandRow._make, self._select(self.statements.commands, after, limit)))

    def select_notes(self, after: bytes, limit: int) -> list[tuple[bytes, bytes, bytes]]:
        """Digest, salt and text of up to `limit` notes with digests above `after`, in order."""
        return self._select(self.statements.notes, after, limit)

    def streams_after(self, position: int) -> list[str]:
        """Distinct streams with events above `position`."""
        return [stream for (stream,) in self._select(self.statements.streams_after, position)]

    def read_note(self, digest: str) -> str | None:
        """The text kept under a digest, None when unknown or erased."""
        note = self.find_note(digest)
        return note.text if note else None

    def find_note(self, digest: str) -> Note | None:
        """The text kept under a digest, and its salt; None when unknown or erased."""
        try:
            key = bytes.fromhex(digest)
        except ValueError:
            return None
        found = self._select(self.statements.note, key)
        return Note(digest, bytes(found[0][0]), bytes(found[0][1]).decode()) if found else None

    def put_key(self, secret: KeySecret) -> None:
        """Keep a key's salted hash. The same again changes nothing; another is AlreadyExists."""
        with self.transaction() as inside:
            inside.execute(self.statements.put_key, *secret)
            found = inside.execute(self.statements.find_key, secret.key)
        if KeySecret(*found[0]) != secret:
            raise AlreadyExists("key", key=secret.key)

    def find_key(self, key: str) -> KeySecret | None:
        """The kept hash of a key."""
        found = self._select(self.statements.find_key, key)
        return KeySecret(*found[0]) if found else None

    def members_of_holder(self, holder: str) -> frozenset[str]:
        """Members named by any key of the holder."""
        rows = self._select(self.statements.members_of_holder, holder)
        return frozenset(member for (member,) in rows)

    def list_keys(self) -> list[KeySecret]:
        """All keys, in the order of issue."""
        return [KeySecret(*columns) for columns in self._select(self.statements.list_keys)]

    def keep_checkpoint(self, kept: KeptCheckpoint) -> None:
        """Keep a signed checkpoint durably, and with it whatever it covers.

        The log and this table share one write-ahead log, so once this is committed, every row that
        was seen before it is on the disk as well, whoever wrote it. The same again changes nothing;
        another one of this key and size is CorruptLog.
        """
        with self.transaction() as inside:
            inside.execute(self.statements.keep_checkpoint, *kept)
            find = self.statements.find_checkpoint
            ((note,),) = inside.execute(find, kept.size, kept.verifier)
        if bytes(note) != kept.note:
            raise CorruptLog("checkpoint", size=kept.size, error="another root was signed before")

    def last_checkpoint(self, verifier: str = "") -> KeptCheckpoint | None:
        """The kept checkpoint of the largest size, signed by `verifier` if one is named."""
        found = self._select(self.statements.last_checkpoint, verifier)
        return _kept(found[0]) if found else None

    def checkpoints(self, after: int, limit: int) -> list[KeptCheckpoint]:
        """The kept checkpoints of the next `limit` sizes above `after`, of all keys, by size."""
        return list(map(_kept, self._select(self.statements.checkpoints, after, after, limit)))

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """The library's way in: number the events and append them; their positions.

        Takes `commands`, rows of answered commands, and no other keyword: one it does not know
        (`tracking`, say) must not be dropped silently. The second try is made under the write
        lock, where a clash can only be a real conflict. Raises the library's IntegrityError, and
        OperationalError when the outcome is unknown, never retrying by itself.
        """
        commands = kwargs.pop("commands", ())
        if kwargs:
            raise TypeError(f"unexpected keywords {sorted(kwargs)}")
        try:
            try:
                with self.reading() as inside:
                    end, _ = read_end(self.statements, inside)
                return self._insert(self, end, stored_events, commands)
            except HeadMoved:
                with self.exclusive() as session:
                    return self._insert(session, session.end(), stored_events, commands)
        except HeadMoved as error:
            raise IntegrityError("a stream version or command id is taken") from error
        except Unavailable as error:
            raise OperationalError(str(error)) from error

    @staticmethod
    def _insert(
        target: "LogRecorder | Session",
        end: Head,
        stored_events: Iterable[StoredEvent],
        commands: Sequence[CommandRow],
    ) -> list[int]:
        rows, _ = number([_sealed(event) for event in stored_events], end)
        target.append(Batch(rows, commands))
        return [row.position for row in rows]


def _kept(columns: Sequence[Any]) -> KeptCheckpoint:
    """A kept checkpoint; a SQLite file keeps whatever is put into it. Raises CorruptLog."""
    kept = KeptCheckpoint._make(columns)
    if tuple(map(type, kept)) != (int, str, bytes):
        error = "a column holds something of another type"
        raise CorruptLog("checkpoint", size=str(kept.size), error=error)
    return kept


def _sealed(event: StoredEvent) -> codec.Sealed:
    """The library's stored event as ours; its state is opaque here."""
    return codec.Sealed(
        str(event.originator_id), event.originator_version, event.topic, event.state
    )


def read_end(statements: Statements, inside: Inside) -> tuple[Head, tuple[str, bytes] | None]:
    """The head without its time, and topic and state of the last event.

    What lies below the last position never changes, so the two statements need no snapshot.
    """
    found = inside.execute(statements.last)
    if not found:
        return Head(0, None, ()), None
    topic, state, position = found[0]
    wanted = merkle.frontier_rows(position)
    hashes = inside.execute(statements.hashes_at, wanted)
    if len(hashes) != len(wanted):
        raise CorruptLog("position", error="the log has gaps")
    frontier = tuple(bytes(row[0])[-merkle.HASH_BYTES :] for row in hashes)
    return Head(position, None, frontier), (topic, bytes(state))


def read_head(statements: Statements, inside: Inside) -> Head:
    """The head, with the recorded time of the last event."""
    end, last = read_end(statements, inside)
    return end if last is None else end._replace(timestamp=codec.decode(*last).timestamp)


@contextmanager
def translated() -> Iterator[None]:
    """The library's database errors as the ledger's own."""
    try:
        yield
    except DatabaseError as error:
        raise translate(error) from error
    except InterfaceError as error:
        raise Unavailable(reason=_cause(error)) from error


def translate(error: DatabaseError) -> Exception:
    """What a database error means: a lost race, an outage, a missing ledger; or itself."""
    cause = error.__cause__
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    if name in CLASHES:
        return HeadMoved()
    if name in ABSENT:
        return InvalidSettings("LEDGER_DATABASE_URL", reason=NOT_INITIALISED)
    if name in FORBIDDEN:
        return InvalidSettings("LEDGER_DATABASE_URL", reason="the role may not do this")
    if name in DAMAGED:
        return CorruptLog("database", error=name)
    if isinstance(error, (OperationalError, InternalError)) or name in READ_ONLY:
        return Unavailable(reason=_cause(error))
    return error


def _cause(error: BaseException) -> str:
    """The kind of trouble, without the server's words (they may quote data)."""
    cause = error.__cause__ or error
    return str(getattr(cause, "sqlite_errorname", None) or type(cause).__name__)


#: A key is taken, or a position left a gap; PostgreSQL rolled back whom it chose as a victim.
CLASHES: Final = frozenset(
    {"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID", "SQLITE_CONSTRAINT_UNIQUE"}
    | {"23505", "23000", "40001", "40P01"}
)
#: No such schema or table.
ABSENT: Final = frozenset({"3F000", "42P01"})
FORBIDDEN: Final = frozenset({"42501"})
DAMAGED: Final = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002"})
#: A standby, or a server that was set read-only.
READ_ONLY: Final = frozenset({"25006"})
