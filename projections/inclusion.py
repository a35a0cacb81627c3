"""Inclusion: that the events behind a figure are in the log, proved by hashes kept with the rows.

Hash the line as a leaf (RFC 6962), go up with the hashes beside it: what comes out is the root of
the log's first `size` lines, which a signed checkpoint of that size has, too.
"""

from collections.abc import Sequence

from msgspec import Struct

from ledger.domain.errors import InvalidCommand
from ledger.store.log import LogStore
from ledger.store.tree import prove_inclusion, root_at


class ProvedLine(Struct, frozen=True, kw_only=True):
    """One line, where it stands, and its audit path in the tree of `size` lines; hashes in hex."""

    position: int
    line: str
    size: int
    root: str
    hashes: list[str]


def proved_lines(
    store: LogStore, positions: Sequence[int], size: int | None = None, at: str = "size"
) -> list[ProvedLine]:
    """A proof for each position, in the tree of the first `size` lines or of all there are.

    Raises InvalidCommand at the field `at` for a size that is too small for one of them, or that
    the log has not reached.
    """
    head = store.head().position
    size = head if size is None else size
    if size > head:
        raise InvalidCommand(at, reason="the log is not that long", head=head)
    if positions and size < max(positions):
        raise InvalidCommand(at, reason="an event stands beyond it", position=max(positions))
    if not positions:
        return []
    root = root_at(store, size).hex()
    return [
        ProvedLine(
            position=row.position,
            line=row.line().decode(),
            size=size,
            root=root,
            hashes=[step.hex() for step in prove_inclusion(store, row.position, size)],
        )
        for row in store.select_positions(sorted(positions))
    ]
