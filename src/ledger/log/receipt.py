"""Receipts: the log's signed word that a command's events stand at these positions.

A receipt is a signed note of the log's own key. Its body, a line each: `hourledger.receipt/v1`, the
origin, the command id, the recorded time, the first position, then the leaf hash of each event in
base64. No checkpoint begins so (its second line is a number), so neither passes for the other.
Pure.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from ledger.domain.errors import CorruptLog, LedgerError
from ledger.log import checkpoint, codec, merkle
from ledger.log.checkpoint import BadCheckpoint, Verifier
from ledger.log.merkle import HASH_BYTES
from ledger.log.signer import Signer

HEADER: Final = "hourledger.receipt/v1"
#: More events than that are not confirmed in one receipt.
EVENTS_MAX: Final = 100_000
BYTES_MAX: Final = 50 * EVENTS_MAX
#: A command id as it may stand on a line of its own.
_COMMAND_ID: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
_POSITION: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
#: As in an event: UTC, microseconds, zero microseconds omitted.
_TIME: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{6})?Z", re.ASCII)


class BadReceipt(LedgerError):  # noqa: N818  named for what it is
    """The receipt is malformed, not signed by this key, or not what the log holds."""


class Receipt(NamedTuple):
    """What was acknowledged: events from position `first` on, by their leaf hashes."""

    origin: str
    command_id: str
    #: RFC 3339, as in the events.
    recorded: str
    first: int
    leaves: Sequence[bytes]

    @property
    def positions(self) -> range:
        """Where the events stand."""
        return range(self.first, self.first + len(self.leaves))

    def body(self) -> bytes:
        """What is signed. Raises BadReceipt for what could not be read back."""
        if not _COMMAND_ID.fullmatch(self.command_id):
            raise BadReceipt("command_id")
        if not 0 < len(self.leaves) <= EVENTS_MAX:
            raise BadReceipt("leaves", leaves=len(self.leaves))
        lines = [HEADER, self.origin, self.command_id, self.recorded, str(self.first)]
        return "\n".join([*lines, *map(checkpoint.base64_of, self.leaves), ""]).encode()


def recorded_text(moment: datetime) -> str:
    """A recorded time as it stands in an event."""
    return msgspec.json.encode(moment).decode().strip('"')


def sign_receipt(receipt: Receipt, signer: Signer) -> bytes:
    """The signed receipt. Raises InvalidSettings for one of another log, BadReceipt."""
    signer.check_origin(receipt.origin)
    return signer.sign(receipt.body())


def check_receipt(text: bytes, verifier: Verifier, origin: str | None = None) -> Receipt:
    """The receipt that `verifier` signed, of that origin. Raises BadReceipt."""
    try:
        note = checkpoint.parse_note(text, BYTES_MAX)
        checkpoint.check_signed(note, verifier)
        receipt = _parse_body(note.body)
    except BadCheckpoint as error:
        raise BadReceipt(error.at, **error.facts) from None
    if receipt.origin != verifier.name or origin not in {None, receipt.origin}:
        raise BadReceipt("origin", origin=receipt.origin)
    return receipt


def _parse_body(body: bytes) -> Receipt:
    try:
        header, origin, command_id, recorded, first, *encoded, end = body.decode().split("\n")
    except ValueError:
        raise BadReceipt("body") from None
    right = (
        header == HEADER
        and _COMMAND_ID.fullmatch(command_id)
        and _TIME.fullmatch(recorded)
        and _POSITION.fullmatch(first)
        and 0 < len(encoded) <= EVENTS_MAX
        and not end
    )
    leaves = [checkpoint.unbase64(leaf) for leaf in encoded]
    if not right or any(len(leaf) != HASH_BYTES for leaf in leaves):
        raise BadReceipt("body")
    return Receipt(origin, command_id, recorded, int(first), leaves)


def check_against(receipt: Receipt, lines: Mapping[int, bytes]) -> None:
    """The log has, at the receipt's positions, these lines of its command.

    `lines`: without newline, by position. Raises BadReceipt with the place.
    """
    for position in receipt.positions:
        if position not in lines:
            raise BadReceipt("position", position=position, error="missing")
        check_line(receipt, position, lines[position])


def check_line(receipt: Receipt, position: int, line: bytes) -> None:
    """This line is the event that the receipt confirms at one of its positions.

    Its leaf alone would not do: it says that an event is there, not whose. Raises BadReceipt with
    what is wrong.
    """
    if merkle.leaf_hash(line) != receipt.leaves[position - receipt.first]:
        raise BadReceipt("position", position=position, error="another event stands there")
    try:
        found = codec.parse_line(line)
        event = codec.decode(found.topic, bytes(found.state))
    except CorruptLog:
        raise BadReceipt("position", position=position, error="no event stands there") from None
    if found.position != position:
        raise BadReceipt("position", position=position, line=found.position)
    if event.command_id != receipt.command_id:
        error = "the event there is of another command"
        raise BadReceipt("command_id", position=position, error=error)
    if position == receipt.first and recorded_text(event.timestamp) != receipt.recorded:
        error = "the event there was recorded at another time"
        raise BadReceipt("recorded", position=position, error=error)
