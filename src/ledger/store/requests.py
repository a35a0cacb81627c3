"""What callers hand to the writer, and what they get back."""

import hashlib
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Any, Final, Literal, Union, get_type_hints

import msgspec
from msgspec import Struct, field

from ledger.domain.access import Caller
from ledger.domain.commands import COMMANDS, Command
from ledger.domain.decision import Note
from ledger.domain.errors import Fact, IdempotencyMismatch, InvalidCommand, Refusal
from ledger.domain.forms import fault_of
from ledger.domain.unbounded import UNBOUNDED
from ledger.log.codec import Sealed
from ledger.store.log import CommandRow

OnError = Literal["atomic", "stop", "continue"]
#: What a rule answered: ids and figures by name.
Result = dict[str, str | int | bool]

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
#: Types of values that are equal only where they are written alike; with numbers, within a type.
_TEXTUAL: Final = {str, date, NoneType}
_PLAIN: Final = {*_TEXTUAL, int, float, bool}
_DECODERS: Final = {kind: msgspec.json.Decoder(kind) for kind in COMMANDS.values()}
_ANY: Final[Any] = Union[tuple(UNBOUNDED.values())]  # noqa: UP007 (made of a list)
_BODIES: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(_ANY)


#: Random bytes fetched beforehand. A system call may give another thread a turn of milliseconds.
_SEEDS: Final[deque[bytes]] = deque()
SEED_BYTES: Final = 16
os.register_at_fork(after_in_child=_SEEDS.clear)


def new_seed() -> bytes:
    """Random bytes that nobody else gets. Thread-safe."""
    try:
        return _SEEDS.pop()
    except IndexError:
        block = os.urandom(SEED_BYTES * 256)
        _SEEDS.extend(block[n : n + SEED_BYTES] for n in range(SEED_BYTES, len(block), SEED_BYTES))
        return block[:SEED_BYTES]


class Refused(Struct, frozen=True, kw_only=True):
    """One command of several that a rule refused."""

    code: str
    message: str
    at: str = ""
    facts: dict[str, Fact] = field(default_factory=dict)

    @classmethod
    def by(cls, refusal: Refusal) -> "Refused":
        """The refusal as it is told and stored."""
        return cls(
            code=refusal.code, message=refusal.message, at=refusal.at, facts=dict(refusal.facts)
        )


Outcome = Result | Refused


class Answered(Struct, kw_only=True):
    """The answer to a request: `count` events from `first_position`, one outcome a command.

    Without events, and in a dry run, `first_position` is 0. `position` is what the answer is
    true at; read with it as `min_position` to see one's own write. `replayed`: the answer was
    given before; `events` and `recorded` (what was written, and when) are then not told again.
    """

    command_id: str
    outcomes: list[Outcome]
    first_position: int = 0
    count: int = 0
    position: int = 0
    replayed: bool = False
    events: Sequence[Sealed] = ()
    recorded: datetime | None = None
    #: The outcomes as they are stored, once that was asked for.
    stored: bytes = b""

    def as_stored(self) -> bytes:
        """The outcomes as they are stored; encoded once, however many ways they go."""
        self.stored = self.stored or encode_outcomes(self.outcomes)
        return self.stored


class Draft(Struct, kw_only=True):
    """What was decided for a request and is not written yet."""

    request: "Request"
    answered: Answered
    now: datetime
    events: list[Sealed] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)

    def place(self, head: int) -> None:
        """Say where the events will stand, after position `head`."""
        answered, count = self.answered, len(self.events)
        answered.count, answered.position = count, head
        if count and not self.request.dry_run:
            answered.first_position, answered.position = head + 1, head + count
            answered.events, answered.recorded = self.events, self.now

    @property
    def command_row(self) -> CommandRow:
        """The idempotency row, to be written in the transaction of the events.

        Of a command that wrote none it tells where they would have been, so its answer's position.
        """
        answered, request = self.answered, self.request
        return CommandRow(
            request.command_id,
            request.body_hash,
            answered.first_position or answered.position + 1,
            answered.count,
            answered.as_stored(),
        )


