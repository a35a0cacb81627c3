"""All read models: their tables, and the fold that feeds them together."""

from collections.abc import Iterable
from typing import Final

from ledger.log.codec import decode
from ledger.store.log import Row
from projections import balances, catalogue, fund_usage, participation, totals, trail
from projections.folding import Fold, Handler
from projections.session import Snapshot
from projections.tables import Deltas, Table

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

    def fold(self, rows: Iterable[Row]) -> Deltas:
        """The deltas of the next rows of the log. Raises CorruptLog."""
        self.take(rows)
        return self.drain()

    def take(self, rows: Iterable[Row]) -> None:
        """Fold the next rows of the log, without asking for deltas yet. Raises CorruptLog."""
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
