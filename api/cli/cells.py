"""Cells as offices fill them in, and what they mean: exactly, with no float and no rounding.

Full-width digits and letters, stray spaces, Excel's serial days and fractions of
a day, Chinese and English ways to write days, clock times and durations. What
could mean two things is refused: a person at the office knows, we do not.
"""

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Final, Literal, NamedTuple

from api.cli.quantities import parse_exact

#: What a file may hold in a cell; decimals stand in JSON lines.
Cell = str | int | float | Decimal | bool | date | datetime | time | timedelta | None
#: What a bare number under a duration header counts.
Unit = Literal["hours", "minutes"]

#: Characters of a cell that a reason repeats.
QUOTED_MAX: Final = 40
SECONDS_PER_DAY: Final = 86_400
#: By how much a file's binary fraction of a day may miss the second that was meant.
_HAIR: Final = timedelta(milliseconds=10)
#: Columns repeat themselves: so many different cells of a sort are remembered.
_CACHE: Final = 16_384
#: Excel keeps so many significant digits; a longer number has lost its last ones.
_EXCEL_DIGITS: Final = 15


class BadCell(ValueError):  # noqa: N818 (what it is, not that it fails)
    """A cell that cannot be read; the message says why and what to write instead."""


def quoted(text: str) -> str:
    """What a cell says, as a reason repeats it: enough to know it again, in one line of a table."""
    return repr(text if len(text) <= QUOTED_MAX else f"{text[:QUOTED_MAX]}…")


class Moment(NamedTuple):
    """A clock time, with the day where the cell has one. `second`: 0 to 86,400 (24:00)."""

    day: date | None
    second: int

    @property
    def clock(self) -> str:
        """`HH:MM`; what is left of a minute is dropped, as on the face of a clock."""
        return f"{self.second // 3600 % 24:02d}:{self.second // 60 % 60:02d}"


def plain(text: str) -> str:
    """Full-width characters made plain, format characters and outer spaces gone."""
    if text.isascii():
        return text.strip()
    made = unicodedata.normalize("NFKC", text)
    if made != text and _digits(made) != _digits(text):
        made = "".join(c if _is_mark(c) else unicodedata.normalize("NFKC", c) for c in text)
        made = unicodedata.normalize("NFC", made)
    return "".join(c for c in made if unicodedata.category(c) != "Cf").strip()


def _is_mark(sign: str) -> bool:
    """Whether it is a digit in a circle, raised or the like: the mark of a note, of no number."""
    return not sign.isdecimal() and _digits(unicodedata.normalize("NFKC", sign)) > 0


def _digits(text: str) -> int:
    return sum(map(str.isdecimal, text))


@lru_cache(_CACHE, typed=True)
def text_of(cell: Cell) -> str:
    """A cell as plain text, empty for a blank one. Raises BadCell for a number cut short."""
    if isinstance(cell, str):
        return plain(cell)
    if isinstance(cell, float | Decimal):
        number = exact(cell)
        if isinstance(cell, float) and abs(number) >= 10**_EXCEL_DIGITS:
            raise BadCell("Excel keeps 15 digits of a number: format the column as text")
    return shown(cell)


def shown(cell: Cell) -> str:  # noqa: PLR0911 (a line a type)
    """A cell as it goes into a file of text, so that it reads back as the same."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case int():  # all of its digits: something may be known by them
            return f"{cell}"
        case float() | Decimal():
            return f"{exact(cell):f}" if isfinite(cell) else f"{cell}"
        case timedelta():
            seconds = (cell + _HAIR) // timedelta(seconds=1)
            hours, rest = divmod(abs(seconds), 3600)
            return f"{'-' if seconds < 0 else ''}{hours}:{rest // 60:02d}:{rest % 60:02d}"
        case datetime():
            return cell.isoformat(" ", "seconds")
        case _:
            return cell.isoformat()


def exact(number: float | Decimal) -> Decimal:
    """The decimal number a cell shows: Excel keeps 15 digits, the rest is binary noise."""
    value = Decimal(f"{number:.15g}") if isinstance(number, float) else number
    if not value.is_finite():
        raise BadCell(f"{number} is not a number")
    return value.normalize()


# days

_YMD: Final = r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?"
_WEEKDAY: Final = r"(?:\s*\(?(?:星期|周)[一二三四五六日天]\)?)?"
_DAY: Final = re.compile(rf"{_YMD}{_WEEKDAY}(?:[ T]+\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.0+)?)?)?")
_COMPACT_DAY: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,20})?", re.ASCII)
_SERIAL_MAX: Final = 2_958_465  # 9999-12-31
_YEAR_1900: Final = 366  # the serial number of its last day


@lru_cache(_CACHE, typed=True)
def day(cell: Cell) -> date:
    """The day a cell names. Raises BadCell."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = text_of(cell)
    found = _DAY.fullmatch(text) or _COMPACT_DAY.fullmatch(text)
    if found:
        return _date(*map(int, found.groups()), text=text)
    if _NUMBER.fullmatch(text):
        return serial_day(Decimal(text))
    raise BadCell(f"{quoted(text)} is not a day such as 2025-03-01 or 2025年3月1日")


