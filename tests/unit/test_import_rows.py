"""Rows of office tables as commands: what they ask for, and why some ask for nothing."""

from datetime import date, datetime, time
from typing import Any

import pytest

from api.cli.cells import Cell
from api.cli.headers import layout_of, read_mapping
from api.cli.import_options import Options
from api.cli.rows import RowReader, RowRefused, missing
from ledger.domain.commands import LogHours
from ledger.domain.errors import InvalidCommand

MARCH = date(2025, 3, 1)
HEADERS = "志愿者编号|项目|服务日期|开始时间|结束时间|服务时长|类别"
ROW = "V0001|P001|2025-03-01|9:00|11:30|2.5|elder_care"
LOGGED = LogHours(
    member="V0001",
    project="P001",
    service_on=MARCH,
    minutes=150,
    category="elder_care",
    evidence="manual",
    start="09:00",
    end="11:30",
)


def reader(headers: str = HEADERS, **options: Any) -> RowReader:
    """A reader of rows under these headers."""
    made = Options(**options)
    return RowReader(layout_of(headers.split("|"), read_mapping(made.mapping)), made)


def read(row: str, headers: str = HEADERS, **options: Any) -> LogHours:
    """The command of a row, written with `|` between its cells."""
    return reader(headers, **options).read(row.split("|"))


def with_columns(**cells: Cell) -> tuple[str, list[Cell]]:
    """Headers and cells of the row with these columns changed or added; None takes one away."""
    row: dict[str, Cell] = dict(zip(HEADERS.split("|"), ROW.split("|"), strict=True))
    row |= cells
    return "|".join(row), list(row.values())


def refused(row: str, headers: str = HEADERS, **options: Any) -> tuple[str, str, str]:
    """Header at fault, code and reason of a row that is refused."""
    found = reader(headers, **options)
    with pytest.raises(RowRefused) as error:
        found.read(row.split("|"))
    place = found.place(error.value.field, row.split("|"))
    return place, error.value.code, error.value.reason


def test_a_row_is_a_command() -> None:
    assert read(ROW) == LOGGED


def test_full_width_characters_spaces_and_case_are_the_typists() -> None:
    assert (
        read("ｖ０００ １|Ｐ００１|２０２５年３月１日|９：００|上午１１：３０|２.５小时|elder_care")
        == LOGGED
    )


def test_cells_of_a_workbook_are_read_by_their_type() -> None:
    for day in (datetime(2025, 3, 1), 45717.0):
        row: list[Cell] = ["V0001", "P001", day, time(9, 0), 0.4791666666666667, 2.5, "elder_care"]
        assert reader().read(row) == LOGGED


def test_what_a_file_leaves_open_is_filled_from_the_defaults() -> None:
    headers, defaults = (
        "编号|日期|小时",
        {"project": "P001", "category": "elder_care", "kind": "培训"},
    )
    command = read("V0001|2025-03-01|2", headers, defaults=defaults)
    assert (command.project, command.category, command.kind) == ("P001", "elder_care", "training")


def test_a_default_fills_blank_cells_and_leaves_the_others() -> None:
    defaults = {"project": "P009", "category": "elder_care"}
    assert read("V0001|\u3000|2025-03-01|||1|", defaults=defaults).project == "P009"
    assert read("V0001|P001|2025-03-01|||1|", defaults=defaults).project == "P001"
    assert read("V0001|P001|2025-03-01", defaults=defaults | {"minutes": "90分"}).minutes == 90


@pytest.mark.parametrize(
    ("name", "text"), [("minutes", "1/3"), ("service_on", "soon"), ("start", "9")]
)
def test_a_default_that_cannot_be_read_is_refused_before_any_row(name: str, text: str) -> None:
    with pytest.raises(InvalidCommand) as error:
        reader(defaults={name: text})
    assert (error.value.at, error.value.facts["default"]) == (name, text)
    assert str(error.value.facts["reason"]).startswith(f"{text!r} is not a ")


def test_a_default_of_what_is_no_field_is_refused_with_the_fields() -> None:
    with pytest.raises(InvalidCommand) as error:
        reader(defaults={"colour": "red"})
    assert (error.value.at, error.value.facts["field"]) == ("default", "colour")
    assert {"category", "minutes", "start"} <= set(str(error.value.facts["allowed"]).split(", "))


