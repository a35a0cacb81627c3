"""Moments: up to where in the log an answer knows, and up to which day it counts.

`known_at` is a position, or a time that stands for the last position recorded by then.
A time that has not passed is refused: what is recorded until then is not known yet.
"""

import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from ledger.domain.errors import InvalidCommand
from ledger.store.log import LogStore

_POSITION: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
#: What `known_at` looks like, for descriptions of it.
KNOWN_AT: Final = (
    r"([0-9]{1,16}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2}))"
)
#: An offset as it arrives when its + was read as a space.
_LOST_PLUS: Final = re.compile(r" [0-9]{2}:[0-9]{2}$")


class _Recorded(Struct):
    timestamp: datetime


_RECORDED: Final = msgspec.json.Decoder(_Recorded)


class Moment(NamedTuple):
    """What an answer is true at: moves up to a position that count on a day or before."""

    position: int
    #: None: whatever day they count on.
    as_of: date | None = None
    #: The time asked for, or when the position was recorded; None: now.
    time: datetime | None = None

    def counts(self, position: int, day: date) -> bool:
        """Whether a move at a position that counts on a day is within."""
        return position <= self.position and (self.as_of is None or day <= self.as_of)


def find_moment(
    store: LogStore, known_at: str | None, as_of: date | None = None, at: str = "known_at"
) -> Moment:
    """The moment of a `known_at` as it is written; without one, the end of the log now.

    Raises InvalidCommand at the field `at` for what is neither a position nor a time, and for
    what the log has not reached yet.
    """
    head = store.head().position
    if known_at is None:
        return Moment(head, as_of)
    if _POSITION.fullmatch(known_at):
        position = int(known_at)
        if position > head:
            raise InvalidCommand(at, reason="the log is not that long", head=head)
        return Moment(position, as_of, recorded_at(store, position))
    time = _time_of(known_at, at)
    return Moment(position_at(store, time, head), as_of, time)


def check_published(published: Moment, known: Moment) -> None:
    """What was published cannot know more than what is known of it. Raises InvalidCommand."""
    if published.position > known.position:
        reason = "later than what it is compared with"
        raise InvalidCommand("published_at", reason=reason, position=known.position)


def _time_of(text: str, at: str) -> datetime:
    """An RFC 3339 time that has passed. Raises InvalidCommand."""
    if not re.fullmatch(KNOWN_AT, text):
        reason = "neither a position nor an RFC 3339 time such as 2025-06-30T16:00:00Z"
        if _LOST_PLUS.search(text):
            reason += " (in an address, + is written %2B)"
        raise InvalidCommand(at, reason=reason)
    try:
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidCommand(at, reason="there is no such time") from None
    if time > datetime.now(UTC):
        raise InvalidCommand(at, reason="this time has not passed yet")
    return time


def position_at(store: LogStore, time: datetime, head: int) -> int:
    """The last position recorded at or before a time; 0 when there is none.

    Recorded times never run backwards along the log, so a few rows tell.
    """
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        recorded = recorded_at(store, middle)
        assert recorded is not None
        if recorded <= time:
            low = middle
        else:
            high = middle - 1
    return low


def recorded_at(store: LogStore, position: int) -> datetime | None:
    """When the event at a position was recorded; None before the first."""
    for row in store.select_positions([position]) if position else ():
        return _RECORDED.decode(row.state).timestamp
    return None
