"""Differences: which figures are not the same at two moments, and the events that make it so.

What a period was published to be at one moment, and what is known of it now, is such a difference:
late entries, corrections and withdrawals, each with its reason. The changes of all events add up
to the difference of every figure that is a sum, and so do those of active members.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct, field

from ledger.domain.errors import LedgerNotOpened, NotFound
from ledger.log.codec import decode
from ledger.store.log import LogStore, Row
from projections.basis import Basis, Changes, moves_of
from projections.comparisons import Comparisons
from projections.moments import Moment
from projections.standing import Standing, merged
from projections.subjects import Subject

#: What an answer says of itself, not of its subject.
_OF_THE_ANSWER: Final = ("position", "as_of", "stars_on", "group_by", "filters", "non_additive")
_ACTIVE: Final = "active"

T = TypeVar("T")
#: Part of the answer, its keys, figure.
_Name = tuple[str, tuple[tuple[str, str], ...], str]


class Point(Struct, frozen=True, kw_only=True):
    """A moment that is compared."""

    position: int
    as_of: date | None
    #: The time asked for, or when the position was recorded.
    time: datetime | None


class Changed(Struct, frozen=True, kw_only=True):
    """A figure that is not the same; None where there was none. `change` of numbers."""

    #: The list of the answer it stands in, empty for the answer itself, and its line there.
    part: str
    keys: dict[str, str]
    figure: str
    before: Any
    after: Any
    change: int | None


class EventChange(Struct, frozen=True, kw_only=True):
    """An event that makes a difference: more where it came in, less where it is counted no more.

    Of one outside the reader's scope neither entry nor actor is told, and of its stream the type.
    """

    position: int
    recorded: datetime
    effective_on: date
    stream: str
    topic: str
    actor: str
    reason_code: str | None
    entry: str | None
    changes: dict[str, int]


def unnamed(event: EventChange) -> EventChange:
    """The same without what names whom or what it is about."""
    kind = event.stream.partition("/")[0]
    return msgspec.structs.replace(event, stream=kind, actor="", entry=None)


class Cause(Struct, kw_only=True):
    """All such events of one sort, with one reason."""

    topic: str
    reason_code: str | None
    events: int = 0
    changes: dict[str, int] = field(default_factory=dict)


class Difference(Struct, frozen=True, kw_only=True):
    """What changed from one moment to another, why, and by which events (a page of them).

    `position` and `as_of` are those of the later answer.
    """

    position: int
    as_of: date | None
    before: Point
    after: Point
    figures: list[Changed]
    causes: list[Cause]
    events: list[EventChange]
    #: How many events there are on all pages.
    events_total: int


class _Side(NamedTuple):
    """One of the moments: what it counts is taken away (-1) or added (1), and changes figures."""

    sign: int
    moment: Moment
    changes: Changes


class Compared(Struct, frozen=True, kw_only=True):
    """What is the same on every page of a difference: only the events are told page by page."""

    figures: list[Changed]
    causes: list[Cause]
    #: Of the events, in log order.
    positions: "array[int]"
    #: Position of an event that changes how many members are active → by how many.
    activity: dict[int, int]
    sides: list[_Side]


def difference(
    subject: Subject,
    before: Standing,
    after: Standing,
    *,
    skip: int = 0,
    limit: int = 100,
    comparisons: Comparisons[Compared] | None = None,
) -> Difference:
    """Compare a subject at two moments; what was compared lately is in `comparisons`.

    Raises NotFound when it is at neither, InvalidCommand.
    """
    key = subject.name, before.moment[:2], after.moment[:2]
    kept = comparisons if comparisons and subject.name else Comparisons[Compared]()
    compared = kept.of(key, lambda: _compare(subject, before, after))
    return Difference(
        position=after.moment.position,
        as_of=after.moment.as_of,
        before=_point(before.moment),
        after=_point(after.moment),
        figures=compared.figures,
        causes=compared.causes,
        events=_page(compared, after.store, slice(skip, skip + limit)),
        events_total=len(compared.positions),
    )


def _compare(subject: Subject, before: Standing, after: Standing) -> Compared:
    """Ask for all figures at both moments, and go through all events that may change them."""
    found = [_found(subject.answer, at) for at in (before, after)]
    if found == [None, None]:
        subject.answer(after)
    causes: dict[tuple[str, str], Cause] = {}
    positions, activity = array("q"), dict[int, int]()
    people = (_found(subject.people, before) or {}) if subject.people else None
    bases = [(sign, _found(subject.basis, at)) for sign, at in ((-1, before), (1, after))]
    known = [basis for _, basis in bases if basis]
    sides = [_Side(sign, b.standing.moment, b.changes) for sign, b in bases if b]
    for row in _rows_between(known):
        event: Any = decode(row.topic, row.state)
        changes = _changes(sides, row, event)
        minutes = changes.get("verified_minutes", 0)
        if people is not None and (active := _activity(people, row.originator_id, minutes)):
            changes[_ACTIVE] = activity[row.position] = active
        if changes:
            positions.append(row.position)
            _tally(causes, row.topic, event, changes)
    return Compared(
        figures=list(_changed(*map(_figures, found))),
        causes=[cause for _, cause in sorted(causes.items())],
        positions=positions,
        activity=activity,
        sides=sides,
    )


def _page(compared: Compared, store: LogStore, of: slice) -> list[EventChange]:
    """Some of the events, and what each of them changes."""
    page = list[EventChange]()
    for row in store.select_positions(compared.positions[of]):
        event = decode(row.topic, row.state)
        changes = _changes(compared.sides, row, event)
        if active := compared.activity.get(row.position):
            changes[_ACTIVE] = active
        page.append(_event_change(row, event, changes))
    return page


def _point(moment: Moment) -> Point:
    return Point(position=moment.position, as_of=moment.as_of, time=moment.time)


def _found(ask: Callable[[Standing], T], at: Standing) -> T | None:
    """What is answered at a moment, None where there was no such thing yet."""
    try:
        return ask(at)
    except (NotFound, LedgerNotOpened):
        return None


def _figures(answer: Struct | None) -> dict[_Name, Any]:
    """All that an answer says, by where it stands."""
    found: dict[_Name, Any] = {}
    _collect("", msgspec.to_builtins(answer) if answer else {}, found)
    return found


def _collect(part: str, told: dict[str, Any], found: dict[_Name, Any]) -> None:
    """Of a line of a list the texts are its keys; of the answer itself they are figures, too."""
    keys = tuple((name, value) for name, value in told.items() if part and isinstance(value, str))
    for name, value in told.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for line in value:
                _collect(f"{part}.{name}".strip("."), {**dict(keys), **line}, found)
        elif name not in _OF_THE_ANSWER and (name, value) not in keys:
            found[part, keys, name] = value


def _changed(before: dict[_Name, Any], after: dict[_Name, Any]) -> Iterator[Changed]:
    """The figures that are not the same; what one of them lacks is nothing."""
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        if was == now or (not was and not now):
            continue
        numbers = type(was if now is None else now) is int
        yield Changed(
            part=name[0],
            keys=dict(name[1]),
            figure=name[2],
            before=was,
            after=now,
            change=(now or 0) - (was or 0) if numbers else None,
        )


def _rows_between(bases: list[Basis]) -> Iterator[Row]:
    """The rows that may make a difference: where days are the same, those between the positions."""
    sums = list(dict.fromkeys(name for basis in bases for name in basis.changes))
    moments = [basis.standing.moment for basis in bases]
    same = len({moment.as_of for moment in moments}) == 1 and all(b.is_steady for b in bases)
    first = min((moment.position for moment in moments), default=0)
    after = first if same and len(bases) > 1 else 0
    return merged(*(basis.rows(sums, after) for basis in bases))


def _changes(sides: list[_Side], row: Row, event: Any) -> dict[str, int]:
    """By how much an event changes each sum, where it does."""
    found: dict[str, int] = defaultdict(int)
    for move in moves_of(row, event):
        for sign, moment, changes in sides:
            if moment.counts(row.position, move.day):
                for name, change in changes.items():
                    found[name] += sign * change(row.position, event, move)
    return {name: change for name, change in found.items() if change}


def _activity(people: dict[str, int], stream: str, minutes: int) -> int:
    """Whether a member becomes active by so many minutes (1), or is so no more (-1)."""
    member = stream.partition("/")[2]
    was = people.get(member, 0)
    people[member] = was + minutes
    return (people[member] > 0) - (was > 0)


def _event_change(row: Row, event: Any, changes: dict[str, int]) -> EventChange:
    return EventChange(
        position=row.position,
        recorded=event.timestamp,
        effective_on=event.effective_on,
        stream=row.originator_id,
        topic=row.topic,
        actor=event.actor,
        reason_code=getattr(event, "reason_code", None),
        entry=getattr(event, "entry", None),
        changes=changes,
    )


def _tally(
    causes: dict[tuple[str, str], Cause], topic: str, event: Any, changes: dict[str, int]
) -> None:
    """Count an event among those of its sort and reason."""
    reason = getattr(event, "reason_code", None)
    cause = causes.setdefault((topic, reason or ""), Cause(topic=topic, reason_code=reason))
    cause.events += 1
    for name, change in changes.items():
        cause.changes[name] = cause.changes.get(name, 0) + change


def sums_of(causes: Iterable[Cause]) -> dict[str, int]:
    """What all causes come to, figure by figure."""
    sums: dict[str, int] = defaultdict(int)
    for cause in causes:
        for name, change in cause.changes.items():
            sums[name] += change
    return dict(sums)
