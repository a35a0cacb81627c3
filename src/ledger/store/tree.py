"""The tree of a stored log: its frontier, nodes and proofs, from the hashes kept with the rows.

A proof is one look at some dozens of rows, however long the log is.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ledger.domain.errors import CorruptLog, LedgerNotOpened
from ledger.log import merkle, proofs
from ledger.log.proofs import Node, ReadNodes
from ledger.store.log import LogStore, Row

#: Rows read at once.
CHUNK: Final = 5_000


def leaf_at(store: LogStore, position: int) -> bytes:
    """The leaf hash stored with a row. Raises CorruptLog when there is none."""
    (hashes,) = store.select_hashes([position])
    return hashes[: merkle.HASH_BYTES]


def origin_of(store: LogStore) -> str:
    """The name of the log, which its first event tells. Raises LedgerNotOpened."""
    first = store.select_rows(0, 1)
    if not first:
        raise LedgerNotOpened
    return first[0].originator_id.partition("/")[2]


def rows_between(store: LogStore, after: int, until: int) -> Iterator[list[Row]]:
    """The rows with positions above `after` up to `until`, some thousands at a time.

    Raises CorruptLog with the first position that is missing.
    """
    while after < until:
        rows = store.select_rows(after, min(CHUNK, until - after))
        if not rows:
            raise CorruptLog("position", position=after + 1, error="missing")
        yield rows
        after = rows[-1].position


def frontier_at(store: LogStore, size: int) -> list[bytes]:
    """The perfect subtrees of the first `size` rows, as stored, largest first."""
    found = store.select_hashes(merkle.frontier_rows(size))
    return [hashes[-merkle.HASH_BYTES :] for hashes in found]


def root_at(store: LogStore, size: int) -> bytes:
    """The root of the first `size` rows, as stored."""
    return merkle.root(frontier_at(store, size))


def reader_of(store: LogStore) -> ReadNodes:
    """Reads nodes of the tree from a store."""

    def read(nodes: Sequence[Node]) -> list[bytes]:
        # Ranges that do not overlap end at different rows, so no row is asked for twice.
        found = store.select_hashes([node.row for node in nodes])
        return [proofs.hash_in_row(node, hashes) for node, hashes in zip(nodes, found, strict=True)]

    return read


def prove_inclusion(store: LogStore, position: int, size: int) -> list[bytes]:
    """The audit path of the event at `position` (from 1) in the tree of `size`.

    Raises BadProof when it has none.
    """
    return proofs.prove_inclusion(position - 1, size, reader_of(store))


def prove_consistency(store: LogStore, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` extends the tree of `old`. Raises BadProof for old > new."""
    return proofs.prove_consistency(old, new, reader_of(store))
