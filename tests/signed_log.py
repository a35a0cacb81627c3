"""A small log in memory with its keys: what a signer, a holder and a liar need in tests."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.log import merkle, proofs
from ledger.log.checkpoint import COSIGNATURE, ED25519, Checkpoint
from ledger.log.proofs import Node
from ledger.log.signer import Signer
from ledger.log.tlog_proof import ConsistencyProof, InclusionProof
from ledger.log.witness import Consistency, Seen

ORIGIN: Final = "haiyan.example/hours"


def signer(name: str = ORIGIN, kind: int = ED25519, *, seed: str = "log") -> Signer:
    """A key that is the same in every run."""
    private = Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()).digest())
    return Signer(name, kind, private)


LOG_KEY: Final = signer()
OTHER_KEY: Final = signer(seed="another")
WITNESS_KEY: Final = signer("witness.example/w1", COSIGNATURE, seed="witness")


class SignedLog:
    """Leaves, what the rows store, and what the log says of itself."""

    def __init__(self, lines: Sequence[bytes], key: Signer = LOG_KEY) -> None:
        self.lines, self.key = list(lines), key
        self.leaves = [merkle.leaf_hash(line) for line in self.lines]
        frontier: list[bytes] = []
        self.rows: list[bytes] = []
        self.roots = [merkle.root([])]
        for size, leaf in enumerate(self.leaves):
            self.rows.append(merkle.extend(frontier, size, leaf))
            self.roots.append(merkle.root(frontier))

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        """Stored nodes."""
        return [proofs.hash_in_row(node, self.rows[node.row - 1]) for node in nodes]

    def at(self, size: int) -> Checkpoint:
        """The checkpoint of a size."""
        return Checkpoint(self.key.name, size, self.roots[size])

    def note(self, size: int) -> bytes:
        """The same, signed."""
        return self.key.sign_checkpoint(self.at(size))

    def seen(self, size: int) -> Seen:
        """As a witness has it."""
        return Seen(self.at(size), self.note(size))

    def path(self, index: int, size: int) -> list[bytes]:
        """An audit path."""
        return proofs.prove_inclusion(index, size, self.read)

    def growth(self, old: int, new: int) -> list[bytes]:
        """A consistency proof."""
        return proofs.prove_consistency(old, new, self.read)

    def inclusion(self, index: int, size: int) -> bytes:
        """A tlog-proof."""
        return InclusionProof(index, self.path(index, size), self.note(size)).text()

    def consistency(self, old: int, new: int) -> bytes:
        """A proof of consistency as text."""
        return ConsistencyProof(old, self.growth(old, new), self.note(new)).text()

    def answer(self, old: int, new: int) -> Consistency:
        """What it answers a witness."""
        return Consistency(self.roots[old], self.growth(old, new))


def lines(count: int, but: int | None = None) -> list[bytes]:
    """Lines, one of which may be another one."""
    return [b"line %d%s" % (n, b" forged" if n == but else b"") for n in range(count)]
