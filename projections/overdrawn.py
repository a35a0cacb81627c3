"""Money that was not there: what no rule can have allowed, told from the log's figures alone."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from ledger.domain.errors import CorruptLog
from ledger.log import codec
from ledger.store.log import Row
from projections.moves import MOVES
from projections.postings import POSTINGS, class_of

#: Accounts of a fund: what is in them was received before, so none is ever below zero.
FUNDED: Final = frozenset({"unallocated", "allocated", "spent"})
#: Topics that move their money.
MOVING: Final = frozenset(
    {row.topic for row in POSTINGS if {class_of(row.source), class_of(row.target)} & FUNDED}
)


class Overdrawn:
    """`take` the rows of a log in order; the first that overdraws an account is refused."""

    def __init__(self) -> None:
        #: Fen by account; there are as many as funds have targets.
        self._fen: defaultdict[str, int] = defaultdict(int)

    def take(self, rows: Iterable[Row]) -> None:
        """More rows, each of them right by itself. Raises CorruptLog with the position."""
        for row in rows:
            if row.topic in MOVING:
                self._move(row)

    def _move(self, row: Row) -> None:
        """What one event moves. Raises CorruptLog when it takes more than there is."""
        event = codec.decode(row.topic, row.state)
        moved = MOVES[row.topic](event, row.originator_id.partition("/")[2])
        for move in moved:
            self._fen[move.source] -= move.quantity
            self._fen[move.target] += move.quantity
        for account in dict.fromkeys(move.source for move in moved):
            if class_of(account) in FUNDED and self._fen[account] < 0:
                error = f"it takes {-self._fen[account]} fen more from {account} than there is"
                raise CorruptLog("position", position=row.position, error=error)
