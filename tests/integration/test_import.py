"""Messy office files: every row is in the ledger or in the rejects file, once, whatever happens."""

import re
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.cli import import_summary, importing
from api.cli.cells import Cell
from api.cli.headers import HeaderNotFound
from api.cli.import_summary import Summary
from api.cli.importing import run_import
from api.cli.spreadsheets import UnreadableFile
from ledger.domain.access import operator
from ledger.domain.errors import InvalidCommand
from ledger.domain.rulebook import BACKDATING_DAYS, DAY_MINUTES_MAX
from tests.office import (
    CLERK,
    FORMATS,
    SPRING,
    entries,
    logged,
    office,
    refusals,
    register,
    rejected,
    save,
)

TOMORROW: Final = date.today() + timedelta(days=2)
NAMES: Final = {"project": {"邻里助老": "P001", "助学": "P002"}, "category": {"助老": "elder_care"}}
HEADER: Final = ("序号", "志愿者编号", "姓名", "项目", "服务日期", "服务时长", "类别", "备注")
#: Rows as offices have them, and the code each is refused with (or None).
MESSY: Final[list[tuple[list[Cell], str | None]]] = [
    ([1, "V0001", "甲", "P001", "2025-03-01", "2.5小时", "elder_care", "好"], None),
    ([2, "Ｖ０００２", "乙", "邻里助老", "２０２５年３月１日", "１５０分钟", "助老", ""], None),
    ([3, "v0002 ", "乙", "P001", 45718, 2, "elder_care", "=1+1"], None),
    ([], None),
    ([4, "V0002", "乙", "P001", 45718, "2小时", "助老", "重复"], None),
    ([5, "V0002", "乙", "P001", "2025.3.2", "1:30", "助老", "改过"], "row_conflict"),
    ([6, "V0009", "丙", "P001", "2025/3/3", 1, "助老", ""], "member_not_found"),
    ([7, "V0001", "甲", "P009", "2025/3/3", 1, "助老", ""], "project_not_found"),
    ([8, "V0001", "甲", "P001", "2025/3/3", -2, "助老", "-"], "minutes_out_of_range"),
    ([9, "V0001", "甲", "P001", "2025/3/3", 25, "助老", ""], "day_overfull"),
    ([10, "V0001", "甲", "P001", "2025/3/3", "0.333", "助老", ""], "invalid_command"),
    ([11, "V0001", "甲", "P001", "3月3日", 1, "助老", ""], "invalid_command"),
    ([12, "V0001", "甲", "P001", TOMORROW, 1, "助老", ""], "date_in_future"),
    ([13, "V0001", "甲", "P001", "2019-12-31", 1, "助老", ""], "project_closed"),
    ([14, "V0001", "甲", "助学", "20250305", "2小时30分", "gardening", ""], "category_not_offered"),
    ([15, "V0001", "甲", "助学", "20250304", "2小时30分", "助老", ""], None),
    (["合计", None, None, None, None, 12.5], "invalid_command"),
]
TABLE: Final[list[list[Cell]]] = [
    ["2025年3月志愿服务记录表"],
    [],
    list(HEADER),
    *(row for row, _ in MESSY),
]
IN_LEDGER: Final = [
    ("V0001", "P001", "2025-03-01", 150),
    ("V0001", "P002", "2025-03-04", 150),
    ("V0002", "P001", "2025-03-01", 150),
    ("V0002", "P001", "2025-03-02", 120),
]
REFUSED: Final = [(n, code) for n, (_, code) in enumerate(MESSY, 4) if code]
SUMS: Final = {"rows": 16, "kept": 4, "already": 1}


def bring(ledger: Any, path: Path, **options: Any) -> Summary:
    """Import a file as the clerk does."""
    return run_import(ledger, path, CLERK, **{"values": NAMES, **options})


def sums(summary: Summary) -> dict[str, int]:
    return {name: getattr(summary, name) for name in SUMS}


@pytest.mark.parametrize("form", FORMATS)
def test_every_row_is_in_the_ledger_or_in_the_rejects(
    sqlite_url: str, tmp_path: Path, form: str
) -> None:
    with office(sqlite_url, "V0001", "V0002") as ledger:
        summary = bring(ledger, save(tmp_path, "三月", TABLE, form))
        assert sums(summary) == SUMS
        assert refusals(summary) == REFUSED
        assert entries(ledger) == IN_LEDGER
        assert sum(summary.refused.values()) + summary.kept + summary.already == summary.rows
        assert summary.minutes == {"P001": 420, "P002": 150}
        assert (summary.first_day, summary.last_day) == ("2025-03-01", "2025-03-04")
        assert "备注" in summary.ignored


