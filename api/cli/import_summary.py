"""What an import did, for people and as JSON."""

from collections.abc import Iterable
from typing import Final

import click
import msgspec
from msgspec import Struct, field

from api.cli import display
from api.cli.headers import Layout
from ledger.domain.commands import Command, LogHours, op_of

#: Refused rows that are shown; all of them are in the rejects file.
SAMPLES_MAX: Final = 5
#: Projects that are shown to people, by most minutes.
PROJECTS_SHOWN: Final = 10


class ReadColumn(Struct, kw_only=True):
    """A column and the field it was read as."""

    header: str
    field: str
    unit: str | None = None
    sheet: str = ""


class Sample(Struct, kw_only=True):
    """One refused row, without its cells."""

    row: int
    sheet: str
    column: str
    code: str
    reason: str


class Summary(Struct, kw_only=True):
    """What became of a file: rows = kept + already + refused."""

    file: str
    dry_run: bool
    encoding: str = ""
    #: Rows with something in them below the headers.
    rows: int = 0
    blank: int = 0
    #: Rows above and in the headers, and headers printed again further down.
    headings: int = 0
    #: Rows recorded by this run, and those that stand in the ledger from before (or twice here).
    kept: int = 0
    already: int = 0
    #: Number of refused rows by code.
    refused: dict[str, int] = field(default_factory=dict)
    #: Minutes of the kept rows by project; their first and last day, those from before included.
    minutes: dict[str, int] = field(default_factory=dict)
    first_day: str | None = None
    last_day: str | None = None
    #: Kept commands by `op`.
    operations: dict[str, int] = field(default_factory=dict)
    columns: list[ReadColumn] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: The rejects file, if any row was refused.
    rejects: str | None = None
    samples: list[Sample] = field(default_factory=list)

    @property
    def refused_rows(self) -> int:
        """All refused rows."""
        return sum(self.refused.values())

    def add_layout(self, layout: Layout, sheet: str) -> None:
        """Say how a table's header was understood."""
        for c in layout.columns:
            column = ReadColumn(header=c.header, field=c.field, unit=c.unit, sheet=sheet)
            if column not in self.columns:
                self.columns.append(column)
        self.ignored += [name for name in layout.ignored if name not in self.ignored]

    def add_kept(self, command: Command, *, already: bool) -> None:
        """Count a row that stands in the ledger."""
        self.already += already
        self.kept += not already
        if not already:
            op = op_of(type(command).__name__)
            self.operations[op] = self.operations.get(op, 0) + 1
        if isinstance(command, LogHours):
            day = command.service_on.isoformat()
            self.first_day = min(self.first_day or day, day)
            self.last_day = max(self.last_day or day, day)
            if not already:
                self.minutes[command.project] = (
                    self.minutes.get(command.project, 0) + command.minutes
                )

    def add_refused(self, sample: Sample) -> None:
        """Count a refused row, and keep the first few to be shown."""
        self.refused[sample.code] = self.refused.get(sample.code, 0) + 1
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(sample)

    def as_json(self) -> dict[str, object]:
        """All of it, as JSON has it."""
        told: dict[str, object] = msgspec.to_builtins(self)
        return told


def show(summary: Summary) -> None:
    """Print it for a person."""
    click.echo(f"import {display.harmless(summary.file)}: {_deed(summary)}")
    rows: dict[str, object] = {"rows": summary.rows, "blank": summary.blank}
    rows |= {"kept": summary.kept, "already_there": summary.already}
    rows |= {"refused": summary.refused_rows, **{f"  {c}": n for c, n in summary.refused.items()}}
    if summary.first_day:
        rows["service_from_to"] = f"{summary.first_day} – {summary.last_day}"
    display.sheet(rows | {"minutes": sum(summary.minutes.values())})
    _show_columns(summary)
    if len(summary.minutes) > 1:
        click.echo("Recorded by project:")
        most = sorted(summary.minutes.items(), key=lambda item: (-item[1], item[0]))
        _table(("project", "minutes"), most[:PROJECTS_SHOWN])
    if summary.samples:
        click.echo("The first refused rows:")
        display.table(Sample.__struct_fields__, [msgspec.to_builtins(s) for s in summary.samples])
    for note in summary.notes:
        click.echo(f"Note: {display.harmless(note)}")
    if summary.rejects:
        rejects = display.harmless(summary.rejects)
        click.echo(f"Refused rows are in {rejects}: mend them there and import that file.")


def _deed(summary: Summary) -> str:
    if summary.dry_run:
        return "dry run, nothing was written."
    return "every row is in the ledger." if not summary.refused else "done, with refused rows."


def _show_columns(summary: Summary) -> None:
    if summary.columns:
        click.echo("Columns:")
        rows = [(c.header, c.field + (f" ({c.unit})" if c.unit else "")) for c in summary.columns]
        _table(("header", "read_as"), list(dict.fromkeys(rows)))
    if summary.ignored:
        click.echo(f"Not read, not kept: {display.harmless(', '.join(summary.ignored))}")


def _table(names: tuple[str, str], rows: Iterable[tuple[str, object]]) -> None:
    display.table(names, [dict(zip(names, row, strict=True)) for row in rows])
