"""Differences: which figures are not the same at two moments, and the events that make it so.

What a period was published to be at one moment, and what is known of it now, is such a difference:
late entries, corrections and withdrawals, each with its reason. The changes of all events add up
to the difference of every figure that is a sum, and so do those of active members.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, field

from ledger.domain.errors import LedgerNotOpened, NotFound
from ledger.log.codec import decode
from ledger.store.log import Row
from projections.basis import Basis, moves_of
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


def difference(
    subject: Subject, before: Standing, after: Standing, *, skip: int = 0, limit: int = 100
) -> Difference:
    """Compare a subject at two moments. Raises NotFound when it is at neither, InvalidCommand."""
    found = [_found(subject.answer, at) for at in (before, after)]
    if found == [None, None]:
        subject.answer(after)
    figures = list(_changed(*map(_figures, found)))
    causes: dict[tuple[str, str], Cause] = {}
    page, count = list[EventChange](), 0
    for event in _events(subject, before, after):
        if skip <= count < skip + limit:
            page.append(event)
        count += 1
        _tally(causes, event)
    return Difference(
        position=after.moment.position,
        as_of=after.moment.as_of,
        before=_point(before.moment),
        after=_point(after.moment),
        figures=figures,
        causes=[cause for _, cause in sorted(causes.items())],
        events=page,
        events_total=count,
    )


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


def _events(subject: Subject, before: Standing, after: Standing) -> Iterator[EventChange]:
    """The events that change any of the sums from one moment to the other, in log order."""
    bases = (_found(subject.basis, before), _found(subject.basis, after))
    sums = list(dict.fromkeys(name for basis in bases if basis for name in basis.changes))
    people = (_found(subject.people, before) or {}) if subject.people else None
    for row in _rows_between(bases, sums):
        event: Any = decode(row.topic, row.state)
        changes = _changes(bases, sums, row, event)
        if people is not None and changes.get("verified_minutes"):
            changes |= _activity(people, row.originator_id, changes["verified_minutes"])
        if changes:
            yield _event_change(row, event, changes)


_Bases = tuple[Basis | None, Basis | None]


def _rows_between(bases: _Bases, sums: list[str]) -> Iterator[Row]:
    """The rows that may make a difference: where days are the same, those between the positions."""
    known = [basis for basis in bases if basis]
    moments = [basis.standing.moment for basis in known]
    same = len({moment.as_of for moment in moments}) == 1 and all(b.is_steady for b in known)
    first = min((moment.position for moment in moments), default=0)
    after = first if same and len(known) > 1 else 0
    return merged(*(basis.rows(sums, after) for basis in known))


def _changes(bases: _Bases, sums: list[str], row: Row, event: Any) -> dict[str, int]:
    """By how much an event changes each sum, where it does."""
    found: dict[str, int] = defaultdict(int)
    for move in moves_of(row, event):
        for basis, sign in zip(bases, (-1, 1), strict=True):
            if basis is not None:
                for name in sums:
                    found[name] += sign * basis.change(name, row.position, event, move)
    return {name: change for name, change in found.items() if change}


def _activity(people: dict[str, int], stream: str, minutes: int) -> dict[str, int]:
    """Whether a member becomes active by so many minutes, or is so no more."""
    member = stream.partition("/")[2]
    was = people.get(member, 0)
    people[member] = was + minutes
    change = (people[member] > 0) - (was > 0)
    return {_ACTIVE: change} if change else {}


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


def _tally(causes: dict[tuple[str, str], Cause], event: EventChange) -> None:
    """Count an event among those of its sort and reason."""
    sort = (event.topic, event.reason_code or "")
    cause = causes.setdefault(sort, Cause(topic=event.topic, reason_code=event.reason_code))
    cause.events += 1
    for name, change in event.changes.items():
        cause.changes[name] = cause.changes.get(name, 0) + change


def sums_of(causes: Iterable[Cause]) -> dict[str, int]:
    """What all causes come to, figure by figure."""
    sums: dict[str, int] = defaultdict(int)
    for cause in causes:
        for name, change in cause.changes.items():
            sums[name] += change
    return dict(sums)
