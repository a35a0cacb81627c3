"""A log store in memory that fails on command, for tests of the writer alone."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Self

from ledger.domain.decision import Note
from ledger.log import merkle
from ledger.log.codec import decode
from ledger.store.log import Batch, CommandRow, Head, HeadMoved, KeptCheckpoint, KeySecret, Row


class MemoryStore:
    """Keeps the `LogStore` protocol over lists. `faults` are run before and after an append."""

    readers_max = 1

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._versions: set[tuple[str, int]] = set()
        self.commands: dict[str, CommandRow] = {}
        self.notes: dict[str, Note] = {}
        self.keys: list[KeySecret] = []
        self.kept: list[KeptCheckpoint] = []
        #: Called in turn, one an append: (store, batch, write) → decides what happens.
        self.faults: list[Callable[[MemoryStore, Batch, Callable[[], None]], None]] = []
        self.appends = 0
        #: How many streams were read.
        self.streams_read = 0

    def head(self) -> Head:
        if not self.rows:
            return Head(0, None, ())
        last = self.rows[-1]
        frontier = [self.rows[n - 1].hashes[-32:] for n in merkle.frontier_rows(len(self.rows))]
        moment: datetime = decode(last.topic, last.state).timestamp
        return Head(len(self.rows), moment, tuple(frontier))

    def glance(self, ids: Sequence[str]) -> tuple[int, dict[str, CommandRow]]:
        return len(self.rows), {i: self.commands[i] for i in ids if i in self.commands}

    def made_ready(self, batch: Batch) -> Batch:
        return batch

    def append(self, batch: Batch) -> None:
        self.appends += 1
        if self.faults:
            self.faults.pop(0)(self, batch, lambda: self.write(batch))
        else:
            self.write(batch)

    def write(self, batch: Batch) -> None:
        """What a sound append does."""
        new = {(row.originator_id, row.originator_version) for row in batch.rows}
        if batch.rows and batch.rows[0].position != len(self.rows) + 1:
            raise HeadMoved
        if self._versions & new:
            raise HeadMoved
        if any(row.command_id in self.commands for row in batch.commands):
            raise HeadMoved
        self._versions |= new
        self.rows.extend(batch.rows)
        self.commands.update({row.command_id: row for row in batch.commands})
        self.notes.update({note.digest: note for note in batch.notes})
        for digest in batch.erased:
            del self.notes[digest]

    def exclusive(self) -> "MemorySession":
        return MemorySession(self)

    def select_streams(self, ids: Sequence[str]) -> Iterator[Row]:
        wanted = set(ids)
        self.streams_read += len(wanted)
        return iter([row for row in self.rows if row.originator_id in wanted])

    def select_rows(self, after: int, limit: int) -> list[Row]:
        return self.rows[after : after + limit]

    def select_lines(
        self, after: int, limit: int, apart: Sequence[str] = ()
    ) -> tuple[list[bytes], list[bytes]]:
        rows = self.select_rows(after, limit)
        own = [row.line() + b"\n" for row in rows if row.topic in apart]
        return own, [row.line() + b"\n" for row in rows if row.topic not in apart]

    def select_positions(self, positions: Sequence[int]) -> list[Row]:
        return [self.rows[position - 1] for position in sorted(positions)]

    def select_hashes(self, positions: Sequence[int]) -> list[bytes]:
        return [self.rows[position - 1].hashes for position in positions]

    def select_commands(self, after: str, limit: int) -> list[CommandRow]:
        return sorted(row for row in self.commands.values() if row.command_id > after)[:limit]

    def select_notes(self, after: bytes, limit: int) -> list[tuple[bytes, bytes, bytes]]:
        found = [(bytes.fromhex(n.digest), n.salt, n.text.encode()) for n in self.notes.values()]
        return sorted(note for note in found if note[0] > after)[:limit]

    def streams_after(self, position: int) -> list[str]:
        return sorted({row.originator_id for row in self.rows[position:]})

    def read_note(self, digest: str) -> str | None:
        note = self.notes.get(digest)
        return note.text if note else None

    def find_note(self, digest: str) -> Note | None:
        return self.notes.get(digest)

    def put_key(self, secret: KeySecret) -> None:
        self.keys.append(secret)

    def find_key(self, key: str) -> KeySecret | None:
        return next((kept for kept in self.keys if kept.key == key), None)

    def members_of_holder(self, holder: str) -> frozenset[str]:
        return frozenset(k.member for k in self.keys if k.holder == holder and k.member)

    def list_keys(self) -> list[KeySecret]:
        return list(self.keys)

    def keep_checkpoint(self, kept: KeptCheckpoint) -> None:
        self.kept.append(kept)

    def last_checkpoint(self, verifier: str = "") -> KeptCheckpoint | None:
        found = [kept for kept in self.kept if verifier in ("", kept.verifier)]
        return max(found, default=None)

    def checkpoints(self, after: int, limit: int) -> list[KeptCheckpoint]:
        sizes = sorted({kept.size for kept in self.kept if kept.size > after})[:limit]
        return sorted(kept for kept in self.kept if kept.size in sizes)


class MemorySession:
    """A write session; nothing else can write in memory anyway."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def head(self) -> Head:
        return self._store.head()

    def append(self, batch: Batch) -> None:
        self._store.append(batch)
