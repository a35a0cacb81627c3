"""Batches for tests of the store: real events, numbered after the log's head."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ledger.domain.decision import Note
from ledger.domain.events import HoursLogged
from ledger.log.codec import Sealed, seal
from ledger.store.log import Batch, CommandRow, LogStore, number

NINE: Final = datetime(2025, 6, 16, 1, 0, tzinfo=UTC)


def hours(member: str, version: int, seconds: int = 0) -> Sealed:
    """An entry of a member, recorded so many seconds after nine o'clock."""
    return seal(
        f"member/{member}",
        version,
        HoursLogged(
            timestamp=NINE + timedelta(seconds=seconds),
            effective_on=date(2025, 6, 16),
            actor="association",
            key="association-key",
            command_id=f"cmd-{member}-{version}",
            entry=f"{member}-{version}",
            project="P001",
            organisation="O1",
            region="330424001",
            member_region="330424001",
            member_kinds=("volunteer",),
            kind="service",
            category="elder_care",
            evidence="system",
            service_on=date(2025, 6, 14),
            minutes=150,
            start="09:00",
            end="11:30",
        ),
    )


def entries(member: str, first: int, count: int) -> list[Sealed]:
    """Entries of one member, from version `first`."""
    return [hours(member, version) for version in range(first, first + count)]


def after_head(store: LogStore, events: Sequence[Sealed], *command_ids: str) -> Batch:
    """A batch that follows the log's head, answered by these commands."""
    rows, _ = number(events, store.head())
    first = rows[0].position if rows else store.head().position
    return Batch(rows, [answer(command_id, first, len(rows)) for command_id in command_ids])


def answer(command_id: str, first_position: int, count: int) -> CommandRow:
    """An answered command."""
    body_hash = hashlib.sha256(command_id.encode()).digest()
    return CommandRow(command_id, body_hash, first_position, count, b'[{"entry":"V1-1"}]')


def note(text: str) -> Note:
    """A text with its digest; the salt is fixed, so that the same text is the same note."""
    salt = b"0123456789abcdef"
    return Note(hashlib.sha256(salt + text.encode()).hexdigest(), salt, text)
