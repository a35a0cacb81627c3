"""Read models far behind the log: recomputed at once, or folded; they are the same."""

from typing import Final

import pytest

from ledger.store.log import LogStore
from projections import bring_up as bringing
from projections.bring_up import bring_up
from projections.database import Reads
from projections.rebuild import rebuild
from projections.runner import catch_up
from tests.told import ROWS, digests_of

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
    monkeypatch.setattr(bringing, "REFILLED_EVENTS", long)
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
    monkeypatch.setattr(bringing, "REFILLED_EVENTS", long)
    catch_up(told, reads, until=until)
    with reads._engine.writing() as session:
        prefix = reads._prefix(reads.generation)
        session.run(f"UPDATE {prefix}members SET verified_minutes = 99 WHERE member = 'V0002'")
    found = rebuild(told, reads)
    assert (found.compared_at, found.position) == (until, len(ROWS))
    assert [each.table for each in found.differences] == ["members"] * (until > 0)
    assert found.generation == reads.generation == 2 + is_recomputed
    assert digests_of(reads) == expected
