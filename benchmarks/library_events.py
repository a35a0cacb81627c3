"""The same facts as the library's own events, so that its mapper and transcoder decode them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from eventsourcing.domain import AggregateEvent
from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    UUIDAsHex,
)

from ledger.log.codec import decode
from ledger.store.log import Row


class Fact(AggregateEvent):
    """Whatever fields one of our events has; days and lists are told as JSON tells them."""


def stock_mapper() -> Mapper[UUID]:
    """The library's mapper as an application makes it."""
    transcoder = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
        transcoder.register(transcoding)
    return Mapper(transcoder)


def as_stored(rows: Sequence[Row]) -> list[StoredEvent]:
    """Our rows as the library would have stored the same facts."""
    mapper = stock_mapper()
    return [mapper.to_stored_event(_fact(row)) for row in rows]


def _fact(row: Row) -> Fact:
    told = msgspec.to_builtins(decode(row.topic, row.state))
    told["timestamp"] = datetime.fromisoformat(told["timestamp"])
    told["originator_id"] = uuid5(NAMESPACE_URL, row.originator_id)
    told["originator_version"] = row.originator_version
    fact = object.__new__(Fact)
    object.__setattr__(fact, "__dict__", told)
    return fact


def decode_all(stored: Sequence[StoredEvent]) -> int:
    """Decode them one by one; how many."""
    mapper = stock_mapper()
    for event in stored:
        mapper.to_domain_event(event)
    return len(stored)
