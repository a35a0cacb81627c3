"""The rows of a file of JSON lines: commands, or objects whose names are headers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from api.bodies import LINE, refusal
from api.cli import import_options, rejects
from api.cli.headers import OPTIONS_COLUMN, layout_of, read_mapping
from api.cli.import_options import Options
from api.cli.import_summary import Summary
from api.cli.rejects import BROKEN_LINE, Line, Spool
from api.cli.rows import RowReader, RowRefused, missing
from api.cli.spreadsheets import Book
from api.cli.tables import Row, notes_on
from ledger.domain.commands import Command
from ledger.domain.errors import InvalidCommand

#: So many different shapes of objects are remembered, and told of.
_SHAPES_MAX: Final = 256
#: Made once: to convert an object to a union would look through all of its types each time.
_COMMANDS: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(LINE)


class Lines:
    """A file of JSON lines. Each object has a shape of its own, read as a header is."""

    def __init__(self, book: Book, options: Options, summary: Summary) -> None:
        self._book, self._options, self._summary = book, options, summary
        self._said = options.text()
        #: By what is said of an object, and its names.
        self._shapes: dict[tuple[str, ...], RowReader] = {}

    def rows(self) -> Iterator[Row]:
        """All lines with something in them."""
        (table,) = self._book.tables
        for record in table.records():
            text = str(record.cells[0])
            if text:
                self._summary.rows += 1
                yield self._row(record.row, text)
            else:
                self._summary.blank += 1

    def original(self, row: Row) -> list[str]:
        """The line itself, and the name it was sent under."""
        return [row.text, row.name]

    def write_rejects(self, path: Path, spool: Spool) -> None:
        """Write the refused lines as lines."""
        rejects.write_lines(path, spool)

    def _row(self, number: int, text: str) -> Row:
        row = Row(0, number, (), text=text, options=self._said)
        try:
            line = rejects.read_line(text)
            row.name = line.name
            if "op" not in line.own:
                return self._object(row, line)
            row.options = ""
            row.command = _COMMANDS.decode(msgspec.json.encode(line.own))
        except msgspec.ValidationError as error:
            found = refusal(error)
            row.refused = RowRefused(found.at, f"{found.facts['reason']}")
        except RowRefused as refused:
            row.refused = refused
        except RecursionError:
            row.refused = RowRefused("", "the line is nested too deep", BROKEN_LINE)
        except ValueError as error:
            row.refused = RowRefused("", f"{error}", BROKEN_LINE)
        return row

    def _object(self, row: Row, line: Line) -> Row:
        """An object without `op` is a row of hours. Raises RowRefused."""
        row.cells = list(line.own.values())
        options = self._told(row, line.options) if line.options else self._options
        for name, cell in line.own.items():
            if isinstance(cell, list | dict):
                raise RowRefused(name, "the value is not a plain one")
        shape = (row.options, *line.own)
        reader = self._shapes.get(shape)
        if reader is None:
            reader = self._reader(shape, options, is_mended=bool(line.options))
        return row.read(reader)

    def _told(self, row: Row, carried: list[Any]) -> Options:
        """How a line is to be read, by what its rejects say and what is said now.

        Raises RowRefused; its reject says again what cannot be understood.
        """
        options = Options()
        for said in carried:
            try:
                options = import_options.carried(said).over(options)
            except InvalidCommand as error:
                row.options = json.dumps(said)
                raise RowRefused(OPTIONS_COLUMN, f"{error.facts['reason']}") from None
        options = self._options.over(options)
        row.options = options.text()
        return options

    def _reader(self, shape: tuple[str, ...], options: Options, *, is_mended: bool) -> RowReader:
        """How objects of a shape are read. Raises RowRefused when they cannot be."""
        layout = layout_of(shape[1:], read_mapping(options.mapping))
        lacking = missing(layout, options)
        if lacking:
            raise RowRefused(lacking[0], f"there is no {', no '.join(lacking)}")
        try:
            reader = RowReader(layout, options)
        except InvalidCommand as error:
            if is_mended:
                raise RowRefused(
                    OPTIONS_COLUMN, f"its default of {error.at} cannot be read"
                ) from None
            raise
        if len(self._shapes) < _SHAPES_MAX:
            self._shapes[shape] = reader
            self._summary.add_layout(layout, "")
            new = notes_on(layout, options)
            self._summary.notes += [note for note in new if note not in self._summary.notes]
        return reader
