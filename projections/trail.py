"""The trail: everything that happened to something, event by event, with before and after.

What has a stream of its own (member, fund, policy, activity …) is read there. For
projects, organisations and actors, which many streams speak of, the positions of
their events are kept in compact lists: one row for each 4096 positions of the log,
two bytes for each event.
"""

import sys
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from ledger.domain import errors
from ledger.domain.errors import InvalidCommand, NotFound
from ledger.domain.events import TOPICS, Event, StreamType
from ledger.log import codec
from ledger.store.log import LogStore, Row
from projections.folding import Handler
from projections.postings import POSTINGS
from projections.session import Snapshot
from projections.tables import Column, Deltas, Record, Table, integers, text
from projections.totals import project_of
from projections.visibility import Visibility

#: Positions of the log that share a row.
BLOCK: Final = 4096
TRAIL: Final = Table(
    "trail",
    (*text("entity"), *integers("block", merge="key"), Column("offsets", "bytes", "append")),
)
TABLES: Final = (TRAIL,)
#: Rows of the log that are read at a time.
PAGE: Final = 500

#: What many streams speak of.
LISTED: Final = ("project", "organisation", "actor")
#: Topics of the streams of these entities themselves.
_OWN: Final = {
    "OrganisationRegistered": "organisation",
    "ProjectOpened": "project",
    "ProjectClosed": "project",
}
#: What is raised for an entity nothing ever happened to.
_NOT_FOUND: Final[Mapping[str, type[NotFound]]] = {
    "member": errors.MemberNotFound,
    "organisation": errors.OrganisationNotFound,
    "project": errors.ProjectNotFound,
    "activity": errors.ActivityNotFound,
    "policy": errors.PolicyNotFound,
    "fund": errors.FundNotFound,
    "key": errors.KeyNotFound,
}
#: Topics whose events name a project, and at times a team.
_OF_TEAMS: Final = frozenset(
    topic for topic, kind in TOPICS.items() if {f.name for f in fields(kind)} >= {"project", "team"}
)
_COMMON: Final = frozenset(f.name for f in fields(Event))
#: The days an event counts on: that of the act, and those of its moves.
_DAYS: Final = {
    topic: ("effective_on", *dict.fromkeys(row.date for row in POSTINGS if row.topic == topic))
    for topic in TOPICS
}


class Entry(Struct, frozen=True, kw_only=True):
    """One event of a trail. `changes`: what the event says was before and is after."""

    position: int
    recorded: datetime
    effective_on: date
    actor: str
    key: str
    command_id: str
    stream: str
    topic: str
    fields: dict[str, Any]
    changes: dict[str, tuple[Any, Any]]


class Trail(Struct, frozen=True, kw_only=True):
    """Entries in log order; `after` is where the next page begins, None at the end.

    As of a day: the events that count, or of which a move counts, on it or before.
    """

    position: int
    as_of: date | None = None
    entity: str
    entries: list[Entry]
    after: int | None


class TrailFold:
    """Positions that spoke of something since the last drain."""

    def __init__(self, _: Snapshot) -> None:
        self._projects: defaultdict[str, list[int]] = defaultdict(list)
        self._organisations: defaultdict[str, list[int]] = defaultdict(list)
        self._actors: defaultdict[str, list[int]] = defaultdict(list)
        self._lists = dict(
            zip(LISTED, (self._projects, self._organisations, self._actors), strict=True)
        )

    def handlers(self) -> Mapping[str, Handler]:
        """All topics: every event has an actor."""
        return {topic: self._handler(topic) for topic in TOPICS}

    def _handler(self, topic: str) -> Handler:
        return self._hours if topic in _OF_TEAMS else self._other

    def _hours(self, position: int, _: str, event: Any) -> None:
        self._projects[event.project].append(position)
        self._organisations[event.organisation].append(position)
        self._actors[event.actor].append(position)
        if event.team is not None and event.team != event.organisation:
            self._organisations[event.team].append(position)

    def _other(self, position: int, owner: str, event: Any) -> None:
        named = {(entity, getattr(event, entity, "")) for entity in LISTED}
        named.add(("project", project_of(getattr(event, "target", ""))))
        topic = type(event).__name__
        if topic in _OWN:
            named.add((_OWN[topic], owner))
        for entity, entity_id in named:
            if entity_id:
                self._lists[entity][entity_id].append(position)

    def drain(self) -> Deltas:
        """The deltas gathered so far; gathering begins anew."""
        rows: list[Record] = [
            (f"{entity}/{entity_id}", block, _packed(positions))
            for entity, lists in self._lists.items()
            for entity_id, all_positions in lists.items()
            for block, positions in _blocks(all_positions)
        ]
        for lists in self._lists.values():
            lists.clear()
        return [(TRAIL, rows)]


