"""The values of commands: what their patterns and bounds let in, and arithmetic on days."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import values as v
from ledger.domain.commands import COMMANDS, op_of
from ledger.domain.errors import InvalidCommand


def accepts(kind: Any, value: object) -> bool:
    """Whether a JSON value is of this type."""
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except msgspec.ValidationError:
        return False
    return True


GOOD: list[tuple[Any, list[object]]] = [
    (v.MemberId, ["V", "0", "V0001", "A" * 32]),
    (v.Code, ["P1", "a", "a.b-c_d", "0", "P" * 64]),
    (v.Word, ["a", "elder_care", "x9", "a" * 32]),
    (v.SourceRef, ["1", "2025-03/17#2", "a:b._-"]),
    (v.RegionCode, ["33", "3304", "330424", "330424001", "330424001002"]),
    (v.Origin, ["a", "haiyan.example", "haiyan.example/hours", "a/b/c"]),
    (v.Name, ["x", "邻里助老", "x" * 80, "x" * 79 + "\U0001f600"]),
    (v.Digest, ["0" * 64, "0123456789abcdef" * 4]),
    (v.ClockTime, ["00:00", "09:30", "19:59", "23:59"]),
    (v.Target, ["project/P1", "policy/Y.1"]),
    (v.Minutes, [0, 1, 1440]),
    (v.MinutesSum, [0, 2**53 - 1]),
    (v.Fen, [1, 10**13]),
    (v.FenOrNone, [0, 10**13]),
    (v.Count, [0, 10**10]),
    (v.Positive, [1, 10**10]),
    (v.MemberKinds, [["volunteer"], ["party_member", "social_worker", "volunteer"]]),
]
BAD: list[tuple[Any, list[object]]] = [
    (v.MemberId, ["", "v1", "V-1", "V 1", "A" * 33, "Ｖ1", "V1\n", "V1\0", "٣", 1, None]),
    (v.Code, ["", "-a", ".a", "_a", "a/b", "a b", "P" * 65, "é", "a\n", "a\r\n", 1]),
    (v.Word, ["", "A", "9a", "_a", "a-b", "a" * 33, "ä", "a\n"]),
    (v.SourceRef, ["", " ", "a" * 65, "a b", "a\n", '"', "\\"]),
    (v.RegionCode, ["", "3", "330", "33042", "3304240", "3304240010", "33042400100", "33" * 7]),
    (v.RegionCode, ["33\n", "３３", "٣٣", "3 3", 33]),
    (v.Origin, ["", "A.b", "-a", "a/", "a//b", "a/b/c/d", "a b", "a\n", "a" * 64]),
    (v.Name, ["", "x" * 81, 1, None]),
    (v.Digest, ["0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n"]),
    (v.ClockTime, ["24:00", "9:00", "09:60", "0900", "09:00\n", "０9:00", "09:00:00"]),
    (v.Target, ["P1", "fund/F1", "project/", "project/a/b", "project/a\n", "Project/a"]),
    (v.Minutes, [-1, 1441, 1.5, "60", True, None]),
    (v.MinutesSum, [-1, 2**53]),
    (v.Fen, [0, -1, 10**13 + 1, 0.5, True]),
    (v.Count, [-1, 10**10 + 1]),
    (v.Positive, [0]),
    (v.MemberKinds, [[], ["boss"], ["volunteer"] * 4, "volunteer"]),
]


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in GOOD for value in values]
)
def test_well_formed_values_are_taken(kind: Any, value: object) -> None:
    assert accepts(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in BAD for value in values]
)
def test_malformed_values_are_refused(kind: Any, value: object) -> None:
    assert not accepts(kind, value)


@given(st.text(max_size=20))
def test_what_a_code_lets_in_needs_no_escaping(text: str) -> None:
    """Stream names and topics are spliced into lines as they are."""
    for kind in (v.MemberId, v.Code, v.Word, v.SourceRef, v.RegionCode, v.Origin, v.Target):
        if accepts(kind, text):
            assert msgspec.json.encode(text) == b'"%b"' % text.encode("ascii")


def test_structures_refuse_unknown_fields_and_omit_absent_ones() -> None:
    terms = v.Terms(purpose="x", opens_on=date(2025, 1, 1), closes_on=date(2025, 12, 31))
    written = msgspec.json.decode(msgspec.json.encode(terms))
    assert written == {"purpose": "x", "opens_on": "2025-01-01", "closes_on": "2025-12-31"}
    assert not accepts(v.Terms, written | {"surprise": 1})
    assert not accepts(v.Lot, {"receipt": "R", "source_kind": "x", "source_id": "S", "fen": 1})


def test_lots_add_up() -> None:
    lots = [
        v.Lot(receipt=f"F-R{n}", source_kind="charity", source_id="S", fen=n) for n in (1, 2, 39)
    ]
    assert v.lots_sum(tuple(lots)) == 42
    assert v.lots_sum(()) == 0


@pytest.mark.parametrize(
    ("prefix", "region", "expected"),
    [
        ("33", "330424", True),
        ("330424", "330424", True),
        ("330424", "330424001", True),
        ("330424001", "330424", False),
        ("3304", "3305", False),
    ],
)
def test_a_region_contains_the_longer_ones(*, prefix: str, region: str, expected: bool) -> None:
    assert v.contains(prefix, region) is expected


@pytest.mark.parametrize(
    ("moment", "offset", "day"),
    [
        (datetime(2025, 6, 15, 15, 59, 59, 999_999, tzinfo=UTC), "+08:00", date(2025, 6, 15)),
        (datetime(2025, 6, 15, 16, 0, tzinfo=UTC), "+08:00", date(2025, 6, 16)),
        (datetime(2024, 12, 31, 16, 0, tzinfo=UTC), "+08:00", date(2025, 1, 1)),
        (datetime(2025, 6, 16, 0, 0, tzinfo=UTC), "+00:00", date(2025, 6, 16)),
        (datetime(2025, 6, 16, 3, 29, tzinfo=UTC), "-03:30", date(2025, 6, 15)),
        (datetime(2025, 6, 16, 3, 30, tzinfo=UTC), "-03:30", date(2025, 6, 16)),
        (datetime(2025, 6, 15, 18, 15, tzinfo=UTC), "+05:45", date(2025, 6, 16)),
    ],
)
def test_a_day_begins_at_the_ledgers_own_midnight(moment: datetime, offset: str, day: date) -> None:
    assert v.day_of(moment, offset) == day


def test_offsets_have_signs_in_both_parts() -> None:
    assert v.offset_of("+08:00").utcoffset(None) == timedelta(hours=8)
    assert v.offset_of("-03:30").utcoffset(None) == -timedelta(hours=3, minutes=30)
    assert v.offset_of("+00:00").utcoffset(None) == timedelta(0)


@pytest.mark.parametrize(("clock", "minute"), [("00:00", 0), ("09:05", 545), ("23:59", 1439)])
def test_minutes_of_the_day(clock: str, minute: int) -> None:
    assert v.MINUTE_OF[clock] == minute
    assert v.CLOCK_TIMES[minute] == clock


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2025, 6, 16), 12, date(2024, 6, 16)),
        (date(2025, 6, 16), 6, date(2024, 12, 16)),
        (date(2025, 3, 31), 1, date(2025, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2025, 1, 31), 2, date(2024, 11, 30)),
        (date(2025, 12, 31), 12, date(2024, 12, 31)),
        (date(2025, 6, 16), 1200, date(1925, 6, 16)),
        (date(1, 3, 1), 3, date.min),
        (date(1, 3, 1), 2, date(1, 1, 1)),
    ],
)
def test_rolling_months_end_on_the_last_day_there_is(
    day: date, months: int, expected: date
) -> None:
    assert v.months_before(day, months) == expected


@given(st.dates(min_value=date(200, 1, 1)), st.integers(1, 1200))
def test_rolling_months_go_back_whole_months(day: date, months: int) -> None:
    back = v.months_before(day, months)
    assert (day.year - back.year) * 12 + day.month - back.month == months
    assert back.day == min(day.day, monthrange(back.year, back.month)[1])


@pytest.mark.parametrize("name", ["邻里助老", "A b", "Nguyễn", "x—y", "养老 2.0 (试点)"])
def test_clean_names(name: str) -> None:
    v.check_name(name)


@pytest.mark.parametrize(
    ("reason", "names"),
    [
        ("a blank at an end", [" ", " a", "a ", "a\u3000", "a\t"]),
        (
            "a sign that does not print",
            ["a\nb", "a\tb", "a\0", "a\x7f", "\ufeffa", "a\u200bb", "a\u202eb", "a\ue000",
             "a\ufdd0", "a\u2028b", "a\u2029b"],
        ),
        ("not in Unicode's normal form C", ["e\u0301"]),
    ],
)  # fmt: skip
def test_names_hide_nothing(reason: str, names: list[str]) -> None:
    """No control, format or private characters, no line separators, composed, trimmed."""
    for name in names:
        with pytest.raises(InvalidCommand) as refused:
            v.check_name(name)
        assert refused.value.facts == {"reason": reason}


@pytest.mark.parametrize(
    ("derived", "owner"), [("V0001-17", "V0001"), ("F-1-E2", "F-1"), ("a-G1", "a")]
)
def test_ids_of_the_ledger_lead_to_their_owner(derived: str, owner: str) -> None:
    assert v.owner_of(derived) == owner


def test_every_op_is_its_class_in_snake_case() -> None:
    assert op_of("LogHours") == "log_hours"
    assert all(kind.__struct_config__.tag == op for op, kind in COMMANDS.items())
