"""All read models: their tables, and the fold that feeds them together."""

from collections.abc import Iterable
from typing import Final

from ledger.log.codec import decode
from ledger.store.log import Row
from projections import balances, catalogue, fund_usage, participation, totals, trail
from projections.folding import Fold, Handler
from projections.moves import FLOWS, Flow, FlowsOf
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
        handlers: dict[str, list[Handler]] = {}
        for fold in self._folds:
            for topic, handler in fold.handlers().items():
                handlers.setdefault(topic, []).append(handler)
        #: For each topic: how it flows, and who wants to know.
        self._plans: dict[str, tuple[FlowsOf, tuple[Handler, ...]]] = {
            topic: (FLOWS.get(topic, _no_flows), tuple(found)) for topic, found in handlers.items()
        }

    def fold(self, rows: Iterable[Row]) -> Deltas:
        """The deltas of the next rows of the log. Raises CorruptLog."""
        plans = self._plans
        for position, stream, _, topic, state, _ in rows:
            event = decode(topic, state)
            flows_of, handlers = plans[topic]
            flows = flows_of(event)
            owner = stream[stream.index("/") + 1 :]
            for handler in handlers:
                handler(position, owner, event, flows)
            self.position = position
        return [delta for fold in self._folds for delta in fold.drain()]


def _no_flows(_: object) -> list[Flow]:
    return []
