"""The signing key of a log, from a file or the environment: never from the database."""

import os
import stat
from pathlib import Path
from typing import Final

from ledger.domain.errors import InvalidSettings
from ledger.log.checkpoint import BadCheckpoint
from ledger.log.signer import Signer, parse_signer, write_signer
from ledger.settings import Settings
from ledger.store.durable import sync_folder

FILE_VARIABLE: Final = "LEDGER_SIGNING_KEY_FILE"
VARIABLE: Final = "LEDGER_SIGNING_KEY"
#: A key is one line.
BYTES_MAX: Final = 1024
#: For the group and all others: nothing.
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def signer_of(settings: Settings) -> Signer | None:
    """The key that the settings name, None where they name none. Raises InvalidSettings."""
    if settings.signing_key_file is not None:
        return read_key(settings.signing_key_file, at=FILE_VARIABLE)
    if settings.signing_key is not None:
        return _parsed(settings.signing_key.get_secret_value(), VARIABLE)
    return None


def require_signer(settings: Settings) -> Signer:
    """The key that the settings name. Raises InvalidSettings where they name none."""
    signer = signer_of(settings)
    if signer is None:
        raise InvalidSettings(FILE_VARIABLE, reason="a signing key is needed: hourledger keygen")
    return signer


def read_key(path: Path, *, at: str) -> Signer:
    """The key in a file that nobody but its owner may read. Raises InvalidSettings at `at`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidSettings(at, reason=error.strerror) from None
    try:
        _check_mode(os.fstat(descriptor).st_mode, at)
        content = os.read(descriptor, BYTES_MAX)
    finally:
        os.close(descriptor)
    return _parsed(content.decode(errors="replace"), at)


def _check_mode(mode: int, at: str) -> None:
    """Whether it is a file that only its owner may touch. Raises InvalidSettings."""
    if not stat.S_ISREG(mode):
        raise InvalidSettings(at, reason="not a file")
    if mode & OTHERS:
        reason = "others may touch the key: chmod 600"
        raise InvalidSettings(at, reason=reason, mode=f"{stat.S_IMODE(mode):o}")


def _parsed(text: str, at: str) -> Signer:
    """The key of a text, of which an error quotes nothing."""
    try:
        return parse_signer(text)
    except BadCheckpoint:
        raise InvalidSettings(
            at, reason="not a signing key as hourledger keygen writes it"
        ) from None


def write_key(path: Path, signer: Signer) -> None:
    """Write a new key to a file that only its owner may read, durably; nothing is overwritten.

    Raises FileExistsError, OSError; a file without a whole key is not left behind.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(write_signer(signer) + "\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