def test_names_are_read_as_the_ids_they_are_known_by() -> None:
    values = {
        "project": {"邻里助老": "P001", "助学": "", "Day Care": "P002", "day care": "P003"},
        "category": {"敬老": "elder_care"},
    }
    row = ROW.replace("P001", " 邻里助老").replace("elder_care", "敬老")
    assert read(row, values=values) == LOGGED
    for name in ("助学", "DAY CARE"):
        assert refused(ROW.replace("P001", name), values=values) == (
            "项目", "invalid_command", f"{name!r} is the name of several; write the id",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("header", "cell", "field", "value"),
    [
        ("时数类型", "信用时数", "evidence", "system"),
        ("信用/荣誉", "荣誉", "evidence", "manual"),
        ("evidence", "System", "evidence", "system"),
        ("类型", "培训", "kind", "training"),
        ("类型", "志愿服务", "kind", "service"),
        ("队伍", "T1", "team", "T1"),
        ("队伍", "无", "team", None),
        ("活动", "—", "activity", None),
        ("活动编号", "A1", "activity", "A1"),
        ("替换", "V0001-3", "replaces", "V0001-3"),
    ],
)
def test_further_columns_are_read(header: str, cell: str, field: str, value: str | None) -> None:
    headers, row = with_columns(**{header: cell})
    assert getattr(reader(headers).read(row), field) == value


# references


def test_a_row_is_known_by_source_and_number_or_by_neither() -> None:
    headers, row = with_columns(序号=17.0)
    assert reader(headers).read(row).source_ref is None
    command = reader(headers, defaults={"source": "sheet-1"}).read(row)
    assert (command.source, command.source_ref) == ("sheet-1", "17")
    headers, row = with_columns(序号="", 来源="zyh")
    assert reader(headers).read(row).source is None
    headers, row = with_columns(记录编号="2025-03/17", 来源="zyh")
    assert reader(headers).read(row).source_ref == "2025-03/17"


# times


def test_the_day_may_stand_in_the_start() -> None:
    headers = "编号|项目|签到时间|签退时间|时长|类别"
    row = "V0001|P001|2025-03-01 09:00:10|2025-03-01 11:30:50|2.5|elder_care"
    assert read(row, headers) == LOGGED


def test_an_end_on_the_next_day_is_over_midnight() -> None:
    headers = "编号|项目|开始时间|结束时间|时长|类别"
    command = read("V1|P1|2025-03-01 22:00|2025-03-02 01:00|3|elder_care", headers)
    assert (command.service_on, command.start, command.end) == (MARCH, "22:00", "01:00")


@pytest.mark.parametrize("end", ["2025-03-02 10:00", "2025-03-03 01:00", "2025-02-28 11:00"])
def test_an_end_that_is_not_within_a_day_of_the_start_is_refused(end: str) -> None:
    row = f"V1|P1|2025-03-01|9:00|{end}|2|elder_care"
    assert refused(row)[0] == "结束时间"


@pytest.mark.parametrize(
    "span", ["9:00-11:30", "９：００～１１：３０", "9点至11点半", "9:00 — 11:30", "09:00到11:30"]
)
def test_a_span_may_stand_in_one_cell(span: str) -> None:
    headers = "编号|项目|日期|起止时间|类别"
    assert read(f"V0001|P001|2025-03-01|{span}|elder_care", headers) == LOGGED


@pytest.mark.parametrize(
    ("span", "place"),
    [
        ("下午2:00-4:00", "4:00"),
        ("晚上7点-9点半", "9点半"),
        ("上午9:00-1:00", "1:00"),
        ("中午12:00-2:00", "2:00"),
        ("2:00-4:00 PM", "2:00"),
        ("1点-下午5点", "1点"),
    ],
)
def test_a_half_of_the_day_that_may_mean_both_times_is_refused(span: str, place: str) -> None:
    """They are two hours to who wrote them, and fourteen by the clock."""
    start, end = span.split("-")
    reason = f"{place!r} may be two times: write it from 00:00 to 23:59"
    headers = "编号|项目|日期|开始时间|结束时间|类别"
    column = "开始时间" if place == start.strip() else "结束时间"
    found = refused(f"V1|P1|2025-03-01|{start}|{end}|elder_care", headers)
    assert found == (column, "invalid_command", reason)
    found = refused(f"V1|P1|2025-03-01|{span}|elder_care", "编号|项目|日期|起止时间|类别")
    assert (found[0], found[2]) == ("起止时间", reason)


