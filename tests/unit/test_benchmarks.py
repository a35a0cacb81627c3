"""What benchmarks print and keep: figures are not asserted here, only that they are told right."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytestmark = pytest.mark.tree  # benchmarks are not in the wheel


def test_a_row_says_whether_it_reaches_what_it_must() -> None:
    from benchmarks.running import Row  # noqa: PLC0415

    beside = Row("load", "SQLite", "events/s", 50.0, "stock", 10.0, 5.0, 4.0)
    assert beside.is_reached is True
    beside.target = 5.5
    assert beside.is_reached is False
    slow = Row("read", "SQLite", "ms", 3.5, target=3.0, is_upper=True)
    assert slow.is_reached is False
    assert Row("size", "SQLite", "bytes", 3.5).is_reached is None


def test_a_table_has_a_line_a_row() -> None:
    from benchmarks.running import Row  # noqa: PLC0415
    from benchmarks.table import table  # noqa: PLC0415

    row = Row("load", "SQLite", "events/s", 51234.0, "stock", 10000.0, 5.1234, 5.0, peak_mib=80.4)
    lines = table([row]).splitlines()
    assert len(lines) == 3
    assert lines[2] == (
        "| load | SQLite | 51,234 events/s | stock | 10,000 events/s | 5.12 × | ≥ 5 × ✓ | 80 MiB |"
    )


def test_works_take_turns_and_ratios_are_of_single_turns() -> None:
    from benchmarks.running import Measured, Side, alternate  # noqa: PLC0415

    turns: list[str] = []

    def run(name: str, rates: list[int]) -> Measured:
        turns.append(name)
        return Measured(rates.pop(), 1.0)

    ours, theirs = [30, 20, 60], [10, 20, 10]
    peer = Side("peer", lambda: run("theirs", theirs), 2.0)
    rows = alternate("load", "SQLite", lambda: run("ours", ours), [peer], 3, target=25)
    assert turns == ["ours", "theirs"] * 3
    assert [(row.ours, row.peers, row.ratio) for row in rows] == [(30, None, None), (30, 10, 3)]
    assert [row.is_reached for row in rows] == [True, True]


def test_results_replace_the_last_ones_in_a_document(tmp_path: Path) -> None:
    from benchmarks.document import BEGIN, END, written  # noqa: PLC0415
    from benchmarks.running import Result, Row  # noqa: PLC0415

    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    result = Result(machine={"python": "3"}, options={"runs": 1})
    result.rows["start"] = [Row("help", "", "s", 0.2)]
    result.told["hidden"] = [{"route": "/v1", "ratio": 1.0}, {"route": "/v2", "ratio": 1.1}]
    result.failed["growth"] = "why"
    text = written(document, result)
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| help |  | 0.2 s |" in text
    assert "| /v2 | 1.1 |" in text
    assert "`growth` failed" in text
    document.write_text(text)
    assert written(document, result) == text


def test_every_benchmark_has_its_place_in_the_document() -> None:
    from benchmarks.__main__ import BENCHMARKS, PROGRAMS  # noqa: PLC0415
    from benchmarks.document import BEGIN, END, HEADINGS  # noqa: PLC0415

    assert set(HEADINGS) == {*BENCHMARKS, *PROGRAMS}
    text = Path("docs/benchmarks.md").read_text()
    assert text.index(BEGIN) < text.index(END)


def test_the_plot_has_a_line_a_work_and_database() -> None:
    from benchmarks.plot import Line, plot  # noqa: PLC0415

    lines = [
        Line("balance", database, [(1e4, cost), (1e5, cost * 1.1)])
        for database, cost in (("SQLite", 40.0), ("PostgreSQL", 700.0))
    ]
    root = ET.fromstring(plot(lines))
    drawn = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in drawn] == [2, 2]
    assert [line.get("stroke-dasharray") is not None for line in drawn] == [False, True]


def test_the_trouble_of_a_work_in_a_process_of_its_own_is_told() -> None:
    from benchmarks.rows_again import write  # noqa: PLC0415
    from benchmarks.running import apart  # noqa: PLC0415

    with pytest.raises(RuntimeError, match="InvalidSettings"):
        apart(write, "no-url", "no-url")
