"""Rejects that come back: they are read as the file was that they are from."""

import csv
import json
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest

from api.cli.cells import Cell
from api.cli.importing import run_import
from ledger.domain.errors import InvalidCommand
from tests.office import (
    CLERK,
    FORMATS,
    SPRING,
    entries,
    logged,
    office,
    refusals,
    register,
    rejected,
    save,
    save_sheets,
)

#: A table that means something else, or nothing, to whoever does not know what was said of it.
TABLE: Final[list[list[Cell]]] = [
    ["序号", "志愿者编号", "义工项目", "服务日期", "时长", "类别", "备注"],
    [1, "V0001", "敬老", SPRING, 10, "助老", "=1"],
    [2, "V0009", "敬老", SPRING, 10, "助老", "-"],
    [3, "V0009", "P002", SPRING, "3月", "助老", "甲"],
]
TOLD: Final[dict[str, Any]] = {
    "mapping": {"义工项目": "project", "备注": "ignore"},
    "defaults": {"source": "paper", "evidence": "system", "kind": "培训"},
    "values": {"project": {"敬老": "P001"}, "category": {"助老": "elder_care"}},
    "unit": "minutes",
}


def said(ledger: Any) -> list[tuple[Any, ...]]:
    """What all entries say."""
    return [
        (e.entry, e.project, e.minutes, e.evidence, e.kind, e.source, e.source_ref)
        for e in logged(ledger)
    ]


KEPT: Final = ("V0001-1", "P001", 10, "system", "training", "paper", "1")
MENDED: Final = ("V0009-1", "P001", 10, "system", "training", "paper", "2")


@pytest.mark.parametrize("form", FORMATS)
def test_mended_rows_ask_for_what_they_would_have_asked_for_in_their_own_file(
    database_url: str, tmp_path: Path, form: str
) -> None:
    path = save(tmp_path, "a", TABLE, form)
    with office(database_url, "V0001") as ledger:
        rejects = Path(str(run_import(ledger, path, CLERK, **TOLD).rejects))
        register(ledger, "V0009")
        summary = run_import(ledger, rejects, CLERK)
        assert (summary.kept, summary.refused) == (1, {"invalid_command": 1})
        assert said(ledger) == [KEPT, MENDED]
        # In any order, with the same options or without: nothing is doubled.
        for file, options in ((path, TOLD), (rejects, TOLD), (rejects, {})):
            again = run_import(ledger, file, CLERK, **options)
            assert (again.kept, again.refused) == (0, {"invalid_command": 1})
        # What is refused again still knows.
        twice = Path(str(summary.rejects))
        twice.write_text(twice.read_text(encoding="utf-8").replace("3月", "30"), encoding="utf-8")
        assert run_import(ledger, twice, CLERK).kept == 1
        assert said(ledger)[2] == ("V0009-2", "P002", 30, *MENDED[3:6], "3")


def test_a_person_mends_in_a_spreadsheet_program(sqlite_url: str, tmp_path: Path) -> None:
    """It is saved as a workbook, with a title above and the rows in another order."""
    path = save(tmp_path, "a", TABLE, "xlsx")
    with office(sqlite_url, "V0001") as ledger:
        rejects = Path(str(run_import(ledger, path, CLERK, **TOLD).rejects))
        with rejects.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
        mended = [[cell.replace("V0009", "V0001").replace("3月", "30") for cell in r] for r in rows]
        sheet: Any = [["请改正"], [], header, *reversed(mended)]
        run_import(ledger, save_sheets(tmp_path / "b.xlsx", {"一": sheet}), CLERK)
        assert [(e.source_ref, e.minutes) for e in logged(ledger)] == [
            ("1", 10), ("3", 30), ("2", 10),
        ]  # fmt: skip


