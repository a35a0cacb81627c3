"""A witness: keeps the last checkpoint it saw of a log, and cosigns one that continues it.

What was seen is one file per log. Looking at it, asking the log and replacing it happen under one
lock, and it is replaced durably before the cosignature is shown: killed anywhere, the witness has
either not spoken or remembers what it said.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

from ledger.domain.errors import InvalidSettings
from ledger.log import checkpoint
from ledger.log.checkpoint import COSIGNATURE, BadCheckpoint, Checkpoint, Verifier
from ledger.log.signer import Signer
from ledger.log.witness import (
    BadWitnessState,
    Consistency,
    LogForked,
    Seen,
    WitnessBusy,
    judge,
)
from ledger.store.durable import sync_folder

#: Nobody else needs to read or write what a witness keeps.
MODE: Final = 0o600


class Source(Protocol):
    """A log that can be asked."""

    def checkpoint(self) -> bytes:
        """The signed checkpoint it shows now."""

    def consistency(self, old: int, new: int) -> Consistency:
        """The proof that its tree of `new` begins with its tree of `old`."""


class Observed(NamedTuple):
    """What was cosigned, and the size that was seen before (0 at first sight)."""

    checkpoint: Checkpoint
    note: bytes
    before: int


class Witness(NamedTuple):
    """Who witnesses, where it keeps what it saw, and the public key of the log."""

    folder: Path
    signer: Signer
    log: Verifier

    @property
    def name(self) -> str:
        """The log's name, as a file may be called."""
        return quote(self.log.name, safe="")

    @property
    def path(self) -> Path:
        """The file with the last checkpoint seen."""
        return self.folder / f"{self.name}.checkpoint"

    def last(self) -> Seen | None:
        """The last checkpoint seen, None at first sight.

        Raises BadWitnessState when it is not what this witness cosigned: a state that was damaged
        must not look like none.
        """
        try:
            note = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            found = checkpoint.check(note, self.log, self.log.name)
            checkpoint.cosigned_at(note, self.signer.verifier)
        except BadCheckpoint as error:
            raise BadWitnessState("state", file=str(self.path), error=error.at) from None
        return Seen(found, note)

    def observe(self, source: Source, seconds: int) -> Observed:
        """Ask the log, and cosign its checkpoint if it continues the last one seen.

        `seconds` is the Unix time. Raises LogForked (the proof is kept beside the state and named
        in the facts), LogRolledBack, LogInconsistent, BadCheckpoint, BadWitnessState, WitnessBusy,
        InvalidSettings, and what the source raises. Nothing is cosigned then.
        """
        if self.signer.kind != COSIGNATURE:
            raise InvalidSettings("witness-key", reason="not a key of a witness")
        with self._locked():
            last = self.last()
            offered = self._offered(source)
            if last is not None:
                self._judge(last, offered, source)
                seconds = max(seconds, checkpoint.cosigned_at(last.note, self.signer.verifier))
            body = checkpoint.parse_note(offered.note).body
            cosignature = self.signer.cosign(body, seconds)
            note = checkpoint.add_signatures(offered.note, [cosignature])
            replace_file(self.path, note)
        return Observed(offered.checkpoint, note, last.checkpoint.size if last else 0)

    def _offered(self, source: Source) -> Seen:
        """The checkpoint the log shows, with the log's own signature and no other."""
        text = source.checkpoint()
        found = checkpoint.check(text, self.log, self.log.name)
        note = checkpoint.parse_note(text)
        own = checkpoint.check_signed(note, self.log)
        return Seen(found, note.body + b"\n" + own.line())

    def _judge(self, last: Seen, offered: Seen, source: Source) -> None:
        old, new = last.checkpoint.size, offered.checkpoint.size
        answer = source.consistency(old, new) if 0 < old < new else Consistency(b"", [])
        try:
            judge(last, offered, answer)
        except LogForked as error:
            if error.proof is not None:
                path = self.folder / f"{self.name}.fork-{old}-{new}.json"
                replace_file(path, error.proof.text())
                error.facts["file"] = str(path)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the state. Raises WitnessBusy, InvalidSettings."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self.name}.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        except OSError as error:
            raise InvalidSettings("state", reason=error.strerror) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise WitnessBusy("state", file=str(path)) from None
        try:
            yield
        finally:
            os.close(descriptor)  # which gives the lock back, as the end of the process does


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in place, whole and durable, or leave what was there. Raises OSError."""
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)
