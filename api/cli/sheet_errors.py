"""Cells of a workbook that hold something and have no value, which its reader takes for blank ones.

A formula's error (#N/A, #REF! …) and a formula that no program has worked out
yet are no blank cells: what a blank one means must not be read into them.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree as ET

from api.cli.cells import Cell

#: Row → column, from 0 → what the cell says: the error, or the formula.
Errors = dict[int, dict[int, str]]

_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
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
            name = _part_of(parts, sheet)
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


def _part_of(parts: zipfile.ZipFile, sheet: str) -> str:
    """Where a sheet stands in its workbook. Raises KeyError."""
    relations = _parsed(parts, _RELATIONS)
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    for each in _parsed(parts, _WORKBOOK).iter():
        if _name(each) == "sheet" and each.get("name") == sheet:
            ids = [value for key, value in each.items() if key.endswith("}id")]
            return posixpath.join("/xl", targets[ids[0]]).lstrip("/") if ids else sheet
    raise KeyError(sheet)


def _parsed(parts: zipfile.ZipFile, name: str) -> ET.Element:
    return ET.fromstring(parts.read(name))  # noqa: S314 (expat bounds what entities become)


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
        if _name(element) != "row":
            continue
        row = int(element.get("r", row + 2)) - 1
        column = -1
        for cell in element:
            place = cell.get("r")
            column = _column(place) if place else column + 1
            said = _said(cell)
            if said:
                yield row, column, said
        element.clear()


def _said(cell: ET.Element) -> str:
    """What a cell without a value says; empty for all others."""
    texts = {_name(each): each.text or "" for each in cell}
    if cell.get("t") == "e":
        return texts.get("v") or "#N/A"
    if "f" in texts and cell.get("t") != "str" and not texts.get("v"):
        return f"={texts['f']}"
    return ""


def _column(place: str) -> int:
    """`B7` → 1."""
    column = 0
    for letter in place.rstrip("0123456789"):
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _name(element: ET.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
