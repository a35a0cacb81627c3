"""What is kept beside the log, held against it: which command wrote what, and erasable texts."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from ledger.domain.errors import CorruptLog
from ledger.log import codec
from ledger.store.log import CommandRow, LogStore

#: Rows read at once.
PAGE: Final = 1000
#: The types of the columns; a SQLite file keeps whatever is put into it.
COMMAND: Final = (str, bytes, int, int, bytes)
NOTE: Final = (bytes, bytes, bytes)


def check_tables(store: LogStore) -> None:
    """Every answered command and every text. Raises CorruptLog at `commands` or `notes`."""
    check_commands(store)
    check_notes(store)


def check_commands(store: LogStore) -> None:
    """Each answered command points at a run of events that carry its id, no more and no fewer.

    Of a run, its ends and their neighbours are looked at; one without events points behind one.
    Ids are read in order, a page at a time, while others write: a row is committed with its events.
    Raises CorruptLog at `commands` with the first that is wrong.
    """
    after = ""
    while rows := store.select_commands(after, PAGE):
        for row in rows:
            if tuple(map(type, row)) != COMMAND:
                raise _wrong_command(row, "a column holds something of another type")
        places = {place for row in rows for place in _ends(row)}
        wanted = sorted(place for place in places if 0 < place <= codec.INTEGER_MAX)
        found = {row.position: row for row in store.select_positions(wanted)}
        ids = {n: codec.decode(row.topic, row.state).command_id for n, row in found.items()}
        for row in rows:
            told = [ids.get(place) == row.command_id for place in _ends(row)]
            if row.events < 0 or told != _expected(row):
                raise _wrong_command(row, "its events do not stand there")
            if row.events == 0 and row.first_position not in {0, 1}:
                _check_behind(row, ids)
        after = rows[-1].command_id


def _ends(row: CommandRow) -> Sequence[int]:
    """The positions to look at: before the run, its first and last, behind it."""
    first, end = row.first_position, row.first_position + row.events
    return (first - 1, first, end - 1, end) if row.events > 0 else (first - 1, first)


def _expected(row: CommandRow) -> list[bool]:
    """Which of them are to carry the command's id."""
    return [False, True, True, False] if row.events > 0 else [False, False]


def _check_behind(row: CommandRow, ids: dict[int, str]) -> None:
    """A command that wrote nothing stands behind a position of the log. Raises CorruptLog."""
    if row.first_position - 1 not in ids:
        raise _wrong_command(row, "the log has no such position")


def _wrong_command(row: CommandRow, error: str) -> CorruptLog:
    return CorruptLog(
        "commands", command_id=str(row.command_id), position=row.first_position, error=error
    )


def check_notes(store: LogStore) -> None:
    """Each kept text is the one under its digest, or was erased: then nothing is left of it.

    Raises CorruptLog at `notes` with the digest of the first that is wrong.
    """
    after = b""
    while rows := store.select_notes(after, PAGE):
        for digest, salt, text in rows:
            error = _note_fault(digest, salt, text)
            if error:
                raise CorruptLog("notes", digest=digest.hex(), error=error)
        after = rows[-1][0]


def _note_fault(digest: Any, salt: Any, text: Any) -> str:
    """What is wrong with a kept text, empty when nothing is."""
    if tuple(map(type, (digest, salt, text))) != NOTE:
        return "a column holds something of another type"
    if not any(salt):
        return "it was erased, and something is left of it" if any(text) else ""
    return "" if sha256(salt + text).digest() == digest else "the text is not that of its digest"
