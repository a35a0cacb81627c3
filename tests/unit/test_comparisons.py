"""What was compared lately is not compared again; nothing is kept of what failed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import cast

import pytest
from msgspec import Struct

from projections.basis import Basis
from projections.comparisons import Comparisons
from projections.differences import Compared, difference
from projections.moments import Moment
from projections.past import Pasts
from projections.session import Snapshot
from projections.standing import Standing
from projections.subjects import Subject, member
from tests.told import STORE


class Compare:
    """Counts how often it is asked, and answers the number."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return self.asked


def test_the_same_is_compared_once() -> None:
    comparisons, compare = Comparisons[int](), Compare()
    assert [comparisons.of("key", compare) for _ in range(3)] == [1, 1, 1]
    assert comparisons.of("other", compare) == 2


def test_who_asks_while_it_is_compared_waits_for_it() -> None:
    comparisons, compare = Comparisons[int](), Compare()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        assert go_on.wait(60)
        return compare()

    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(comparisons.of, "key", slow)
        assert begun.wait(60)
        others = [threads.submit(comparisons.of, "key", slow) for _ in range(7)]
        # What is compared with something else does not wait.
        assert comparisons.of("other", lambda: 7) == 7
        go_on.set()
        assert [each.result() for each in (first, *others)] == [1] * 8
    assert compare.asked == 1


def test_what_was_used_least_lately_is_forgotten() -> None:
    comparisons, compare = Comparisons[int](kept_max=2), Compare()
    for key in ("a", "b", "a", "c"):
        comparisons.of(key, compare)
    assert comparisons.of("a", compare) == 1
    assert comparisons.of("b", compare) == 4


def test_a_failure_is_told_and_not_kept() -> None:
    comparisons = Comparisons[int]()

    def fail() -> int:
        raise ValueError("no such thing")

    for _ in range(2):
        with pytest.raises(ValueError, match="no such thing"):
            comparisons.of("key", fail)
    assert comparisons.of("key", lambda: 3) == 3


class Told(Struct):
    """An answer that depends on the time asked for, as the stars of a member do."""

    stars: int


def test_what_the_clock_has_a_say_in_is_compared_anew() -> None:
    """Also where nothing was recorded between two times, so that both are at one position."""
    assert member("V1").name is None

    def stars(at: Standing) -> Told:
        assert at.moment.time is not None
        return Told(stars=at.moment.time.month)

    def changed(month: int) -> list[tuple[int, int]]:
        times = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, month, 1, tzinfo=UTC))
        before, after = (Standing(STORE, live, pasts, Moment(9, None, time)) for time in times)
        found = difference(subject, before, after, comparisons=kept)
        return [(each.before, each.after) for each in found.figures]

    live, pasts, kept = cast("Snapshot", None), Pasts(STORE), Comparisons[Compared]()
    subject = Subject(None, stars, lambda at: Basis(at, {}, lambda *_: ()))
    assert changed(2) == [(1, 2)]
    assert changed(3) == [(1, 3)]
