"""What the two recorders have in common: rows, heads, and the protocol they both keep.

A row's position is its primary key and the write lock: a writer computes
positions from the head it knows, and a clash means that another one wrote.
Whoever appended right after the head it knew has therefore seen every event
before it, so decisions are serialised over the whole log.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol, Self

from ledger.domain.decision import Note
from ledger.domain.errors import LedgerError
from ledger.log import codec, merkle

#: Lines a database joins at once: more of them fit no processor's cache.
LINES_TOGETHER: Final = 400


class Row(NamedTuple):
    """One event as stored. `hashes`: its leaf hash and the nodes that leaf completes."""

    position: int
    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    hashes: bytes

    def line(self) -> bytes:
        """The canonical line, without newline."""
        return codec.line(
            self.position, self.originator_id, self.originator_version, self.topic, self.state
        )


def row_of_line(line: bytes) -> Row:
    """The row of an exported line, without stored hashes. Raises CorruptLog."""
    found = codec.parse_line(line)
    return Row(
        found.position,
        found.originator_id,
        found.originator_version,
        found.topic,
        bytes(found.state),
        b"",
    )


class CommandRow(NamedTuple):
    """An answered command: written in the transaction of its events, never changed.

    It wrote `events` events, from `first_position` on.
    """

    command_id: str
    body_hash: bytes
    first_position: int
    events: int
    answer: bytes


class Head(NamedTuple):
    """Where the log ends: last position, recorded time of its last event, tree frontier."""

    position: int
    timestamp: datetime | None
    frontier: tuple[bytes, ...]

    def ahead_s(self, now: datetime) -> float:
        """Seconds by which its last event is later than a moment, 0 where it is not.

        Recorded time never goes back, so what is written meanwhile is dated there.
        """
        return max((self.timestamp - now).total_seconds(), 0.0) if self.timestamp else 0.0


class Batch(NamedTuple):
    """What one transaction writes."""

    rows: Sequence[Row]
    commands: Sequence[CommandRow] = ()
    notes: Sequence[Note] = ()
    erased: Sequence[str] = ()
    #: The rows as the database takes them in bulk, where `LogStore.made_ready` made that.
    bulk: bytes = b""


class Pending(NamedTuple):
    """What one transaction is to write right after `head`; without positions and hashes yet."""

    head: Head
    events: Sequence[codec.Sealed]
    #: Recorded time of the events.
    timestamp: datetime | None = None
    commands: Sequence[CommandRow] = ()
    notes: Sequence[Note] = ()
    erased: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write, not even that a command was answered."""
        return not (self.events or self.commands)

    @property
    def after(self) -> Head:
        """The head when it will have been written; its frontier is known only then."""
        if not self.events:
            return self.head
        return Head(self.head.position + len(self.events), self.timestamp, ())


class KeySecret(NamedTuple):
    """What is kept of a key outside the log: enough to check a secret, never the secret."""

    key: str
    holder: str
    member: str | None
    salt: bytes
    digest: bytes


class KeptCheckpoint(NamedTuple):
    """A signed checkpoint as it was given out, kept outside the log and never changed."""

    size: int
    #: The public key of who signed it, as text.
    verifier: str
    #: The signed note, UTF-8.
    note: bytes


class HeadMoved(LedgerError):
    """Another writer appended first: read the head again, decide again."""


class Appendable(Protocol):
    """A log, or a write session on it."""

    def append(self, batch: Batch) -> None:
        """Write all of a batch in one transaction, or nothing."""


