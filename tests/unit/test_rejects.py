"""The rejects file: whole or not there, safe in a spreadsheet, and the same when it comes back."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli import rejects
from api.cli.rejects import BROKEN_LINE, Reject, Spool


def spooled(*items: Reject) -> Spool:
    spool = Spool()
    for item in items:
        spool.add(item)
    return spool


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@given(st.text(alphabet="'=+-@\t\r\na甲", max_size=8) | st.text(max_size=8))
def test_an_escaped_cell_is_no_formula_and_reads_back(text: str) -> None:
    escaped = rejects.escape(text)
    assert not escaped.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert rejects.unescape(escaped) == text


def test_the_file_is_utf8_with_bom_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    cells = ["V1", "-2", "=1+1"]
    spool = spooled(Reject(0, 7, "时长", "day_overfull", "too much", cells, '{"unit":"hours"}'))
    write = rejects.csv_writer([["编号", "时长", "备注"]], [""], [{}])
    assert rejects.publish(path, spool, write) == path
    assert (
        path.read_bytes()
        == (
            "\ufeff_row,_sheet,_column,_code,_reason,_options,编号,时长,备注\r\n"
            '7,,时长,day_overfull,too much,"{""unit"":""hours""}",'
            "V1,'-2,'=1+1\r\n"
        ).encode()
    )
    assert list(tmp_path.iterdir()) == [path]


def test_tables_with_other_columns_share_the_file(tmp_path: Path) -> None:
    """Columns meet by header, the second of a name with the second; cells without one are kept."""
    path = tmp_path / "r.csv"
    spool = spooled(
        Reject(0, 2, "", "c", "r", ["a", "b", "c", "d"]),
        Reject(1, 2, "", "c", "r", ["x", "y"]),
        Reject(2, 5, "", "c", "r", ["z"]),
    )
    write = rejects.csv_writer(
        [["编号", "备注", "备注"], ["备注", "编号"], []], ["一", "二", "三"], [{}] * 3
    )
    rejects.publish(path, spool, write)
    assert [row[6:] for row in rows(path)] == [
        ["编号", "备注", "备注", "_extra", ""],
        ["a", "b", "c", "d", ""],
        ["y", "x", "", "", ""],
        ["", "", "", "", "z"],
    ]


def test_nothing_refused_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    assert rejects.publish(path, Spool(), rejects.csv_writer([[]], [""], [{}])) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_says_something_else_is_set_aside(tmp_path: Path) -> None:
    """Someone may have mended rows in it."""
    path = tmp_path / "r.csv"
    path.write_text("mended by hand")
    spool = spooled(Reject(0, 1, "", "c", "r", ["a"]))
    write = rejects.csv_writer([["编号"]], [""], [{}])
    rejects.publish(path, spool, write)
    assert (tmp_path / "r.csv.bak").read_text() == "mended by hand"
    rejects.publish(path, spool, write)
    assert (tmp_path / "r.csv.bak").read_text() == "mended by hand"
    rejects.publish(path, Spool(), write)
    assert not path.exists()
    assert rows(tmp_path / "r.csv.bak")[1][-1] == "a"


def test_a_run_that_ends_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("old")

    def fail(part: Path, spool: Spool) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rejects.publish(path, Spool(), fail)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


# lines


def written(tmp_path: Path, *items: Reject) -> list[str]:
    path = tmp_path / "r.ndjson"
    rejects.publish(path, spooled(*items), rejects.write_lines)
    return path.read_text(encoding="utf-8").splitlines()


def test_a_line_comes_back_with_what_was_wrong_and_reads_as_it_was(tmp_path: Path) -> None:
    text = '{"编号":"Ｖ1","时长":2.50,"op":"log_hours"}'
    (line,) = written(tmp_path, Reject(0, 3, "编号", "member_not_found", "none", [text, ""]))
    assert json.loads(line)["_code"] == "member_not_found"
    assert "编号" in line
    assert rejects.read_line(line)[0] == json.loads(text)
    (again,) = written(tmp_path, Reject(0, 1, "", "c", "r", [line, ""]))
    assert rejects.read_line(again)[0] == json.loads(text)
    assert json.loads(again)["_row"] == 1


def test_a_broken_line_is_kept_whole_and_can_be_mended_in_its_place(tmp_path: Path) -> None:
    (line,) = written(tmp_path, Reject(0, 3, "", BROKEN_LINE, "r", ['{"编号":"V1"', ""]))
    with pytest.raises(ValueError, match="delimiter"):
        rejects.read_line(line)[0]
    mended = json.loads(line) | {"_line": '{"编号":"V1"}'}
    assert rejects.read_line(json.dumps(mended))[0] == {"编号": "V1"}


def test_half_a_surrogate_pair_is_written_as_it_was(tmp_path: Path) -> None:
    text = '{"a":"\\ud800"}'
    (line,) = written(tmp_path, Reject(0, 1, "", "c", "r", [text, ""]))
    assert rejects.read_line(line)[0] == json.loads(text)


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '{"a":NaN}', '{"a":1e999}', "[1]", "1", "{", "", '{"a":-Infinity}']
)
def test_what_readers_take_for_different_things_is_no_object(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each has its own words)
        rejects.read_line(text)
