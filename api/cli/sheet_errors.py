"""Cells of a workbook that hold something and have no value, which its reader takes for blank ones.

A formula's error (#N/A, #REF! …) and a formula that no program has worked out
yet are no blank cells: what a blank one means must not be read into them.
"""

import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree as ET

from api.cli.cells import Cell
from api.cli.sheet_parts import column_of, name_of, part_of

#: Row → column, from 0 → what the cell says: the error, or the formula.
Errors = dict[int, dict[int, str]]

#: Without one of these a sheet has no such cell, and need not be parsed, which takes many times as
#: long: an error, or a formula behind which the cell ends or has a blank value.
_SIGNS: Final = (b't="e"', b"t='e'", b"f/>")
_BLANK: Final = rb"\s*<(?:/|(?:\w+:)?v\s*(?:/>|>\s*</))"
_UNWORKED: Final = (re.compile(b"f>" + _BLANK), re.compile(b"f [^>]*/>" + _BLANK))
_BLOCK: Final = 1 << 20
#: No sign is longer.
_SIGN_MAX: Final = 1 << 10


def errors_of(path: Path, sheet: str) -> Errors:
    """The cells of a sheet of an XLSX file that have no value; none for another packed form.

    Raises what zipfile and ElementTree do for damage, and ValueError.
    """
    found: Errors = {}
    try:
        with zipfile.ZipFile(path) as parts:
            name = part_of(parts, sheet)
            with parts.open(name) as part:
                if not _may_have_any(part):
                    return {}
            with parts.open(name) as part:
                for row, column, said in _errors(part):
                    found.setdefault(row, {})[column] = said
    except KeyError:
        return {}
    return found


def with_errors(cells: Sequence[Cell], errors: dict[int, str], left: int) -> list[Cell]:
    """A row's cells, the first of them in column `left`, with those that have no value."""
    width = max(len(cells), *(column - left + 1 for column in errors))
    told = [*cells, *[None] * (width - len(cells))]
    for column, said in errors.items():
        if column >= left and told[column - left] is None:
            told[column - left] = said
    return told


def _may_have_any(part: IO[bytes]) -> bool:
    """Whether a sheet may hold such a cell: a look at its text is quick."""
    before = b""
    while block := part.read(_BLOCK):
        text = before + block
        if any(sign in text for sign in _SIGNS) or any(p.search(text) for p in _UNWORKED):
            return True
        before = text[-_SIGN_MAX:]
    return False


def _errors(part: IO[bytes]) -> Iterator[tuple[int, int, str]]:
    row = -1
    for _, element in ET.iterparse(part):  # noqa: S314 (as above)
        if name_of(element) != "row":
            continue
        row = int(element.get("r", row + 2)) - 1
        column = -1
        for cell in element:
            place = cell.get("r")
            column = column_of(place) if place else column + 1
            said = _said(cell)
            if said:
                yield row, column, said
        element.clear()


def _said(cell: ET.Element) -> str:
    """What a cell without a value says; empty for all others."""
    texts = {name_of(each): each.text or "" for each in cell}
    if cell.get("t") == "e":
        return texts.get("v") or "#N/A"
    if "f" in texts and cell.get("t") != "str" and not texts.get("v"):
        return f"={texts['f']}"
    return ""
