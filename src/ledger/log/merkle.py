"""The RFC 6962 Merkle tree over leaves that are never changed. Pure; no formats, no I/O.

Nodes are stored with the leaf that completes them: row n (from 1) holds its
leaf hash and then the roots of the perfect subtrees that end at n, smallest
first. Perfect subtrees end at multiples of their size, so row n holds
1 + (trailing zeros of n) hashes, two on average, and nothing is ever updated.
"""

import hashlib
from collections.abc import Iterable, Sequence

HASH_BYTES = 32
#: What stands before the data of a leaf, RFC 6962 section 2.1.
LEAF_PREFIX = b"\x00"
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data), RFC 6962 section 2.1."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def frontier_rows(size: int) -> list[int]:
    """The rows whose last hash are the perfect subtrees of a tree of `size`, largest first."""
    rows, end = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            end += 1 << level
            rows.append(end)
    return rows


def extend(frontier: list[bytes], size: int, leaf: bytes) -> bytes:
    """Add leaf number `size` + 1 and return the hashes its row stores.

    `frontier` (subtree roots of the tree of `size`, largest first) is changed in place.
    """
    return extend_all(frontier, size, (leaf,))[0]


def extend_all(frontier: list[bytes], size: int, leaves: Iterable[bytes]) -> list[bytes]:
    """As `extend`, leaf after leaf."""
    rows = []
    for leaf in leaves:
        node = hashes = leaf
        left = size
        while left & 1:  # every other leaf completes nothing
            node = node_hash(frontier.pop(), node)
            hashes += node
            left >>= 1
        frontier.append(node)
        rows.append(hashes)
        size += 1
    return rows


def root(frontier: Sequence[bytes]) -> bytes:
    """The tree's root: its perfect subtrees folded from the smallest; of none, SHA-256("")."""
    if not frontier:
        return EMPTY_ROOT
    node = frontier[-1]
    for left in reversed(frontier[:-1]):
        node = node_hash(left, node)
    return node
