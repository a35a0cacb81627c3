"""Read models far behind the log: recomputed at once, or folded; they are the same."""

from collections.abc import Callable
from typing import Final

import pytest

from ledger.store.log import LogStore
from projections import rebuild as rebuilding
from projections import runner
from projections.bring_up import bring_up
from projections.database import Reads
from projections.rebuild import rebuild
from projections.runner import Tailer, catch_up, wait_for
from tests.told import ROWS, digests_of, following

#: Long from how many events, folded until where before, and whether all is recomputed then.
BEHIND: Final = [(10, 0, True), (10, 30, True), (10, 70, False), (10**6, 0, False)]


@pytest.mark.parametrize(("long", "until", "is_recomputed"), BEHIND)
def test_what_is_mostly_new_is_recomputed_at_once(
    told: LogStore,
    reads: Reads,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    long: int,
    until: int,
    *,
    is_recomputed: bool,
) -> None:
    """Recomputed or folded, they are the same, and what comes later is folded in."""
    monkeypatch.setattr(runner, "REFILLED_EVENTS", long)
    catch_up(told, reads, until=until)
    seen: list[int] = []
    assert bring_up(told, reads, seen.append) == len(ROWS) == until + sum(seen)
    assert reads.generation == 1 + is_recomputed
    assert digests_of(reads) == expected
    assert bring_up(told, reads, seen.append) == len(ROWS) == until + sum(seen)


@pytest.mark.parametrize(("long", "until", "is_recomputed"), BEHIND)
def test_a_rebuild_from_far_behind_compares_and_recomputes(
    told: LogStore,
    reads: Reads,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    long: int,
    until: int,
    *,
    is_recomputed: bool,
) -> None:
    monkeypatch.setattr(runner, "REFILLED_EVENTS", long)
    catch_up(told, reads, until=until)
    with reads._engine.writing() as session:
        prefix = reads._prefix(reads.generation)
        session.run(f"UPDATE {prefix}members SET verified_minutes = 99 WHERE member = 'V0002'")
    found = rebuild(told, reads)
    assert (found.compared_at, found.position) == (until, len(ROWS))
    assert [each.table for each in found.differences] == ["members"] * (until > 0)
    assert found.generation == reads.generation == 2 + is_recomputed
    assert digests_of(reads) == expected


@pytest.mark.parametrize(("long", "until", "is_recomputed"), BEHIND)
def test_a_tailer_that_begins_far_behind_recomputes_first(
    told: LogStore,
    reads: Reads,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    long: int,
    until: int,
    *,
    is_recomputed: bool,
) -> None:
    monkeypatch.setattr(runner, "REFILLED_EVENTS", long)
    catch_up(told, reads, until=until)
    with following(told, reads) as tailer:
        assert wait_for(reads, len(ROWS), 30)
        assert tailer.lag().error == ""
    assert reads.generation == 1 + is_recomputed
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
