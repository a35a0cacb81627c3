"""Proofs as text: C2SP tlog-proof for inclusion, the body of C2SP add-checkpoint for consistency.

Both carry the signed checkpoint they lead to, so whoever has the log's public key needs nothing
else. Hashes are base64, a line each. Pure.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ledger.log import checkpoint
from ledger.log.checkpoint import BadCheckpoint, Checkpoint, Verifier
from ledger.log.merkle import HASH_BYTES
from ledger.log.proofs import BadProof, check_consistency, check_inclusion

HEADER: Final = b"c2sp.org/tlog-proof@v1"
#: A tree of 2^63 leaves has no longer path (C2SP tlog-witness allows as many).
HASHES_MAX: Final = 63
BYTES_MAX: Final = checkpoint.NOTE_BYTES_MAX + 16_384
_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,18}")


class InclusionProof(Struct, frozen=True):
    """That a leaf stands at `index` (from 0) in the tree of a signed checkpoint."""

    index: int
    hashes: Sequence[bytes]
    note: bytes
    #: Anything; it is proved by nothing.
    extra: bytes = b""

    def text(self) -> bytes:
        """The C2SP tlog-proof."""
        lines = [HEADER.decode()]
        if self.extra:
            lines.append(f"extra {checkpoint.base64_of(self.extra)}")
        lines += [f"index {self.index}", *map(checkpoint.base64_of, self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.note


class ConsistencyProof(Struct, frozen=True):
    """That the tree of a signed checkpoint begins with the tree of `old` leaves."""

    old: int
    hashes: Sequence[bytes]
    note: bytes

    def text(self) -> bytes:
        """The body of an add-checkpoint request (C2SP tlog-witness)."""
        lines = [f"old {self.old}", *map(checkpoint.base64_of, self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.note


def is_inclusion(text: bytes) -> bool:
    """Whether a text claims to be a tlog-proof."""
    return text.startswith(HEADER + b"\n")


def parse_inclusion(text: bytes) -> InclusionProof:
    """A tlog-proof taken apart, not yet believed. Raises BadProof."""
    header, *lines, note = _parts(text)
    if header != HEADER or not lines:
        raise BadProof("header")
    extra = b""
    if lines[0].startswith(b"extra "):
        extra = _decoded(lines.pop(0).removeprefix(b"extra "))
    index = _number(lines.pop(0) if lines else b"", b"index ")
    return InclusionProof(index, _hashes(lines), note, extra)


def parse_consistency(text: bytes) -> ConsistencyProof:
    """A consistency proof taken apart, not yet believed. Raises BadProof."""
    first, *lines, note = _parts(text)
    return ConsistencyProof(_number(first, b"old "), _hashes(lines), note)


def verify_inclusion(
    text: bytes, leaf: bytes, verifier: Verifier, origin: str | None = None
) -> tuple[InclusionProof, Checkpoint]:
    """The leaf stands where the proof says, in the log of `verifier`.

    Raises BadProof, BadCheckpoint.
    """
    proof = parse_inclusion(text)
    found = checkpoint.check(proof.note, verifier, origin)
    check_inclusion(leaf, proof.index, found.size, proof.hashes, found.root)
    return proof, found


def verify_consistency(
    text: bytes, older: bytes, verifier: Verifier, origin: str | None = None
) -> tuple[Checkpoint, Checkpoint]:
    """The proof's checkpoint continues the log of an older one, both signed by `verifier`.

    Raises BadProof, BadCheckpoint.
    """
    proof = parse_consistency(text)
    old = checkpoint.check(older, verifier, origin)
    new = checkpoint.check(proof.note, verifier, old.origin)
    if proof.old != old.size:
        raise BadProof("old", old=proof.old, size=old.size)
    check_consistency(old.size, new.size, proof.hashes, old.root, new.root)
    return old, new


def _parts(text: bytes) -> list[bytes]:
    """The lines before the first blank one, and all behind it."""
    if len(text) > BYTES_MAX:
        raise BadProof("proof", bytes=len(text))
    head, blank, note = text.partition(b"\n\n")
    if not blank:
        raise BadProof("proof")
    return [*head.split(b"\n"), note]


def _number(line: bytes, word: bytes) -> int:
    digits = line.removeprefix(word)
    if not line.startswith(word) or not _NUMBER.fullmatch(digits):
        raise BadProof(word.decode().strip())
    return int(digits)


def _hashes(lines: Sequence[bytes]) -> list[bytes]:
    if len(lines) > HASHES_MAX:
        raise BadProof("proof", hashes=len(lines))
    hashes = [_decoded(line) for line in lines]
    if any(len(each) != HASH_BYTES for each in hashes):
        raise BadProof("proof")
    return hashes


def _decoded(line: bytes) -> bytes:
    try:
        return checkpoint.unbase64(line.decode())
    except (BadCheckpoint, UnicodeDecodeError):
        raise BadProof("base64") from None