def test_the_same_rows_add_nothing_in_any_format_or_under_any_name(
    database_url: str, tmp_path: Path
) -> None:
    with office(database_url, "V0001", "V0002") as ledger:
        bring(ledger, save(tmp_path, "三月", TABLE, "gb18030"))
        head = ledger.store.head().position
        for form in FORMATS:
            summary = bring(ledger, save(tmp_path, "另一个名字", TABLE, form))
            assert (summary.kept, summary.already) == (0, 5)
            assert refusals(summary) == REFUSED
        turned = [*TABLE[:3], *reversed(TABLE[3:])]
        assert bring(ledger, save(tmp_path, "倒序", turned, "utf-8")).kept == 0
        assert run_import(ledger, save(tmp_path, "三月", TABLE, "gb18030"), operator("colleague"),
                          values=NAMES).kept == 0  # fmt: skip
        assert ledger.store.head().position == head


def test_refused_rows_come_back_as_they_were_and_can_be_mended(
    database_url: str, tmp_path: Path
) -> None:
    with office(database_url, "V0001", "V0002") as ledger:
        summary = bring(ledger, save(tmp_path, "三月", TABLE, "utf-8"))
        path = Path(str(summary.rejects))
        by_number = {row["序号"]: row for row in rejected(path)}
        assert by_number["8"]["服务时长"] == "'-2"
        assert by_number["8"]["_column"] == "服务时长"
        assert by_number["6"]["_reason"] == "No member has this number. (member V0009)"
        again = bring(ledger, path)
        assert [code for _, code in refusals(again)] == [code for _, code in REFUSED]
        text = path.read_text(encoding="utf-8-sig")
        mended = text.replace("V0009", "V0001").replace("'-2", "２小时").replace("0.333", "20分钟")
        path.write_text(mended.replace("gardening", "助老"), encoding="gb18030")
        summary = bring(ledger, path)
        # Three of the mended rows are of one member, project and day: the first of them stands.
        assert (summary.kept, summary.already) == (2, 0)
        assert ("V0001", "P001", "2025-03-03", 60) in entries(ledger)
        assert path.exists()
        assert Path(str(summary.rejects)) != path


def test_what_was_refused_is_kept_when_the_file_comes_again_and_nothing_stands_in_the_way(
    database_url: str, tmp_path: Path
) -> None:
    path = save(tmp_path, "三月", TABLE, "gb18030")
    with office(database_url, "V0001", "V0002") as ledger:
        bring(ledger, path)
        register(ledger, "V0009")
        for kept in (1, 0, 0):
            summary = bring(ledger, path)
            assert (summary.kept, summary.already) == (kept, 6 - kept)
            assert refusals(summary) == [pair for pair in REFUSED if pair[1] != "member_not_found"]
        assert len(entries(ledger)) == len(IN_LEDGER) + 1


def test_rows_with_a_number_of_their_own_are_known_by_it(database_url: str, tmp_path: Path) -> None:
    rows: list[list[Cell]] = [list(HEADER[:7])]
    rows += [[n, "V0001", "", "P001", SPRING, 1, "elder_care"] for n in (1, 2, 2)]
    rows += [[2, "V0001", "", "P001", SPRING, 3, "elder_care"]]
    with office(database_url, "V0001") as ledger:
        summary = bring(ledger, save(tmp_path, "a", rows, "xlsx"), defaults={"source": "sheet-3"})
        assert (summary.kept, summary.already, refusals(summary)) == (2, 1, [(5, "row_conflict")])
        assert [(e.source, e.source_ref) for e in logged(ledger)] == [
            ("sheet-3", "1"),
            ("sheet-3", "2"),
        ]


