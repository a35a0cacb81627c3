"""The parts of a packed workbook: where a sheet stands in it, and how far the sheet reaches."""

import posixpath
import re
import zipfile
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
#: The sheet says it before its cells.
_HEAD_BYTES: Final = 1 << 16
_REACH: Final = re.compile(rb"<(?:\w+:)?dimension\s+ref=[\"']([A-Z]+)(\d+):([A-Z]+)(\d+)[\"']")


class Reach(NamedTuple):
    """The last cell of a sheet, and how many there are between the outermost, blank or not."""

    end: str
    cells: int


def reach_of(path: Path, sheet: str) -> Reach | None:
    """How far a sheet of an XLSX file says that it reaches; None where it does not say.

    Raises what zipfile and ElementTree do for damage.
    """
    try:
        with zipfile.ZipFile(path) as parts, parts.open(part_of(parts, sheet)) as part:
            found = _REACH.search(part.read(_HEAD_BYTES))
    except KeyError:  # another packed form
        return None
    if found is None:
        return None
    left, top, right, bottom = (each.decode() for each in found.groups())
    rows, columns = int(bottom) - int(top) + 1, column_of(right) - column_of(left) + 1
    return Reach(right + bottom, rows * columns)


def part_of(parts: zipfile.ZipFile, sheet: str) -> str:
    """Where a sheet stands in its workbook. Raises KeyError."""
    relations = _parsed(parts, _RELATIONS)
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    for each in _parsed(parts, _WORKBOOK).iter():
        if name_of(each) == "sheet" and each.get("name") == sheet:
            ids = [value for key, value in each.items() if key.endswith("}id")]
            return posixpath.join("/xl", targets[ids[0]]).lstrip("/") if ids else sheet
    raise KeyError(sheet)


def _parsed(parts: zipfile.ZipFile, name: str) -> ET.Element:
    return ET.fromstring(parts.read(name))  # noqa: S314 (expat bounds what entities become)


def name_of(element: ET.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def column_of(place: str) -> int:
    """`B7` → 1."""
    column = 0
    for letter in place.rstrip("0123456789"):
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1
