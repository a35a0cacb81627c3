"""The rejects file: every row that was refused, with the reason, to be mended and imported again.

It is gathered aside and put in its place whole, at the end of a run: whoever
finds one, finds all of it. Rows come back as they were, so that what is mended
in the file is all that changes.
"""

import csv
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NamedTuple, Self

import msgspec
from msgspec import Struct

from api.cli.cells import quoted
from api.cli.headers import EXTRA_COLUMN, OPTIONS_COLUMN, REJECT_COLUMNS
from api.cli.placing import part_of
from ledger.domain.errors import InvalidCommand
from ledger.store.durable import sync_folder

#: A spreadsheet takes a cell that starts with one of these for a formula (OWASP, CSV injection).
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")
#: The code of a line that is no JSON object.
BROKEN_LINE: Final = "broken_line"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: What a reject adds to a line. `_id`: the name a command was sent under; it keeps it, so that a
#: mended line and the one in the first file are never both done.
_LINE_NAMES: Final = (*REJECT_COLUMNS, "_id")
_NAME: Final = re.compile("import-[0-9a-f]{40}")
_ENCODER: Final = msgspec.json.Encoder()


class Reject(Struct, array_like=True, frozen=True):
    """One refused row. `cells` are its own, as text; `column` is the header of the one at fault.

    `options` is how it was read, as JSON; empty where that is the same for all files.
    """

    table: int
    row: int
    column: str
    code: str
    reason: str
    cells: list[str]
    options: str = ""


_DECODER: Final = msgspec.json.Decoder(Reject)


def escape(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; `unescape` gives it back."""
    return f"'{text}" if text.lstrip("'").startswith(_DANGEROUS) else text


def unescape(text: str) -> str:
    """What `escape` was given."""
    if text.startswith("'") and text.lstrip("'").startswith(_DANGEROUS):
        return text[1:]
    return text


class Spool:
    """Refused rows, kept aside until the run is over. A context manager."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, reject: Reject) -> None:
        """Keep a refused row."""
        self._file.write(_ENCODER.encode(reject) + b"\n")
        self.count += 1

    def __iter__(self) -> Iterator[Reject]:
        self._file.seek(0)
        return map(_DECODER.decode, self._file)


def publish(path: Path, spool: Spool, write: Callable[[Path, Spool], None]) -> Path | None:
    """Put a run's rejects at `path`, or nothing where there are none; the path it wrote.

    A file that stands there and says something else is set aside as `<name>.bak`: someone may
    have mended rows in it. Durable before it is in place; readers see the old or the new whole.
    """
    fresh = part_of(path)
    try:
        write(fresh, spool)
        if path.exists() and not _same(path, fresh):
            path.replace(path.with_name(f"{path.name}.bak"))
        if spool.count:
            fresh.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()
    return path if spool.count else None


def check_place(path: Path) -> None:
    """Raises InvalidCommand where no rejects could be put: better before the rows are sent."""
    part = part_of(path)
    try:
        part.touch(exist_ok=False)
        part.unlink()
    except OSError as error:
        raise InvalidCommand("rejects", file=str(path), reason=error.strerror) from error


def _same(one: Path, other: Path) -> bool:
    with one.open("rb") as left, other.open("rb") as right:
        while (part := left.read(1 << 16)) == right.read(1 << 16):
            if not part:
                return True
    return False


def _synced(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


# as a table


def csv_writer(
    headers: Sequence[Sequence[str]],
    sheets: Sequence[str],
    renamed: Sequence[Mapping[str, str]],
) -> Callable[[Path, Spool], None]:
    """Writes rejects as CSV for office programs: UTF-8 with BOM, CRLF, no formulas.

    `headers`, `sheets` and `renamed` (a row's own header → the one it has here): of each table of
    the file. Tables with other columns share the file: columns are matched by header, the second
    of a name with the second.
    """
    keyed = [_keyed(names) for names in headers]

    def write(path: Path, spool: Spool) -> None:
        widths: dict[int, int] = {}
        for reject in spool:
            widths[reject.table] = max(widths.get(reject.table, 0), len(reject.cells))
        wide = {number: _wide(keyed[number], width) for number, width in sorted(widths.items())}
        columns = list(dict.fromkeys(key for keys in wide.values() for key in keys))
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.writer(file, lineterminator="\r\n")
            table.writerow([*REJECT_COLUMNS, *(escape(name) for name, _ in columns)])
            for reject in spool:
                cells = dict(zip(wide[reject.table], reject.cells, strict=False))
                own = _own(reject, sheets[reject.table], renamed[reject.table])
                table.writerow(map(escape, [*own, *(cells.get(key, "") for key in columns)]))
            _synced(file)

    return write


def _own(reject: Reject, sheet: str, renamed: Mapping[str, str]) -> list[str]:
    """The cells under REJECT_COLUMNS."""
    column = renamed.get(reject.column, reject.column)
    return [str(reject.row), sheet, column, reject.code, reject.reason, reject.options]


Key = tuple[str, int]


def _keyed(names: Sequence[str]) -> list[Key]:
    """Headers with the number of times each stood before."""
    return [(name, names[:index].count(name)) for index, name in enumerate(names)]


def _wide(keys: list[Key], width: int) -> list[Key]:
    """Headers for rows that are wider than the header; a sheet may have none."""
    name = EXTRA_COLUMN if keys else ""
    named = sum(1 for each, _ in keys if each == name)
    return keys + [(name, named + n) for n in range(width - len(keys))]


# as lines


def write_lines(path: Path, spool: Spool) -> None:
    """Writes rejects of JSON lines: each line's own text with what was wrong added to it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for reject in spool:
            file.write(_line(reject) + "\n")
        _synced(file)


def _line(reject: Reject) -> str:
    """The object with the reject's fields before its own; a broken line whole, as `_line`."""
    text, name = reject.cells
    line: dict[str, Any] = {
        "_row": reject.row,
        "_column": reject.column,
        "_code": reject.code,
        "_reason": reject.reason,
    }
    if reject.options:
        line[OPTIONS_COLUMN] = json.loads(reject.options)
    if name:
        line["_id"] = name
    line |= {"_line": text} if reject.code == BROKEN_LINE else read_line(text).own
    told = json.dumps(line, ensure_ascii=False)
    # Half a surrogate pair can stand in a file as an escape only.
    return json.dumps(line) if _SURROGATE.search(told) else told


class Line(NamedTuple):
    """A line's own fields, and what earlier rejects added that still has a meaning."""

    own: dict[str, Any]
    #: The name it was sent under, if under one of its own.
    name: str
    #: What each of them says of how it is to be read, the first one first.
    options: list[Any]


def read_line(text: str) -> Line:
    """A line, apart from what earlier rejects added.

    Raises ValueError for what is no JSON object, or not one to all readers (a name twice, NaN).
    """
    line = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    if not isinstance(line, dict):
        raise ValueError("the line is not a JSON object")  # noqa: TRY004 (one error for all)
    options = [line.get(OPTIONS_COLUMN)] if "_code" in line else []
    if isinstance(line.get("_line"), str):
        broken = read_line(line["_line"])
        return broken._replace(options=[*broken.options, *options])
    name = str(line.get("_id", ""))
    own = {key: value for key, value in line.items() if key not in _LINE_NAMES}
    return Line(own, name if _NAME.fullmatch(name) else "", options)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name stands twice in the line")
    if any(map(_SURROGATE.search, read)):  # what a refusal could not name
        raise ValueError("a name in the line has half a surrogate pair")
    return read


def _no_number(text: str) -> Any:
    raise ValueError(f"{quoted(text)} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)} is not a number")
    return number
