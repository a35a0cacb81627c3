"""Signed notes: checkpoints (C2SP tlog-checkpoint), Ed25519 signatures, cosignatures.

A checkpoint's body is the origin, the decimal size and the base64 root, a line each; after a blank
line stand the signatures: `— <name> base64(key id ‖ signature)` (C2SP signed-note). Pure: keys and
times are passed in.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.domain.errors import LedgerError
from ledger.log.merkle import HASH_BYTES

#: Signature types of C2SP signed-note and tlog-cosignature.
ED25519: Final = 1
COSIGNATURE: Final = 4
SIGNATURES_MAX: Final = 16
#: A checkpoint is a few hundred bytes; what is longer is not one.
NOTE_BYTES_MAX: Final = 16_384
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME: Final = re.compile(r"[^\s+\x00-\x20]{1,255}")
#: No control characters but the newline, and nothing that is not UTF-8 (C2SP signed-note).
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")


class BadCheckpoint(LedgerError):  # noqa: N818  named for what it is
    """The checkpoint is malformed, or not signed by this key."""


class Checkpoint(NamedTuple):
    """The size and root of a log at one moment."""

    origin: str
    size: int
    root: bytes

    def body(self) -> bytes:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64_of(self.root)}\n".encode()


class Verifier(NamedTuple):
    """A public key and the name it signs under; written `name+hex(key id)+base64(type ‖ key)`."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ type ‖ key)[:4]."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(material).digest()[:4]

    def __str__(self) -> str:
        encoded = base64_of(bytes([self.kind]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


class Signature(NamedTuple):
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> bytes:
        """The line, with its newline."""
        return f"— {self.name} {base64_of(self.key_id + self.signature)}\n".encode()


class Note(NamedTuple):
    """A body and its signatures, taken apart but not yet believed."""

    body: bytes
    signatures: tuple[Signature, ...]


def is_name(text: str) -> bool:
    """Whether a key may sign under this name: no spaces, no plus sign."""
    return _NAME.fullmatch(text) is not None


def parse_verifier(text: str) -> Verifier:
    """A verifier key as text. Raises BadCheckpoint."""
    name, _, rest = text.strip().partition("+")
    hexed, _, encoded = rest.partition("+")
    material = unbase64(encoded)
    if not is_name(name) or len(material) != HASH_BYTES + 1:
        raise BadCheckpoint("key")
    verifier = Verifier(name, material[0], material[1:])
    if verifier.kind not in {ED25519, COSIGNATURE} or verifier.key_id.hex() != hexed:
        raise BadCheckpoint("key")
    return verifier


def verifier_of(name: str, private: Ed25519PrivateKey, kind: int = ED25519) -> Verifier:
    """The public side of a private key."""
    return Verifier(name, kind, private.public_key().public_bytes_raw())


def sign(name: str, private: Ed25519PrivateKey, body: bytes) -> bytes:
    """The signed note of a body that ends with a newline."""
    signature = Signature(name, verifier_of(name, private).key_id, private.sign(body))
    return body + b"\n" + signature.line()


def cosignature(name: str, private: Ed25519PrivateKey, body: bytes, seconds: int) -> Signature:
    """A witness's signature: it saw this checkpoint at that Unix time (C2SP tlog-cosignature)."""
    verifier = verifier_of(name, private, COSIGNATURE)
    signed = private.sign(_cosigned(body, seconds))
    return Signature(name, verifier.key_id, seconds.to_bytes(8, "big") + signed)


def _cosigned(body: bytes, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n".encode() + body


def parse_note(text: bytes, bytes_max: int = NOTE_BYTES_MAX) -> Note:
    """Take a signed note apart. Raises BadCheckpoint."""
    if len(text) > bytes_max:
        raise BadCheckpoint("note", bytes=len(text))
    body, blank, lines = text.rpartition(b"\n\n")
    if not blank or not lines.endswith(b"\n") or _CONTROL.search(text):
        raise BadCheckpoint("note")
    signatures = tuple(_parse_signature(line) for line in lines[:-1].split(b"\n"))
    if len(signatures) > SIGNATURES_MAX:
        raise BadCheckpoint("note", signatures=len(signatures))
    return Note(body + b"\n", signatures)


def _parse_signature(line: bytes) -> Signature:
    try:
        dash, name, encoded = line.decode().split(" ")
    except ValueError:
        raise BadCheckpoint("signature") from None
    material = unbase64(encoded)
    if dash != "—" or not is_name(name) or len(material) <= 4:
        raise BadCheckpoint("signature")
    return Signature(name, material[:4], material[4:])


def parse_checkpoint(body: bytes) -> Checkpoint:
    """The checkpoint of a note's body. Raises BadCheckpoint."""
    try:
        origin, size, encoded, *rest = body.decode().split("\n")
    except ValueError:
        raise BadCheckpoint("body") from None
    root = unbase64(encoded)
    extensions, ends_well = rest[:-1], rest[-1:] == [""]
    if not origin or not _SIZE.fullmatch(size) or len(root) != HASH_BYTES:
        raise BadCheckpoint("body")
    if not ends_well or not all(extensions):
        raise BadCheckpoint("body")
    return Checkpoint(origin, int(size), root)


def check(text: bytes, verifier: Verifier, origin: str | None = None) -> Checkpoint:
    """The checkpoint that `verifier` signed, of that origin. Raises BadCheckpoint."""
    note = parse_note(text)
    check_signed(note, verifier)
    checkpoint = parse_checkpoint(note.body)
    if origin is not None and checkpoint.origin != origin:
        raise BadCheckpoint("origin", origin=checkpoint.origin)
    return checkpoint


def check_signed(note: Note, verifier: Verifier) -> Signature:
    """The signature of `verifier` under a note, the only one it has. Raises BadCheckpoint."""
    known = (verifier.name, verifier.key_id)
    found = [each for each in note.signatures if (each.name, each.key_id) == known]
    if len(found) != 1:
        raise BadCheckpoint("signature", name=verifier.name)
    _check_signature(verifier, note.body, found[0].signature)
    return found[0]


def cosigned_at(text: bytes, witness: Verifier) -> int:
    """The Unix time at which a witness saw this note. Raises BadCheckpoint."""
    if witness.kind != COSIGNATURE:
        raise BadCheckpoint("key", name=witness.name)
    return int.from_bytes(check_signed(parse_note(text), witness).signature[:8], "big")


def _check_signature(verifier: Verifier, body: bytes, signature: bytes) -> None:
    if verifier.kind == COSIGNATURE:
        body, signature = _cosigned(body, int.from_bytes(signature[:8], "big")), signature[8:]
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public).verify(signature, body)
    except (InvalidSignature, ValueError):
        raise BadCheckpoint("signature", name=verifier.name) from None


def add_signatures(text: bytes, signatures: Sequence[Signature]) -> bytes:
    """The same note with more signatures below."""
    return text + b"".join(signature.line() for signature in signatures)


def base64_of(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode()


def unbase64(text: str) -> bytes:
    """Strict base64: what decodes must be what encoding gives, so that a note has one form."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadCheckpoint("base64") from None
    if base64_of(decoded) != text:
        raise BadCheckpoint("base64")
    return decoded