def serial_day(number: Decimal) -> date:
    """The day of Excel's serial number, 1900 system. Raises BadCell.

    Excel believes in a 29 February 1900 (serial 60), so the days before it count from another
    zero than those after it.
    """
    serial = int(number)
    if not 1 <= serial <= _SERIAL_MAX or serial == 60:
        raise BadCell(f"{number} is not the number of a day: write it as 2025-03-01")
    return date(1899, 12, 31 if serial < 60 else 30) + timedelta(days=serial)


def _date(year: int, month: int, day_of_month: int, *, text: str) -> date:
    try:
        return date(year, month, day_of_month)
    except ValueError:
        raise BadCell(f"there is no day {quoted(text)}") from None


# clock times

_MORNING: Final = ("凌晨", "清晨", "早上", "早晨", "上午", "am")
_AFTERNOON: Final = ("下午", "傍晚", "晚上", "夜里", "pm")
_CLOCK: Final = re.compile(
    rf"(?:{_YMD}{_WEEKDAY}(?:[ t]+|(?<!\d)|(?=\D)))?"
    rf"(?P<before>{'|'.join((*_MORNING, *_AFTERNOON))}|中午)?\s*"
    r"(?P<h>\d{1,2})\s*(?P<mark>[:点时]\s*"
    r"(?:(?P<half>半)|(?P<m>\d{1,2})(?:分|:(?P<s>\d{2})(?:\.0+)?)?)?)?"
    r"\s*(?P<after>am|pm)?",
)


@lru_cache(_CACHE, typed=True)
def moment(cell: Cell) -> Moment:
    """The clock time of a cell, with its day if it has one. Raises BadCell."""
    match cell:
        case datetime():
            # Excel's day zero: a time that was formatted as a day and a time.
            named = cell.date() if cell.year > 1900 else None
            return Moment(named, _second_of(cell.time()))
        case time():
            return Moment(None, _second_of(cell))
        case timedelta() if timedelta(0) <= cell <= timedelta(days=1):
            return Moment(None, (cell + _HAIR) // timedelta(seconds=1))
    text = text_of(cell).casefold()
    if _NUMBER.fullmatch(text) and "." in text:
        return _fraction(Decimal(text))
    found = _CLOCK.fullmatch(text)
    if found is None or not (found["mark"] or found["before"] or found["after"]):
        raise BadCell(f"{quoted(text_of(cell))} is not a clock time such as 09:00 or 下午2:30")
    year, month, day_of_month = found.groups()[:3]
    named = _date(int(year), int(month), int(day_of_month), text=text) if year else None
    return Moment(named, _spoken_second(found, text))


def _second_of(clock: time) -> int:
    """Seconds since midnight; what is left of a second is dropped, but for a hair."""
    return (_since_midnight(clock) + _HAIR) // timedelta(seconds=1)


def _since_midnight(clock: time) -> timedelta:
    return timedelta(
        hours=clock.hour,
        minutes=clock.minute,
        seconds=clock.second,
        microseconds=clock.microsecond,
    )


def _fraction(number: Decimal) -> Moment:
    """A fraction of a day, after a serial day or alone. Raises BadCell.

    9.30 is a time to most who write it, and to none a moment of the year 1900.
    """
    whole, part = divmod(number, 1)
    seconds = part * SECONDS_PER_DAY
    nearest = seconds.to_integral_value()
    if number < 0 or 1 <= whole <= _YEAR_1900 or abs(seconds - nearest) > Decimal("0.01"):
        raise BadCell(f"{number:f} is not a clock time such as 09:00")
    return Moment(serial_day(number) if whole else None, int(nearest))


def _spoken_second(found: re.Match[str], text: str) -> int:
    hour, minute, second = int(found["h"]), int(found["m"] or 0), int(found["s"] or 0)
    minute = 30 if found["half"] else minute
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second):
        raise BadCell(f"there is no time {quoted(text)}")
    said = found["before"] or found["after"]
    if said and not (found["before"] and found["after"]):
        hour = _hour_said(said, hour, text)
    elif said:
        raise BadCell(f"{quoted(text)} says twice which half of the day it is")
    return (hour * 60 + minute) * 60 + second


def _hour_said(said: str, hour: int, text: str) -> int:
    """The hour of the day, when the half of the day was said. Raises BadCell if it may be two."""
    if said == "中午":
        if hour in (11, 12):
            return hour
        if hour in (1, 2):
            return hour + 12
    elif said in _MORNING:
        if hour < 12:
            return hour
        if hour == 12 and said in ("凌晨", "am"):
            return 0
    elif hour == 12 and said in ("下午", "pm"):
        return 12
    elif hour != 12 and hour < 24:
        return hour if hour > 12 else hour + 12
    raise may_be_two_times(text)


