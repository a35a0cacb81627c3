"""Rules on hours as they are logged."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.account import Member
from ledger.domain.events import HoursLogged
from tests.scenario import (
    ELSEWHERE,
    OTHER_TOWN,
    REGION,
    SATURDAY,
    TODAY,
    TOWN,
    Scenario,
    caller,
    county_at_work,
    from_sheet,
    log_hours,
    open_project,
    register,
    timed,
    verify_hours,
)

SUNDAY = SATURDAY + timedelta(days=1)
FRIDAY = SATURDAY - timedelta(days=1)
REJECT = c.RejectHours(entry="V0001-1", reason_code="wrong_day")
HELD = c.HoldActivity(
    activity="A1",
    project="P001",
    category="elder_care",
    held_on=SATURDAY,
    responsible="O1",
    registered=9,
    attended=8,
)


def member(ledger: Scenario) -> Member:
    state = ledger.state("member/V0001")
    assert isinstance(state, Member)
    return state


# What is written


def test_an_entry_carries_everything_it_is_grouped_by() -> None:
    ledger = county_at_work().given(HELD)
    row = timed(
        "09:00", "11:30", minutes=150, team="O2", activity="A1", source="app", source_ref="7"
    )
    logged = ledger.when(row).then_answer(entry="V0001-1").then_in("member/V0001")
    logged.then_event(
        HoursLogged,
        entry="V0001-1",
        project="P001",
        organisation="O1",
        team="O2",
        region=REGION,
        member_region=TOWN,
        member_kinds=("volunteer",),
        kind="service",
        category="elder_care",
        evidence="manual",
        activity="A1",
        service_on=SATURDAY,
        minutes=150,
        start="09:00",
        end="11:30",
        source="app",
        source_ref="7",
        effective_on=TODAY,
        actor="association",
    )


def test_entries_are_numbered_per_member() -> None:
    ledger = county_at_work().given(from_sheet("1"), from_sheet("2"))
    ledger.when(from_sheet("3")).then_answer(entry="V0001-3")
    ledger.when(log_hours("V0002")).then_answer(entry="V0002-1")


def test_service_and_training_wait_apart() -> None:
    ledger = county_at_work().given(
        log_hours(minutes=90), log_hours(minutes=60, kind="training", start="18:00", end="19:00")
    )
    assert (member(ledger).pending, member(ledger).training_pending) == (90, 60)


# Who and what for


def test_the_member_and_the_project_are_known() -> None:
    ledger = county_at_work()
    ledger.when(log_hours("V0009")).then_refused("member_not_found", at="member")
    ledger.when(log_hours(project="P9")).then_refused("project_not_found", at="project")


def test_what_is_out_of_scope_looks_as_if_it_did_not_exist() -> None:
    ledger = county_at_work()
    in_town = caller("town", "recorder", regions=(TOWN,))
    of_o2 = caller("street", "recorder", organisations=("O2",))
    ledger.when(log_hours("V0002"), by=in_town).then_refused("member_not_found")
    ledger.when(log_hours(), by=in_town).then_refused("project_not_found")
    ledger.when(log_hours(), by=of_o2).then_refused("project_not_found")


def test_the_team_is_an_organisation() -> None:
    ledger = county_at_work()
    ledger.when(log_hours(team="O9")).then_refused("organisation_not_found", at="team")


def test_the_activity_is_one_of_the_project() -> None:
    ledger = county_at_work().given(HELD, open_project("P002"))
    ledger.when(log_hours(activity="A9")).then_refused("activity_not_found", at="activity")
    other = log_hours(activity="A1", project="P002")
    ledger.when(other).then_refused("activity_not_found", at="activity")


def test_a_day_outside_the_projects_dates_is_refused() -> None:
    ledger = county_at_work().given(open_project("P002", opens_on=SATURDAY))
    ledger.given(c.CloseProject(project="P002", closes_on=SATURDAY, reason_code="done"))
    for day in (FRIDAY, SUNDAY):
        row = log_hours(project="P002", service_on=day)
        ledger.when(row).then_refused("project_closed", at="service_on", day=day.isoformat())
    ledger.given(log_hours(project="P002"))


def test_the_category_is_one_the_project_offers() -> None:
    row = log_hours(category="sports")
    county_at_work().when(row).then_refused("category_not_offered", at="category")


# How much, and when


@pytest.mark.parametrize("minutes", [0, -60])
def test_an_entry_has_a_minute_at_least(minutes: int) -> None:
    row = log_hours(minutes=minutes)
    county_at_work().when(row).then_refused("minutes_out_of_range", at="minutes", minutes_min=1)
    county_at_work().given(log_hours(minutes=1))


def test_an_entry_has_no_more_minutes_than_there_are_between_start_and_end() -> None:
    ledger = county_at_work()
    ledger.when(timed("09:00", "10:30", minutes=91)).then_refused(
        "minutes_out_of_range", at="minutes", minutes_max=90
    )
    ledger.given(timed("09:00", "10:30", minutes=90))


def test_an_end_not_after_the_start_is_on_the_next_day() -> None:
    ledger = county_at_work()
    ledger.when(timed("23:00", "01:00", minutes=121)).then_refused("minutes_out_of_range")
    ledger.given(timed("23:00", "01:00", minutes=120))
    day = timed("08:00", "08:00", minutes=960, service_on=date(2025, 6, 2))
    ledger.given(day)


@pytest.mark.parametrize(
    ("half", "missing"),
    [("start", "end"), ("end", "start"), ("source", "source_ref"), ("source_ref", "source")],
)
def test_half_a_pair_is_no_command(half: str, missing: str) -> None:
    halves: dict[str, Any] = {half: "09:00"}
    row = log_hours(**halves)
    first, second = sorted((half, missing), key=lambda name: (name == "end", name))
    county_at_work().when(row).then_refused(
        "invalid_command", at=missing, reason=f"{first} and {second} come together"
    )


def test_a_members_day_has_sixteen_hours_over_all_projects_and_kinds() -> None:
    ledger = county_at_work().given(
        open_project("P002"),
        log_hours(minutes=600),
        log_hours(minutes=300, project="P002", kind="training"),
    )
    ledger.when(from_sheet(minutes=61)).then_refused(
        "day_overfull", at="minutes", minutes_before=900, minutes_max=960
    )
    ledger.given(from_sheet(minutes=60), log_hours(minutes=960, service_on=SUNDAY))


def test_an_overfull_day_is_told_by_its_minutes_to_who_sees_them_all() -> None:
    ledger = county_at_work().given(
        open_project("P002", organisation="O2"), log_hours(minutes=600), from_sheet(project="P002")
    )
    of_o1 = caller("association", "recorder", organisations=("O1",))
    row = from_sheet("2", minutes=241)
    ledger.when(row).then_refused("day_overfull", minutes_before=720)
    ledger.when(row, by=of_o1).then_refused("day_overfull", minutes_before=None, minutes_max=960)
    ledger.given(c.RejectHours(entry="V0001-2", reason_code="double"))
    row = from_sheet("2", minutes=361)
    ledger.when(row, by=of_o1).then_refused("day_overfull", minutes_before=600)


def test_a_night_counts_on_the_day_it_began() -> None:
    ledger = county_at_work().given(timed("20:00", "04:00", minutes=480, service_on=FRIDAY))
    ledger.given(timed("04:00", "20:00", minutes=960))


def test_a_day_is_as_long_as_the_limits_of_that_day_say() -> None:
    ledger = county_at_work().given(
        c.SetLimits(region=REGION, backdating_days=90, day_minutes_max=480, effective_on=SUNDAY)
    )
    ledger.given(log_hours(minutes=960))
    ledger.when(log_hours(minutes=481, service_on=SUNDAY)).then_refused("day_overfull")


def test_a_day_has_room_again_for_what_was_rejected_or_declined() -> None:
    ledger = county_at_work().given(log_hours(minutes=600), from_sheet(minutes=360))
    ledger.given(verify_hours(minutes=500), c.RejectHours(entry="V0001-2", reason_code="double"))
    ledger.when(from_sheet("2", minutes=461)).then_refused("day_overfull", minutes_before=500)
    ledger.given(from_sheet("2", minutes=460))


@pytest.mark.parametrize(
    ("start", "end"),
    [("08:00", "09:01"), ("09:30", "09:40"), ("10:59", "12:00"), ("08:00", "12:00")],
)
def test_time_is_given_once(start: str, end: str) -> None:
    ledger = county_at_work().given(timed("09:00", "11:00"))
    ledger.when(timed(start, end, minutes=5)).then_refused(
        "overlapping_service", at="start", entry="V0001-1"
    )


def test_what_ends_when_the_next_begins_does_not_overlap() -> None:
    county_at_work().given(
        timed("09:00", "11:00"),
        timed("11:00", "12:00"),
        timed("08:00", "09:00"),
        timed("09:00", "11:00", service_on=SUNDAY),
        timed("09:00", "11:00", member="V0002"),
        log_hours(minutes=60),
    )


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [(SUNDAY, "00:30", "02:00"), (SATURDAY, "22:00", "23:30"), (FRIDAY, "23:30", "23:15")],
)
def test_overlaps_are_seen_across_midnight(day: date, start: str, end: str) -> None:
    ledger = county_at_work().given(timed("23:00", "01:00"))
    ledger.when(timed(start, end, service_on=day)).then_refused(
        "overlapping_service", entry="V0001-1"
    )


def test_time_is_free_again_after_a_rejection_and_after_voiding() -> None:
    ledger = county_at_work().given(
        timed("09:00", "11:00"), REJECT, from_sheet(start="09:00", end="11:00")
    )
    ledger.given(verify_hours("V0001-2"), c.VoidHours(entry="V0001-2", reason_code="double"))
    ledger.given(timed("09:10", "11:00"))


def test_an_overlapping_entry_out_of_scope_is_not_named() -> None:
    ledger = county_at_work().given(
        open_project("P002", organisation="O2"), timed("09:00", "11:00", project="P002")
    )
    of_o1 = caller("association", "recorder", organisations=("O1",))
    hidden = ledger.when(timed("09:00", "10:00"), by=of_o1).then_refused("overlapping_service")
    assert hidden.refusal is not None
    assert hidden.refusal.facts == {}


def test_the_future_is_not_recorded() -> None:
    ledger = county_at_work().given(log_hours(service_on=TODAY))
    row = log_hours(service_on=TODAY + timedelta(days=1))
    ledger.when(row).then_refused("date_in_future", at="service_on", day="2025-06-17")
    earlier = log_hours(service_on=SUNDAY, effective_on=SATURDAY)
    ledger.when(earlier).then_refused("date_in_future", at="service_on")


def test_what_is_older_than_ninety_days_is_not_recorded() -> None:
    ledger = county_at_work().given(log_hours(service_on=TODAY - timedelta(days=90)))
    row = log_hours(service_on=TODAY - timedelta(days=91))
    ledger.when(row).then_refused("date_too_old", at="service_on", days_max=90)


def test_how_far_back_is_a_limit_of_the_projects_region_and_of_today() -> None:
    ledger = county_at_work().given(
        c.SetLimits(region=REGION, backdating_days=10, day_minutes_max=960),
        c.SetLimits(region=ELSEWHERE, backdating_days=900, day_minutes_max=960),
    )
    row = log_hours(service_on=TODAY - timedelta(days=11))
    ledger.when(row).then_refused("date_too_old", days_max=10)


def test_a_member_of_another_region_is_logged_where_the_project_is() -> None:
    ledger = county_at_work().given(register("V0003", ELSEWHERE))
    logged = ledger.when(log_hours("V0003"))
    logged.then_event(HoursLogged, region=REGION, member_region=ELSEWHERE)


def test_an_entry_keeps_the_region_its_member_had() -> None:
    ledger = county_at_work().given(log_hours(), c.MoveMember(member="V0001", region=OTHER_TOWN))
    verified = ledger.when(verify_hours())
    assert verified.event(type(verified.events[0])) == verified.events[0]
    assert getattr(verified.events[0], "member_region", None) == TOWN


def test_one_entry_stands_in_place_of_another() -> None:
    """Its waiver of the age is for that row, not for as many old ones as one likes."""
    reject = c.RejectHours(entry="V0001-1", reason_code="mistaken")
    ledger = county_at_work().given(log_hours(), reject)
    old = [
        log_hours(service_on=date(2025, 1, day), replaces="V0001-1", minutes=day) for day in (2, 3)
    ]
    ledger.given(old[0])
    ledger.when(old[0]).then_nothing()
    ledger.when(old[1]).then_refused("row_conflict", at="replaces", entry="V0001-2")
    ledger.given(c.RejectHours(entry="V0001-2", reason_code="mistaken"))
    ledger.when(old[1]).then_event(HoursLogged, replaces="V0001-1")
