"""Headers of office tables: Chinese and English, with titles above and units inside."""

import re
from pathlib import Path

import pytest

from api.cli.headers import (
    AmbiguousHeader,
    Layout,
    find_header,
    layout_of,
    meaning_of,
    read_mapping,
)
from api.cli.spreadsheets import Record
from ledger.domain.errors import InvalidCommand


def head(*rows: str) -> list[Record]:
    """Rows of cells, written with `|` between them."""
    return [Record(number, row.split("|")) for number, row in enumerate(rows, 1)]


def fields(layout: Layout | None) -> dict[str, str]:
    """Header → field."""
    assert layout is not None
    return {column.header: column.field for column in layout.columns}


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (
            "member",
            "志愿者编号 编号 会员号 member member_id Member-ID *志愿者编号 志愿者编号：（必填）",
        ),
        ("project", "项目 项目编号 项目名称 project Project"),
        ("service_on", "服务日期 日期 date service_on ServiceDate 服务日期(年月日) 服务\n日期"),
        ("start", "开始时间 start 签到时间 开始时间(24小时制)"),
        ("end", "结束时间 end 签退时间"),
        ("span", "起止时间 服务时段"),
        (
            "minutes",
            "服务时长 时长 服务时长(小时) 服务时长（分钟） 小时 分钟 hours minutes 服务小时数",
        ),
        ("system", "信用时数 信用时数(小时)"),
        ("manual", "荣誉时数 荣誉时长（分钟）"),
        ("evidence", "时数类型 信用/荣誉 信用／荣誉 evidence"),
        ("category", "类别 服务类别 category"),
        ("kind", "类型 kind"),
        ("team", "队伍 服务队伍 team"),
        ("activity", "活动 活动编号 activity"),
        ("source", "来源 source"),
        ("source_ref", "序号 记录编号 source_ref"),
    ],
)
def test_a_header_is_recognised(field: str, names: str) -> None:
    for name in names.split(" "):
        meaning = meaning_of(name)
        assert meaning is not None, name
        assert meaning.field == field, name


def test_the_headers_in_the_guide_are_recognised() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
    table = guide[guide.index("| Field |") : guide.index("Case, spaces")]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|$", table, re.MULTILINE)
    assert len(rows) == 12
    for named, headers in rows:
        groups = re.sub(r"\(.*?\)", "", headers).split("; ")
        for field, group in zip(re.findall(r"`(\w+)`", named), groups, strict=True):
            for name in group.split(", "):
                meaning = meaning_of(name.strip())
                assert meaning is not None, name
                assert meaning.field == field, name


@pytest.mark.parametrize(
    "name", ["备注", "姓名", "身份证号", "电话", "合计", "", "服务时间", "V0001"]
)
def test_other_headers_are_not(name: str) -> None:
    assert meaning_of(name) is None


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("服务时长", None),
        ("服务时长(小时)", "hours"),
        ("服务时长（分钟）", "minutes"),
        ("时长/分钟", "minutes"),
        ("小时", "hours"),
        ("小时数", "hours"),
        ("分钟", "minutes"),
        ("minutes", "minutes"),
        ("hours", "hours"),
        ("Duration (min)", "minutes"),
        ("Duration (h)", "hours"),
        ("信用时数", None),
        ("荣誉时数(小时)", "hours"),
        ("时长(小时/分钟)", None),
    ],
)
def test_a_duration_header_names_its_unit_or_none(name: str, unit: str | None) -> None:
    meaning = meaning_of(name)
    assert meaning is not None
    assert meaning.unit == unit


def test_the_header_is_found_below_titles_and_blank_rows() -> None:
    layout = find_header(
        head(
            "2025年3月志愿服务记录表||||",
            "",
            "填表单位：武原街道|||填表日期：2025-04-01|",
            "序号|志愿者编号|姓名|服务日期|服务时长(小时)",
            "1|V0001|某人|2025-03-01|2.5",
        ),
        {},
    )
    assert layout is not None
    assert layout.rows == 4
    assert fields(layout) == {
        "序号": "source_ref",
        "志愿者编号": "member",
        "服务日期": "service_on",
        "服务时长(小时)": "minutes",
    }
    assert layout.ignored == ["姓名"]


def test_two_rows_of_headers_under_merged_cells_are_one() -> None:
    layout = find_header(
        head(
            "服务记录表|||||",
            "志愿者编号|项目|服务日期|服务时间||时长|",
            "|||开始时间|结束时间|信用时数|荣誉时数",
            "V0001|P1|2025-03-01|9:00|11:00|2|",
        ),
        {},
    )
    assert layout is not None
    assert layout.rows == 3
    assert list(fields(layout).values()) == [
        "member", "project", "service_on", "start", "end", "system", "manual",
    ]  # fmt: skip


def test_the_upper_of_two_equal_headers_is_taken() -> None:
    layout = find_header(head("编号|日期|时长", "V1|2025-03-01|2", "编号|日期|时长"), {})
    assert layout is not None
    assert layout.rows == 1


def test_one_word_alone_is_no_header() -> None:
    assert find_header(head("日期|2025-03-01", "a|b"), {}) is None
    assert find_header([], {}) is None


def test_of_two_headers_for_one_field_the_plainer_is_read() -> None:
    layout = layout_of(["编号", "志愿者编号", "项目名称", "项目编号"], {})
    assert fields(layout) == {"志愿者编号": "member", "项目编号": "project"}
    assert layout.ignored == ["编号", "项目名称"]


def test_two_headers_that_are_equally_plain_are_refused() -> None:
    with pytest.raises(AmbiguousHeader) as error:
        layout_of(["志愿者编号", "日期", "日期"], {})
    assert error.value.facts == {"first": "日期", "second": "日期"}


def test_a_person_says_what_a_header_stands_for() -> None:
    mapping = read_mapping(
        {
            "义工证": "member",
            "时间": "hours",
            "日期": "ignore",
            "折算（分钟）": "minutes",
            "Tag": "服务日期",
        }
    )
    layout = layout_of(["义工证", "时间", "日期", "折算(分钟)", "TAG"], mapping)
    assert [(c.field, c.unit) for c in layout.columns] == [
        ("member", None), ("minutes", "hours"), ("minutes", "minutes"), ("service_on", None),
    ]  # fmt: skip
    assert layout.has("折算（分钟）")


def test_a_person_goes_before_the_synonyms() -> None:
    layout = layout_of(["志愿者编号", "卡号"], read_mapping({"卡号": "member"}))
    assert fields(layout) == {"卡号": "member"}


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidCommand) as error:
        read_mapping({"义工证": "membr"})
    facts = error.value.facts
    assert (facts["header"], facts["field"]) == ("义工证", "membr")
    assert {"ignore", "member"} <= set(str(facts["allowed"]).split(", "))


def test_columns_of_a_rejects_file_are_passed_over() -> None:
    layout = layout_of(["_row", "_sheet", "_column", "_code", "_reason", "编号", "日期"], {})
    assert fields(layout) == {"编号": "member", "日期": "service_on"}
    assert layout.is_mended
    assert layout.added == frozenset(range(5))
    assert layout.ignored == []
