"""Workbooks with several sheets and other calendars: what is refused comes back and is mended."""

from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from api.cli.cells import Cell
from tests.integration.test_import import HEADER, TABLE, bring
from tests.office import SPRING, entries, logged, office, register, rejected, save_sheets


def test_sheets_without_a_header_of_hours_are_refused_row_by_row(
    sqlite_url: str, tmp_path: Path
) -> None:
    other: list[list[Cell]] = [
        ["编号", "项目名称", "日期", "分钟", "类别"],
        ["V0001", "助学", SPRING, 90, "助老"],
        ["V0009", "助学", SPRING, 90, "助老"],
    ]
    note: list[list[Cell]] = [["填表说明"], [], ["请勿改动", "V0001"]]
    path = save_sheets(tmp_path / "a.xlsx", {"说明": note, "三月": TABLE, "四月": other})
    with office(sqlite_url, "V0001", "V0002") as ledger:
        summary = bring(ledger, path)
        assert summary.rows == 16 + 2 + 2
        assert summary.kept + summary.already + summary.refused_rows == summary.rows
        found = rejected(Path(str(summary.rejects)))
        assert [(r["_sheet"], r["_row"], r["_code"]) for r in found if r["_sheet"] != "三月"] == [
            ("说明", "1", "header_not_found"),
            ("说明", "3", "header_not_found"),
            ("四月", "3", "member_not_found"),
        ]
        assert [r["志愿者编号"] for r in found if r["_sheet"] == "四月"] == ["V0009"]
        assert any("说明" in note for note in summary.notes)
        assert ("V0001", "P002", "2025-03-01", 90) in entries(ledger)
        assert bring(ledger, path, sheet="四月").rows == 2


def test_rows_of_sheets_with_other_headers_are_mended_in_one_file(
    sqlite_url: str, tmp_path: Path
) -> None:
    sheets: dict[str, Any] = {
        "一": [
            ["志愿者编号", "项目名称", "日期", "时长", "类别"],
            ["V9", "P001", SPRING, 2, "助老"],
        ],
        "二": [
            ["Member", "项目名称", "项目编号", "date", "minutes", "category"],
            ["V9", "别名", "P002", SPRING, 90, "助老"],
            ["V0001", "别名", "P002", "三月", 90, "助老"],
        ],
    }
    with office(sqlite_url, "V0001") as ledger:
        path = Path(str(bring(ledger, save_sheets(tmp_path / "a.xlsx", sheets)).rejects))
        assert [row["_column"] for row in rejected(path)] == ["志愿者编号", "志愿者编号", "日期"]
        text = path.read_text(encoding="utf-8-sig").replace("V9", "V0001")
        path.write_text(text.replace(",三月,", ",2025-03-02,"), encoding="utf-8")
        assert (bring(ledger, path).kept, len(entries(ledger))) == (3, 3)
        assert [e.minutes for e in logged(ledger)] == [120, 90, 90]


def test_a_day_counted_from_1904_is_the_same_day_when_it_comes_back(
    sqlite_url: str, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    for row in (HEADER[1:7], ["V9", "", "P001", 45_717 - 1462, 1, "elder_care"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with office(sqlite_url) as ledger:
        path = Path(str(bring(ledger, tmp_path / "a.xlsx").rejects))
        register(ledger, "V9")
        for file in (path, tmp_path / "a.xlsx"):
            bring(ledger, file)
            assert entries(ledger) == [("V9", "P001", "2025-03-01", 60)]


def test_an_error_in_a_cell_is_refused_and_not_taken_for_a_blank_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A blank cell would mean the default, and one of times nothing at all."""
    rows: list[list[Cell]] = [
        ["志愿者编号", "项目", "日期", "签退时间", "签到时间", "时长", "类别", "备注"],
        ["V0001", "P001", SPRING, None, None, 1, "#N/A", ""],
        ["V0001", "P001", SPRING, "#VALUE!", "9:00", 1, "", ""],
        ["V0001", "P001", SPRING, None, "11:00", "#REF!", "", ""],
        ["V0001", "P001", SPRING, None, "13:00", 1, "", "#N/A"],
    ]
    path = save_sheets(tmp_path / "a.xlsx", {"一": rows})
    with office(sqlite_url, "V0001") as ledger:
        summary = bring(ledger, path, defaults={"category": "elder_care"})
        assert (summary.kept, summary.refused_rows) == (1, 3)
        found = rejected(Path(str(summary.rejects)))
        assert [(r["_column"], r[r["_column"]]) for r in found] == [
            ("类别", "#N/A"),
            ("签退时间", "#VALUE!"),
            ("时长", "#REF!"),
        ]


def test_a_cell_merged_with_one_above_is_no_blank_one(sqlite_url: str, tmp_path: Path) -> None:
    """Whether it says the same, or half of it, the office knows; the default it never says."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["三月"], ["序号", "志愿者编号", "项目", "日期", "类别", "时长", "备注"], [],
        [1, "V0001", "P001", SPRING, "care", 1, "x"], [None, "V0002", "P001", SPRING, None, 1],
        [2, "V0003", "P001", SPRING, None, 1, "y"], [None, "V0004", "P001", SPRING, None, 1],
    ):  # fmt: skip
        sheet.append(row)
    for cells in ("A1:G1", "B2:B3", "A4:A5", "E4:E5", "A6:A7", "G6:G7"):
        sheet.merge_cells(cells)
    book.save(tmp_path / "a.xlsx")
    with office(sqlite_url, "V0001", "V0002", "V0003", "V0004") as ledger:
        summary = bring(
            ledger,
            tmp_path / "a.xlsx",
            defaults={"category": "elder_care"},
            values={"category": {"care": "elder_care"}},
        )
        assert (summary.kept, summary.refused) == (3, {"invalid_command": 1})
        (sample,) = summary.samples
        assert (sample.row, sample.column) == (5, "类别")
        assert sample.reason.startswith("the cell is merged with one above it")
