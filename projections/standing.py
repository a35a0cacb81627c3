"""Standing: the figures as they stood at a moment, for whoever asks for some of them.

Now, and at the position the tables stand at, the tables in use answer. At another moment, what
rests on few streams is folded from these alone, and the rest from the whole log.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from heapq import merge
from itertools import islice
from operator import attrgetter
from types import TracebackType
from typing import Final, Self

from ledger.domain.values import owner_of
from ledger.log.codec import decode
from ledger.store.log import LogStore, Row
from projections.balances import region_of
from projections.moments import Moment
from projections.past import Pasts, folded
from projections.session import Snapshot
from projections.totals import project_of
from projections.trail import positions_of

#: Rows read at once.
PAGE: Final = 500
#: Filters that narrow sums down to what is kept in a list of positions; the narrowest first.
_LISTED: Final = ("project", "organisation")


class Standing:
    """Everything as it stood at a moment. A context: what was folded ends with it.

    `live` are the tables in use, which must stand at the moment's position or later.
    """

    def __init__(self, store: LogStore, live: Snapshot, pasts: Pasts, moment: Moment) -> None:
        self.store, self.live, self.moment = store, live, moment
        self._pasts = pasts
        self._stack = ExitStack()
        self._whole: Snapshot | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def is_live(self) -> bool:
        """Whether the tables in use are true at the moment."""
        return self.moment.as_of is None and self.moment.position == self.live.position

    def lists(self) -> Snapshot:
        """For reading lists of positions only; they end at the moment's."""
        return self.live.until(*self.moment)

    def whole(self) -> Snapshot:
        """All figures."""
        if self._whole is None:
            self._whole = self._now() or self._stack.enter_context(self._pasts.at(self.moment))
        return self._whole

    def member(self, member: str) -> Snapshot:
        """Figures of one member."""
        return self._part(lambda: self._streams(f"member/{member}"))

    def region_of(self, member: str) -> str:
        """The region of a member who is known. Raises MemberNotFound."""
        return region_of(self.member(member), member)

    def policy(self, policy: str) -> Snapshot:
        """Figures of one policy: its own stream names the grants, these the members."""
        return self._part(lambda: self._of_policy(policy))

    def fund(self, *funds: str) -> Snapshot:
        """Figures of funds: their streams, and all that was done in the projects they paid for."""
        return self._part(lambda: self._of_funds(funds))

    def source(self, source_id: str) -> Snapshot:
        """Figures of one source, in all funds its money ever came to."""
        rows = self.live.rows("SELECT DISTINCT fund FROM {g}usage WHERE source_id = ?", source_id)
        return self.fund(*(fund for (fund,) in rows))

    def slice(self, filters: Mapping[str, str]) -> Snapshot:
        """Sums of what moved within filters, and what these name."""
        if not any(name in filters for name in _LISTED):
            return self.whole()
        return self.named(filters, with_rows=True)

    def named(self, filters: Mapping[str, str], *, with_rows: bool = False) -> Snapshot:
        """What filters name, without figures; with rows: and all that is listed of the narrowest.

        Asking for what is listed needs the tables in use, which know the positions.
        """
        things = [f"{name}/{filters[name]}" for name in _LISTED if name in filters]
        listed = things[:1] if with_rows else []
        return self._part(lambda: merged(self._streams(*things), *map(self.listed, listed)))

    def _now(self) -> Snapshot | None:
        """The tables in use, where these are true at the moment."""
        return self.live.until(*self.moment) if self.is_live else None

    def _part(self, rows: Callable[[], Iterable[Row]]) -> Snapshot:
        return self._now() or self._stack.enter_context(folded(rows(), self.moment))

    def rows(self, *streams: str) -> list[Row]:
        """The rows of some streams, as far as the moment knows, in log order."""
        rows = self.store.select_streams(streams)
        return sorted((r for r in rows if r.position <= self.moment.position), key=_POSITION)

    def ledger_rows(self) -> list[Row]:
        """The rows of the ledger's own stream, which the first event opens."""
        return self.rows(*(row.originator_id for row in self.store.select_rows(0, 1)))

    def granted(self, policy: str) -> list[Row]:
        """The rows of all members a policy was ever granted to; its quota names the grants.

        A grant stands in front of its quota, so that is read beyond the moment.
        """
        own = self.store.select_streams([f"policy/{policy}"])
        events = (decode(row.topic, row.state) for row in own)
        members = {owner_of(event.grant) for event in events if hasattr(event, "grant")}
        return self.rows(*(f"member/{member}" for member in sorted(members)))

    def listed(self, entity: str, after: int = 0) -> Iterator[Row]:
        """The rows above a position that speak of a project, organisation or actor, in order."""
        positions = positions_of(self.lists(), entity, after)
        while page := list(islice(positions, PAGE)):
            yield from self.store.select_positions(page)

    def _streams(self, *streams: str) -> list[Row]:
        """The rows of some streams, and those of the ledger's own."""
        return list(merged(self.ledger_rows(), self.rows(*streams)))

    def _of_policy(self, policy: str) -> Iterable[Row]:
        return merged(self._streams(f"policy/{policy}"), self.granted(policy))

    def _of_funds(self, funds: Iterable[str]) -> Iterable[Row]:
        own = self._streams(*(f"fund/{fund}" for fund in funds))
        targets = {getattr(decode(row.topic, row.state), "target", "") for row in own}
        projects = {project_of(target) for target in targets} - {""}
        return merged(own, *(self.listed(f"project/{each}") for each in sorted(projects)))


_POSITION: Final = attrgetter("position")


def merged(*parts: Iterable[Row]) -> Iterator[Row]:
    """Rows of several parts in log order, each once."""
    last = 0
    for row in merge(*parts, key=_POSITION):
        if row.position > last:
            yield row
            last = row.position