def test_rows_with_a_source_are_other_rows_and_the_note_says_so_before(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Whoever reads the note knows not to import the same rows with a source as well."""
    rows: list[list[Cell]] = [list(HEADER[:7]), [1, "V0001", "", "P001", SPRING, 1, "elder_care"]]
    path = save(tmp_path, "a", rows, "utf-8")
    with office(sqlite_url, "V0001") as ledger:
        for dry_run in (True, False):
            (note, *_) = bring(ledger, path, dry_run=dry_run).notes
            assert note.startswith("序号 was not kept, as no source is given")
            assert "import these always with it or never, or they are kept twice" in note
        summary = bring(ledger, path, defaults={"source": "paper"})
        assert (summary.kept, len(entries(ledger))) == (1, 2)
        assert not any("source" in note for note in summary.notes)


def test_two_stretches_of_a_day_are_told_apart_by_their_starts(
    database_url: str, tmp_path: Path
) -> None:
    """Without a column of ends; one that is given is held against the duration as ever."""
    rows: list[list[Cell]] = [["志愿者编号", "项目", "日期", "开始时间", "时长", "类别"]]
    rows += [["V0001", "P001", SPRING, start, 2, "elder_care"] for start in ("9:00", "14:00")]
    ends = ("结束时间", "10:00", "16:00")
    wrong = [[*row[:4], end, *row[4:]] for row, end in zip(rows, ends, strict=True)]
    with office(database_url, "V0001") as ledger:
        summary = bring(ledger, save(tmp_path, "b", wrong, "utf-8"))
        assert refusals(summary) == [(2, "minutes_out_of_range")]
        for form in FORMATS:
            bring(ledger, save(tmp_path, "a", rows, form))
        assert [(e.start, e.end) for e in logged(ledger)] == [
            ("14:00", "16:00"),
            ("09:00", "11:00"),
        ]


def test_a_dry_run_says_the_same_and_writes_nothing(database_url: str, tmp_path: Path) -> None:
    path = save(tmp_path, "三月", TABLE, "utf-8")
    with office(database_url, "V0001", "V0002") as ledger:
        head = ledger.store.head()
        dry = bring(ledger, path, dry_run=True)
        assert ledger.store.head() == head
        assert not (tmp_path / "三月.utf-8.rejects.csv").exists()
        wet = bring(ledger, path)
        for summary in (dry, wet):
            summary.rejects, summary.dry_run = None, False
        assert dry == wet


def test_a_header_printed_again_is_no_row(sqlite_url: str, tmp_path: Path) -> None:
    rows = [*TABLE[:4], *TABLE[2:3], *TABLE[4:6]]
    with office(sqlite_url, "V0001", "V0002") as ledger:
        summary = bring(ledger, save(tmp_path, "a", rows, "xlsx"))
        assert (summary.rows, summary.kept, summary.headings, summary.blank) == (3, 3, 4, 0)


# refused whole


@pytest.mark.parametrize(
    ("rows", "options", "error"),
    [
        ([["姓名", "电话"], ["甲", "1"]], {}, HeaderNotFound),
        ([["编号", "日期", "时长"], ["V0001", "2025-03-01", "1"]], {}, HeaderNotFound),
        (TABLE, {"mapping": {"没有": "member"}}, InvalidCommand),
        (TABLE, {"mapping": {"备注": "colour"}}, InvalidCommand),
        (TABLE, {"defaults": {"minutes": "long"}}, InvalidCommand),
        (TABLE, {"rejects_path": Path("/nowhere/rejects.csv")}, InvalidCommand),
        (TABLE, {"values": {"colour": {"红": "red"}}}, InvalidCommand),
        ([*TABLE, ['x"y']], {}, None),
    ],
)
def test_a_file_that_is_not_understood_is_refused_before_anything_is_written(
    sqlite_url: str, tmp_path: Path, rows: Any, options: Any, error: Any
) -> None:
    path = save(tmp_path, "a", rows, "utf-8")
    if error is None:
        path.write_text(path.read_text() + '"open\n', encoding="utf-8")
        error = UnreadableFile
    with office(sqlite_url, "V0001", "V0002") as ledger:
        head = ledger.store.head()
        with pytest.raises(error):
            bring(ledger, path, **options)
        assert ledger.store.head() == head
    assert [p.name for p in tmp_path.iterdir() if "reject" in p.name] == []


def test_what_is_missing_is_told(sqlite_url: str, tmp_path: Path) -> None:
    path = save(tmp_path, "a", [["编号", "日期", "工作", "时长"], ["V0001", "2025-03-01"]], "utf-8")
    with office(sqlite_url) as ledger, pytest.raises(HeaderNotFound) as error:
        bring(ledger, path)
    assert error.value.facts == {
        "missing": "project, category",
        "read": "编号 → member, 日期 → service_on, 时长 → minutes",
        "not_read": "工作",
    }


def test_a_file_with_nothing_in_it_is_told(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with office(sqlite_url) as ledger, pytest.raises(HeaderNotFound) as error:
        bring(ledger, tmp_path / "a.csv")
    assert error.value.facts == {"reason": "it is empty"}


def test_the_rejects_never_stand_where_the_file_stands(sqlite_url: str, tmp_path: Path) -> None:
    path = save(tmp_path, "a", TABLE, "utf-8")
    with office(sqlite_url, "V0001") as ledger, pytest.raises(InvalidCommand):
        bring(ledger, path, rejects_path=path)


# many chunks


def test_chunks_are_named_by_what_they_ask_for(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK_ROWS", 3)
    path = save(tmp_path, "三月", TABLE, "utf-8")
    done: list[int] = []
    with office(database_url, "V0001", "V0002") as ledger:
        summary = bring(ledger, path, progress=done.append)
        assert sums(summary) == SUMS
        assert sum(done) == 20 == summary.rows + summary.blank + summary.headings
        assert refusals(summary) == REFUSED
        commands = {event.command_id for event in logged(ledger)}
        assert len(commands) == 2
        again = bring(ledger, save(tmp_path, "四月", TABLE, "xlsx"))
        assert (again.kept, refusals(again)) == (0, REFUSED)


FORMS: Final = (
    lambda m: f"{m}分钟",
    lambda m: f"{m // 60}小时{m % 60}分" if m >= 0 else f"{m}分",
    lambda m: f"{m // 60}:{m % 60:02d}" if m >= 0 else f"{m} min",
)
DAYS: Final = (
    lambda d: d.isoformat(),
    lambda d: f"{d.year}/{d.month}/{d.day}",
    lambda d: f"{d.year}年{d.month}月{d.day}日",
    lambda d: str((d - date(1899, 12, 30)).days),
)
WISH: Final = st.tuples(
    st.integers(1, 6),  # number
    st.integers(0, 2),  # member; 0 is unknown
    st.sampled_from([SPRING, SPRING + timedelta(days=1), TOMORROW]),
    st.sampled_from([-30, 0, 1, 90, 150, 600, 961, 1500]),
    st.sampled_from(FORMS),
    st.sampled_from(DAYS),
)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_no_row_is_lost_and_none_is_in_both(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random rows, numbered so that many come twice, amended or not; the file comes twice too."""
    monkeypatch.setattr(importing, "CHUNK_ROWS", 4)
    example = count()
    with office(database_url) as ledger:

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck),
                  database=None)  # fmt: skip
        @given(st.lists(WISH, min_size=1, max_size=12), st.sampled_from(FORMATS))
        def hold(wishes: list[Any], form: str) -> None:
            name = f"E{next(example)}"
            for member in (1, 2):
                register(ledger, f"{name}M{member}")
            rows: list[list[Cell]] = [["序号", "志愿者编号", "项目", "日期", "时长", "类别"]]
            rows += [
                [number, f"{name}M{member}", "P001", day(on), span(minutes), "elder_care"]
                for number, member, on, minutes, span, day in wishes
            ]
            path = save(tmp_path, name, rows, form)
            for _ in range(2):
                summary = bring(ledger, path, defaults={"source": name})
                kept = {(e.entry.partition("-")[0], e.source_ref): e for e in logged(ledger)
                        if e.source == name}  # fmt: skip
                refused = {row for row, _ in refusals(summary)}
                for row, (number, member, on, minutes, *_) in enumerate(wishes, 2):
                    entry = kept.get((f"{name}M{member}", str(number)))
                    said = entry is not None and (entry.service_on, entry.minutes) == (on, minutes)
                    assert said != (row in refused)
                assert summary.kept + summary.already + len(refused) == len(wishes)
            assert summary.kept == 0

        hold()


# for people


def test_the_guide_shows_what_happens(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
    sheet, shown, refused = re.findall(r"^```(?:csv)?\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("三月.csv").write_bytes(sheet.encode("gb18030"))
    with office(sqlite_url, "V0001", "V0002") as ledger:
        path, defaults = Path("三月.csv"), {"category": "elder_care"}
        summary = run_import(ledger, path, CLERK, defaults=defaults, names=NAMES)
    import_summary.show(summary)
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == shown.splitlines()[1:]
    assert Path("三月.rejects.csv").read_text(encoding="utf-8-sig") == refused


def test_the_guide_tells_the_limits_there_are() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
    told = " ".join(guide.split())
    assert f"{BACKDATING_DAYS} days and {DAY_MINUTES_MAX} minutes" in told
    assert "`date_too_old`" in told


def test_the_summary_is_printed_for_people(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with office(sqlite_url, "V0001", "V0002") as ledger:
        import_summary.show(bring(ledger, save(tmp_path, "三月", TABLE, "gb18030")))
    printed = capsys.readouterr().out
    for words in ("done, with refused rows", "already there", "member not found", "服务时长",
                  "Not read, not kept: 姓名, 备注", "is hours", "9.50", "rejects.csv"):  # fmt: skip
        assert words in printed
