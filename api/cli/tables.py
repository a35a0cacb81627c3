"""The rows a file has to offer: each a command, or a refusal, with its cells as they stand."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from api.cli import rejects
from api.cli.cells import Cell, shown
from api.cli.headers import (
    DATED,
    DURATIONS,
    OPTIONS_COLUMN,
    Column,
    HeaderNotFound,
    Layout,
    find_header,
    mended_header,
    plainest,
    read_mapping,
)
from api.cli.import_options import Options, carried_text
from api.cli.import_summary import Summary
from api.cli.rejects import Spool
from api.cli.rows import RowReader, RowRefused, is_blank, missing
from api.cli.spreadsheets import Book, Record, Table
from ledger.domain.commands import Command
from ledger.domain.errors import InvalidCommand


class Row(Struct):
    """A row with something in it: the command it asks for, or why it is none."""

    #: Which of the book's tables it stands in.
    table: int
    number: int
    cells: Sequence[Cell]
    #: The line it was, in a file of lines.
    text: str = ""
    #: How it is read, as its reject will say.
    options: str = ""
    #: The id its command goes under, when it goes alone.
    name: str = ""
    reader: RowReader | None = None
    command: Command | None = None
    refused: RowRefused | None = None

    def place(self, field: str) -> str:
        """The header of the cell that gave a field."""
        return self.reader.place(field, self.cells) if self.reader else field

    def read(self, reader: RowReader) -> "Row":
        """The row with its command, or with its refusal."""
        self.reader, self.options = reader, reader.options
        try:
            self.command = reader.read(self.cells)
        except RowRefused as refused:
            self.refused = refused
        return self


class Tables:
    """A file of tables, each under a header of its own.

    Raises HeaderNotFound when no table has one with all that is needed, AmbiguousHeader, and
    InvalidCommand for what the options name and the file has not.
    """

    def __init__(self, book: Book, options: Options, summary: Summary) -> None:
        self._book, self._options, self._summary = book, options, summary
        #: How each table's rows say that they are to be read, where they are rejects.
        self._said = [_said_first(table.head) for table in book.tables]
        before = [Options() if said is None else carried_text(said) for said in self._said]
        told = [options.over(carried) for carried in before]
        self._layouts = [
            find_header(table.head, read_mapping(each.mapping))
            for table, each in zip(book.tables, told, strict=True)
        ]
        self._readers = [
            RowReader(layout, each) if layout and not missing(layout, each) else None
            for layout, each in zip(self._layouts, told, strict=True)
        ]
        if not any(self._readers):
            raise self._no_header(told)
        # A column whose rows were all kept is not among those of their rejects.
        headers = {header for carried in before for header in carried.mapping}
        unknown = [
            header
            for header in options.mapping
            if header not in headers
            and not any(layout.has(header) for layout in self._layouts if layout)
        ]
        if unknown:
            raise InvalidCommand("map", header=unknown[0], reason="no column has this header")
        self._describe(told)

    def rows(self) -> Iterator[Row]:
        """All rows with something in them, below the headers; the others are counted only."""
        for number, table in enumerate(self._book.tables):
            for row in self._data(number, table):
                self._summary.rows += 1
                yield self._read(row, self._readers[number], self._said[number])

    def _read(self, row: Row, reader: RowReader | None, said: str | None) -> Row:
        """The row with its command or its refusal; `said` as the first of its table says it."""
        layout = self._layouts[row.table]
        if layout is not None and said is not None:
            row.options = _said(row.cells, layout.headers)
            if row.options != said:
                reason = "it says other than the first row: import it in a file of its own"
                row.refused = RowRefused(OPTIONS_COLUMN, reason)
                return row
        if reader is None:
            row.options = row.options or self._options.text()
            reason = "no row of this sheet is a header of hours"
            row.refused = RowRefused("", reason, HeaderNotFound.code)
            return row
        row.read(reader)
        if layout is not None and layout.is_exceeded(row.cells):
            reason = "more cells than headers: quote a cell with a comma, or clear what is too much"
            row.command, row.refused = None, RowRefused("", reason)
        column = self._under_another(row, layout) if layout else None
        if column:
            reason = "the cell is merged with one above it: write what it says in each row"
            row.command, row.refused = None, RowRefused(column.field, reason)
        return row

    def _under_another(self, row: Row, layout: Layout) -> Column | None:
        """The first column that is read in which a row's cell belongs to one of a row above."""
        merged = self._book.tables[row.table].merged.get(row.number)
        if not merged:
            return None
        here = (c for c in layout.columns if c.field != "source_ref" or "source" in layout.fields)
        return next((c for c in here if any(c.index in columns for columns in merged)), None)

    def _data(self, number: int, table: Table) -> Iterator[Row]:
        """The rows below the header that are not blank, nor the header printed again."""
        layout = self._layouts[number] if self._readers[number] else None
        top, again = (layout.rows, list(layout.cells)) if layout else (0, [])
        for record in table.records():
            if record.row <= top:
                self._summary.headings += 1
            elif all(map(is_blank, record.cells)):
                self._summary.blank += 1
            elif record.cells == again:
                self._summary.headings += 1
            else:
                yield Row(number, record.row, self._settled(number, record.cells))

    def _settled(self, number: int, cells: Sequence[Cell]) -> Sequence[Cell]:
        """The cells of a row, read alike whether in the office's file or in its rejects file."""
        layout, shift = self._layouts[number], self._book.tables[number].shift
        if layout is None:
            return cells
        if layout.is_mended:
            return [rejects.unescape(cell) if isinstance(cell, str) else cell for cell in cells]
        return _shifted(cells, layout, shift) if shift else cells

    def original(self, row: Row) -> list[str]:
        """A row's own cells as text, without what an earlier reject added."""
        skipped = self._skipped(row.table)
        return [shown(cell) for index, cell in enumerate(row.cells) if index not in skipped]

    def write_rejects(self, path: Path, spool: Spool) -> None:
        """Write the refused rows as a table under the headers they stood under.

        What tables read as one field stands in one column, or mended rows would not be read.
        """
        headers, renamed = [], self._renamed()
        for number, layout in enumerate(self._layouts):
            names = [shown(cell) for cell in layout.cells] if layout else []
            if layout is not None and layout.is_mended:
                names = [rejects.unescape(name) for name in names]
            for column in layout.columns if layout else ():
                names[column.index] = renamed[number].get(column.header, names[column.index])
            skipped = self._skipped(number)
            headers.append([name for index, name in enumerate(names) if index not in skipped])
        sheets = [table.name for table in self._book.tables]
        rejects.csv_writer(headers, sheets, renamed)(path, spool)

    def _renamed(self) -> list[dict[str, str]]:
        """Of each table: header → the one that its column has in the rejects file."""
        layouts = [layout for layout in self._layouts if layout is not None]
        shared = plainest(layouts) if len(layouts) > 1 else {}
        return [
            {c.header: shared[c.field] for c in layout.columns if c.field in shared}
            if layout
            else {}
            for layout in self._layouts
        ]

    def _skipped(self, number: int) -> frozenset[int]:
        layout = self._layouts[number]
        return layout.added if layout else frozenset()

    def _no_header(self, told: Sequence[Options]) -> HeaderNotFound:
        """Say what is missing under the best header there is."""
        pairs = zip(self._layouts, told, strict=True)
        found = [(missing(layout, options), layout) for layout, options in pairs if layout]
        hidden = ", ".join(self._book.hidden) or None
        if not found:
            empty = not any(table.rows for table in self._book.tables)
            return HeaderNotFound("file", reason="it is empty" if empty else None, hidden=hidden)
        lacking, layout = min(found, key=lambda pair: len(pair[0]))
        seen = ", ".join(f"{c.header} → {c.field}" for c in layout.columns)
        return HeaderNotFound("map", missing=", ".join(lacking), read=seen,
                              not_read=", ".join(layout.ignored) or None,
                              hidden=hidden)  # fmt: skip

    def _describe(self, told: Sequence[Options]) -> None:
        """Put into the summary how the file was understood."""
        notes = self._summary.notes
        for name, rows in self._book.hidden.items():
            notes.append(f"sheet {name} is hidden and was not read ({rows} rows); --sheet reads it")
        for table, layout, reader, options in zip(
            self._book.tables, self._layouts, self._readers, told, strict=True
        ):
            if layout is not None and reader is not None:
                self._summary.add_layout(layout, table.name)
                notes += notes_on(layout, options)
            elif table.rows:
                notes.append(f"sheet {table.name} has no header of hours: its rows are refused")
        self._summary.notes = list(dict.fromkeys(notes))


