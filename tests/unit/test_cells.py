"""Cells as offices fill them in: what is read exactly, and what is refused."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest

from api.cli import cells
from api.cli.cells import BadCell, Cell, Moment, Unit

MARCH = date(2025, 3, 1)


@pytest.mark.parametrize(
    "cell",
    [
        "2025-03-01",
        "2025/3/1",
        "2025.3.1",
        "2025年3月1日",
        "2025 年 3 月 1 日",
        "２０２５年３月１日",
        " 2025-3-1\u3000",
        "20250301",
        "2025-03-01 00:00:00",
        "2025-03-01T09:30",
        "2025年3月1日（星期六）",
        "45717",
        45717,
        45717.0,
        45717.375,
        20250301,
        date(2025, 3, 1),
        datetime(2025, 3, 1, 9, 30),
    ],
)
def test_a_day_is_read(cell: Cell) -> None:
    assert cells.day(cell) == MARCH


@pytest.mark.parametrize(
    "cell",
    ["", "3月1日", "3/1/2025", "25-3-1", "2025-02-29", "2025-13-01", "三月一日", "-45717", True,
     "2025-03-01Z", float("nan"), 1e300, "99999999999"],
)  # fmt: skip
def test_what_is_no_day_or_may_be_two_is_refused(cell: Cell) -> None:
    with pytest.raises(BadCell):
        cells.day(cell)


def test_serial_days_follow_excel_through_its_leap_year_that_never_was() -> None:
    assert cells.day(1) == date(1900, 1, 1)
    assert cells.day(59) == date(1900, 2, 28)
    assert cells.day(61) == date(1900, 3, 1)
    assert cells.day(2_958_465) == date(9999, 12, 31)
    for absent in (0, 60, 2_958_466):
        with pytest.raises(BadCell):
            cells.day(absent)


@pytest.mark.parametrize(
    ("cell", "clock"),
    [
        ("9:00", "09:00"),
        ("09:00:00", "09:00"),
        ("９：００", "09:00"),
        ("9点", "09:00"),
        ("9点半", "09:30"),
        ("9时05分", "09:05"),
        ("上午9:00", "09:00"),
        ("下午2:30", "14:30"),
        ("下午14:30", "14:30"),
        ("中午12:15", "12:15"),
        ("中午1:00", "13:00"),
        ("晚上7点", "19:00"),
        ("凌晨12:10", "00:10"),
        ("12:30 AM", "00:30"),
        ("2:30PM", "14:30"),
        ("12:00 pm", "12:00"),
        ("24:00", "00:00"),
        ("0.375", "09:00"),
        (0.375, "09:00"),
        (0.3888888888888889, "09:20"),
        (0.9993055555555556, "23:59"),
        (Decimal("0.5"), "12:00"),
        (time(9, 20), "09:20"),
        (time(9, 19, 59, 999_990), "09:20"),
        (timedelta(hours=9), "09:00"),
        (datetime(1899, 12, 31, 9, 0), "09:00"),
    ],
)
def test_a_clock_time_is_read(cell: Cell, clock: str) -> None:
    assert (cells.moment(cell).day, cells.moment(cell).clock) == (None, clock)


@pytest.mark.parametrize(
    "cell",
    ["2025-03-01 09:05", "2025/3/1 9:05:00", "2025年3月1日9:05", "2025年3月1日上午9:05",
     "2025-03-01T09:05:00", datetime(2025, 3, 1, 9, 5), "45717.378472222222"],
)  # fmt: skip
def test_a_clock_time_may_name_its_day(cell: Cell) -> None:
    assert cells.moment(cell) == Moment(MARCH, (9 * 60 + 5) * 60)


@pytest.mark.parametrize(
    "cell",
    ["9", 9, 900, "0900", "25:00", "9:60", "上午12:30", "晚上12:00", "上午14:00", "上午9:00pm",
     "24:01", "2025-03-012", "2025-3-19:30", "九点", "", "9:00-11:00", 0.1234567891,
     "9.30", "11.5", 9.5,
     timedelta(hours=26), timedelta(hours=-1)],
)  # fmt: skip
def test_what_is_no_clock_time_or_may_be_two_is_refused(cell: Cell) -> None:
    with pytest.raises(BadCell):
        cells.moment(cell)


@pytest.mark.parametrize(
    ("cell", "unit", "minutes"),
    [
        ("2.5", None, 150),
        ("2.5", "hours", 150),
        ("150", "minutes", 150),
        (2.5, None, 150),
        (150, "minutes", 150),
        (Decimal("2.50"), "hours", 150),
        ("２.５小时", None, 150),
        ("2.5小时", "minutes", 150),
        ("2.5 个小时", None, 150),
        ("150分钟", "hours", 150),
        ("150 min", None, 150),
        ("2.5h", None, 150),
        ("2 Hours", None, 120),
        ("2小时30分", None, 150),
        ("2小时30分钟", None, 150),
        ("2h30m", None, 150),
        ("2小时半", None, 150),
        ("2个半小时", None, 150),
        ("半小时", None, 30),
        ("2:30", None, 150),
        ("2:30:00", "hours", 150),
        (".5", None, 30),
        ("0.05", None, 3),
        ("-2", None, -120),
        ("25", None, 1500),
        ("0", None, 0),
        (time(2, 30), None, 150),
        (timedelta(hours=26), None, 1560),
        (timedelta(hours=2, microseconds=-30), None, 120),
        (timedelta(hours=-2), None, -120),
        # What Excel computes of (11:30 - 9:00) * 24 is not quite 2.5, but shown and meant as that.
        (2.5000000000000004, None, 150),
    ],
)
def test_a_duration_is_read_exactly(cell: Cell, unit: Unit | None, minutes: int) -> None:
    assert cells.minutes(cell, unit) == minutes


@pytest.mark.parametrize(
    ("cell", "unit"),
    [
        ("0.333", None),
        ("0.333333333333", None),
        (1 / 3, None),
        ("90.5", "minutes"),
        ("1.005h", None),
        ("2:30", "minutes"),
        ("2:60", None),
        (time(2, 30, 20), None),
        (time(2, 30, 0, 400_000), None),
        (date(2025, 3, 1), None),
        ("两小时", None),
        ("1,5", None),
        ("1e3", None),
        ("99999999999999999999", None),
        (float("inf"), None),
        (True, None),
        ("", None),
    ],
)
def test_a_duration_is_never_rounded(cell: Cell, unit: Unit | None) -> None:
    with pytest.raises(BadCell):
        cells.minutes(cell, unit)


def test_every_whole_number_of_minutes_is_read_back_from_its_decimal_hours() -> None:
    """0.05 h is 3 min: all multiples of it, and only those, can be written as decimal hours."""
    for hundredths in range(2401):
        text = f"{hundredths // 100}.{hundredths % 100:02d}"
        if hundredths * 60 % 100:
            with pytest.raises(BadCell):
                cells.minutes(text)
        else:
            assert cells.minutes(text) == cells.minutes(float(text)) == hundredths * 60 // 100


@pytest.mark.parametrize(
    ("cell", "text"),
    [("Ｖ０００１ ", "V0001"), (12.0, "12"), (330424000123.0, "330424000123"), (None, ""),
     ("\ufeffV1\u200b", "V1"), ("\u3000", ""), ("2025年3⽉１𝟏⽇", "2025年3月11日"),
     ("e\u0301", "é"), ("V1①", "V1①"),
     (2.5, "2.5"), (True, "TRUE"),
     (1e14, "1" + "0" * 14), (10**31 + 1, "1" + "0" * 30 + "1"), (10**400, "1" + "0" * 400)],
)  # fmt: skip
def test_text_is_made_plain(cell: Cell, text: str) -> None:
    assert cells.text_of(cell) == text


def test_a_number_that_excel_cut_short_is_refused_as_an_id() -> None:
    with pytest.raises(BadCell, match="15 digits"):
        cells.text_of(330424199001011234.0)


@pytest.mark.parametrize("cell", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused_and_still_shown(cell: float) -> None:
    """Its row goes into the rejects file."""
    with pytest.raises(BadCell, match="is not a number"):
        cells.text_of(cell)
    assert cells.shown(cell) == str(cell)


@pytest.mark.parametrize(
    "cell",
    [date(2025, 3, 1), datetime(2025, 3, 1, 9, 30), time(9, 30), timedelta(hours=26, minutes=5),
     2.5, 45717, 0.3888888888888889],
)  # fmt: skip
def test_what_is_shown_reads_back_as_the_same(cell: Cell) -> None:
    for read in (cells.day, cells.moment, cells.minutes):
        try:
            meant = read(cell)
        except BadCell:
            continue
        assert read(cells.shown(cell)) == meant


def test_a_reason_repeats_a_cell_as_it_is_written() -> None:
    for read in (cells.minutes, cells.moment):
        with pytest.raises(BadCell, match="#DIV/0!"):
            read("#DIV/0!")
