"""How read models are folded: events go in one by one, deltas come out by the thousand.

A read model never looks anything up: an event carries the quantities it moves and
every key. Deltas are sums and lists in log order, so the rows they lead to do not
depend on where one batch ends and the next begins; a row whose sum is zero stays.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from projections.session import Snapshot
from projections.tables import Deltas, Table

#: (position, id of the stream, event).
Handler = Callable[[int, str, Any], None]


class Fold(Protocol):
    """The deltas of one read model since they were last drained."""

    def handlers(self) -> Mapping[str, Handler]:
        """What is done with each topic; other topics do not concern this read model."""

    def drain(self) -> Deltas:
        """The deltas gathered so far, each key once; gathering begins anew."""


class Model(Protocol):
    """A read model: a module with tables, a fold and queries."""

    TABLES: tuple[Table, ...]

    def fold(self, snapshot: Snapshot) -> Fold:
        """A fold that goes on from what the snapshot holds."""
