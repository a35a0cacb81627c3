"""What goes to a writer in another process and what comes back: requests, answers, errors.

Commands go as the lines their hash is made of, so that they are encoded once; whoever sends them
has checked them, and the other side decodes them without their bounds. Errors come back as they
were raised: the class by its code, where, with which facts. All of it is MessagePack.
"""

import traceback
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.errors import Fact, LedgerError, all_errors
from ledger.log.codec import Sealed
from ledger.store.requests import (
    Answered,
    OnError,
    Request,
    decode_bodies,
    decode_outcomes,
)

#: Events of an answer that go along: enough for the receipt of a single command. Who needs those
#: of a larger one finds them in the log.
EVENTS_TOLD_MAX: Final = 100


class Asked(Struct, frozen=True, array_like=True, gc=False):
    """A request, and the number under which it is answered."""

    number: int
    bodies: bytes
    caller: Caller
    command_id: str
    on_error: OnError
    dry_run: bool
    seed: bytes


class Failed(Struct, frozen=True, array_like=True, gc=False):
    """An error; without a code it is none of the ledger's, and `at` is its text."""

    code: str
    at: str
    facts: dict[str, Fact] = {}
    index: int | None = None


class Told(Struct, frozen=True, array_like=True, gc=False):
    """What became of a request: an answer as in `Answered`, or an error."""

    number: int
    #: As they are stored.
    outcomes: bytes = b""
    first_position: int = 0
    count: int = 0
    position: int = 0
    replayed: bool = False
    #: None where there are many.
    events: list[Sealed] | None = None
    recorded: datetime | None = None
    failed: Failed | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_ASKED: Final = msgspec.msgpack.Decoder(Asked)
_TOLD: Final = msgspec.msgpack.Decoder(Told)


class WriterFailed(RuntimeError):  # noqa: N818  named for what happened
    """The writer met with something that is no error of the ledger; its process has told more."""


def encode_request(number: int, request: Request) -> bytes:
    """A request on its way."""
    return _ENCODER.encode(
        Asked(
            number,
            request.bodies,
            request.caller,
            request.command_id,
            request.on_error,
            request.dry_run,
            request.seed,
        )
    )


def decode_asked(content: bytes) -> Asked:
    """What was asked, its commands not looked at yet. Raises msgspec.MsgspecError."""
    return _ASKED.decode(content)


def request_of(asked: Asked) -> Request:
    """The request that was asked. Raises InvalidCommand."""
    return Request(
        commands=decode_bodies(asked.bodies),
        caller=asked.caller,
        command_id=asked.command_id,
        on_error=asked.on_error,
        dry_run=asked.dry_run,
        is_decoded=True,
        seed=asked.seed,
        bodies=asked.bodies,
    )


def encode_answer(number: int, answered: Answered) -> bytes:
    """An answer on its way back."""
    return _ENCODER.encode(
        Told(
            number,
            answered.as_stored(),
            answered.first_position,
            answered.count,
            answered.position,
            answered.replayed,
            list(answered.events) if len(answered.events) <= EVENTS_TOLD_MAX else None,
            answered.recorded,
        )
    )


def encode_error(number: int, error: BaseException) -> bytes:
    """An error on its way back."""
    return _ENCODER.encode(Told(number, failed=failed_by(error)))


def decode_told(content: bytes) -> Told:
    """What was told. Raises msgspec.MsgspecError."""
    return _TOLD.decode(content)


def answer_of(told: Told, command_id: str) -> Answered:
    """The answer to the request with this command id."""
    return Answered(
        command_id=command_id,
        outcomes=decode_outcomes(told.outcomes),
        first_position=told.first_position,
        count=told.count,
        position=told.position,
        replayed=told.replayed,
        events=told.events or (),
        recorded=told.recorded,
        stored=told.outcomes,
    )


def failed_by(error: BaseException) -> Failed:
    """An error as it is told."""
    if isinstance(error, LedgerError):
        return Failed(error.code, error.at, {**error.facts}, error.index)
    return Failed("", "".join(traceback.format_exception_only(error)).strip())


def error_of(failed: Failed) -> Exception:
    """The error that was raised there. Nothing is lost of one of the ledger's own."""
    kind = next((kind for kind in all_errors() if kind.code == failed.code), None)
    if kind is None:
        return WriterFailed(failed.at)
    error = kind(failed.at, **failed.facts)
    error.index = failed.index
    return error
