"""Files of offices as records: CSV, workbooks and JSON lines, told apart by their content.

A file is looked through once before anything is done with it, so that one that
cannot be read to its end is refused whole. Text is streamed twice and never
held; a workbook is held one sheet at a time.
"""

import csv
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TextIO
from xml.etree import ElementTree as ET

import python_calamine
from msgspec import Struct, field

from api.cli.cells import Cell
from api.cli.sheet_errors import Errors, errors_of, with_errors
from api.cli.sheet_parts import reach_of
from ledger.domain.errors import Refusal

#: A header is looked for in so many rows.
HEAD_ROWS: Final = 20
#: Characters of one line of text at most, and lines of one CSV record (an open quote has no end).
LINE_MAX: Final = 1 << 20
RECORD_LINES_MAX: Final = 100
#: The reader of workbooks holds every cell between the outermost ones, in 32 bytes each, and ends
#: the process where there is no room for them.
CELLS_MAX: Final = 1 << 26
_WORKBOOK_MAGIC: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_DELIMITERS: Final = ",\t;"
#: Days from 1900-01-01 (Excel's day 1) to the zero of workbooks that count from 1904.
SHIFT_1904: Final = 1462


class UnreadableFile(Refusal):
    """The file is not a table that can be read to its end; nothing of it was recorded."""


class SheetNotFound(Refusal):
    """The workbook has no sheet of this name."""


class Record(NamedTuple):
    """One row of a file. `row`: its number as a spreadsheet shows it, from 1."""

    row: int
    cells: Sequence[Cell]


class Table(Struct, frozen=True):
    """One sheet, or the whole of a text file; `rows` counts blank ones too."""

    name: str
    rows: int
    head: list[Record]
    records: Callable[[], Iterator[Record]]
    #: Days to be added to bare numbers in place of days.
    shift: int = 0
    #: Number of a row → indexes of its cells that are merged with one above: the first of them has
    #: the value, and to the reader the others are blank.
    merged: dict[int, list[range]] = field(default_factory=dict)


class Book(Struct, frozen=True):
    """A file that was looked through. In `lines` each record is one cell: the line."""

    path: Path
    form: Literal["cells", "lines"]
    tables: list[Table]
    #: How the text is encoded, empty for a workbook.
    encoding: str = ""
    #: Sheets that are hidden and were not asked for, with their number of rows.
    hidden: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all tables, blank ones too."""
        return sum(table.rows for table in self.tables)


def open_book(path: Path, sheet: str | None = None) -> Book:
    """Look a file through. Raises UnreadableFile, SheetNotFound."""
    try:
        # A pipe would be read from where the last look ended, and what was looked at be lost.
        if path.exists() and not path.is_file():
            raise UnreadableFile("file", reason="it can be read only once: save it as a file")
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise UnreadableFile("file", reason=error.strerror or str(error)) from error
    if start.startswith(_WORKBOOK_MAGIC):
        return _open_workbook(path, sheet, is_packed=start.startswith(b"PK"))
    if sheet is not None:
        raise SheetNotFound("sheet", sheet=sheet)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        reason = "a web page or XML under another name; open it and save it as .xlsx or CSV"
        raise UnreadableFile("file", reason=reason)
    return _open_text(path, start)


# text


def _open_text(path: Path, start: bytes) -> Book:
    """Look through in the first encoding that fits to the end."""
    for encoding in _encodings(start):
        try:
            return _survey(path, encoding)
        except UnicodeDecodeError:
            continue
    tried = ", ".join(_encodings(start))
    raise UnreadableFile("file", reason=f"the text is not in {tried}")


def _encodings(start: bytes) -> tuple[str, ...]:
    """What a text may be encoded in; a byte order mark leaves no choice."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    if start.startswith(b"\xef\xbb\xbf"):
        return ("utf-8-sig",)
    return ("utf-8", "gb18030")


def _survey(path: Path, encoding: str) -> Book:
    """Read all of a text once. Raises UnicodeDecodeError, UnreadableFile."""
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(1 << 16)
    if sample.lstrip().startswith("{"):
        read, form = partial(_read_lines, path, encoding), "lines"
    else:
        read, form = partial(_read_csv, path, encoding, _delimiter(sample)), "cells"
    records = read()
    head = list(islice(records, HEAD_ROWS))
    rows = len(head) + sum(1 for _ in records)
    table = Table(name="", rows=rows, head=head, records=read)
    return Book(path, "lines" if form == "lines" else "cells", [table], encoding=encoding)


def _delimiter(sample: str) -> str:
    """What separates cells: whatever of comma, tab and semicolon the first rows have most of."""
    rows = "\n".join(sample.splitlines()[:HEAD_ROWS])
    return max(_DELIMITERS, key=rows.count)


def _bounded(file: TextIO) -> Iterator[str]:
    """The lines of a text, none of them endless. Raises UnreadableFile."""
    number = 0
    while line := file.readline(LINE_MAX):
        number += 1
        if len(line) == LINE_MAX:
            raise UnreadableFile("file", line=number, reason="the line is endless")
        yield line


def _read_lines(path: Path, encoding: str) -> Iterator[Record]:
    with path.open(encoding=encoding, newline="") as file:
        for row, line in enumerate(_bounded(file), 1):
            yield Record(row, (line.strip(),))


def _read_csv(path: Path, encoding: str, delimiter: str) -> Iterator[Record]:
    """Rows of a CSV file. Strict: a quote left open would swallow the rows after it."""
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(_bounded(file), delimiter=delimiter, strict=True)
        row = line = 0
        try:
            for cells in reader:
                row += 1
                if reader.line_num - line > RECORD_LINES_MAX:
                    raise UnreadableFile("file", row=row, reason="a quotation mark is not closed")
                line = reader.line_num
                yield Record(row, cells)
        except csv.Error as error:
            raise UnreadableFile("file", row=row + 1, reason=_misquoted(error)) from error


