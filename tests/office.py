"""An office that brings files in: its ledger, and one table written in every format it uses."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import openpyxl

from api.cli.cells import Cell, shown
from api.cli.import_summary import Summary
from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.access import Caller, operator
from ledger.domain.events import HoursLogged
from ledger.log import codec
from ledger.settings import Settings

CLERK: Final = operator("clerk")
REGION: Final = "330424"
#: Six months of free room for rows, all in the past.
SPRING: Final = date(2025, 3, 1)
#: Text encodings and formats an office saves one and the same table in.
FORMATS: Final = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "xlsx", "ndjson")


@contextmanager
def office(database_url: str, *members: str, create: bool = True) -> Iterator[Ledger]:
    """A ledger with two projects and these members."""
    ledger = Ledger(Settings(database_url=database_url), create=create)
    try:
        if create:
            ledger.execute_many(
                [
                    c.OpenLedger(origin="haiyan.example/hours"),
                    c.SetLimits(region="33", backdating_days=36_500, day_minutes_max=960),
                    c.RegisterOrganisation(
                        organisation="O1", name="志愿者协会", org_kind="association", region=REGION
                    ),
                    *(
                        c.OpenProject(project=project, name=name, organisation="O1", region=REGION,
                                      categories=("elder_care",), opens_on=date(2020, 1, 1))
                        for project, name in (("P001", "邻里助老"), ("P002", "助学"))
                    ),
                    *(c.RegisterMember(member=member, region=REGION) for member in members),
                ],
                CLERK,
            )  # fmt: skip
        yield ledger
    finally:
        ledger.close()


def logged(ledger: Ledger) -> list[HoursLogged]:
    """Every entry in the log, in order."""
    events = (codec.decode(row.topic, row.state) for row in ledger.store.select_rows(0, 10**6))
    return [event for event in events if isinstance(event, HoursLogged)]


def entries(ledger: Ledger) -> list[tuple[str, str, str, int]]:
    """Member, project, day and minutes of every entry, sorted."""
    return sorted(
        (e.entry.partition("-")[0], e.project, e.service_on.isoformat(), e.minutes)
        for e in logged(ledger)
    )


def register(ledger: Ledger, member: str, caller: Caller = CLERK) -> None:
    """One more member."""
    ledger.execute(c.RegisterMember(member=member, region=REGION), caller)


def save(folder: Path, name: str, rows: Sequence[Sequence[Cell]], form: str) -> Path:
    """Write a table in one of FORMATS; lines of JSON have the last header's names."""
    path = folder / f"{name}.{form if form in ('xlsx', 'ndjson') else f'{form}.csv'}"
    if form == "xlsx":
        return save_sheets(path, {"一": rows})
    if form == "ndjson":
        path.write_text(_lines(rows), encoding="utf-8")
        return path
    text = io.StringIO(newline="")
    csv.writer(text).writerows([shown(cell) for cell in row] for row in rows)
    path.write_bytes(text.getvalue().encode(form))
    return path


def save_sheets(path: Path, sheets: dict[str, Sequence[Sequence[Cell]]]) -> Path:
    """Write a workbook."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([_kept_as_text(cell) for cell in row])
    book.save(path)
    return path


def _kept_as_text(cell: Cell) -> Any:
    """openpyxl would take `=1+1` for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith("=") else cell


def _lines(rows: Sequence[Sequence[Cell]]) -> str:
    header = next(index for index, row in enumerate(rows) if "志愿者编号" in row)
    lines = [""] * (header + 1)
    for row in rows[header + 1 :]:
        cells = zip(rows[header], row, strict=False)
        named = {str(name): _json(cell) for name, cell in cells if cell is not None}
        lines.append(json.dumps(named, ensure_ascii=False) if any(row) else "")
    return "\n".join(lines) + "\n"


def _json(cell: Cell) -> Any:
    return shown(cell) if isinstance(cell, date | datetime | time) else cell


def rejected(path: Path) -> list[dict[str, str]]:
    """The rows of a rejects file, by header."""
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def refusals(summary: Summary) -> list[tuple[int, str]]:
    """Row and code of what was refused; [] when there is no file."""
    if summary.rejects is None:
        return []
    return [(int(row["_row"]), row["_code"]) for row in rejected(Path(summary.rejects))]
