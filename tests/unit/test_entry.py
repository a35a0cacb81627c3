"""A member's entries against a recount from the events, over random histories."""

from datetime import date, timedelta
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain import commands as c
from ledger.domain import events as e
from ledger.domain import rules
from ledger.domain.access import Caller
from ledger.domain.account import Member
from ledger.domain.entry import minutes_of, span
from ledger.domain.values import Threshold
from tests.scenario import (
    ADMIN,
    GRANTER,
    RECORDER,
    TODAY,
    VERIFIER,
    Scenario,
    accrual,
    county_at_work,
    define_policy,
    log_hours,
)
from tests.steps import steps_of

CLOCK = ["00:00", "07:30", "08:00", "09:10", "12:00", "18:00", "23:00", "23:59"]
YESTERDAY = TODAY - timedelta(days=1)
DAYS = [TODAY - timedelta(days=back) for back in range(90)]
Times = tuple[str | None, str | None]
NO_TIMES: Times = (None, None)


@st.composite
def rows(draw: st.DrawFn) -> c.LogHours:
    """A row of a few days, with or without times and reference, perhaps replacing another."""
    times = draw(st.just(NO_TIMES) | st.tuples(st.sampled_from(CLOCK), st.sampled_from(CLOCK)))
    ref = draw(st.none() | st.sampled_from(["1", "2", "3"]))
    return log_hours(
        minutes=draw(st.integers(1, 500)),
        service_on=draw(st.sampled_from([TODAY, YESTERDAY]) | st.sampled_from(DAYS)),
        kind=draw(st.sampled_from(["service", "service", "training"])),
        start=times[0],
        end=times[1],
        source=None if ref is None else "app",
        source_ref=ref,
        replaces=draw(st.none() | entries),
    )


entries = st.integers(1, 12).map(lambda n: f"V0001-{n}")
reason = st.just("complaint")
acts = st.one_of(
    rows(),
    rows(),
    st.builds(c.VerifyHours, entry=entries, minutes=st.none() | st.integers(1, 500)),
    st.builds(c.VerifyHours, entry=entries),
    st.builds(c.RejectHours, entry=entries, reason_code=reason),
    st.builds(c.CorrectHours, entry=entries, minutes=st.integers(1, 500), reason_code=reason),
    st.builds(c.VoidHours, entry=entries, reason_code=reason),
)


def standing(ledger: Scenario) -> dict[str, tuple[e.HoursLogged, str, int, int]]:
    """Entry → as logged, status, minutes verified, credit: recounted from the events alone."""
    found: dict[str, tuple[e.HoursLogged, str, int, int]] = {}
    for _, event in ledger.log:
        if isinstance(event, e.HoursLogged):
            found[event.entry] = (event, "pending", 0, 0)
        elif isinstance(event, e.HoursVerified):
            found[event.entry] = (found[event.entry][0], "verified", event.minutes, event.credit)
        elif isinstance(event, e.HoursCorrected):
            found[event.entry] = (
                found[event.entry][0],
                "verified",
                event.after,
                event.credit_after,
            )
        elif isinstance(event, e.HoursRejected | e.HoursVoided):
            found[event.entry] = (found[event.entry][0], "over", 0, 0)
    return found


def member(ledger: Scenario) -> Member:
    state = ledger.state("member/V0001")
    assert isinstance(state, Member)
    return state


def minutes_taken(row: e.HoursLogged) -> set[tuple[date, int]]:
    """Every minute between start and end, as day and minute of the day."""
    when = span(row.start, row.end)
    if when is None:
        return set()
    return {
        (row.service_on + timedelta(days=minute // 1440), minute % 1440)
        for minute in range(when.first, when.last)
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(acts, max_size=25), st.sampled_from(DAYS), st.sampled_from(DAYS))
def test_figures_equal_a_recount_and_no_bound_is_broken(
    history: list[c.Command], one: date, other: date
) -> None:
    ledger = county_at_work().given(accrual("CAPS", num=3, den=2, entry_max=300, day_max=400))
    for command in history:
        ledger.when(command, by=ADMIN if isinstance(command, c.CorrectHours) else None)
    state, found = member(ledger), standing(ledger)
    service = [each for each in found.values() if each[0].kind == "service"]
    assert state.pending == sum(row.minutes for row, status, _, _ in service if status == "pending")
    assert state.verified == sum(minutes for _, _, minutes, _ in service)
    assert state.earned == state.available == sum(credit for *_, credit in service)
    first, last = min(one, other), max(one, other)
    assert state.entries.verified_between(first, last) == sum(
        minutes for row, _, minutes, _ in service if first <= row.service_on <= last
    )
    live = [each for each in found.values() if each[1] != "over"]
    for day in DAYS:
        on_day = [each for each in live if each[0].service_on == day]
        minutes = sum(verified or row.minutes for row, _, verified, _ in on_day)
        assert minutes_of(state.entries.live_on(day)) == minutes <= 960
        assert sum(credit for *_, credit in on_day) <= 400
    taken = [minute for row, *_ in live for minute in minutes_taken(row)]
    assert len(taken) == len(set(taken))
    assert ledger.replayed().states == ledger.books.states


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 40))
def test_a_window_of_any_length_is_counted_right(back: int, length: int, gap: int) -> None:
    last = TODAY - timedelta(days=back)
    first = last - timedelta(days=length)
    served = [TODAY - timedelta(days=n * gap) for n in range(1, 61)]
    expected = sum(30 for day in served if first <= day <= last)
    assert member(long_history(60, gap)).entries.verified_between(first, last) == expected


@cache
def long_history(count: int, gap: int) -> Scenario:
    """A member with so many entries of half an hour, verified, one every `gap` days."""
    ledger = county_at_work().given(
        define_policy(credit_cost=0, threshold=Threshold(minutes=0, months=6)),
        log_hours("V0002"),
    )
    logged = ledger.log[-1][1]
    verified = ledger.when(c.VerifyHours(entry="V0002-1")).events[0]
    for n in range(count):
        day = TODAY - timedelta(days=(count - n) * gap)
        wish = {"entry": f"V0001-{n + 1}", "service_on": day, "minutes": 30}
        ledger.books.apply("member/V0001", changed(logged, **wish))
        ledger.books.apply("member/V0001", changed(verified, declined=0, credit=30, **wish))
    return ledger


def changed(event: e.Event, **changes: Any) -> e.Event:
    """The event with other figures."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**fields | changes)


@pytest.mark.parametrize(
    ("command", "by"),
    [
        (log_hours(source="app", source_ref="1", start="09:00", end="12:00"), RECORDER),
        (log_hours(service_on=TODAY - timedelta(days=80), start="20:00", end="23:00"), RECORDER),
        (c.CorrectHours(entry="V0001-200", minutes=20, reason_code="x"), VERIFIER),
        (c.VoidHours(entry="V0001-200", reason_code="x"), VERIFIER),
        (c.GrantIncentive(member="V0001", policy="Y1"), GRANTER),
    ],
)
def test_a_command_takes_as_many_steps_after_ten_thousand_entries_as_after_some(
    command: c.Command, by: Caller
) -> None:
    steps = []
    for count in (250, 10_000):
        ledger = long_history(count, 1)
        work = partial(rules.decide, command, ledger.books, ledger.act(command, by))
        work()  # what is worked out once is worked out now
        steps.append(steps_of(work))
    assert steps[0] == steps[1] < 700
