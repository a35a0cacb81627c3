"""Files of offices: told apart by content, read with their row numbers, or refused whole."""

import os
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from api.cli import cells, spreadsheets
from api.cli.spreadsheets import Book, Record, SheetNotFound, UnreadableFile, open_book

TEXT = '标题\r\n\r\n编号,日期\r\nV1,"两\r\n行"\r\n'
ROWS = [["标题"], [], ["编号", "日期"], ["V1", "两\r\n行"]]


def records(book: Book) -> list[list[Any]]:
    """All rows of all tables."""
    return [list(record.cells) for table in book.tables for record in table.records()]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030"), ("gbk", "gb18030"),
     ("utf-16", "utf-16")],
)  # fmt: skip
def test_text_is_read_in_the_encodings_of_offices(
    tmp_path: Path, encoding: str, found: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    book = open_book(path)
    assert (book.form, book.encoding, book.rows) == ("cells", found, 4)
    assert records(book) == ROWS
    assert [r.row for r in book.tables[0].records()] == [1, 2, 3, 4]
    assert book.tables[0].head == list(book.tables[0].records())


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_delimiter_is_seen(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"标题，甲\n编号{delimiter}日期\nV1{delimiter}2025-03-01\n", encoding="utf-8")
    assert records(open_book(path))[1:] == [["编号", "日期"], ["V1", "2025-03-01"]]


def test_a_text_may_begin_with_rows_whose_encoding_does_not_show(tmp_path: Path) -> None:
    """ASCII for longer than any buffer, and one Chinese word at the end."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"member,date\n" * 100_000 + "编号,日期\n".encode("gb18030"))
    book = open_book(path)
    assert (book.encoding, book.rows) == ("gb18030", 100_001)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a,b\n\xff\xff\xff\n", "not in utf-8, gb18030"),
        (b'a,b\n1,"open\n2,3\n', "quotation mark is not closed"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", "a cell of more than 131,072 characters"),
        (b'a,b\n1,"open\n2,"3"\n', "expected after"),
        (b'a,b\n1,"' + b"x\n" * 200 + b'"\n', "quotation mark is not closed"),
        (b"a" * (2 << 20), "endless"),
        (b"<html><table>", "web page"),
        (b"PK\x03\x04 no workbook", ""),
        (b"\xd0\xcf\x11\xe0 no workbook", ""),
    ],
)
def test_what_cannot_be_read_to_its_end_is_refused_whole(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile) as error:
        open_book(path)
    assert reason in str(error.value.facts["reason"])


def test_what_can_be_read_only_once_is_refused() -> None:
    """A pipe: looking it through would take rows away from whoever reads it then."""
    source, sink = os.pipe()
    os.write(sink, b'{"a":1}\n' * 1000)
    os.close(sink)
    try:
        for path in (Path(f"/dev/fd/{source}"), Path(os.devnull)):
            with pytest.raises(UnreadableFile) as error:
                open_book(path)
            assert error.value.facts["reason"] == "it can be read only once: save it as a file"
    finally:
        os.close(source)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        open_book(tmp_path / "none.csv")


def test_lines_are_told_by_their_first_character(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeff\n{"op":"log_hours"}\n\n {"编号":"V1"} '.encode())
    book = open_book(path)
    assert book.form == "lines"
    assert records(book) == [[""], ['{"op":"log_hours"}'], [""], ['{"编号":"V1"}']]


def test_a_text_is_never_held_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("V0001,P001,2025-03-01,2.5小时\n" * 100_000, encoding="gb18030")
    tracemalloc.start()
    try:
        book = open_book(path)
        assert sum(1 for _ in book.tables[0].records()) == book.rows == 100_000
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 2
    finally:
        tracemalloc.stop()


# workbooks


def workbook(path: Path, fill: Callable[[Any], object]) -> Path:
    """A workbook on disk."""
    book = openpyxl.Workbook()
    fill(book)
    book.save(path)
    return path


def test_a_workbook_keeps_row_numbers_types_and_blank_cells(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet["B3"] = "标题"
        sheet.merge_cells("B3:F3")
        for column, value in enumerate(
            ["V1", 12, date(2025, 3, 1), time(9, 20), timedelta(hours=26), 2.5, None, "x"], 2
        ):
            sheet.cell(6, column, value)

    book = open_book(workbook(tmp_path / "a.xlsx", fill))
    assert (book.form, book.rows) == ("cells", 6)
    (table,) = book.tables
    rows = list(table.records())
    assert [record.row for record in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[2].cells[0] == "标题"
    assert set(rows[0].cells) == {None}
    assert rows[5] == Record(
        6, ["V1", 12.0, date(2025, 3, 1), time(9, 20), timedelta(hours=26), 2.5, None, "x"]
    )
    assert cells.moment(rows[5].cells[3]).clock == "09:20"


def test_every_minute_of_a_day_is_read_back_from_a_workbook(tmp_path: Path) -> None:
    """Clock times are binary fractions of a day in the file; a day at midnight is just a day."""
    times = [time(minute // 60, minute % 60) for minute in range(1, 1440)]
    path = workbook(
        tmp_path / "a.xlsx",
        lambda book: [
            book.active.append([t, datetime.combine(date(2025, 3, 1), t)]) for t in times
        ],
    )
    for clock, row in zip(times, records(open_book(path)), strict=True):
        assert {cells.moment(cell).clock for cell in row} == {clock.isoformat("minutes")}


def test_all_sheets_that_show_are_read_or_the_one_asked_for(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.title = "一"
        book.active.append(["a"])
        book.create_sheet("二").append(["b"])
        hidden = book.create_sheet("隐")
        hidden.append(["c"])
        hidden.sheet_state = "hidden"

    path = workbook(tmp_path / "a.xlsx", fill)
    book = open_book(path)
    assert [table.name for table in book.tables] == ["一", "二"]
    assert book.hidden == {"隐": 1}
    assert records(open_book(path, "二")) == [["b"]]
    assert records(open_book(path, "隐")) == [["c"]]
    with pytest.raises(SheetNotFound) as error:
        open_book(path, "三")
    assert error.value.facts == {"sheet": "三", "sheets": "一, 二, 隐"}


def test_a_sheet_that_is_more_than_its_reader_can_hold_is_refused(tmp_path: Path) -> None:
    """One cell at the far end is enough; the reader would end the process."""

    def fill(book: Any) -> None:
        book.active.append(("a", "b"))
        far = book.create_sheet("far")
        far.append(("a", "b"))
        far["XFD1048576"] = "x"
        book.create_sheet("tall")["C1048576"] = "x"

    path = workbook(tmp_path / "far.xlsx", fill)
    with pytest.raises(UnreadableFile) as refused:
        open_book(path)
    assert refused.value.facts["sheet"] == "far"
    assert "XFD1048576" in str(refused.value.facts["reason"])
    assert open_book(path, "tall").rows == 1_048_576


def test_a_text_has_no_sheets(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(SheetNotFound):
        open_book(tmp_path / "a.csv", "一")


def test_formulas_without_a_value_are_no_blank_cells(tmp_path: Path) -> None:
    """An error, and a formula that no program has worked out yet."""

    def fill(book: Any) -> None:
        book.active.title = "一"
        book.active["B2"], book.active["C2"], book.active["AB3"] = "#N/A", "x", "#DIV/0!"
        book.create_sheet("二").append([1, "=1+1"])
        book["二"]["B3"] = "=A1"

    book = open_book(workbook(tmp_path / "a.xlsx", fill))
    rows = records(book)
    assert rows[1][:3] == ["#N/A", "x", None]
    assert rows[2][-1] == "#DIV/0!"
    assert (rows[3:], book.rows) == ([[1.0, "=1+1"], [], [None, "=A1"]], 6)
    assert list(book.tables[0].records()) == book.tables[0].head


def test_a_workbook_that_is_damaged_anywhere_is_refused(tmp_path: Path) -> None:
    """What a bit that was turned makes of packed text is for its reader to say, not a traceback."""

    def fill(book: Any) -> None:
        for number in range(500):
            book.active.append([f"V{number}", date(2025, 3, 1) + timedelta(days=number % 90), 2.5])

    sound = workbook(tmp_path / "a.xlsx", fill).read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as parts:
        begin = parts.getinfo("xl/worksheets/sheet1.xml").header_offset + 100
    path, read = tmp_path / "b.xlsx", 0
    for at in range(begin, begin + 300):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 16]) + sound[at + 1 :])
        with suppress(UnreadableFile):
            open_book(path)
            read += 1
    assert read < 50


def test_a_damaged_list_of_parts_makes_no_other_cells_or_days_of_a_workbook(
    tmp_path: Path,
) -> None:
    """Its reader passes over what zipfile finds there; errors then were blank, and days moved."""

    def fill(book: Any) -> None:
        book.epoch = CALENDAR_MAC_1904
        book.active.append(["V1", 45000, "=A1"])

    sound = workbook(tmp_path / "a.xlsx", fill).read_bytes()
    (table,) = open_book(tmp_path / "a.xlsx").tables
    assert (table.shift, table.head[0].cells) == (spreadsheets.SHIFT_1904, ["V1", 45000.0, "=A1"])
    path, refused = tmp_path / "b.xlsx", set[str]()
    for at in range(sound.index(b"PK\x01\x02"), len(sound)):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        try:
            tables = open_book(path).tables
        except UnreadableFile as error:
            refused.add(str(error.facts["reason"]).partition(" (")[0])
        else:  # without its list of sheets there is none
            assert all((each.shift, each.head) == (table.shift, table.head) for each in tables), at
    assert "the workbook is damaged" in refused


@pytest.mark.parametrize("damage", [b'<row r=" "', b"<row r=1", b"<row\0r='1'"])
def test_damage_in_what_is_packed_is_told_and_no_traceback(tmp_path: Path, damage: bytes) -> None:
    path = workbook(tmp_path / "a.xlsx", lambda book: book.active.append(["V1", "=A1"]))
    with zipfile.ZipFile(path) as parts:
        texts = {name: parts.read(name) for name in parts.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b'<row r="1"' in texts[sheet]
    texts[sheet] = texts[sheet].replace(b'<row r="1"', damage)
    with zipfile.ZipFile(path, "w") as parts:
        for name, text in texts.items():
            parts.writestr(name, text)
    with pytest.raises(UnreadableFile):
        open_book(path)


def test_a_span_of_time_beyond_all_bounds_refuses_the_file_before_any_row_is_read(
    tmp_path: Path,
) -> None:
    """A telephone number in a column that is formatted as [h]:mm."""

    def fill(book: Any) -> None:
        for number in range(1, 40):
            book.active.append([number])
        book.active["A30"] = 13812345678
        book.active["A30"].number_format = "[h]:mm"

    with pytest.raises(UnreadableFile) as error:
        open_book(workbook(tmp_path / "a.xlsx", fill))
    assert error.value.facts["row"] == 30


@pytest.mark.parametrize("epoch_1904", [False, True])
def test_workbooks_that_count_from_1904_are_told(tmp_path: Path, epoch_1904: bool) -> None:
    def fill(book: Any) -> None:
        if epoch_1904:
            book.epoch = CALENDAR_MAC_1904
        book.active.append([date(2025, 3, 1)])

    (table,) = open_book(workbook(tmp_path / "a.xlsx", fill)).tables
    assert table.shift == (spreadsheets.SHIFT_1904 if epoch_1904 else 0)
    assert cells.day(next(table.records()).cells[0]) == date(2025, 3, 1)
