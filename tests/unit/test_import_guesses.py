"""Cells that would have to be guessed at: their rows are refused."""

import pytest

from tests.unit.test_import_rows import read, refused


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
