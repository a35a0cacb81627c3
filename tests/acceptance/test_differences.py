"""Whatever two moments of a random history are compared: the events add up to the difference."""

from datetime import date, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.errors import NotFound
from projections import subjects
from projections.comparisons import Comparisons
from projections.differences import Compared, Difference, EventChange, difference, sums_of
from projections.moments import Moment
from projections.runner import catch_up
from projections.standing import Standing
from projections.subjects import Subject
from tests import wishes as w
from tests.hindsight import SLICES, History, live
from tests.machine import LONG, TODAY

pytestmark = pytest.mark.timeout(6 * 3600)

#: In the seventh, several funds pay for one project.
SEEDS = range(50) if LONG else range(7, 8)
PAIRS = 100 if LONG else 6
SUBJECTS: dict[str, Subject] = {
    **{f"member {member}": subjects.member(member) for member in w.MEMBERS},
    **{f"policy {policy}": subjects.policy(policy) for policy in ("Y1", "Y2")},
    **{f"fund {fund}": subjects.fund(fund) for fund in w.FUNDS},
    **{f"source {source}": subjects.source(source) for _, source in w.SOURCES},
    "totals": subjects.sums(),
    "totals by month": subjects.sums(["month", "project"]),
    "people": subjects.people(),
    **{f"totals {filters}": subjects.sums((), filters) for filters in SLICES},
    **{f"people {filters}": subjects.people((), filters) for filters in SLICES},
}


def moment(chance: Random, head: int) -> Moment:
    """A position, at times with a day."""
    day: date | None = TODAY - timedelta(days=chance.choice([-1, 0, 2, 3, 5, 39, 41]))
    return Moment(chance.randint(1, head), day if chance.random() < 0.5 else None)


def compared(
    history: History, subject: Subject, one: Moment, other: Moment, **page: Any
) -> Difference | None:
    """The difference, None when the subject is at neither moment."""
    store, pasts = history.ledger.store, history.pasts
    with (
        history.reads.read() as live_tables,
        Standing(store, live_tables, pasts, one) as before,
        Standing(store, live_tables, pasts, other) as after,
    ):
        try:
            return difference(subject, before, after, **{"limit": 10**6, **page})
        except NotFound:
            return None


@pytest.mark.parametrize("seed", SEEDS)
def test_events_add_up_to_the_difference_of_every_sum(history: History, seed: int) -> None:
    *_, head = live(history.ledger, Random(seed), 150, TODAY)
    catch_up(history.ledger.store, history.reads)
    chance, seen, active = Random(seed), 0, 0
    for _ in range(PAIRS):
        one, other = moment(chance, head), moment(chance, head)
        for name, subject in SUBJECTS.items():
            found = compared(history, subject, one, other)
            if found is None:
                continue
            sums = sums_of(found.causes)
            # Of the answer itself, or of its only group.
            told = {
                each.figure: each.change if each.change is not None
                else int(bool(each.after)) - int(bool(each.before))
                for each in found.figures
                if not each.keys and (each.part or type(each.after or each.before) in {int, bool})
            }  # fmt: skip
            for figure, change in sums.items():
                # Whether a member is registered says less than how often, as of a day.
                is_told = figure != "registered" or not name.startswith("member")
                if "by" not in name and is_told:
                    assert told.get(figure, 0) == change, (name, one, other, figure)
            listed: dict[str, int] = {}
            for event in found.events:
                for figure, change in event.changes.items():
                    listed[figure] = listed.get(figure, 0) + change
            assert listed == sums
            assert len(found.events) == found.events_total == sum(c.events for c in found.causes)
            seen += len(sums)
            active += bool(sums.get("active"))
            assert {f for f, change in told.items() if change and f in FIGURES} <= set(sums)
    assert seen > 10 * PAIRS
    assert active


#: What no difference may pass over.
FIGURES = {
    "verified_minutes", "pending_minutes", "credit_earned", "credit_spent", "credit_available",
    "received_fen", "spent_fen", "allocated_fen", "unallocated_fen", "transferred_fen",
    "returned_fen", "in_transit_fen", "granted", "revoked", "grants", "credit_redeemed",
    "logged_minutes", "fen_spent", "fen_received", "activities", "registered", "active",
}  # fmt: skip


def test_pages_are_of_one_comparison(history: History) -> None:
    *_, head = live(history.ledger, Random(7), 150, TODAY)
    catch_up(history.ledger.store, history.reads)
    one, other = Moment(head // 3), Moment(head)
    paged = 0
    for name, subject in SUBJECTS.items():
        whole = compared(history, subject, one, other)
        if whole is None:
            continue
        asked, comparisons, events = list[Moment](), Comparisons[Compared](), list[EventChange]()
        counting = subject._replace(answer=partial(answered, subject, asked))
        for skip in range(0, whole.events_total, 3):
            page = compared(
                history, counting, one, other, skip=skip, limit=3, comparisons=comparisons
            )
            assert page == replace(whole, events=whole.events[skip : skip + 3]), name
            events += page.events
        assert events == whole.events
        pages = -(-whole.events_total // 3)
        assert len(asked) == 2 * (min(pages, 1) if subject.name else pages)
        paged += whole.events_total > 3
    assert paged > len(SUBJECTS) / 2


def answered(subject: Subject, asked: list[Moment], at: Standing) -> Struct:
    """What a subject answers; that it was asked is noted."""
    asked.append(at.moment)
    return subject.answer(at)


def test_the_other_way_round_everything_is_taken_back(history: History) -> None:
    *_, head = live(history.ledger, Random(4), 80, TODAY)
    catch_up(history.ledger.store, history.reads)
    one, other = Moment(head // 2), Moment(head, TODAY - timedelta(days=2))
    there = compared(history, subjects.sums(), one, other)
    back = compared(history, subjects.sums(), other, one)
    assert there is not None
    assert back is not None
    assert sums_of(back.causes) == {name: -n for name, n in sums_of(there.causes).items()} != {}
    nothing = compared(history, subjects.sums(), one, one)
    assert nothing is not None
    assert (nothing.figures, nothing.causes, nothing.events) == ([], [], [])
