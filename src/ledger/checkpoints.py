"""Signing checkpoints: over lines that were read back, and never over less than was signed before.

What is signed is kept before it is shown. The lines are hashed anew from the last checkpoint of
this key on; its root is held against the stored tree first, so nothing is built on hashes that were
changed since.
"""

import threading
from collections.abc import Callable, Sequence

from ledger.domain.errors import CheckpointNotFound, CorruptLog
from ledger.log import checkpoint, merkle
from ledger.log.checkpoint import Checkpoint
from ledger.log.signer import Signer
from ledger.store.log import KeptCheckpoint, LogStore, Row
from ledger.store.tree import frontier_at, origin_of, rows_between

#: Told how many more rows were read back.
Advance = Callable[[int], None]


def last_kept(store: LogStore, own: str = "") -> KeptCheckpoint:
    """The largest checkpoint that the key `own` has signed, or where there is none, any key.

    Raises CheckpointNotFound.
    """
    kept = store.last_checkpoint(own) or store.last_checkpoint()
    if kept is None:
        raise CheckpointNotFound("checkpoint")
    return kept


def kept_at(store: LogStore, size: int, own: str = "") -> KeptCheckpoint | None:
    """A checkpoint of exactly this size, None when none was signed.

    Where several keys have signed it, that of the key `own`: another may be one of before.
    """
    kept = [each for each in store.checkpoints(size - 1, 1) if each.size == size]
    return next((each for each in kept if each.verifier == own), kept[0] if kept else None)


class Checkpoints:
    """Signs the log of one store with one key. Thread-safe."""

    def __init__(self, store: LogStore, signer: Signer) -> None:
        self._store = store
        self._signer = signer
        #: The public key, as text.
        self.verifier = str(signer.verifier)
        self._lock = threading.Lock()
        self._origin = ""
        #: How far the lines have been read back and found right, and the frontier there.
        self._size = -1
        self._frontier: list[bytes] = []
        self._last: KeptCheckpoint | None = None

    def sign(
        self, *, rows_max: int | None = None, advance: Advance | None = None
    ) -> KeptCheckpoint:
        """A signed checkpoint of all that is committed, or of `rows_max` rows more than the last.

        Raises CorruptLog with the place when the lines are not what was stored or signed,
        LedgerNotOpened, InvalidSettings when the key is another log's, Unavailable.
        """
        with self._lock:
            if self._size < 0:
                self._resume()
            head = self._store.head().position
            if head < self._size:
                raise _missing(head, self._size)
            until = head if rows_max is None else min(head, self._size + rows_max)
            self._read_back(until, advance or _unwatched)
            if self._last is None or self._last.size < self._size:
                self._last = self._keep()
            return self._last

    def _resume(self) -> None:
        """Go on from the last checkpoint of this key, if it is what the stored tree says."""
        self._origin = origin_of(self._store)
        self._signer.check_origin(self._origin)
        kept = self._store.last_checkpoint(self.verifier)
        if kept is None:
            self._size, self._frontier = 0, []
            return
        signed = checkpoint.check(kept.note, self._signer.verifier, self._origin)
        head = self._store.head().position
        if head < signed.size:
            raise _missing(head, signed.size)
        frontier = frontier_at(self._store, signed.size)
        if merkle.root(frontier) != signed.root:
            error = "the stored tree is not the one that was signed"
            raise CorruptLog("checkpoint", size=signed.size, error=error)
        self._size, self._frontier, self._last = signed.size, frontier, kept

    def _read_back(self, until: int, advance: Advance) -> None:
        for rows in rows_between(self._store, self._size, until):
            self._frontier = _hashed(rows, self._frontier, self._size)
            self._size += len(rows)
            advance(len(rows))

    def _keep(self) -> KeptCheckpoint:
        """Sign, and keep what was signed: after that it may be shown, even if we die here."""
        found = Checkpoint(self._origin, self._size, merkle.root(self._frontier))
        kept = KeptCheckpoint(self._size, self.verifier, self._signer.sign_checkpoint(found))
        self._store.keep_checkpoint(kept)
        return kept


def _hashed(rows: Sequence[Row], frontier: Sequence[bytes], size: int) -> list[bytes]:
    """The frontier after these rows.

    Raises CorruptLog at the first that is not the next one, or whose hashes are not its line's.
    """
    after = list(frontier)
    found = merkle.extend_all(after, size, [merkle.leaf_hash(row.line()) for row in rows])
    for position, (row, hashes) in enumerate(zip(rows, found, strict=True), start=size + 1):
        if row.position != position:
            raise CorruptLog("position", position=position, error="missing")
        if row.hashes != hashes:
            error = "the stored hashes are not those of the line"
            raise CorruptLog("position", position=position, error=error)
    return after


def _missing(head: int, signed: int) -> CorruptLog:
    error = f"missing: a checkpoint of {signed} events was signed"
    return CorruptLog("position", position=head + 1, error=error)


def _unwatched(_rows: int) -> None:
    """Nobody watches."""
