"""Typed columns and the posting table as one query: the folds' tables, row for row."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

import projections
from ledger.domain.events import TOPICS
from ledger.store.place import SqliteFile
from projections.column_files import connect, quoted, write_parquet
from projections.columns import COLUMNS, typed, whole
from projections.database import Reads, open_reads
from projections.models import TABLES
from projections.rebuild import digests
from projections.recompute import QUERIES
from projections.replay import replayed
from projections.runner import catch_up
from projections.segments import seal, sealed
from tests.told import ROWS, STORE


@pytest.fixture
def reads(tmp_path: Path) -> Iterator[Reads]:
    reads = open_reads(SqliteFile(tmp_path / "reads.db"))
    yield reads
    reads.close()


def test_every_table_has_its_query() -> None:
    assert {table.name for table in TABLES} <= set(QUERIES)


def test_at_every_position_columns_give_the_rows_of_the_folds(reads: Reads, tmp_path: Path) -> None:
    """From segments and log in several mixtures; a prime step meets all chapters of the story."""
    seal(STORE, tmp_path / "sealed", until=60, events=25)
    segments = sealed(tmp_path / "sealed")
    for position in (*range(0, len(ROWS), 7), len(ROWS)):
        catch_up(STORE, reads, until=position)
        used = segments[: position % 4]
        with reads.read() as snapshot, replayed(STORE, position, segments=used) as replay:
            assert digests(replay.snapshot()) == digests(snapshot), position


def test_the_story_has_events_of_every_topic_for_the_columns() -> None:
    assert {row.topic for row in ROWS} == set(TOPICS)


def test_a_line_comes_back_byte_for_byte(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"".join(STORE.select_lines(0, len(ROWS))[1]))
    with duckdb.connect() as connection:
        states = connection.execute(f"SELECT state FROM ({whole(str(lines))})").fetchall()
        assert [state.encode() for (state,) in states] == [row.state for row in ROWS]
        columns = ", ".join(f'"{name}"' for name in COLUMNS)
        plain = connection.execute(f"SELECT {columns} FROM ({typed(str(lines))})").fetchall()
        full = connection.execute(f"SELECT {columns} FROM ({whole(str(lines))})").fetchall()
    assert plain == full


def test_only_the_moves_of_a_day_or_before_count() -> None:
    """Hours by their day of service; what the events say is added up here without the table."""
    logged = [json.loads(row.state) for row in ROWS if row.topic == "HoursLogged"]
    days = sorted({event["service_on"] for event in logged})
    assert len(days) > 1
    sql = "SELECT -sum(quantity) FROM {g}totals WHERE commodity = 'MIN' AND state = 'served'"
    for day in days:
        expected = sum(
            event["minutes"]
            for event in logged
            if event["service_on"] <= day and event["kind"] == "service"
        )
        with replayed(STORE, len(ROWS), date.fromisoformat(day)) as replay:
            assert replay.snapshot().rows(sql) == [(expected,)]


def test_what_is_sealed_changes_no_figure_of_any_day(tmp_path: Path) -> None:
    """Sums of segments are for all days together; where a day is asked for, the events count."""
    seal(STORE, tmp_path, until=len(ROWS), events=25)
    segments = sealed(tmp_path)
    days = sorted({json.loads(row.state)["effective_on"] for row in ROWS})
    for day in (date.fromisoformat(days[len(days) // 2]), None):
        for position in (len(ROWS), 60):
            with (
                replayed(STORE, position, day, segments=segments) as from_sums,
                replayed(STORE, position, day) as from_lines,
            ):
                found = digests(from_sums.snapshot())
                assert found == digests(from_lines.snapshot()), (day, position)


def test_long_queries_print_nothing() -> None:
    """Whoever asks for JSON gets nothing else, however long it takes."""
    with replayed(STORE, 0) as replay:
        assert replay.rows("SELECT current_setting('enable_progress_bar')") == [(False,)]
    others = Path(projections.__path__[0]).glob("*.py")
    assert [path.stem for path in others if "duckdb.connect(" in path.read_text()] == [
        connect.__module__.rpartition(".")[2]
    ]


def test_a_full_disk_is_not_told_as_a_log_that_is_wrong(tmp_path: Path) -> None:
    lines, place = tmp_path / "lines", tmp_path / "columns"
    lines.write_bytes(ROWS[0].line() + b"\n")
    place.symlink_to("/dev/full")
    with connect() as connection, pytest.raises(OSError, match="No space left on device"):
        write_parquet(connection, whole(quoted(lines)), place, "zstd")
    assert not place.is_symlink()