class Request(Struct, kw_only=True, eq=False):
    """Commands of one caller under one command id, decided together and in order."""

    commands: Sequence[Command]
    caller: Caller
    command_id: str
    on_error: OnError = "atomic"
    dry_run: bool = False
    #: The commands come from a decoder of their own types, or were checked before.
    is_decoded: bool = False
    #: Random bytes from which salts and key ids are derived.
    seed: bytes = field(default_factory=new_seed)
    #: The commands as `encode_bodies` writes them; given where they came so.
    bodies: bytes = b""
    body_hash: bytes = b""
    future: "Future[Answered]" = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.bodies = self.bodies or encode_bodies(self.commands)
        if not self.is_decoded:
            check(self.commands)
        self.body_hash = body_hash(self.bodies, self.caller.holder, self.on_error)

    @property
    def alone(self) -> bool:
        """Whether it may have to be undone in part, so that nothing else may build on it."""
        return len(self.commands) > 1 and (self.on_error == "atomic" or self.dry_run)

    def replay(self, row: CommandRow) -> None:
        """Answer as the first time, or refuse another body."""
        if row.body_hash != self.body_hash:
            self.future.set_exception(IdempotencyMismatch("command_id"))
            return
        self.future.set_result(
            Answered(
                command_id=row.command_id,
                outcomes=decode_outcomes(row.answer),
                first_position=row.first_position if row.events else 0,
                count=row.events,
                position=row.first_position + row.events - 1,
                replayed=True,
                stored=row.answer,
            )
        )

    def follow(self, twin: "Future[Answered]") -> None:
        """Take over the answer of the same command, sent twice at once."""
        if self.future.done():
            return
        error = twin.exception()
        if error is not None:
            self.future.set_exception(error)
            return
        answered = msgspec.structs.replace(twin.result(), replayed=True)
        self.future.set_result(answered)


def check(commands: Sequence[Command]) -> None:
    """Raises InvalidCommand for a command that its own type would not decode.

    Constructors of structs check nothing, and callers in Python have come by no other check.
    """
    if len(commands) > 1 and _are_well_formed(commands):
        return
    for index, command in enumerate(commands):
        try:
            _DECODERS[type(command)].decode(_ENCODER.encode(command))
        except (msgspec.MsgspecError, UnicodeError, TypeError, KeyError) as error:
            raise _invalid(index, error) from error


def _are_well_formed(commands: Sequence[Command]) -> bool:
    """Whether each distinct value of each field decodes: bulk loads repeat themselves.

    Fields are checked apart, which is all that their types do.
    """
    for kind in set(map(type, commands)):
        if kind not in _DECODERS:
            return False
        alike = [command for command in commands if type(command) is kind]
        for name, decoder in _columns(kind):
            values = list(map(attrgetter(name), alike))
            try:
                decoder.decode(_ENCODER.encode(_distinct(values)))
            except (msgspec.MsgspecError, UnicodeError, TypeError):
                return False
    return True


def _distinct(values: list[Any]) -> list[Any]:
    """Each value once, as far as it can be told. Raises TypeError for one without a hash.

    Numbers of other types are equal and would hide each other, and so do the structures and
    tuples they stand in: of these all are kept.
    """
    distinct = set(values)
    kinds = set(map(type, distinct))
    if kinds <= _TEXTUAL:
        return list(distinct)
    if kinds <= _PLAIN:
        return [value for _, value in set(zip(map(type, values), values, strict=True))]
    return values


@cache
def _columns(kind: type[Command]) -> list[tuple[str, msgspec.json.Decoder[tuple[Any, ...]]]]:
    """The fields of a command, each with what decodes a list of its values."""
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    return [
        (name, msgspec.json.Decoder(tuple[hint, ...]))  # type: ignore[valid-type]  # made here
        for name, hint in hints.items()
    ]


def encode_bodies(commands: Sequence[Command]) -> bytes:
    """The commands as lines of JSON. Raises InvalidCommand for what has no such form."""
    try:
        return _ENCODER.encode_lines(commands)
    except (msgspec.MsgspecError, UnicodeError, TypeError):
        for index, command in enumerate(commands):
            try:
                _ENCODER.encode(command)
            except (msgspec.MsgspecError, UnicodeError, TypeError) as error:
                raise _invalid(index, error) from error
        raise


def decode_bodies(bodies: bytes) -> list[Command]:
    """The commands of `encode_bodies`; their bounds were checked before they were encoded.

    Raises InvalidCommand for what is no command.
    """
    try:
        return _BODIES.decode_lines(bodies)
    except (msgspec.MsgspecError, UnicodeError):
        for index, body in enumerate(bodies.split(b"\n")):
            try:
                _BODIES.decode(body)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise _invalid(index, error) from error
        raise


def _invalid(index: int, error: Exception) -> InvalidCommand:
    fault = fault_of(error)
    refusal = InvalidCommand(fault.at, reason=fault.reason)
    refusal.index = index
    return refusal


def body_hash(bodies: bytes, holder: str, on_error: OnError) -> bytes:
    """SHA-256 of who asks for what, to tell a repeated command from another one."""
    return hashlib.sha256(f"{holder}\n{on_error}\n".encode() + bodies).digest()


def encode_outcomes(outcomes: list[Outcome]) -> bytes:
    """Outcomes as stored: a list of results; a refused one stands under `refused`."""
    told: Sequence[object] = outcomes
    if Refused in set(map(type, outcomes)):
        told = [{"refused": o} if isinstance(o, Refused) else o for o in outcomes]
    return _ENCODER.encode(told)


def decode_outcomes(answer: bytes) -> list[Outcome]:
    """The stored outcomes."""
    return [
        msgspec.convert(o["refused"], Refused) if "refused" in o else o
        for o in msgspec.json.decode(answer)
    ]