def _said_first(head: Sequence[Record]) -> str | None:
    """How the first row of a rejects file says that it is to be read; None in any other file."""
    number = mended_header(head)
    if number is None:
        return None
    headers = [shown(cell).strip() for cell in head[number].cells]
    filled = (record.cells for record in head[number + 1 :] if not all(map(is_blank, record.cells)))
    return next((_said(cells, headers) for cells in filled), None)


def _said(cells: Sequence[Cell], headers: Sequence[str]) -> str:
    """The cell under `_options`, empty where there is none."""
    named = zip(headers, cells, strict=False)
    return next((shown(cell).strip() for name, cell in named if name == OPTIONS_COLUMN), "")


def _shifted(cells: Sequence[Cell], layout: Layout, days: int) -> list[Cell]:
    """The cells with bare day numbers moved by so many days; a time alone is below 1."""
    dated = {column.index for column in layout.columns if column.field in DATED}
    return [
        cell + days if index in dated and isinstance(cell, int | float) and cell > 1 else cell
        for index, cell in enumerate(cells)
    ]


def notes_on(layout: Layout, options: Options) -> list[str]:
    """What a person should know of how a table is read."""
    there = layout.fields | set(options.defaults)
    notes = []
    if "source_ref" in layout.fields and "source" not in there:
        header = layout.header_of("source_ref")
        notes.append(
            f"{header} was not kept, as no source is given: rows are known by member, project, day"
            " and start. With --default source=… they are other rows: import these always with it"
            " or never, or they are kept twice"
        )
    if not there & {"evidence", "system", "manual"}:
        notes.append("evidence: manual, as the file says nothing of it (--default evidence=…)")
    bare = [c.header for c in layout.columns if c.field in DURATIONS and c.unit is None]
    if bare:
        unit = options.unit or "hours"
        notes.append(f"a number without a unit under {', '.join(bare)} is {unit} (--unit)")
    return notes
