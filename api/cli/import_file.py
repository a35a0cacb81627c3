"""`hourledger import`: the rows of an office file into the ledger."""

from pathlib import Path
from typing import Any, Final

import click

from api.cli import display
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.reading import bring_up, pairs_of
from api.cli.refusals import REFUSED
from api.cli.session import Session, session
from ledger.domain.access import Caller

#: From here on a second process for the ledger's work is worth its start.
ROWS_APART: Final = 20_000


def run(*, file: Path, dry_run: bool, rejects: Path | None, sheet: str | None, **said: Any) -> None:
    """Import a file; what is refused goes to the rejects file, with the reason."""
    from api.cli import import_summary, importing, spreadsheets  # noqa: PLC0415 (not for --help)

    now = session()
    book = spreadsheets.open_book(file, sheet)
    ledger = now.open(apart=book.rows >= ROWS_APART)
    caller = now.caller()
    with progress("import", book.rows, unit="rows", shown=now.on_terminal) as advance:
        summary = importing.run_import(
            ledger,
            book,
            caller,
            mapping=pairs_of("--map", said["mapping"]),
            defaults=pairs_of("--default", said["defaults"]),
            values=values_of(said["values"]),
            names=names_of(now, caller),
            unit=said["unit"],
            rejects_path=rejects,
            dry_run=dry_run,
            progress=advance,
        )
    if now.json:
        display.as_json(summary.as_json())
    else:
        import_summary.show(summary)
    if summary.refused_rows:
        click.get_current_context().exit(REFUSED)


def names_of(now: Session, caller: Caller) -> dict[str, dict[str, str]]:
    """What projects and organisations the caller sees are called, by the field they stand in."""
    from api.cli.import_options import meant_by  # noqa: PLC0415 (not for --help)
    from projections.scope import list_seen  # noqa: PLC0415

    bring_up(now)
    names: dict[str, dict[str, str]] = {}
    with now.open_reads().read() as snapshot:
        for field, type_ in (("project", "project"), ("team", "organisation")):
            seen = list_seen(snapshot, caller, type_)
            names[field] = meant_by({thing.id: thing.name for thing in seen})
    return names


def values_of(said: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """`("project:邻里助老=P001", …)` by field. Raises click.UsageError."""
    found: dict[str, dict[str, str]] = {}
    for name, value in pairs_of("--value", said).items():
        field, colon, cell = name.partition(":")
        if not colon:
            raise click.UsageError(f"--value {name} is not written as FIELD:CELL=VALUE.")
        found.setdefault(field, {})[cell] = value
    return found


command = Command(
    "import",
    params=[
        click.Argument(["file"], type=click.Path(exists=True, dir_okay=False, path_type=Path),
                       help="CSV (UTF-8 or GB18030), XLSX, or one command a line as JSON"),
        click.Option(["--map", "mapping"], multiple=True, metavar="HEADER=FIELD",
                     help="what a column is, where its header does not say"),
        click.Option(["--default", "defaults"], multiple=True, metavar="FIELD=VALUE",
                     help="what a blank cell or a missing column means"),
        click.Option(["--value", "values"], multiple=True, metavar="FIELD:CELL=VALUE",
                     help="what a cell stands for, such as project:邻里助老=P001"),
        click.Option(["--unit"], type=click.Choice(["hours", "minutes"]),
                     help="of bare numbers under a header that names no unit; hours if absent"),
        click.Option(["--sheet"], metavar="NAME", help="only this sheet of a workbook"),
        click.Option(["--rejects"], type=click.Path(dir_okay=False, path_type=Path),
                     help="where refused rows go; FILE.rejects.csv beside the file if absent"),
        click.Option(["--dry-run"], is_flag=True, help="all checks, the same summary, no writing"),
    ],
    callback=run,
    help="Import an office file; refused rows can be mended.",
)  # fmt: skip