@pytest.mark.parametrize(
    ("span", "minutes"),
    [
        ("上午9:00-11:30", 150),
        ("上午9:00-13:00", 240),
        ("9:00-下午1:00", 240),
        ("9:00-11:30 AM", 150),
        ("12:00-2:00 PM", 120),
        ("下午2:00-16:00", 120),
        ("14:00-下午4:00", 120),
        ("晚上10点-0:30", 150),
        ("下午2:00-下午4:00", 120),
    ],
)
def test_a_half_of_the_day_said_once_is_read_where_it_is_clear(span: str, minutes: int) -> None:
    command = read(f"V1|P1|2025-03-01|{span}|elder_care", "编号|项目|日期|起止时间|类别")
    assert command.minutes == minutes


def test_without_a_duration_column_the_span_is_the_duration() -> None:
    headers = "编号|项目|日期|开始时间|结束时间|类别"
    assert read("V0001|P001|2025-03-01|9:00|11:30|elder_care", headers) == LOGGED
    assert read("V0001|P001|2025-03-01|22:00|1:00|elder_care", headers).minutes == 180
    row = "V0001|P001|2025-03-01|9:00:00|11:30:10|elder_care"
    assert refused(row, headers)[2] == "from start to end is not a whole number of minutes"


def test_without_an_end_it_follows_from_the_start_and_the_duration() -> None:
    """Two stretches on one day need their start times; many tables have those and no ends."""
    headers = "编号|项目|日期|开始时间|时长|类别"
    assert read("V0001|P001|2025-03-01|9:00|2.5|elder_care", headers) == LOGGED
    assert read("V0001|P001|2025-03-01|9:00:20|150分|elder_care", headers) == LOGGED
    assert read("V0001|P001|2025-03-01|9:00||2.5|elder_care") == LOGGED
    command = read("V0001|P001||2025-03-01 22:00|3|elder_care", headers)
    assert (command.service_on, command.start, command.end) == (MARCH, "22:00", "01:00")
    assert read("V0001|P001|2025-03-01|9:00|24|elder_care", headers).end == "09:00"
    command = read("V0001|P001|2025-03-01||2.5|elder_care", headers)
    assert (command.start, command.end) == (None, None)


@pytest.mark.parametrize(
    ("headers", "row", "place", "reason"),
    [
        ("编号|项目|日期|开始时间|时长|类别", "V1|P1|2025-03-01|9:00|24:01|elder_care", "时长",
         "more than a day from the start, and no end is given"),
        ("编号|项目|日期|开始时间|时长|类别", "V1|P1|2025-03-01|9:00||elder_care", "时长",
         "the duration is missing"),
        ("编号|项目|日期|开始时间|结束时间|类别", "V1|P1|2025-03-01|9:00||elder_care", "结束时间",
         "the start is given and the end is not"),
        ("编号|项目|日期|开始时间|时长|类别", "V1|P1|2025-03-01|2025-03-02 9:00|1|elder_care",
         "开始时间", "it says 2025-03-02, and the day of service is 2025-03-01"),
    ],
)  # fmt: skip
def test_an_end_that_follows_from_nothing_is_not_made_up(
    headers: str, row: str, place: str, reason: str
) -> None:
    assert refused(row, headers) == (place, "invalid_command", reason)


# durations


@pytest.mark.parametrize(
    ("header", "unit", "cell", "minutes"),
    [
        ("服务时长", None, "2", 120),
        ("服务时长", "minutes", "120", 120),
        ("服务时长(小时)", "minutes", "2", 120),
        ("服务时长（分钟）", None, "120", 120),
        ("minutes", None, "120", 120),
        ("hours", None, "2.00", 120),
        ("小时", None, "120分钟", 120),
        ("时长", None, "-2", -120),
        ("时长", None, "25", 1500),
    ],
)
def test_the_unit_is_the_cells_else_the_headers_else_the_persons_else_hours(
    header: str, unit: str | None, cell: str, minutes: int
) -> None:
    """Negative and 25-hour days are whole minutes too; the ledger refuses them."""
    headers = f"编号|项目|日期|类别|{header}"
    assert read(f"V1|P1|2025-03-01|elder_care|{cell}", headers, unit=unit).minutes == minutes


@pytest.mark.parametrize(
    ("system", "manual", "evidence"),
    [("2", "", "system"), ("", "2", "manual"), ("2", "0", "system"), ("0", "2小时", "manual"),
     ("-", "2", "manual")],
)  # fmt: skip
def test_two_columns_of_hours_say_the_evidence(system: str, manual: str, evidence: str) -> None:
    headers = "编号|项目|日期|类别|信用时数|荣誉时数"
    command = read(f"V1|P1|2025-03-01|elder_care|{system}|{manual}", headers)
    assert (command.minutes, command.evidence) == (120, evidence)


