"""All read models: their tables, and the fold that feeds them together."""

from collections.abc import Iterable, Sequence
from typing import Final

from ledger.log import merkle
from ledger.log.codec import decode
from ledger.store.log import Row
from projections import balances, catalogue, fund_usage, participation, totals, trail
from projections.folding import Fold, Handler
from projections.session import Snapshot
from projections.tables import Deltas, Table
from projections.until import Until

TABLES: Final[tuple[Table, ...]] = (
    *balances.TABLES,
    *catalogue.TABLES,
    *totals.TABLES,
    *participation.TABLES,
    *fund_usage.TABLES,
    *trail.TABLES,
)


class Projector:
    """Folds rows of the log into the deltas of all read models, from where a snapshot stands."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.generation = snapshot.generation
        self.position = snapshot.position
        #: The leaf hash of the last row that was taken.
        self.leaf = b""
        self._folds: list[Fold] = [
            balances.BalancesFold(snapshot),
            catalogue.CatalogueFold(snapshot),
            totals.TotalsFold(snapshot),
            participation.ParticipationFold(snapshot),
            fund_usage.FundUsageFold(snapshot),
            trail.TrailFold(snapshot),
        ]
        #: For each topic: who wants to know.
        self._handlers: dict[str, list[Handler]] = {}
        for fold in self._folds:
            for topic, handler in fold.handlers().items():
                self._handlers.setdefault(topic, []).append(handler)
        self._until = Until(snapshot) if snapshot.as_of else None
        #: Who names members and things, and who lists events, whatever day these count on.
        members, things, *_, listing = self._folds
        self._naming = {**things.handlers(), **members.handlers()}
        self._listing = listing.handlers()

    def fold(self, rows: Sequence[Row]) -> Deltas:
        """The deltas of the next rows of the log. Raises CorruptLog."""
        self.take(rows)
        return self.drain()

    def take(self, rows: Sequence[Row]) -> None:
        """Fold the next rows of the log, without asking for deltas yet. Raises CorruptLog."""
        if rows:
            self.leaf = rows[-1].hashes[: merkle.HASH_BYTES]
        if self._until is not None:
            self._take_until(rows, self._until)
            return
        handlers = self._handlers
        for position, stream, _, topic, state, _ in rows:
            event = decode(topic, state)
            owner = stream[stream.index("/") + 1 :]
            for handler in handlers[topic]:
                handler(position, owner, event)
            self.position = position

    def drain(self) -> Deltas:
        """The deltas of all that was taken since the last time."""
        return [delta for fold in self._folds for delta in fold.drain()]

    def _take_until(self, rows: Iterable[Row], until: Until) -> None:
        """The same of what counts until a day. Events are listed and things named nevertheless."""
        for position, stream, _, topic, state, _ in rows:
            event = decode(topic, state)
            owner = stream[stream.index("/") + 1 :]
            if (left := until.left_of(stream, event)) is not None:
                for handler in self._handlers[topic]:
                    handler(position, owner, left)
            else:
                self._listing[topic](position, owner, event)
                if (name := until.name_in(stream, event)) is not None:
                    self._naming[type(name).__name__](position, owner, name)
            self.position = position
