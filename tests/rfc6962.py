"""RFC 6962 section 2.1, word for word and by recursion, over leaf hashes; nothing of the product.

Checking rebuilds the tree from the top down, unlike the product's loops from the bottom up.
"""

from collections.abc import Sequence
from hashlib import sha256


def leaf_of(data: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\0" + data).digest()


def join(left: bytes, right: bytes) -> bytes:
    """The hash of a node."""
    return sha256(b"\1" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size`."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return join(root_of(leaves[:k]), root_of(leaves[k:]))


def path_of(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path_of(index, leaves[:k]), root_of(leaves[k:])]
    return [*path_of(index - k, leaves[k:]), root_of(leaves[:k])]


def proof_of(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n])."""
    return _subproof(old, leaves, whole=True)


def _subproof(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*_subproof(old, leaves[:k], whole=whole), root_of(leaves[k:])]
    return [*_subproof(old - k, leaves[k:], whole=False), root_of(leaves[:k])]


def holds(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a path leads from the leaf to the root."""
    if not 0 <= index < size:
        return False
    rest = list(path)
    try:
        found = _climb(leaf, index, size, rest)
    except IndexError:
        return False
    return not rest and found == root


def _climb(leaf: bytes, index: int, size: int, rest: list[bytes]) -> bytes:
    if size == 1:
        return leaf
    k, sibling = split(size), rest.pop()
    if index < k:
        return join(_climb(leaf, index, k, rest), sibling)
    return join(sibling, _climb(leaf, index - k, size - k, rest))


def continues(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether a proof shows that the tree of `new` begins with the tree of `old`."""
    if old == 0:
        return not proof and old_root == sha256(b"").digest()
    if not 0 < old <= new:
        return False
    rest = list(proof)
    try:
        found = _rebuild(old, new, rest, old_root, whole=True)
    except IndexError:
        return False
    return not rest and found == (old_root, new_root)


def _rebuild(
    old: int, new: int, rest: list[bytes], old_root: bytes, *, whole: bool
) -> tuple[bytes, bytes]:
    """The roots of the old part and of all of a subtree."""
    if old == new:
        same = old_root if whole else rest.pop()
        return same, same
    k, sibling = split(new), rest.pop()
    if old <= k:
        begun, left = _rebuild(old, k, rest, old_root, whole=whole)
        return begun, join(left, sibling)
    begun, right = _rebuild(old - k, new - k, rest, old_root, whole=False)
    return join(sibling, begun), join(sibling, right)
