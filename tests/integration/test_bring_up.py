"""Read models far behind the log: recomputed at once, or folded; they are the same."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, NamedTuple

import pytest

from ledger.store.log import LogStore
from projections import column_files, runner
from projections import rebuild as rebuilding
from projections.bring_up import bring_up
from projections.database import Reads
from projections.participation import ACTIVE
from projections.rebuild import rebuild
from projections.refill import MadeTable
from projections.replay import Replay
from projections.runner import catch_up, wait_for
from projections.tailer import Tailer
from tests.told import ROWS, digests_of, following


class Behind(NamedTuple):
    """Long from how many events on, folded until where, and whether all is recomputed then."""

    long: int
    until: int
    is_recomputed: bool


BEHIND: Final = (
    Behind(10, 0, is_recomputed=True),
    Behind(10, 30, is_recomputed=True),
    Behind(10, 70, is_recomputed=False),
    Behind(10**6, 0, is_recomputed=False),
)


@pytest.fixture(params=BEHIND)
def behind(
    request: pytest.FixtureRequest, told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> Behind:
    """Read models that are behind the log."""
    found: Behind = request.param
    monkeypatch.setattr(runner, "REFILLED_EVENTS", found.long)
    catch_up(told, reads, until=found.until)
    return found


def test_what_is_mostly_new_is_recomputed_at_once(
    behind: Behind, told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    """Recomputed or folded, they are the same, and what comes later is folded in."""
    seen: list[int] = []
    assert bring_up(told, reads, seen.append) == len(ROWS) == behind.until + sum(seen)
    assert reads.generation == 1 + behind.is_recomputed
    assert digests_of(reads) == expected
    assert bring_up(told, reads, seen.append) == len(ROWS) == behind.until + sum(seen)


def test_a_rebuild_from_far_behind_compares_and_recomputes(
    behind: Behind, told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    with reads._engine.writing() as session:
        prefix = reads._prefix(reads.generation)
        session.run(f"UPDATE {prefix}members SET verified_minutes = 99 WHERE member = 'V0002'")
    seen: list[int] = []
    found = rebuild(told, reads, progress=seen.append)
    assert (found.compared_at, found.position) == (behind.until, len(ROWS))
    assert sum(seen) == (len(ROWS) if behind.is_recomputed else behind.until)
    assert [each.table for each in found.differences] == ["members"] * (behind.until > 0)
    assert found.generation == reads.generation == 2 + behind.is_recomputed
    assert digests_of(reads) == expected


def test_a_tailer_that_begins_far_behind_recomputes_first(
    behind: Behind, told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    with following(told, reads) as tailer:
        assert wait_for(reads, len(ROWS), 30)
        assert tailer.lag().error == ""
    assert reads.generation == 1 + behind.is_recomputed
    assert digests_of(reads) == expected


def test_a_tailer_that_is_stopped_while_it_recomputes_leaves_nothing(
    told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    tailer, begun = Tailer(told, reads), list[int]()

    def refill(
        _store: LogStore, _reads: Reads, new: int, _: int, *, progress: Callable[[int], None]
    ) -> None:
        begun.append(new)
        tailer._stopping.set()
        progress(10)
        raise AssertionError

    monkeypatch.setattr(runner, "REFILLED_EVENTS", 10)
    monkeypatch.setattr(rebuilding, "refill", refill)
    tailer.start()
    tailer._thread.join(30)
    assert (begun, tailer.lag().error) == ([2], "")
    assert (reads.generation, reads.position) == (1, 0)
    assert not reads._is_there(2)


@pytest.mark.parametrize("is_followed", [True, False])
def test_where_columns_find_no_room_all_is_folded(
    told: LogStore,
    reads: Reads,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_followed: bool,
) -> None:
    monkeypatch.setattr(runner, "REFILLED_EVENTS", 10)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    if is_followed:
        with following(told, reads) as tailer:
            assert wait_for(reads, len(ROWS), 30)
            assert tailer.lag().error == ""
    else:
        assert bring_up(told, reads) == len(ROWS)
    assert (reads.generation, reads._is_there(2)) == (1, False)
    assert digests_of(reads) == expected
    assert "figures are folded, not recomputed" in caplog.text


def test_a_tailer_that_is_stopped_makes_no_more_tables(
    told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is put in at that time is given up too, and nothing is left of it."""
    tailer, made, make = Tailer(told, reads), list[str](), Replay.make

    def load(_: int, table: MadeTable) -> None:
        while True:
            table.wanted.check()
            time.sleep(0.01)

    def make_and_stop(replay: Replay, *names: str) -> None:
        make(replay, *names)
        made.extend(names)
        if ACTIVE.name in names:
            tailer._stopping.set()

    monkeypatch.setattr(runner, "REFILLED_EVENTS", 10)
    monkeypatch.setattr(reads, "load", load)
    monkeypatch.setattr(Replay, "make", make_and_stop)
    tailer.start()
    tailer._thread.join(30)
    assert not tailer._thread.is_alive()
    assert made[-1] == ACTIVE.name
    assert tailer.lag().error == ""
    assert (reads.generation, reads._is_there(2)) == (1, False)


def test_lines_that_nobody_waits_for_are_not_taken_apart(
    told: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, deadline = threading.Event(), threading.Event(), time.monotonic() + 30

    def long(*_: object) -> Iterator[tuple[list[bytes], list[bytes]]]:
        while time.monotonic() < deadline:
            begun.set()
            yield [], []
        ended.set()

    def give_up(_: int) -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    monkeypatch.setattr(column_files, "lines_apart", long)
    with closing(column_files.Columns(told)) as columns, pytest.raises(KeyboardInterrupt):
        columns.extend(len(ROWS), give_up)
    assert not ended.is_set()
