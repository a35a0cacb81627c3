"""What a rule is given and what it returns.

A rule is pure: `(command, books, act) -> Decision`. `books` shows the states as
they stand at one position of the log; `act` brings the clock, the caller and a
seed for salts. A rule that refuses raises an error of `errors.py`.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Protocol, TypedDict

from msgspec import Struct, field

from ledger.domain.access import Caller
from ledger.domain.events import Event
from ledger.domain.rulebook import Rulebook


class Books(Protocol):
    """The states of all streams at one position."""

    @property
    def rulebook(self) -> Rulebook:
        """State of the ledger stream. Raises LedgerNotOpened."""

    def get(self, stream: str) -> object | None:
        """State of a stream such as `member/V0001`, None when it has no events."""


class Stamp(TypedDict):
    """The fields all events of an act share."""

    timestamp: datetime
    effective_on: date
    actor: str
    key: str
    command_id: str


class Note(Struct, frozen=True):
    """A text kept outside the log: `digest` = SHA-256(salt ‖ text) stands in the event."""

    digest: str
    salt: bytes
    text: str


class Act(Struct, kw_only=True, gc=False):
    """One doing: who, when, with which command id. Rules read it and change nothing."""

    caller: Caller
    command_id: str
    #: Recorded time, UTC.
    now: datetime
    #: Today at the ledger's fixed offset.
    today: date
    #: The day the act counts on.
    effective_on: date
    #: Random bytes of the request, from which salts and key ids are derived.
    seed: bytes = b""
    #: Which command of the request this is, so that each salts its texts differently.
    line: int = 0
    #: Events that others of the act are made from, see `entry.like`.
    likes: dict[tuple[type[Event], int], tuple[object, Event]] = field(default_factory=dict)

    def stamp(self) -> Stamp:
        """The common fields of every event of this act."""
        return {
            "timestamp": self.now,
            "effective_on": self.effective_on,
            "actor": self.caller.holder,
            "key": self.caller.key,
            "command_id": self.command_id,
        }

    def note(self, name: str, text: str) -> Note:
        """Salt and hash an erasable text of the command's field `name`."""
        salt = hashlib.sha256(b"%b/%d/%b" % (self.seed, self.line, name.encode())).digest()[:16]
        return Note(hashlib.sha256(salt + text.encode()).hexdigest(), salt, text)


class Decision(Struct, kw_only=True):
    """Events by stream, in log order, and what the caller is told."""

    events: list[tuple[str, Event]] = field(default_factory=list)
    answer: dict[str, str | int | bool] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    #: The digest whose text is to be erased.
    erase: str | None = None


Rule = Callable[[Any, Books, Act], Decision]
Evolve = Callable[[Any, str, Event], object]
