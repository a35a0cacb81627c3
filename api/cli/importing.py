"""The import of a file: each row into the ledger, or into the rejects file with its reason.

A run can be killed anywhere and started again: what was sent is known again by its
name (`sending`), and rows of hours are known to the ledger besides by what they say,
so the same rows add nothing in another file, order or format either. The rejects
file is made anew by each run, from what the ledger says of every row.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from api.cli import rejects, spreadsheets
from api.cli.cells import Unit
from api.cli.import_options import Names, Options
from api.cli.import_summary import Sample, Summary
from api.cli.lines import Lines
from api.cli.progress import Advance
from api.cli.rejects import Reject, Spool
from api.cli.rows import RowRefused
from api.cli.sending import Executes, Sender, Told
from api.cli.spreadsheets import Book
from api.cli.tables import Row, Tables
from ledger.domain.access import Caller
from ledger.domain.errors import Fact, InvalidCommand
from ledger.store.requests import Refused

#: Rows that share a transaction.
CHUNK_ROWS: Final = 2_000
#: Chunks that are being written while the next one is read.
UNDER_WAY: Final = 4
#: Rows that are judged together when nothing is written: twins further apart are not seen.
DRY_CHUNK_ROWS: Final = 50_000


def run_import(
    ledger: Executes,
    path: Path | Book,
    caller: Caller,
    *,
    mapping: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    values: Names | None = None,
    unit: Unit | None = None,
    names: Names | None = None,
    sheet: str | None = None,
    rejects_path: Path | None = None,
    dry_run: bool = False,
    progress: Advance | None = None,
) -> Summary:
    """Import a file (or one looked through by `spreadsheets.open_book`, which knows its rows).

    `mapping`, `defaults`, `values`, `unit`, `names` as in `Options`. `progress` is told how many
    more rows are done. Refused rows go to `rejects_path`, `default_rejects_path` if None.
    Nothing is written for a file that cannot be read as a whole: raises UnreadableFile,
    SheetNotFound, HeaderNotFound, AmbiguousHeader, InvalidCommand (at map, default, value,
    rejects).
    Raises the ledger's own errors when it cannot answer; run again then.
    """
    book = path if isinstance(path, Book) else spreadsheets.open_book(path, sheet)
    options = Options(
        mapping=mapping or {},
        defaults=defaults or {},
        values=values or {},
        unit=unit,
        names=names or {},
    ).check()
    target = rejects_path or default_rejects_path(book)
    if target.resolve() == book.path.resolve():
        raise InvalidCommand("rejects", file=str(target), reason="it is the file to be read")
    if not dry_run:
        rejects.check_place(target)
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
        self._sender = Sender(ledger, caller, dry_run=dry_run)
        self._book, self._spool = book, spool

    def go(self, advance: Advance) -> None:
        """Send all rows, chunk by chunk, and keep account of what became of them."""
        size = DRY_CHUNK_ROWS if self.summary.dry_run else CHUNK_ROWS
        if self.summary.dry_run and self._book.rows > size:
            self.summary.notes.append(
                f"the dry run sees rows that stand twice within {size:,} rows"
            )
        rows, done = self.source.rows(), 0
        under_way: deque[Callable[[], None]] = deque()
        while True:  # the last chunk is empty, so that blank rows at the end are told of too
            chunk = list(islice(rows, size))
            seen = self.summary.rows + self.summary.blank + self.summary.headings
            told = self._sender.send([row for row in chunk if row.command is not None])
            under_way.append(partial(self._account, chunk, told))
            while len(under_way) > (UNDER_WAY if chunk else 0):
                under_way.popleft()()
            advance(seen - done)
            done = seen
            if not chunk:
                return

    def _account(self, chunk: list[Row], told: Callable[[], list[Told]]) -> None:
        """Wait for a chunk, and note what became of each row."""
        asked = [row for row in chunk if row.command is not None]
        for row, (outcome, before) in zip(asked, told(), strict=True):
            if isinstance(outcome, Refused):
                row.refused = _refused(outcome)
            elif row.command is not None:
                self.summary.add_kept(row.command, already=before or "already" in outcome)
        for row in chunk:
            if row.refused is not None:
                self._refuse(row, row.refused)

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
                       self.source.original(row), row.options)
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
