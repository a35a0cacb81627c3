"""Events to bytes and back: strict, typed, canonical (RFC 8785 for our subset).

The mapper is the library's seam between domain and store; topics are our own
allow-list, so a topic in the database imports nothing, and what does not read
back to the very same bytes is refused.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, get_args

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from msgspec import Struct, StructMeta
from msgspec.structs import fields

from ledger.domain.errors import CorruptLog
from ledger.domain.events import TOPICS, Event
from ledger.log import merkle

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODERS: Final = {topic: msgspec.json.Decoder(cls) for topic, cls in TOPICS.items()}

#: RFC 8785 keeps integers exact up to here.
INTEGER_MAX: Final = 2**53 - 1
#: What may be an integer beyond it, or digits in a text.
_LONG_NUMBER: Final = re.compile(rb"\d{16}")

#: Encode an event's state: sorted ASCII keys, integers only, absent fields omitted.
encode = _ENCODER.encode


def _holds_structures(hint: Any) -> bool:
    return isinstance(hint, StructMeta) or any(map(_holds_structures, get_args(hint)))


_UNSORTED: Final = msgspec.json.Encoder()
#: The topic of each kind of event and what encodes it: its fields stand in order, those of what it
#: holds need not.
_SEALS: Final[dict[type[Event], tuple[str, Callable[[Event], bytes]]]] = {
    kind: (
        topic,
        encode if any(_holds_structures(f.type) for f in fields(kind)) else _UNSORTED.encode,
    )
    for topic, kind in TOPICS.items()
}

_LINE: Final = (
    b'{"originator_id":"%b","originator_version":%d,"position":%d,"state":%b,"topic":"%b"}'
)


class Recorded(Struct, frozen=True):
    """The envelope the library stores and loads: an event at its place in its stream."""

    originator_id: str
    originator_version: int
    event: Event


class Sealed(Struct, frozen=True, array_like=True, gc=False):
    """An event encoded for its stream, without a place in the log yet."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes


def seal(stream: str, version: int, event: Event) -> Sealed:
    """Encode an event for its place in a stream."""
    topic, encoded = _SEALS[type(event)]
    return Sealed(stream, version, topic, encoded(event))


def check_sealed(events: Iterable[Sealed]) -> None:
    """What would not decode is refused before it is stored: constructors of structs check nothing.

    Raises CorruptLog.
    """
    for event in events:
        decode(event.topic, event.state)


def decode(topic: str, state: bytes) -> Event:
    """The event of a stored state. Raises CorruptLog for an unknown topic, field or form."""
    decoder = _DECODERS.get(topic)
    if decoder is None:
        raise CorruptLog("topic", topic=topic)
    try:
        return decoder.decode(state)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptLog("state", topic=topic, error=str(error)) from error


def decode_canonical(topic: str, state: bytes) -> Event:
    """As `decode`, and refuses a state that is not exactly what `encode` writes."""
    event = decode(topic, state)
    if encode(event) != state or event.timestamp.tzname() != "UTC":
        raise CorruptLog("state", topic=topic, error="not canonical")
    if _LONG_NUMBER.search(state) is not None:
        _check_numbers(topic, state)
    return event


def _check_numbers(topic: str, state: bytes) -> None:
    """Integers lie within what RFC 8785 keeps exact. Raises CorruptLog."""

    def parse(digits: str) -> int:
        if abs(int(digits)) > INTEGER_MAX:
            raise CorruptLog("state", topic=topic, error="a number beyond 2^53 - 1")
        return int(digits)

    json.loads(state, parse_int=parse)


def line(position: int, originator_id: str, version: int, topic: str, state: bytes) -> bytes:
    """The canonical line of a row, spliced around the stored state; no newline.

    Ids and topics are ASCII without quotes or backslashes, so they need no escaping.
    """
    return _LINE % (originator_id.encode(), version, position, state, topic.encode())


_LEAF: Final = merkle.LEAF_PREFIX + _LINE


def leaves(events: Sequence[Sealed], first: int) -> list[bytes]:
    """The leaf hashes of events at positions from `first` on: `merkle.leaf_hash` of their lines."""
    return [
        sha256(
            _LEAF
            % (
                event.originator_id.encode(),
                event.originator_version,
                position,
                event.state,
                event.topic.encode(),
            )
        ).digest()
        for position, event in enumerate(events, first)
    ]


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A line taken apart; the state as it stands there."""

    originator_id: str
    originator_version: int
    position: int
    state: msgspec.Raw
    topic: str


_LINES: Final = msgspec.json.Decoder(Line)


def parse_line(text: bytes) -> Line:
    """An exported line taken apart, no newline. Raises CorruptLog unless `line` gives it again."""
    try:
        found = _LINES.decode(text)
        state = bytes(found.state)
        again = line(
            found.position, found.originator_id, found.originator_version, found.topic, state
        )
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CorruptLog("line", error=str(error)) from None
    if again != text:
        raise CorruptLog("line", error="not canonical")
    return found


class NoTranscoder(Transcoder):
    """The library asks for a transcoder; the codec needs none (and JSON markers poison it)."""

    def encode(self, obj: Any) -> bytes:
        """Never called. Raises NotImplementedError."""
        raise NotImplementedError

    def decode(self, data: bytes) -> Any:
        """Never called. Raises NotImplementedError."""
        raise NotImplementedError


class EventMapper(Mapper[str]):
    """The library's mapper over the codec: `Recorded` ↔ `StoredEvent`."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Encode; what does not decode to the same event is refused before it is stored."""
        event = domain_event.event
        topic, state = type(event).__name__, encode(event)
        if decode(topic, state) != event:
            raise CorruptLog("event", topic=topic, error="does not read back")
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, topic, state
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Decode. Raises CorruptLog."""
        return Recorded(
            str(stored_event.originator_id),
            stored_event.originator_version,
            decode(stored_event.topic, stored_event.state),
        )
