"""Fork proofs: two checkpoints of one log that cannot both be true, signed by its own key.

Of one size they have two roots. Of two sizes, the newer one's own consistency hashes show which
tree it begins with, and that is not the older one. Nothing else is needed to check it, and nobody
but the holder of the key can have made it. Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ledger.log import checkpoint
from ledger.log.checkpoint import BadCheckpoint, Checkpoint, Verifier
from ledger.log.proofs import BadProof, consistency_roots
from ledger.log.tlog_proof import HASHES_MAX

FORMAT: Final = "hourledger.fork/v1"
BYTES_MAX: Final = 4 * checkpoint.NOTE_BYTES_MAX


class ForkProof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As it is written to a file: JSON; notes verbatim, hashes in base64.

    `hashes` is empty for two checkpoints of one size. Otherwise it is a consistency proof from the
    older to the newer size, in which the first hash is never left out.
    """

    format: str
    older: str
    newer: str
    hashes: list[str]

    def text(self) -> bytes:
        """The file's content."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def fork_proof(older: bytes, newer: bytes, steps: Sequence[bytes]) -> ForkProof:
    """What makes the fork evident."""
    return ForkProof(
        format=FORMAT,
        older=older.decode(),
        newer=newer.decode(),
        hashes=[checkpoint.base64_of(step) for step in steps],
    )


def check_fork(text: bytes, verifier: Verifier) -> tuple[Checkpoint, Checkpoint]:
    """The two checkpoints that exclude each other, both signed by `verifier`.

    Raises BadProof when the file shows no fork, BadCheckpoint when a signature does not hold.
    """
    if len(text) > BYTES_MAX:
        raise BadProof("fork", bytes=len(text))
    try:
        proof = msgspec.json.decode(text, type=ForkProof)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadProof("fork") from None
    if proof.format != FORMAT or len(proof.hashes) > HASHES_MAX + 1:
        raise BadProof("fork", format=proof.format[:64])
    older = checkpoint.check(proof.older.encode(), verifier)
    newer = checkpoint.check(proof.newer.encode(), verifier, older.origin)
    try:
        steps = [checkpoint.unbase64(each) for each in proof.hashes]
    except BadCheckpoint:
        raise BadProof("hashes") from None
    if not excludes(older, newer, steps):
        raise BadProof("fork", older=older.size, newer=newer.size)
    return older, newer


def excludes(older: Checkpoint, newer: Checkpoint, steps: Sequence[bytes]) -> bool:
    """Whether no log can have both trees, as the steps show (see `ForkProof.hashes`)."""
    if older.size == newer.size:
        return not steps and older.root != newer.root
    if not 0 < older.size < newer.size:
        return False
    try:
        begun_with, whole = consistency_roots(older.size, newer.size, steps)
    except BadProof:
        return False
    return whole == newer.root and begun_with != older.root
