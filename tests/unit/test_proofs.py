"""Proofs against the plain recursive definition of RFC 6962, and against every kind of lie."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log import merkle, proofs
from ledger.log.proofs import BadProof, Node


def leaf(n: int) -> bytes:
    return hashlib.sha256(b"\x00" + str(n).encode()).digest()


def plain_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def plain_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1, as it is written there."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*plain_path(index, leaves[:k]), plain_root(leaves[k:])]
    return [*plain_path(index - k, leaves[k:]), plain_root(leaves[:k])]


class Log:
    """Rows as the store keeps them."""

    def __init__(self, size: int) -> None:
        self.leaves = [leaf(n) for n in range(size)]
        frontier: list[bytes] = []
        self.rows = [merkle.extend(frontier, n, hashed) for n, hashed in enumerate(self.leaves)]

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        return [proofs.hash_in_row(node, self.rows[node.row - 1]) for node in nodes]


LOG = Log(70)


@pytest.mark.parametrize("size", range(1, 71))
def test_every_leaf_is_proved_in_every_tree_and_its_path_is_the_one_of_the_rfc(size: int) -> None:
    leaves = LOG.leaves[:size]
    expected = plain_root(leaves)
    for index in range(size):
        proof = proofs.prove_inclusion(index, size, LOG.read)
        assert proof == plain_path(index, leaves)
        proofs.check_inclusion(leaves[index], index, size, proof, expected)


@pytest.mark.parametrize("new", range(71))
def test_every_tree_is_proved_to_extend_every_smaller_one(new: int) -> None:
    new_root = plain_root(LOG.leaves[:new])
    for old in range(new + 1):
        proof = proofs.prove_consistency(old, new, LOG.read)
        proofs.check_consistency(old, new, proof, plain_root(LOG.leaves[:old]), new_root)


@given(st.data())
def test_a_changed_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    proof = proofs.prove_inclusion(index, size, LOG.read)
    expected = plain_root(LOG.leaves[:size])
    lie = data.draw(st.sampled_from(["hash", "short", "long", "index", "size", "leaf", "root"]))
    changed, given_leaf = list(proof), LOG.leaves[index]
    if lie == "hash" and proof:
        n = data.draw(st.integers(0, len(proof) - 1))
        changed[n] = bytes([changed[n][0] ^ 1]) + changed[n][1:]
    elif lie == "short" and proof:
        changed.pop()
    elif lie == "index" and size > 1:
        index = (index + data.draw(st.integers(1, size - 1))) % size
    elif lie == "size":
        # A size whose tree has the same shape for this leaf cannot be told by the path alone;
        # the root, which a checkpoint binds to its size, tells it.
        size, expected = size + 1, plain_root(LOG.leaves[: size + 1] or [])
        expected = expected if size <= len(LOG.leaves) else b"\x00" * 32
    elif lie == "leaf":
        given_leaf = b"\x01" * 32
    elif lie == "root":
        expected = b"\x02" * 32
    else:
        changed.append(b"\x03" * 32)
    with pytest.raises(BadProof):
        proofs.check_inclusion(given_leaf, index, size, changed, expected)


@given(st.integers(1, 69), st.integers(1, 70), st.integers(0, 9), st.integers(0, 255))
def test_a_changed_consistency_proof_is_refused(old: int, new: int, n: int, bit: int) -> None:
    old, new = min(old, new), max(old, new)
    proof = proofs.prove_consistency(old, new, LOG.read)
    roots = plain_root(LOG.leaves[:old]), plain_root(LOG.leaves[:new])
    if proof:
        flipped = proof[n % len(proof)]
        flipped = bytes([flipped[0] ^ (1 << bit % 8)]) + flipped[1:]
        changed = [flipped if i == n % len(proof) else step for i, step in enumerate(proof)]
        with pytest.raises(BadProof):
            proofs.check_consistency(old, new, changed, *roots)
        with pytest.raises(BadProof):
            proofs.check_consistency(old, new, proof[:-1], *roots)
    with pytest.raises(BadProof):
        proofs.check_consistency(old, new, [*proof, b"\x00" * 32], *roots)
    with pytest.raises(BadProof):
        proofs.check_consistency(old, new, proof, roots[0], b"\x00" * 32)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (5, 2)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(BadProof):
        proofs.prove_inclusion(index, size, LOG.read)
    with pytest.raises(BadProof):
        proofs.check_inclusion(leaf(0), index, size, [], leaf(0))


def test_hashes_of_another_length_are_refused() -> None:
    proof = proofs.prove_inclusion(2, 5, LOG.read)
    expected = plain_root(LOG.leaves[:5])
    with pytest.raises(BadProof):
        proofs.check_inclusion(LOG.leaves[2], 2, 5, [proof[0][:31], *proof[1:]], expected)
