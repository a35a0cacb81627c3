"""Inclusion and consistency proofs of RFC 6962: prove from stored nodes, check from hashes alone.

Pure. Proving says which nodes it needs and is given them; checking needs neither the log nor this
project. Sizes and indexes count leaves; leaf `index` is the row at position `index` + 1.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ledger.domain.errors import LedgerError
from ledger.log.merkle import EMPTY_ROOT, HASH_BYTES, node_hash, root


class BadProof(LedgerError):  # noqa: N818  named for what it is
    """The proof does not hold."""


class Node(NamedTuple):
    """The root of a perfect subtree: leaves [number << level, (number + 1) << level)."""

    level: int
    number: int

    @property
    def row(self) -> int:
        """The position of the row that completes it, and stores it as hash number `level`."""
        return (self.number + 1) << self.level


#: Reads stored nodes; what the store's rows give.
ReadNodes = Callable[[Sequence[Node]], Sequence[bytes]]


def hash_in_row(node: Node, hashes: bytes) -> bytes:
    """The node's hash among those its row stores."""
    return hashes[node.level * HASH_BYTES : (node.level + 1) * HASH_BYTES]


def split(size: int) -> int:
    """The largest power of two below `size` (RFC 6962 section 2.1: k)."""
    return 1 << (size - 1).bit_length() - 1


def nodes_of(low: int, high: int) -> list[Node]:
    """The perfect subtrees of leaves [low, high), largest first; `low` is where one may start."""
    nodes = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append(Node(level, low >> level))
        low += 1 << level
    return nodes


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaf ranges whose hashes make PATH(index, D[size]), RFC 6962 section 2.1.1."""
    low, high, ranges = 0, size, []
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """The leaf ranges whose hashes make PROOF(old, D[new]), RFC 6962 section 2.1.2."""
    low, high, whole, ranges = 0, new, True, []
    while old < high:
        middle = low + split(high - low)
        if old <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low, whole = middle, False
    if not whole:
        ranges.append((low, high))
    return ranges[::-1]


def prove_inclusion(index: int, size: int, read: ReadNodes) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size`. Raises BadProof when it has none."""
    if not 0 <= index < size:
        raise BadProof("index", index=index, size=size)
    return _hashes(inclusion_ranges(index, size), read)


def prove_consistency(old: int, new: int, read: ReadNodes) -> list[bytes]:
    """The proof that the tree of `new` extends the tree of `old`. Raises BadProof for old > new."""
    if not 0 <= old <= new:
        raise BadProof("old", old=old, new=new)
    return _hashes(consistency_ranges(old, new), read) if 0 < old < new else []


def _hashes(ranges: Iterable[tuple[int, int]], read: ReadNodes) -> list[bytes]:
    """The hash of each range, with all nodes read at once."""
    parts = [nodes_of(low, high) for low, high in ranges]
    known = iter(read([node for nodes in parts for node in nodes]))
    return [root([next(known) for _ in nodes]) for nodes in parts]


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """The leaf stands at `index` in the tree of `size` with this root (RFC 9162, 2.1.3.2).

    Raises BadProof.
    """
    if not 0 <= index < size or any(len(step) != HASH_BYTES for step in proof):
        raise BadProof("index", index=index, size=size)
    place, last, node = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise BadProof("proof", hashes=len(proof))
        if place & 1 or place == last:
            node = node_hash(step, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, step)
        place, last = place >> 1, last >> 1
    if last != 0 or node != expected:
        raise BadProof("proof", index=index, size=size)


def check_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """The tree of `new` with `new_root` begins with the tree of `old` (RFC 9162, 2.1.4.2).

    Raises BadProof.
    """
    if not 0 <= old <= new or any(len(step) != HASH_BYTES for step in proof):
        raise BadProof("old", old=old, new=new)
    if old in {0, new}:
        if proof or old_root != (new_root if old else EMPTY_ROOT):
            raise BadProof("proof", old=old, new=new)
        return
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if consistency_roots(old, new, steps) != (old_root, new_root):
        raise BadProof("proof", old=old, new=new)


def consistency_roots(old: int, new: int, steps: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots that `steps` give the trees of `old` and of `new`, for 0 < old < new.

    `steps` is a consistency proof in which the first hash is never left out: where `old` is a power
    of two, the root of that tree stands in front. Raises BadProof for too few steps or too many.
    """
    if not 0 < old < new or not steps or any(len(step) != HASH_BYTES for step in steps):
        raise BadProof("proof", old=old, new=new, hashes=len(steps))
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_node = new_node = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise BadProof("proof", hashes=len(steps))
        if place & 1 or place == last:
            old_node, new_node = node_hash(step, old_node), node_hash(step, new_node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new_node = node_hash(new_node, step)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadProof("proof", hashes=len(steps))
    return old_node, new_node