def _misquoted(error: csv.Error) -> str:
    """What the reader of CSV says, for whoever is to mend it."""
    if "field limit" in str(error):
        return (
            f"a cell of more than {csv.field_size_limit():,} characters: is a quotation mark open?"
        )
    return f"a quotation mark is not closed, or stands in a cell that has none around it ({error})"


# workbooks


@contextmanager
def _calamine_errors() -> Iterator[None]:
    """What the reader of workbooks raises, as an UnreadableFile."""
    try:
        yield
    except python_calamine.PasswordError as error:
        raise UnreadableFile("file", reason="the workbook has a password") from error
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise UnreadableFile("file", reason=str(error)) from error


#: What is raised for a damaged archive or damaged XML in it.
_DAMAGES: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ET.ParseError, ValueError,
)  # fmt: skip


@contextmanager
def _damages() -> Iterator[None]:
    """What damage raises, as an UnreadableFile: the reader of workbooks passes over some of it."""
    try:
        yield
    except _DAMAGES as error:
        reason = f"the workbook is damaged ({error}): open it and save it anew"
        raise UnreadableFile("file", reason=reason) from error


def _open_workbook(path: Path, sheet: str | None, *, is_packed: bool) -> Book:
    """Look through all sheets that show, or the one asked for; XLS alone is no packed archive."""
    with _calamine_errors():
        workbook = python_calamine.CalamineWorkbook.from_path(path)
    sheets = [
        (meta.name, meta.visible == python_calamine.SheetVisibleEnum.Visible)
        for meta in workbook.sheets_metadata
        if meta.typ == python_calamine.SheetTypeEnum.WorkSheet
    ]
    if sheet is not None and sheet not in dict(sheets):
        raise SheetNotFound("sheet", sheet=sheet, sheets=", ".join(dict(sheets)))
    with _damages():
        shift = SHIFT_1904 if is_packed and _counts_from_1904(path) else 0
    tables, hidden = [], {}
    for name, visible in sheets:
        if sheet not in (None, name):
            continue
        if is_packed:
            _check_reach(path, name)
        if sheet is None and not visible:
            hidden[name] = _height(_sheet(workbook, name))
        else:
            with _damages():
                errors = errors_of(path, name) if is_packed else {}
            tables.append(_table(workbook, name, errors, shift))
    return Book(path, "cells", tables, hidden=hidden)


def _check_reach(path: Path, name: str) -> None:
    """Raises UnreadableFile for a sheet that is more than its reader can hold."""
    with _damages():
        reach = reach_of(path, name)
    if reach is not None and reach.cells > CELLS_MAX:
        reason = f"something stands as far away as {reach.end}: delete what is not of the table"
        raise UnreadableFile("file", sheet=name, reason=reason)


def _sheet(workbook: Any, name: str) -> Any:
    with _calamine_errors():
        return workbook.get_sheet_by_name(name)


def _table(workbook: Any, name: str, errors: Errors, shift: int) -> Table:
    """A sheet as a table; it is parsed again when its records are read, not held meanwhile."""
    read = partial(_read_sheet, workbook, name, errors)
    sheet = _sheet(workbook, name)
    records = _records(sheet, errors)
    head = list(islice(records, HEAD_ROWS))
    deque(records, maxlen=0)  # a cell that cannot be read is found before any row is sent
    rows = max(_height(sheet), max(errors, default=-1) + 1)
    return Table(
        name=name, rows=rows, head=head, records=read, shift=shift, merged=_merged(sheet, rows)
    )


def _merged(sheet: Any, rows: int) -> dict[int, list[range]]:
    left = sheet.start[1] if sheet.start else 0
    found: dict[int, list[range]] = {}
    for (top, first), (bottom, last) in sheet.merged_cell_ranges or ():
        for row in range(top + 2, min(bottom + 1, rows) + 1):
            found.setdefault(row, []).append(range(first - left, last - left + 1))
    return found


def _height(sheet: Any) -> int:
    """Rows down to the last that is not blank, counted from the sheet's first."""
    return sheet.end[0] + 1 if sheet.end else 0


def _records(sheet: Any, errors: Errors) -> Iterator[Record]:
    """Rows from the sheet's first on, columns from the first that is used; blank cells are None.

    Raises UnreadableFile for a row with a span of time that is beyond all bounds.
    """
    left = sheet.start[1] if sheet.start else 0
    below = range(_height(sheet), max(errors, default=-1) + 1)
    number = 0
    try:
        for number, cells in enumerate(chain(sheet.iter_rows(), ([] for _ in below)), 1):
            told = [None if cell == "" else cell for cell in cells]
            row = number - 1
            yield Record(number, with_errors(told, errors[row], left) if row in errors else told)
    except OverflowError:
        reason = "a number formatted as a span of time is too large: format its cell as text"
        raise UnreadableFile("file", row=number + 1, reason=reason) from None


def _read_sheet(workbook: Any, name: str, errors: Errors) -> Iterator[Record]:
    yield from _records(_sheet(workbook, name), errors)


def _counts_from_1904(path: Path) -> bool:
    """Whether bare day numbers of this workbook count from 1904 (old spreadsheets on a Mac)."""
    try:
        with zipfile.ZipFile(path) as parts, parts.open("xl/workbook.xml") as part:
            text = part.read(1 << 20)
    except KeyError:  # another form
        return False
    return b'date1904="1"' in text or b'date1904="true"' in text
