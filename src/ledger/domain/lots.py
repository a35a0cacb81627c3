"""The arithmetic of lots: money in queues, first in first out. Pure; amounts are fen.

A `Queue` holds what was allocated to one target, in the order it came there. A
`Stock` holds what is unallocated of a fund's receipts, in the order the receipts
arrived, shelved by terms and by source so that nothing is walked that cannot be
taken. What is taken is merged: within one event a receipt stands in one lot.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge as merge_sorted

from msgspec import Struct, field

from ledger.domain.errors import CorruptLog, InvalidCommand
from ledger.domain.values import Lot, SourceKind, Terms, lots_sum


def lot_of(lot: "Lot | Receipt", receipt: str, fen: int) -> Lot:
    """So much money of the same source as `lot`."""
    return Lot(receipt=receipt, source_kind=lot.source_kind, source_id=lot.source_id, fen=fen)


def merge(lots: Iterable[Lot]) -> tuple[Lot, ...]:
    """One lot a receipt, in the order in which the receipts first appear."""
    merged: dict[str, Lot] = {}
    for lot in lots:
        known = merged.get(lot.receipt)
        merged[lot.receipt] = lot_of(lot, lot.receipt, known.fen + lot.fen) if known else lot
    return tuple(merged.values())


def check_sources(lots: Sequence[Lot], at: str = "lots") -> None:
    """Lots from outside may be merged only if a receipt has one source. Raises InvalidCommand."""
    sources = {(lot.receipt, lot.source_kind, lot.source_id) for lot in lots}
    if len(sources) > len({lot.receipt for lot in lots}):
        raise InvalidCommand(at, reason="a receipt has one source")


def take(fen: int, lots: Iterable[Lot]) -> tuple[Lot, ...]:
    """The first `fen` of the lots, merged; all of them when they are less."""
    taken = []
    for lot in lots:
        part = lot if lot.fen <= fen else lot_of(lot, lot.receipt, fen)
        taken.append(part)
        fen -= part.fen
        if not fen:
            break
    return merge(taken)


class Queue(Struct):
    """Lots in the order they came; `fen` is the sum of them, so that none is counted twice."""

    lots: deque[Lot] = field(default_factory=deque)
    fen: int = 0

    def put(self, lots: Iterable[Lot]) -> None:
        """Add lots at the end."""
        for lot in lots:
            self.lots.append(lot)
            self.fen += lot.fen

    def put_back(self, lots: tuple[Lot, ...]) -> None:
        """Add lots before all others, as if they had never left."""
        self.lots.extendleft(reversed(lots))
        self.fen += lots_sum(lots)

    def remove(self, lots: Iterable[Lot]) -> None:
        """Take out exactly these parts. Raises CorruptLog when they are not all there.

        By receipt, not by count, so that a log keeps its meaning if the order of taking changes.
        Costs as many steps as lots are taken when they stand in front, as they do.
        """
        wanted = {lot.receipt: lot.fen for lot in merge(lots)}
        passed: list[Lot] = []
        while wanted:
            if not self.lots:
                raise CorruptLog("lots", receipt=next(iter(wanted)))
            passed.extend(self._shorten(self.lots.popleft(), wanted))
        self.lots.extendleft(reversed(passed))

    def _shorten(self, lot: Lot, wanted: dict[str, int]) -> Iterator[Lot]:
        """What stays of a lot once its part of what is wanted is taken from it."""
        fen = min(lot.fen, wanted.get(lot.receipt, 0))
        self.fen -= fen
        if fen and fen == wanted[lot.receipt]:
            del wanted[lot.receipt]
        elif fen:
            wanted[lot.receipt] -= fen
        if fen < lot.fen:
            yield lot_of(lot, lot.receipt, lot.fen - fen)


class Receipt(Struct, kw_only=True):
    """One arrival of money in a fund, and what has become of it there."""

    id: str
    source_kind: SourceKind
    source_id: str
    #: Its place in the order of arrival, from 0.
    rank: int
    #: Terms of its own; all of them hold, besides the fund's.
    terms: tuple[Terms, ...]
    #: Fen of it in this fund, spent and in transit included.
    held: int = 0
    #: Fen of it that are unallocated.
    free: int = 0
    #: Fen this fund got of it from its source and did not give back; 0 where it came by transfer.
    given: int = 0


class Shelf(Struct):
    """Receipts with something unallocated, as sorted ranks, and the fen they have together."""

    ranks: list[int] = field(default_factory=list)
    fen: int = 0

    def add(self, rank: int, fen: int, *, opens: bool) -> None:
        """More fen of a receipt; `opens` when it had none before."""
        self.fen += fen
        if opens:
            # Nearly always the last place or the first; in between a move of some kilobytes.
            self.ranks.insert(bisect_left(self.ranks, rank), rank)

    def drop(self, rank: int, fen: int, *, empties: bool) -> None:
        """Less fen of a receipt; `empties` when it has none afterwards."""
        self.fen -= fen
        if empties:
            del self.ranks[bisect_left(self.ranks, rank)]


class Stock(Struct):
    """The receipts of one fund, and what is unallocated of them.

    A shelf stands only while there is money on it. To take money costs as many steps as there are
    different terms and lots taken; how many receipts came and went does not matter.
    """

    receipts: dict[str, Receipt] = field(default_factory=dict)
    by_rank: list[Receipt] = field(default_factory=list)
    by_terms: dict[tuple[Terms, ...], Shelf] = field(default_factory=dict)
    by_source: dict[tuple[str, str], Shelf] = field(default_factory=dict)
    #: Ids of all that ever paid into the fund.
    sources: set[str] = field(default_factory=set)
    #: Fen unallocated in all.
    fen: int = 0

    def arrive(self, lot: Lot, terms: tuple[Terms, ...]) -> None:
        """Money arrives: a new receipt, or more of one that is known, on the same terms or more."""
        receipt = self.receipts.get(lot.receipt)
        if receipt is None:
            receipt = Receipt(
                id=lot.receipt,
                source_kind=lot.source_kind,
                source_id=lot.source_id,
                rank=len(self.by_rank),
                terms=terms,
            )
            self.receipts[lot.receipt] = receipt
            self.by_rank.append(receipt)
            self.sources.add(lot.source_id)
        elif not set(terms) <= set(receipt.terms):
            self._bind(receipt, terms)
        receipt.held += lot.fen
        self._add(receipt, lot.fen)

    def _bind(self, receipt: Receipt, terms: tuple[Terms, ...]) -> None:
        """Let further terms hold for a receipt: its money is one, so they hold for all of it."""
        free = receipt.free
        if free:
            self._drop(receipt, free)
        receipt.terms += tuple(new for new in terms if new not in receipt.terms)
        if free:
            self._add(receipt, free)

    def put(self, lots: Iterable[Lot]) -> None:
        """Money of known receipts is unallocated again, at their old places."""
        for lot in lots:
            self._add(self._known(lot), lot.fen)

    def remove(self, lots: Iterable[Lot]) -> None:
        """Money is no longer unallocated. Raises CorruptLog when there is less."""
        for lot in lots:
            receipt = self._known(lot)
            if lot.fen > receipt.free:
                raise CorruptLog("lots", receipt=lot.receipt, free=receipt.free)
            self._drop(receipt, lot.fen)

    def give(self, lots: Iterable[Lot], sign: int) -> None:
        """A source gives money (1), or is given it back (-1)."""
        for lot in lots:
            self._known(lot).given += sign * lot.fen

    def leave(self, lots: Iterable[Lot]) -> None:
        """Money that is not unallocated leaves the fund for good."""
        for lot in lots:
            self._known(lot).held -= lot.fen

    def free_lots(self, shelves: Iterable[Shelf]) -> Iterator[Lot]:
        """What is unallocated on these shelves, in the order of arrival."""
        for rank in merge_sorted(*(shelf.ranks for shelf in shelves)):
            receipt = self.by_rank[rank]
            yield lot_of(receipt, receipt.id, receipt.free)

    def _known(self, lot: Lot) -> Receipt:
        """The receipt of a lot. Raises CorruptLog."""
        receipt = self.receipts.get(lot.receipt)
        if receipt is None:
            raise CorruptLog("lots", receipt=lot.receipt)
        return receipt

    def _add(self, receipt: Receipt, fen: int) -> None:
        """More of a receipt is unallocated."""
        opens = not receipt.free
        receipt.free += fen
        self.fen += fen
        source = receipt.source_kind, receipt.source_id
        for shelf in (
            self.by_terms.setdefault(receipt.terms, Shelf()),
            self.by_source.setdefault(source, Shelf()),
        ):
            shelf.add(receipt.rank, fen, opens=opens)

    def _drop(self, receipt: Receipt, fen: int) -> None:
        """Less of a receipt is unallocated; an empty shelf is taken away."""
        receipt.free -= fen
        self.fen -= fen
        source = receipt.source_kind, receipt.source_id
        by_terms, by_source = self.by_terms[receipt.terms], self.by_source[source]
        for shelf in (by_terms, by_source):
            shelf.drop(receipt.rank, fen, empties=not receipt.free)
        if not by_terms.ranks:
            del self.by_terms[receipt.terms]
        if not by_source.ranks:
            del self.by_source[source]
