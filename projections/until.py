"""Until a day: what is left of an event when only what counts on that day or before is folded.

The folds know no days: they are handed the event without the quantities that count later, or
not at all. What a thing is, the latest event until the day says; where there is none, the first
that is known does, so that nothing that moved is nameless.
"""

from collections import defaultdict
from typing import Any, Final

from msgspec.structs import replace

from ledger.domain.events import Event, MemberKindsChanged, MemberRegistered
from projections.postings import POSTINGS
from projections.session import Snapshot

#: Topic → day → fields that count on it, and what is left of each when it is later.
_COUNTED: Final[dict[str, dict[str, dict[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
for _row in POSTINGS:
    _field = _row.quantity.partition(".")[0]
    _fields = _COUNTED[_row.topic][_row.date]
    if not _field.isdigit():
        _fields[_field] = () if _field == "lots" else 0
#: What counts by the day of the act alone, as all events do that move nothing.
_OF_THE_ACT: Final[dict[str, dict[str, Any]]] = {"effective_on": {}}
#: That there is a ledger, and what a day is in it, holds for every day.
_FOR_EVER: Final = "LedgerOpened"
#: What says what a thing is.
_NAMING: Final = frozenset({
    "MemberRegistered", "MemberMoved", "MemberKindsChanged", "OrganisationRegistered",
    "ProjectOpened", "PolicyDefined", "PolicyAmended", "FundOpened",
})  # fmt: skip


class Until:
    """What events are until a snapshot's day, taken in log order."""

    def __init__(self, snapshot: Snapshot) -> None:
        assert snapshot.as_of is not None
        self._as_of = snapshot.as_of
        #: Streams of what has been named already.
        self._named = {f"member/{row[0]}" for row in snapshot.rows("SELECT member FROM {g}members")}
        for kind, owner in snapshot.rows("SELECT type, id FROM {g}catalogue"):
            self._named.add(f"{kind}/{owner}")

    def left_of(self, stream: str, event: Event) -> Event | None:
        """The event with what counts until the day; None when nothing of it does."""
        topic = type(event).__name__
        days = _COUNTED.get(topic, _OF_THE_ACT)
        later = {day: fields for day, fields in days.items() if getattr(event, day) > self._as_of}
        if len(later) == len(days) and topic != _FOR_EVER:
            return None
        if topic in _NAMING:
            self._named.add(stream)
        nothing = {name: none for fields in later.values() for name, none in fields.items()}
        return replace(event, **nothing) if nothing else event

    def name_in(self, stream: str, event: Event) -> Event | None:
        """An event that names a thing of which nothing else is known, and does nothing more."""
        if type(event).__name__ not in _NAMING or stream in self._named:
            return None
        self._named.add(stream)
        return _named_only(event) if isinstance(event, MemberRegistered) else event


def _named_only(event: MemberRegistered) -> MemberKindsChanged:
    """A registration that registers nobody yet: the member stays what it is."""
    common: dict[str, Any] = {name: getattr(event, name) for name in Event.__struct_fields__}
    return MemberKindsChanged(
        region=event.region, kinds_before=event.kinds, kinds_after=event.kinds, **common
    )
