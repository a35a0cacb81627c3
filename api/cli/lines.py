"""The rows of a file of JSON lines: commands, or objects whose names are headers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from api.bodies import LINE, refusal
from api.cli import rejects
from api.cli.headers import layout_of, read_mapping
from api.cli.import_summary import Summary
from api.cli.rejects import BROKEN_LINE, Spool
from api.cli.rows import Options, RowReader, RowRefused, missing
from api.cli.spreadsheets import Book
from api.cli.tables import Row, notes_on
from ledger.domain.commands import Command

#: So many different shapes of objects are remembered, and told of.
_SHAPES_MAX: Final = 256
#: Made once: to convert an object to a union would look through all of its types each time.
_COMMANDS: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(LINE)


class Lines:
    """A file of JSON lines. Each object has a shape of its own, read as a header is."""

    def __init__(self, book: Book, options: Options, summary: Summary) -> None:
        self._book, self._options, self._summary = book, options, summary
        self._meanings = read_mapping(options.mapping)
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
        row = Row(0, number, (), text=text)
        try:
            line, row.name = rejects.read_line(text)
            if "op" not in line:
                return self._object(row, line)
            row.command = _COMMANDS.decode(msgspec.json.encode(line))
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

    def _object(self, row: Row, line: dict[str, Any]) -> Row:
        """An object without `op` is a row of hours. Raises RowRefused."""
        row.cells = list(line.values())
        for name, cell in line.items():
            if isinstance(cell, list | dict):
                raise RowRefused(name, "the value is not a plain one")
        shape = tuple(line)
        reader = self._shapes.get(shape)
        if reader is None:
            reader = self._reader(shape)
        return row.read(reader)

    def _reader(self, shape: tuple[str, ...]) -> RowReader:
        """How objects of a shape are read. Raises RowRefused when they cannot be."""
        layout = layout_of(shape, self._meanings)
        lacking = missing(layout, self._options)
        if lacking:
            raise RowRefused(lacking[0], f"there is no {', no '.join(lacking)}")
        reader = RowReader(layout, self._options)
        if len(self._shapes) < _SHAPES_MAX:
            self._shapes[shape] = reader
            self._summary.add_layout(layout, "")
            new = notes_on(layout, self._options)
            self._summary.notes += [note for note in new if note not in self._summary.notes]
        return reader
