"""A private Ed25519 key and the name it signs under, as one line of text.

The line is `PRIVATE+KEY+<name>+<key id in hex>+base64(type ‖ seed)`, the form of Go's `sumdb/note`.
Nothing here shows a seed unless `write_signer` is asked for it.
"""

from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.domain.errors import InvalidSettings
from ledger.log import checkpoint
from ledger.log.checkpoint import (
    COSIGNATURE,
    ED25519,
    BadCheckpoint,
    Checkpoint,
    Signature,
    Verifier,
)

PREFIX: Final = "PRIVATE+KEY+"
SEED_BYTES: Final = 32


class Signer(NamedTuple):
    """Who signs. `kind`: ED25519 for a log, COSIGNATURE for a witness."""

    name: str
    kind: int
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        """The public side."""
        return checkpoint.verifier_of(self.name, self.private, self.kind)

    def sign(self, body: bytes) -> bytes:
        """The signed note of a body that ends with a newline. For a log's key."""
        if self.kind != ED25519:
            raise BadCheckpoint("key", name=self.name)
        return checkpoint.sign(self.name, self.private, body)

    def check_origin(self, origin: str) -> None:
        """A log's key has the log's name. Raises InvalidSettings for another log."""
        if origin != self.name or self.kind != ED25519:
            reason = "the key is not of this log"
            raise InvalidSettings("LEDGER_SIGNING_KEY", reason=reason, key=self.name, log=origin)

    def sign_checkpoint(self, found: Checkpoint) -> bytes:
        """The signed checkpoint. Raises InvalidSettings for a log of another name."""
        self.check_origin(found.origin)
        return self.sign(found.body())

    def cosign(self, body: bytes, seconds: int) -> Signature:
        """A witness's signature: it saw this checkpoint at that Unix time."""
        if self.kind != COSIGNATURE:
            raise BadCheckpoint("key", name=self.name)
        return checkpoint.cosignature(self.name, self.private, body, seconds)


def write_signer(signer: Signer) -> str:
    """The private key as text: keep it secret."""
    seed = signer.private.private_bytes_raw()
    encoded = checkpoint.base64_of(bytes([signer.kind]) + seed)
    return f"{PREFIX}{signer.name}+{signer.verifier.key_id.hex()}+{encoded}"


def parse_signer(text: str) -> Signer:
    """The private key of a text. Raises BadCheckpoint, which quotes nothing of it."""
    name, _, rest = text.strip().removeprefix(PREFIX).partition("+")
    hexed, _, encoded = rest.partition("+")
    material = checkpoint.unbase64(encoded)
    if not text.startswith(PREFIX) or not checkpoint.is_name(name):
        raise BadCheckpoint("key")
    if len(material) != SEED_BYTES + 1 or material[0] not in {ED25519, COSIGNATURE}:
        raise BadCheckpoint("key")
    signer = Signer(name, material[0], Ed25519PrivateKey.from_private_bytes(material[1:]))
    if signer.verifier.key_id.hex() != hexed:
        raise BadCheckpoint("key")
    return signer
