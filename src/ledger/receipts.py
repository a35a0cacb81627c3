"""Receipts for what was acknowledged: from the answer itself, or from the log at any later time.

One signature confirms all events of a command, however many they are.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ledger.domain.errors import CommandNotFound, CorruptLog
from ledger.log import codec, merkle
from ledger.log.receipt import EVENTS_MAX, BadReceipt, Receipt, recorded_text, sign_receipt
from ledger.log.signer import Signer
from ledger.store.log import LogStore, Row
from ledger.store.requests import Answered
from ledger.store.tree import CHUNK, origin_of, rows_between

#: So many events are hashed and signed in a fraction of a millisecond.
FEW: Final = 100


class Receipts:
    """Signs receipts for one log with its key. Thread-safe."""

    def __init__(self, store: LogStore, signer: Signer) -> None:
        self._store = store
        self._signer = signer
        self._origin = ""

    def is_at_hand(self, answered: Answered) -> bool:
        """Whether `of_answer` needs no look at the log, and hardly any time."""
        return bool(self._origin) and 0 < len(answered.events) <= FEW

    def of_answer(self, answered: Answered) -> bytes:
        """The signed receipt of an answer; of one that was given before, from the log.

        Raises BadReceipt for more events than a receipt confirms, InvalidSettings when the key is
        another log's; and what reading the log raises, where that is needed.
        """
        first = answered.first_position
        if not answered.events or answered.recorded is None:
            return self.of_command(answered.command_id)
        leaves = [
            merkle.leaf_hash(
                codec.line(
                    position, each.originator_id, each.originator_version, each.topic, each.state
                )
            )
            for position, each in enumerate(answered.events, start=first)
        ]
        return self._sign(answered.command_id, recorded_text(answered.recorded), first, leaves)

    def of_command(self, command_id: str) -> bytes:
        """The signed receipt of a command that was carried out, from its stored lines.

        Where they stand is told by the table of commands, which nothing has signed: what is not of
        this command is not confirmed. Raises CommandNotFound for one that wrote nothing,
        CorruptLog, BadReceipt, InvalidSettings.
        """
        row = self._store.glance([command_id])[1].get(command_id)
        if row is None or not row.events:
            raise CommandNotFound("command_id", command_id=command_id)
        first, last = row.first_position, row.first_position + row.events - 1
        if row.events > EVENTS_MAX:
            raise BadReceipt("leaves", leaves=row.events)
        rows = [row for some in rows_between(self._store, first - 1, last) for row in some]
        events = [codec.decode(row.topic, row.state) for row in rows]
        for position, (found, event) in enumerate(zip(rows, events, strict=True), start=first):
            if found.position != position or event.command_id != command_id:
                error = "the event there is of another command"
                raise CorruptLog("commands", command_id=command_id, position=position, error=error)
        recorded = events[0].timestamp
        return self._sign(command_id, recorded_text(recorded), first, list(map(_leaf, rows)))

    def _sign(self, command_id: str, recorded: str, first: int, leaves: Sequence[bytes]) -> bytes:
        self._origin = self._origin or origin_of(self._store)
        receipt = Receipt(self._origin, command_id, recorded, first, leaves)
        return sign_receipt(receipt, self._signer)


def _leaf(row: Row) -> bytes:
    """The leaf of a row, hashed from its line. Raises CorruptLog when it was stored otherwise."""
    leaf = merkle.leaf_hash(row.line())
    if row.hashes[: merkle.HASH_BYTES] != leaf:
        error = "the stored hashes are not those of the line"
        raise CorruptLog("position", position=row.position, error=error)
    return leaf


def lines_at(store: LogStore, positions: Sequence[int]) -> Mapping[int, bytes]:
    """The line, without newline, of each of these positions that the log has."""
    found: dict[int, bytes] = {}
    for start in range(0, len(positions), CHUNK):
        rows = store.select_positions(list(positions[start : start + CHUNK]))
        found |= {row.position: row.line() for row in rows}
    return found
