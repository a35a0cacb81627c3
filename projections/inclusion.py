"""Inclusion: that the events behind a figure are in the log, proved by hashes kept with the rows.

Hash the line as a leaf (RFC 6962), go up with the hashes beside it: what comes out is the root of
the log's first `size` lines, which a signed checkpoint of that size has, too.
"""

from collections.abc import Callable, Collection

from msgspec import Struct

from ledger.domain.errors import InvalidCommand
from ledger.store.log import LogStore, Row
from ledger.store.tree import prove_inclusion, root_at


class ProvedLine(Struct, frozen=True, kw_only=True):
    """One line, where it stands, and its audit path in the tree of `size` lines; hashes in hex."""

    position: int
    line: str
    size: int
    root: str
    hashes: list[str]


def proved_lines(
    store: LogStore,
    positions: Collection[int],
    size: int | None = None,
    at: str = "size",
    *,
    shows: Callable[[Row], bool] = lambda _: True,
) -> list[ProvedLine]:
    """A proof for each position `shows` is true of, in the tree of `size` lines or of all.

    Raises InvalidCommand at the field `at` for a size that is too small for one of them, or that
    the log has not reached.
    """
    head = store.head().position
    size = head if size is None else size
    if size > head:
        raise InvalidCommand(at, reason="the log is not that long", head=head)
    rows = [row for row in store.select_positions(sorted(positions)) if shows(row)]
    if not rows:
        return []
    if size < rows[-1].position:
        raise InvalidCommand(at, reason="an event stands beyond it", position=rows[-1].position)
    root = root_at(store, size).hex()
    return [
        ProvedLine(
            position=row.position,
            line=row.line().decode(),
            size=size,
            root=root,
            hashes=[step.hex() for step in prove_inclusion(store, row.position, size)],
        )
        for row in rows
    ]
