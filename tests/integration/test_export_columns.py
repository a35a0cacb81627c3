"""The log for other programs: Parquet that gives the lines again, a table that offices can open."""

import csv
import io
from pathlib import Path

import duckdb
import pytest

from projections.columns import COLUMNS, LINE
from tests.terminal import EVENTS, Terminal


def test_parquet_gives_the_lines_again(terminal: Terminal, tmp_path: Path) -> None:
    terminal.do(f"export --format parquet {tmp_path}/log.parquet")
    terminal.do(f"export {tmp_path}/log.jsonl")
    sql = f"SELECT {LINE} FROM read_parquet('{tmp_path}/log.parquet')"
    lines = [line for (line,) in duckdb.connect().execute(sql).fetchall()]
    assert lines == (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == EVENTS


@pytest.mark.parametrize(("after", "until"), [(0, 0), (3, 7), (EVENTS, EVENTS)])
def test_a_stretch_of_the_log(sqlite_terminal: Terminal, after: int, until: int) -> None:
    line = f"export --format csv --after {after} --until {until}"
    told = sqlite_terminal.run(line).stdout_bytes.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(told, newline="")))
    assert rows[0] == list(COLUMNS)
    assert [int(row[0]) for row in rows[1:]] == list(range(after + 1, until + 1))


def test_a_table_is_made_for_office_programs(sqlite_terminal: Terminal, tmp_path: Path) -> None:
    sqlite_terminal.do(
        "open-project P2 --name =1+1 --organisation O1 --region 330424 --categories elder_care"
        " --opens-on 2020-01-01"
    )
    sqlite_terminal.do(f"export --format csv {tmp_path}/log.csv")
    content = (tmp_path / "log.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfposition,")
    assert content.count(b"\r\n") == content.count(b"\n") == EVENTS + 2
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows[-1]["name"] == "'=1+1"
    (received,) = (row for row in rows if row["topic"] == "FundsReceived")
    assert received["lots"] == "190050 of F1-R1 from charity/C1"
    (logged, _) = (row for row in rows if row["topic"] == "HoursLogged")
    assert (logged["minutes"], logged["region"]) == ("150", "330424")