def test_both_sorts_of_hours_in_one_row_are_two_stretches_of_service() -> None:
    headers = "编号|项目|日期|类别|信用时数|荣誉时数"
    place, code, reason = refused("V1|P1|2025-03-01|elder_care|2|1", headers)
    assert (place, code) == ("信用时数", "invalid_command")
    assert "give each a row" in reason


def test_columns_that_say_different_durations_are_refused() -> None:
    headers = "编号|项目|日期|类别|时长(小时)|时长(分钟)"
    assert read("V1|P1|2025-03-01|elder_care|2|120", headers).minutes == 120
    assert "says 90" in refused("V1|P1|2025-03-01|elder_care|2|90", headers)[2]
    headers = "编号|项目|日期|类别|服务时长|荣誉时数"
    assert "one 60" in refused("V1|P1|2025-03-01|elder_care|2|1", headers)[2]


def test_evidence_said_twice_must_agree() -> None:
    headers = "编号|项目|日期|类别|时数类型|信用时数"
    assert read("V1|P1|2025-03-01|elder_care|信用|2", headers).evidence == "system"
    assert refused("V1|P1|2025-03-01|elder_care|荣誉|2", headers)[0] == "时数类型"


# refusals


@pytest.mark.parametrize(
    ("header", "cell", "reason"),
    [
        ("志愿者编号", "", "the member's number is missing"),
        ("志愿者编号", "合计", "'合计' is not a member's number"),
        ("志愿者编号", "V-1", "is not a member's number"),
        ("项目", "邻里助老", "is not a project's id"),
        ("服务日期", "3月1日", "is not a day"),
        ("服务日期", "2025-02-30", "there is no day"),
        ("服务日期", "", "the day of service is missing"),
        ("开始时间", "9", "is not a clock time"),
        ("开始时间", "", "the end is given and the start is not"),
        ("服务时长", "0.333", "not a whole number of minutes"),
        ("服务时长", "好多", "is not a duration"),
        ("服务时长", "", "the duration is missing"),
        ("类别", "助老", "is not a category"),
        ("类别", "", "the category is missing"),
        ("时数类型", "其他", "is not 信用 or 荣誉"),
        ("队伍", "邻居队", "is not a team's id"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(header: str, cell: str, reason: str) -> None:
    headers, row = with_columns(**{header: cell})
    place, code, said = refused("|".join(map(str, row)), headers)
    assert (place, code) == (header, "invalid_command")
    assert reason in said


@pytest.mark.parametrize(
    "header",
    ["志愿者编号", "流水号", "队伍", "开始时间", "起止时间", "服务时长", "信用时数", "替换"],
)
def test_a_number_that_a_workbook_cut_short_is_named_in_any_column(header: str) -> None:
    """Also where a dash would mean nothing: a serial number of a longer form has 17 digits."""
    headers, row = with_columns(**{header: 20250301123456789.0})
    found = reader(headers)
    with pytest.raises(RowRefused) as error:
        found.read(row)
    # Durations are told of at the first of them that says something.
    place = "服务时长" if header == "信用时数" else header
    assert found.place(error.value.field, row) == place
    assert error.value.reason == "Excel keeps 15 digits of a number: format the column as text"


@pytest.mark.parametrize(
    "header", ["志愿者编号", "项目", "服务日期", "开始时间", "服务时长", "类别", "起止时间"]
)
def test_a_reason_repeats_the_beginning_of_a_long_cell(header: str) -> None:
    """The summary shows reasons in a table, and a cell may hold anything."""
    headers, row = with_columns(**{header: "7" * 400})
    reason = refused("|".join(map(str, row)), headers)[2]
    assert "7777…'" in reason
    assert len(reason) < 150


def test_a_short_row_has_blank_cells_at_its_end() -> None:
    assert refused("V0001|P001")[2] == "the day of service is missing"


@pytest.mark.parametrize(
    ("headers", "defaults", "open_fields"),
    [
        (HEADERS, {}, []),
        ("编号|日期|小时", {}, ["project", "category"]),
        ("编号|日期|小时", {"project": "P1", "category": "elder_care"}, []),
        ("编号|项目|签到时间|签退时间|类别", {}, []),
        ("姓名|电话", {}, ["member", "project", "service_on", "minutes", "category"]),
    ],
)
def test_what_a_table_leaves_open_is_told(
    headers: str, defaults: dict[str, str], open_fields: list[str]
) -> None:
    assert missing(layout_of(headers.split("|"), {}), Options(defaults=defaults)) == open_fields