def test_a_duration_of_a_workbook_is_the_same_when_it_comes_back(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A cell that is formatted as a time is one in the rejects too, whatever the unit."""
    book = openpyxl.Workbook()
    book.active.append(["志愿者编号", "项目", "日期", "时长", "类别"])
    book.active.append(["V0009", "P001", SPRING, 2.5 / 24, "elder_care"])
    book.active["D2"].number_format = "h:mm"
    book.save(tmp_path / "a.xlsx")
    with office(sqlite_url) as ledger:
        rejects = run_import(ledger, tmp_path / "a.xlsx", CLERK, unit="minutes").rejects
        register(ledger, "V0009")
        run_import(ledger, Path(str(rejects)), CLERK)
        assert entries(ledger) == [("V0009", "P001", "2025-03-01", 150)]


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_said_now_goes_before_what_rejects_carry(
    sqlite_url: str, tmp_path: Path, form: str
) -> None:
    path = save(tmp_path, "a", TABLE, form)
    with office(sqlite_url, "V0001") as ledger:
        rejects = Path(str(run_import(ledger, path, CLERK, **TOLD).rejects))
        register(ledger, "V0009")
        now: Any = {"unit": "hours", "defaults": {"evidence": "manual"}}
        run_import(ledger, rejects, CLERK, **now)
        assert said(ledger)[1] == ("V0009-1", "P001", 600, "manual", "training", "paper", "2")


# rejects that no longer say it


def without_options(path: Path, rows: int) -> None:
    """Clear the first or all cells that say how rows are to be read."""
    if path.suffix == ".ndjson":
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines[:rows]:
            del line["_options"]
        path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *cells = csv.reader(file)
    for row in cells[-rows:]:
        row[header.index("_options")] = ""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, *cells])


@pytest.mark.parametrize("form", ["utf-8", "ndjson"])
def test_a_row_that_does_not_say_how_it_is_to_be_read_is_refused(
    sqlite_url: str, tmp_path: Path, form: str
) -> None:
    """It would be read as hours, and by another name."""
    path = save(tmp_path, "a", [*TABLE[:3], TABLE[2]], form)
    with office(sqlite_url, "V0001") as ledger:
        rejects = Path(str(run_import(ledger, path, CLERK, **TOLD).rejects))
        register(ledger, "V0009")
        without_options(rejects, 1)
        summary = run_import(ledger, rejects, CLERK)
        assert [(s.column, s.code) for s in summary.samples] == [("_options", "invalid_command")]
        assert said(ledger) == [KEPT, MENDED]
        again = run_import(ledger, Path(str(summary.rejects)), CLERK) if form == "ndjson" else None
        assert again is None or again.refused == {"invalid_command": 1}


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"unit":"days"}', '{"map":{"备注":"colour"}}'])
def test_a_table_whose_rows_do_not_say_it_is_refused_whole(
    sqlite_url: str, tmp_path: Path, spoilt: str
) -> None:
    path = save(tmp_path, "a", TABLE, "utf-8")
    with office(sqlite_url, "V0001") as ledger:
        rejects = Path(str(run_import(ledger, path, CLERK, **TOLD).rejects))
        register(ledger, "V0009")
        found = [row | {"_options": spoilt} for row in rejected(rejects)]
        sheet: Any = [list(found[0]), *([*row.values()] for row in found)]
        with pytest.raises(InvalidCommand) as error:
            run_import(ledger, save_sheets(tmp_path / "b.xlsx", {"一": sheet}), CLERK)
        assert error.value.at == "_options"
        for row in found:
            del row["_options"]
        sheet = [list(found[0]), *([*row.values()] for row in found)]
        with pytest.raises(InvalidCommand):
            run_import(ledger, save_sheets(tmp_path / "c.xlsx", {"一": sheet}), CLERK)
        assert said(ledger) == [KEPT]


def test_rejects_of_two_imports_in_one_file_are_told_apart(sqlite_url: str, tmp_path: Path) -> None:
    with office(sqlite_url, "V0001") as ledger:
        found = []
        for name, unit in (("a", "minutes"), ("b", "hours")):
            path = save(tmp_path, name, TABLE[:3], "utf-8")
            told = TOLD | {"unit": unit, "defaults": {"source": name}}
            found += rejected(Path(str(run_import(ledger, path, CLERK, **told).rejects)))
        register(ledger, "V0009")
        sheet: Any = [list(found[0]), *([*row.values()] for row in found)]
        both = save_sheets(tmp_path / "both.xlsx", {"一": sheet})
        summary = run_import(ledger, both, CLERK)
        assert refusals(summary) == [(3, "invalid_command")]
        run_import(ledger, Path(str(summary.rejects)), CLERK)
        assert [(e.source, e.minutes) for e in logged(ledger)[2:]] == [("a", 10), ("b", 600)]


def test_a_row_with_more_cells_than_headers_is_refused_until_it_is_mended(
    sqlite_url: str, tmp_path: Path
) -> None:
    """`2,5` without quotation marks was two hours, and the half of one was lost."""
    path = tmp_path / "a.csv"
    path.write_text("编号,项目,日期,类别,时长\nV0001,P001,2025-03-01,elder_care,2,5\n", "utf-8")
    with office(sqlite_url, "V0001") as ledger:
        for _ in range(2):  # it comes back as it was
            summary = run_import(ledger, path, CLERK)
            assert (summary.kept, summary.refused) == (0, {"invalid_command": 1})
            path = Path(str(summary.rejects))
        assert "more cells than headers" in summary.samples[0].reason
        text = path.read_text("utf-8-sig")
        path.write_text(text.replace("elder_care,2,5", "elder_care,2.5,"), "utf-8")
        assert (run_import(ledger, path, CLERK).kept, logged(ledger)[0].minutes) == (1, 150)