def may_be_two_times(text: str) -> BadCell:
    """Why a clock time is refused that says, or leaves open, which half of the day it is in."""
    return BadCell(f"{quoted(text)} may be two times: write it from 00:00 to 23:59")


def unclear(start: Cell, end: Cell) -> Literal["start", "end"] | None:
    """Which of two clock times may be two, as only the other says its half of the day.

    `下午2:00-4:00` means 16:00 to most people and 04:00 by the clock; `9:00-下午1:00` is clear,
    for the start cannot be meant to lie in the afternoon too.
    """
    first, last = _half_said(start), _half_said(end)
    began, ended = moment(start), moment(end)
    if first and not last:
        may_be_two = 1 <= ended.second // 3600 <= 12 and ended.day is None
        return "end" if may_be_two and ended.second <= began.second else None
    if last and not first:
        try:
            hour = _hour_said(last, began.second // 3600, "")
        except BadCell:
            return None
        other = hour * 3600 + began.second % 3600
        return "start" if began.second != other < ended.second else None
    return None


def _half_said(cell: Cell) -> str:
    found = _CLOCK.fullmatch(text_of(cell).casefold())
    return (found["before"] or found["after"] or "") if found else ""


# durations

_HOUR_WORD: Final = r"(?:个?小时|个?钟头|时|h|hrs?|hours?)"
_MINUTE_WORD: Final = r"(?:分钟?|m|mins?|minutes?)"
_AMOUNT: Final = r"([+-]?(?:\d{1,9}(?:\.\d{0,15})?|\.\d{1,15}))"
_BARE: Final = re.compile(_AMOUNT, re.ASCII)
_HOURS: Final = re.compile(rf"{_AMOUNT}\s*{_HOUR_WORD}")
_MINUTES: Final = re.compile(rf"{_AMOUNT}\s*{_MINUTE_WORD}")
_BOTH: Final = re.compile(rf"(-?)(\d{{1,4}})\s*{_HOUR_WORD}\s*(\d{{1,2}})\s*{_MINUTE_WORD}?")
_COLON: Final = re.compile(r"(-?)(\d{1,4}):([0-5]\d)(?::00)?")
_HALF: Final = re.compile(rf"(\d{{1,4}})\s*(?:{_HOUR_WORD}半|个半{_HOUR_WORD})|半个?(?:小时|钟头)")


@lru_cache(_CACHE, typed=True)
def minutes(cell: Cell, unit: Unit | None = None) -> int:  # noqa: PLR0911 (a line a form)
    """Whole minutes of a duration; `unit` is the header's, hours if it names none.

    A unit in the cell goes before the header's. Raises BadCell, also for what is no whole
    number of minutes: rounding would make or lose time.
    """
    match cell:
        case time():
            return _whole_minutes(_since_midnight(cell))
        case timedelta():
            return _whole_minutes(cell)
        case date():
            raise BadCell(f"{shown(cell)} is a day, not a duration")
    text = text_of(cell).casefold()
    if found := _BARE.fullmatch(text):
        return _counted(found[1], "min" if unit == "minutes" else "h")
    if found := _HOURS.fullmatch(text):
        return _counted(found[1], "h")
    if found := _MINUTES.fullmatch(text):
        return _counted(found[1], "min")
    if found := _HALF.fullmatch(text):
        return int(found[1] or 0) * 60 + 30
    # 2:30 under a header of minutes may be minutes and seconds; 2:30:00 may not.
    is_clear = unit != "minutes" or text.count(":") == 2
    if found := _BOTH.fullmatch(text) or (_COLON.fullmatch(text) if is_clear else None):
        return (int(found[2]) * 60 + int(found[3])) * (-1 if found[1] else 1)
    raise BadCell(f"{quoted(text_of(cell))} is not a duration such as 2.5小时, 150分钟 or 2:30")


def _whole_minutes(duration: timedelta) -> int:
    count, rest = divmod(duration + _HAIR, timedelta(minutes=1))
    if rest > 2 * _HAIR:
        raise BadCell(f"{shown(duration)} is not a whole number of minutes")
    return count


def _counted(amount: str, unit: str) -> int:
    """Whole minutes of an amount of hours or minutes, by exact decimal arithmetic."""
    number = f"{Decimal(amount).normalize():f}"
    # A whole number of minutes has at most two decimals in hours (1/60 terminates in twentieths).
    if len(number.partition(".")[2]) > 2:
        raise BadCell(f"{amount} {unit} is not a whole number of minutes: write minutes or 2:20")
    try:
        return parse_exact(number, unit)
    except ValueError as error:
        raise BadCell(f"{error}: write minutes or 2:20") from None
