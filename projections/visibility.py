"""Visibility: which events of a list a caller may see, and what of them.

A list of events is of a subject the caller sees; what it tells of others is judged by these.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from ledger.domain.access import Caller
from ledger.domain.activity import find_activity
from ledger.domain.decision import Books
from ledger.domain.errors import Forbidden, NotFound
from ledger.domain.key import find_key
from ledger.domain.values import owner_of
from ledger.log.codec import decode
from ledger.store.log import LogStore, Row
from projections.scope import CHECKS, is_reader
from projections.session import Snapshot

#: Streams whose events belong to the organisation they name, and to the region of its project.
#: What a fund's events name is whom its money is for.
_OF_OTHERS: Final = ("member/", "activity/")
#: What is in no table and lies in a scope whole: what finds it for a caller.
BY_BOOKS: Final[Mapping[str, Callable[..., object]]] = {"activity": find_activity, "key": find_key}


class _Placed(Protocol):
    """What is told of an event of the log."""

    @property
    def position(self) -> int: ...


T = TypeVar("T", bound=_Placed)


class Visibility:
    """Which events a caller sees, as things stand now. What was asked of the tables is kept.

    An event is seen by who sees what its stream is about; an entry, an activity or a joining
    also belongs to an organisation, and entries and activities to the region of their project.
    """

    def __init__(self, snapshot: Snapshot, caller: Caller) -> None:
        self._snapshot, self._caller = snapshot, caller
        self._seen: dict[str, bool] = {}

    def sees(self, row: Row) -> bool:
        """Whether an event lies within the caller's scope."""
        if self._caller.is_whole:
            return True
        if not self._sees_stream(row.originator_id):
            return False
        if not row.originator_id.startswith(_OF_OTHERS):
            return True
        event: Any = decode(row.topic, row.state)
        if hasattr(event, "project") and not self._caller.sees_region(event.region):
            return False
        owner = getattr(event, "organisation", None)
        return owner is None or self._caller.sees_organisation(owner)

    def hidden(self, row: Row, event: Any) -> Collection[str]:
        """Fields of an event that name a member the caller does not see."""
        member = named_member(row, event)
        is_seen = self._caller.is_whole or not member or self._sees_stream(f"member/{member}")
        return () if is_seen else ("grant",)

    def sees_line(self, row: Row) -> bool:
        """Whether a line, with all that it says, is for the caller.

        A funder never sees members: a line that names one is for whose key reads trails.
        """
        event = decode(row.topic, row.state)
        if named_member(row, event) and not is_reader(self._caller, "trail"):
            return False
        return self.sees(row) and not self.hidden(row, event)

    def shown(self, store: LogStore, page: Sequence[T], unnamed: Callable[[T], T]) -> list[T]:
        """What is told of events, without the names where one lies outside the scope.

        Such an event counts: it is listed, or the page would not add up to the figure.
        """
        unseen = self.unseen(store, {each.position for each in page})
        return [unnamed(each) if each.position in unseen else each for each in page]

    def unseen(self, store: LogStore, positions: Collection[int]) -> set[int]:
        """Those of the positions whose events lie outside the caller's scope."""
        rows = () if self._caller.is_whole else store.select_positions(sorted(positions))
        return {row.position for row in rows if not self.sees(row)}

    def _sees_stream(self, stream: str) -> bool:
        """Whether the caller sees what a stream is about; its events tell of some by themselves."""
        if stream not in self._seen:
            kind, _, name = stream.partition("/")
            try:
                if kind in CHECKS:
                    CHECKS[kind](self._snapshot, self._caller, name, kind)
                self._seen[stream] = True
            except NotFound:
                self._seen[stream] = False
        return self._seen[stream]


def check_trail(
    snapshot: Snapshot, books: Callable[[], Books], caller: Caller, kind: str, name: str
) -> None:
    """Whether the trail of a thing is shown to a caller, as far as the scope goes.

    Raises Forbidden (`type`), NotFound (`id`). A member's trail leads into all organisations.
    """
    if caller.is_whole:
        return
    if kind in BY_BOOKS:
        BY_BOOKS[kind](books(), name, caller, at="id")
    elif kind not in CHECKS or (kind == "member" and caller.organisations):
        raise Forbidden("type", type=kind)
    else:
        CHECKS[kind](snapshot, caller, name, "id")


def named_member(row: Row, event: Any) -> str:
    """The member an event is about, or whose grant it names; empty where there is none."""
    kind, _, owner = row.originator_id.partition("/")
    if kind == "member":
        return owner
    return owner_of(getattr(event, "grant", None) or "")