def _blocks(positions: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Positions in log order by the blocks they stand in."""
    start = 0
    while start < len(positions):
        block = positions[start] // BLOCK
        end = bisect_left(positions, (block + 1) * BLOCK, start)
        yield block, positions[start:end]
        start = end


def _swapped(offsets: "array[int]") -> "array[int]":
    """Two-byte numbers as they are stored, the high byte first."""
    if sys.byteorder == "little":
        offsets.byteswap()
    return offsets


def _packed(positions: Iterable[int]) -> bytes:
    """Positions of one block as they are stored."""
    return _swapped(array("H", [position % BLOCK for position in positions])).tobytes()


def positions_of(snapshot: Snapshot, entity: str, after: int = 0) -> Iterator[int]:
    """Positions above `after` of events that spoke of a project, organisation or actor."""
    for block, offsets in snapshot.stream(
        "SELECT block, offsets FROM {g}trail WHERE entity = ? AND block >= ? ORDER BY block",
        entity,
        after // BLOCK,
    ):
        for offset in _swapped(array("H", bytes(offsets))):
            position = block * BLOCK + offset
            if position > snapshot.position:
                return
            if position > after:
                yield position


def trail(
    store: LogStore,
    snapshot: Snapshot,
    entity: str,
    after: int = 0,
    limit: int = 100,
    *,
    visibility: Visibility | None = None,
) -> Trail:
    """Up to `limit` events of an entity such as `member/V0001` or `project/P001`, after a position.

    Those that are visible, without visibility all. Raises InvalidCommand for an unknown type,
    NotFound for what nothing ever happened to.
    """
    kind, _, entity_id = entity.partition("/")
    if kind not in (*get_args(StreamType), "actor") or not entity_id:
        allowed = ", ".join((*get_args(StreamType), "actor"))
        raise InvalidCommand("entity", form="type/id", allowed=allowed)
    within = (
        row
        for row in rows_of(store, snapshot, entity, after)
        if _counts(row, snapshot) and (visibility is None or visibility.sees(row))
    )
    rows = list(islice(within, limit + 1))
    if not rows and not any(rows_of(store, snapshot, entity)):
        raise _NOT_FOUND.get(kind, NotFound)("entity", entity=entity)
    page = rows[:limit]
    return Trail(
        position=snapshot.position,
        as_of=snapshot.as_of,
        entity=entity,
        entries=[_entry(row, visibility) for row in page],
        after=page[-1].position if len(rows) > limit else None,
    )


def rows_of(store: LogStore, snapshot: Snapshot, entity: str, after: int = 0) -> Iterator[Row]:
    """The rows of an entity above a position, none beyond what the snapshot stands at."""
    if entity.partition("/")[0] not in LISTED:
        for row in store.select_streams([entity]):
            if after < row.position <= snapshot.position:
                yield row
        return
    positions = positions_of(snapshot, entity, after)
    while page := list(islice(positions, PAGE)):
        yield from store.select_positions(page)


def _counts(row: Row, snapshot: Snapshot) -> bool:
    """Whether an event counts until the snapshot's day."""
    if snapshot.as_of is None:
        return True
    event = codec.decode(row.topic, row.state)
    return any(getattr(event, day) <= snapshot.as_of for day in _DAYS[row.topic])


def _entry(row: Row, visibility: Visibility | None) -> Entry:
    """An event as the trail shows it."""
    event = codec.decode(row.topic, row.state)
    told = msgspec.to_builtins(event)
    untold = {*_COMMON, *(visibility.hidden(row, event) if visibility else ())}
    return Entry(
        position=row.position,
        recorded=event.timestamp,
        effective_on=event.effective_on,
        actor=event.actor,
        key=event.key,
        command_id=event.command_id,
        stream=row.originator_id,
        topic=row.topic,
        # In the order they were written down: what an act is about comes first.
        fields={n: told[n] for n in type(event).declared if n in told and n not in untold},
        changes=_changes(event),
    )


def _changes(event: Event) -> dict[str, tuple[Any, Any]]:
    """What was before and is after: of `level_before` and `level_after` the `level`.

    `before` and `after` alone are the minutes of an entry.
    """
    changes = {}
    for name in event.__struct_fields__:
        if name.endswith("before"):
            after = name.removesuffix("before") + "after"
            what = name.removesuffix("before").rstrip("_") or "minutes"
            changes[what] = (getattr(event, name), getattr(event, after))
    return changes
