"""Cells that might be guessed at: they mean what they say, or their rows are refused."""

import pytest

from api.cli.import_options import meant_by
from tests.unit.test_import_rows import ROW, read, refused


@pytest.mark.parametrize("start", ["24:00", "2025-03-01 24:00", "45717.99999999"])
def test_a_start_at_the_end_of_a_day_is_not_taken_for_its_beginning(start: str) -> None:
    """The service is of the next day, whichever of the two the office meant to write."""
    for row in (f"V1|P1|2025-03-01|{start}|2:00|2|elder_care", f"V1|P1||{start}||2|elder_care"):
        place, code, reason = refused(row)
        assert (place, code) == ("开始时间", "invalid_command")
        assert reason == "24:00 is the end of a day: write 00:00 and the next day"
    assert (
        refused("V1|P1|2025-03-01|24:00-2:00|elder_care", "编号|项目|日期|起止时间|类别")[2]
        == reason
    )
    assert read("V1|P1|2025-03-01|22:00|24:00|2|elder_care").end == "00:00"


def test_an_id_stands_for_itself_whatever_else_is_called_so() -> None:
    """Names are the ledger's; whoever writes an id means it."""
    called = {"P001": "邻里助老", "P002": "P001", "P003": "ｐ００１", "P004": "p004", "a": "A"}
    names = {"project": meant_by(called)}
    assert read(ROW, names=names).project == "P001"
    assert read(ROW.replace("P001", "邻里助老"), names=names).project == "P001"
    assert read(ROW.replace("P001", "p004"), names=names).project == "P004"
    assert read(ROW.replace("P001", "A"), names=names).project == "a"


def test_a_name_of_several_is_not_that_of_another_that_is_written_alike() -> None:
    names = {"project": meant_by({"P1": "Day Care", "P2": "Day Care", "P3": "day care"})}
    for name in ("Day Care", "day care"):
        reason = refused(ROW.replace("P001", name), names=names)[2]
        assert reason == f"{name!r} is the name of several; write the id"


@pytest.mark.parametrize("mark", ["①", "²", "½", "⑴", "⒈"])
def test_the_mark_of_a_note_is_no_digit_of_what_it_stands_at(mark: str) -> None:
    """Of 1① hours eleven were made, and of V0001① another member."""
    row = "V0001|P001|2025-03-01|9:00|20:30|1|elder_care"
    for cell in ("V0001", "2025-03-01", "9:00", "20:30", "|1|"):
        marked = row.replace(cell, f"|1{mark}|" if cell == "|1|" else f"{cell}{mark}")
        place, code, reason = refused(marked)
        assert (code, mark in reason) == ("invalid_command", True), place
    headers = "编号|项目|日期|时长|类别"
    for duration in (f"2小时{mark}", f"1{mark}", f"2:30{mark}"):
        assert refused(f"V1|P1|2025-03-01|{duration}|elder_care", headers)[0] == "时长"