class LogStore(Protocol):
    """One log in one database. Errors: HeadMoved, Unavailable, NotDurable."""

    #: Threads that can read much of it at once without standing in each other's way.
    readers_max: int

    def head(self) -> Head:
        """Where the log ends now (position 0, no time, empty frontier when empty)."""

    def glance(self, ids: Sequence[str]) -> tuple[int, dict[str, CommandRow]]:
        """The last position and the answered commands among `ids`, in one round trip."""

    def append(self, batch: Batch) -> None:
        """Write all of a batch durably in one transaction, or nothing.

        Raises HeadMoved when the first position is not the next one, or when a stream version or
        a command id is taken (nothing is written then); Unavailable when the outcome is unknown.
        """

    def made_ready(self, batch: Batch) -> Batch:
        """Do beforehand what `append` need not do while the database waits for it."""

    def exclusive(self) -> "Exclusive":
        """A write session in which the head stands still, for writers that lost a race."""

    def select_streams(self, ids: Sequence[str]) -> Iterator[Row]:
        """All rows of many streams, each stream's in version order (`hashes` may be empty)."""

    def select_rows(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` rows with positions above `after`, in order, gapless."""

    def select_lines(
        self, after: int, limit: int, apart: Sequence[str] = ()
    ) -> tuple[list[bytes], list[bytes]]:
        """The canonical lines at the next `limit` positions above `after`, a newline behind each.

        In pieces of many lines: those of the topics set `apart`, and those of all others. What
        `Row.line` gives, put together by the database: many times faster. Empty at the end.
        """

    def select_positions(self, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions, in order."""

    def select_hashes(self, positions: Sequence[int]) -> list[bytes]:
        """What the rows at these distinct positions store of hashes, in their order."""

    def select_commands(self, after: str, limit: int) -> list[CommandRow]:
        """Up to `limit` answered commands with ids above `after`, in the order of their bytes."""

    def select_notes(self, after: bytes, limit: int) -> list[tuple[bytes, bytes, bytes]]:
        """Digest, salt and text of up to `limit` notes with digests above `after`, in order."""

    def streams_after(self, position: int) -> list[str]:
        """Distinct streams with events above `position`."""

    def read_note(self, digest: str) -> str | None:
        """The text kept under a digest, None when unknown or erased."""

    def find_note(self, digest: str) -> Note | None:
        """The text kept under a digest, and its salt; None when unknown or erased."""

    def put_key(self, secret: KeySecret) -> None:
        """Keep a key's salted hash, outside the log."""

    def find_key(self, key: str) -> KeySecret | None:
        """The kept hash of a key."""

    def members_of_holder(self, holder: str) -> frozenset[str]:
        """Members named by any key of the holder."""

    def list_keys(self) -> list[KeySecret]:
        """All keys, in the order of issue."""

    def keep_checkpoint(self, kept: KeptCheckpoint) -> None:
        """Keep a signed checkpoint durably, and with it whatever it covers.

        The same again changes nothing; another one of this key and size is CorruptLog.
        """

    def last_checkpoint(self, verifier: str = "") -> KeptCheckpoint | None:
        """The kept checkpoint of the largest size, signed by `verifier` if one is named."""

    def checkpoints(self, after: int, limit: int) -> list[KeptCheckpoint]:
        """The kept checkpoints of the next `limit` sizes above `after`, of all keys, by size."""


class Exclusive(Protocol):
    """A context manager: enter takes the write lock, leave commits, an error rolls back."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def head(self) -> Head:
        """The head, which cannot move meanwhile."""

    def append(self, batch: Batch) -> None:
        """Write a batch; durable when the session is left without an error."""


def number(events: Sequence[codec.Sealed], head: Head) -> tuple[list[Row], list[bytes]]:
    """Give events their positions and hashes after `head`; the rows and the new frontier."""
    frontier, size = list(head.frontier), head.position
    hashes = merkle.extend_all(frontier, size, codec.leaves(events, size + 1))
    rows = [
        Row._make((position, e.originator_id, e.originator_version, e.topic, e.state, own))
        for position, (e, own) in enumerate(zip(events, hashes, strict=True), size + 1)
    ]
    return rows, frontier


def numbered(pending: Pending) -> tuple[Batch, Head]:
    """What is pending, checked, numbered and hashed; and the head after it.

    Raises CorruptLog for an event that would not read back.
    """
    codec.check_sealed(pending.events)
    rows, frontier = number(pending.events, pending.head)
    batch = Batch(rows, pending.commands, pending.notes, pending.erased)
    return batch, pending.after._replace(frontier=tuple(frontier))


def append_pending(target: "Appendable", pending: Pending) -> Head:
    """Check, number, hash and append; the head after it.

    Raises as `numbered` (nothing is written then), and what `LogStore.append` raises.
    """
    batch, after = numbered(pending)
    target.append(batch)
    return after
