"""The import of a file: each row into the ledger, or into the rejects file with its reason.

A run can be killed anywhere and started again. Rows go to the ledger in chunks,
each under an id made of what it and the chunks before it ask for, so a chunk that
was answered is not done twice: its answer comes back, and only what it refused is
asked once more, under the next id, since members and projects may have been
registered meanwhile. Rows of hours are known to the ledger besides by what they
say, so the same rows add nothing in another file, order or format either.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, cast

import msgspec

from api.cli import rejects, spreadsheets
from api.cli.cells import Unit
from api.cli.import_summary import Sample, Summary
from api.cli.lines import Lines
from api.cli.progress import Advance
from api.cli.rejects import Reject, Spool
from api.cli.rows import Options, RowRefused
from api.cli.spreadsheets import Book
from api.cli.tables import Row, Tables
from ledger.domain.access import Caller
from ledger.domain.commands import Command, LogHours
from ledger.domain.errors import Fact, InvalidCommand
from ledger.store.requests import Answered, OnError, Outcome, Refused

#: Rows that share a transaction.
CHUNK_ROWS: Final = 2_000
#: Rows that are judged together when nothing is written: twins further apart are not seen.
DRY_CHUNK_ROWS: Final = 50_000
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Executes(Protocol):
    """What an import needs of a ledger."""

    def execute_many(
        self,
        commands: Sequence[Command],
        caller: Caller,
        *,
        command_id: str | None = None,
        on_error: OnError = "atomic",
        dry_run: bool = False,
    ) -> Answered:
        """Do many commands, each with its own outcome."""


def run_import(
    ledger: Executes,
    path: Path | Book,
    caller: Caller,
    *,
    mapping: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    unit: Unit | None = None,
    sheet: str | None = None,
    rejects_path: Path | None = None,
    dry_run: bool = False,
    progress: Advance | None = None,
) -> Summary:
    """Import a file (or one looked through by `spreadsheets.open_book`, which knows its rows).

    `mapping`, `defaults`, `values`, `unit` as in `rows.Options`. `progress` is told how many
    more rows are done. Refused rows go to `rejects_path`, `default_rejects_path` if None.
    Nothing is written for a file that cannot be read as a whole: raises UnreadableFile,
    SheetNotFound, HeaderNotFound, AmbiguousHeader, InvalidCommand (at map, default, rejects).
    Raises the ledger's own errors when it cannot answer; run again then.
    """
    book = path if isinstance(path, Book) else spreadsheets.open_book(path, sheet)
    options = Options(
        mapping=mapping or {}, defaults=defaults or {}, values=values or {}, unit=unit
    )
    target = rejects_path or default_rejects_path(book)
    if target.resolve() == book.path.resolve():
        raise InvalidCommand("rejects", file=str(target))
    with Spool() as spool:
        run = _Run(ledger, caller, book, options, spool, dry_run=dry_run)
        run.go(progress or (lambda _: None))
        if not dry_run:
            placed = rejects.publish(target, spool, run.source.write_rejects)
            run.summary.rejects = str(placed) if placed else None
    return run.summary


def default_rejects_path(book: Book) -> Path:
    """Beside the file, named after it."""
    suffix = "ndjson" if book.form == "lines" else "csv"
    return book.path.with_name(f"{book.path.stem}.rejects.{suffix}")


class _Run:
    """One run over one file."""

    def __init__(
        self,
        ledger: Executes,
        caller: Caller,
        book: Book,
        options: Options,
        spool: Spool,
        *,
        dry_run: bool,
    ) -> None:
        self.summary = Summary(file=str(book.path), dry_run=dry_run, encoding=book.encoding)
        self.source = (Lines if book.form == "lines" else Tables)(book, options, self.summary)
        self._ledger, self._caller, self._book = ledger, caller, book
        self._spool = spool
        self._chain = hashlib.sha256()

    def go(self, advance: Advance) -> None:
        """Send all rows, chunk by chunk, and keep account of what became of them."""
        size = DRY_CHUNK_ROWS if self.summary.dry_run else CHUNK_ROWS
        if self.summary.dry_run and self._book.rows > size:
            self.summary.notes.append(
                f"the dry run sees rows that stand twice within {size:,} rows"
            )
        rows = self.source.rows()
        done = 0
        while True:  # the last chunk is empty, so that blank rows at the end are told of too
            chunk = list(islice(rows, size))
            self._send(chunk)
            seen = self.summary.rows + self.summary.blank + self.summary.headings
            advance(seen - done)
            done = seen
            if not chunk:
                return

    def _send(self, chunk: list[Row]) -> None:
        asked = [row for row in chunk if row.command is not None]
        outcomes = self._ask([cast("Command", row.command) for row in asked])
        for row, (outcome, before) in zip(asked, outcomes, strict=True):
            if isinstance(outcome, Refused):
                row.refused = _refused(outcome)
            elif row.command is not None:
                self.summary.add_kept(row.command, already=before or "already" in outcome)
        for row in chunk:
            if row.refused is not None:
                self._refuse(row, row.refused)

    def _ask(self, commands: list[Command]) -> list[tuple[Outcome, bool]]:
        """The outcome of each command, and whether it was given to an earlier run.

        What an earlier run was refused is asked again, under an id of its own, as often as
        there were such runs: each id has its effect once, so nothing is done twice.
        """
        if not commands:
            return []
        name, again = self._name(commands), list(range(len(commands)))
        outcomes: list[tuple[Outcome, bool]] = [({}, False)] * len(commands)
        for attempt in range(1 << 16):
            answered = self._ledger.execute_many(
                [commands[index] for index in again],
                self._caller,
                command_id=f"{name}.{attempt}",
                on_error="continue",
                dry_run=self.summary.dry_run,
            )
            for index, outcome in zip(again, answered.outcomes, strict=True):
                outcomes[index] = outcome, answered.replayed
            again = [index for index in again if isinstance(outcomes[index][0], Refused)]
            if not again or not answered.replayed:
                break
        return outcomes

    def _name(self, commands: list[Command]) -> str:
        """The chunk's id: by what it and all chunks before it ask for, never by the clock.

        Hours are recorded once whoever imports them. Other commands are not, so with them the
        id says nothing of the caller: the same file from another holder is refused whole.
        """
        for command in commands:
            self._chain.update(_ENCODER.encode(command) + b"\n")
        named = self._chain.copy()
        if all(isinstance(command, LogHours) for command in commands):
            named.update(self._caller.holder.encode())
        return f"import-{named.hexdigest()[:40]}"

    def _refuse(self, row: Row, refused: RowRefused) -> None:
        column = row.place(refused.field)
        sheet = self._book.tables[row.table].name
        self.summary.add_refused(
            Sample(row=row.number, sheet=sheet, column=column, code=refused.code,
                   reason=refused.reason)
        )  # fmt: skip
        if not self.summary.dry_run:
            self._spool.add(
                Reject(row.table, row.number, column, refused.code, refused.reason,
                       self.source.original(row))
            )  # fmt: skip


def _refused(outcome: Refused) -> RowRefused:
    """The ledger's refusal, as a sentence."""
    facts = ", ".join(f"{_words(name)} {_fact(fact)}" for name, fact in outcome.facts.items())
    reason = outcome.message + (f" ({facts})" if facts else "")
    return RowRefused(outcome.at, reason, outcome.code)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _fact(fact: Fact) -> str:
    return f"{fact:,}" if isinstance(fact, int) else f"{fact}"
