"""Cells without a value: found in whatever way a program writes them, and looked for quickly."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from api.cli import sheet_errors
from api.cli.sheet_errors import errors_of

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def sheet(path: Path, cells: str) -> Path:
    """A workbook with one sheet `S` that has one row of these cells."""
    rows = f'<x:sheetData><x:row r="1">{cells}</x:row></x:sheetData>'
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="S" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="rId1" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<x:worksheet xmlns:x="{MAIN}" xmlns="{MAIN}">{rows}'
        "<dataValidations><dataValidation><formula1>1</formula1></dataValidation>"
        "</dataValidations></x:worksheet>",
    }
    with zipfile.ZipFile(path, "w") as book:
        for name, text in parts.items():
            book.writestr(name, text)
    return path


@pytest.mark.parametrize("block", [7, 1 << 20])
@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ('<c r="A1"><f>1+1</f></c>', "=1+1"),
        ('<c r="A1"><f>1+1</f><v/></c>', "=1+1"),
        ('<c r="A1"><f>1+1</f><v /></c>', "=1+1"),
        ('<c r="A1"><f>1+1</f><v></v></c>', "=1+1"),
        ('<c r="A1">\n  <f>1+1</f>\n</c>', "=1+1"),
        ('<c r="A1"><f t="shared" si="0"/></c>', "="),
        ('<c r="A1"><f/><v/></c>', "="),
        ('<x:c r="A1"><x:f>1+1</x:f></x:c>', "=1+1"),
        ('<x:c r="A1"><x:f>1+1</x:f><x:v></x:v></x:c>', "=1+1"),
        ('<c r="A1" t="e"><v>#REF!</v></c>', "#REF!"),
        ("<c r='A1' t='e'><f>B1</f><v>#N/A</v></c>", "#N/A"),
    ],
)
def test_a_cell_that_has_no_value_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: str, said: str, block: int
) -> None:
    monkeypatch.setattr(sheet_errors, "_BLOCK", block)
    found = errors_of(sheet(tmp_path / "a.xlsx", f'{cells}<c r="B1"><v>1</v></c>'), "S")
    assert found == {0: {0: said}}


@pytest.mark.parametrize(
    "cells",
    [
        '<c r="A1"><v>1</v></c><c r="B1"/>',
        '<c r="A1"><f>1+1</f><v>2</v></c><c r="B1" t="str"><f>A2</f><v>甲</v></c>',
        '<x:c r="A1"><x:f t="shared" si="0"/><x:v>2</x:v></x:c>',
    ],
)
def test_a_sheet_whose_formulas_are_worked_out_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: str
) -> None:
    def parsed(_: object) -> Iterator[object]:
        raise AssertionError

    monkeypatch.setattr("xml.etree.ElementTree.iterparse", parsed)
    for block in (7, 1 << 20):
        monkeypatch.setattr(sheet_errors, "_BLOCK", block)
        assert errors_of(sheet(tmp_path / f"{block}.xlsx", cells), "S") == {}
