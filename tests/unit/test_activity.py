"""Activities: held once, within the project's days, withdrawn once."""

from datetime import date
from typing import Any

import pytest

from ledger.domain.activity import evolve, find_activity
from ledger.domain.commands import CloseProject, HoldActivity, SetLimits, WithdrawActivity
from ledger.domain.errors import CorruptLog
from ledger.domain.events import ActivityHeld, ActivityWithdrawn
from tests.scenario import ADMIN, REGION, SATURDAY, TOWN, caller, county_at_work


def hold(activity: str = "A1", **changes: Any) -> HoldActivity:
    wish: dict[str, Any] = {
        "project": "P001",
        "category": "elder_care",
        "held_on": SATURDAY,
        "responsible": "street-office",
        "registered": 20,
        "attended": 18,
        "served": 40,
    }
    return HoldActivity(activity=activity, **wish | changes)


def withdraw(activity: str = "A1") -> WithdrawActivity:
    return WithdrawActivity(activity=activity, reason_code="never_held")


def test_an_activity_carries_what_its_project_is_grouped_by() -> None:
    ledger = county_at_work()
    (
        ledger.when(hold())
        .then_in("activity/A1")
        .then_event(
            ActivityHeld,
            activity="A1", project="P001", organisation="O1", region=REGION,
            category="elder_care", held_on=SATURDAY, responsible="street-office",
            registered=20, attended=18, served=40,
        )
        .then_answer(activity="A1")
    )  # fmt: skip
    found = find_activity(ledger.books, "A1", ADMIN)
    assert (found.id, found.project, found.kind, found.withdrawn) == (
        "A1", "P001", "service", False
    )  # fmt: skip


def test_an_activity_id_is_taken_once_withdrawn_or_not() -> None:
    ledger = county_at_work().given(hold())
    ledger.when(hold()).then_refused("already_exists", at="activity")
    ledger.given(withdraw()).when(hold()).then_refused("already_exists", at="activity")


def test_an_activity_belongs_to_a_project_that_is_seen() -> None:
    county_at_work().when(hold(project="P009")).then_refused("project_not_found", at="project")
    town = caller("town", "recorder", regions=(TOWN,))
    county_at_work().when(hold(), by=town).then_refused("project_not_found", at="project")


def test_an_activity_lies_within_the_days_of_its_project() -> None:
    ledger = county_at_work().given(
        SetLimits(region=REGION, backdating_days=366, day_minutes_max=600)
    )
    ledger.when(hold(held_on=date(2024, 12, 31))).then_refused("project_closed", at="held_on")
    ledger.when(hold(held_on=date(2025, 1, 1))).then_event(ActivityHeld)
    ledger.given(CloseProject(project="P001", closes_on=date(2025, 6, 1), reason_code="done"))
    ledger.when(hold("A2", held_on=date(2025, 6, 2))).then_refused("project_closed", at="held_on")
    ledger.when(hold("A2", held_on=date(2025, 6, 1))).then_event(ActivityHeld)


def test_an_activity_is_not_to_come() -> None:
    ledger = county_at_work()
    ledger.when(hold(held_on=date(2025, 6, 17))).then_refused(
        "date_in_future", at="held_on", day="2025-06-17"
    )
    ledger.when(hold(held_on=date(2025, 6, 16))).then_event(ActivityHeld)


def test_an_activity_is_no_older_than_the_limits_of_its_region_allow() -> None:
    ledger = county_at_work().given(
        SetLimits(region=REGION, backdating_days=10, day_minutes_max=600)
    )
    ledger.when(hold(held_on=date(2025, 6, 5))).then_refused(
        "date_too_old", at="held_on", days_max=10
    )
    ledger.when(hold(held_on=date(2025, 6, 6))).then_event(ActivityHeld)


def test_an_activity_is_of_a_category_the_project_offers() -> None:
    county_at_work().when(hold(category="karaoke")).then_refused(
        "category_not_offered", at="category", category="karaoke"
    )


@pytest.mark.parametrize("kind", ["exam", "training"])
def test_nobody_attends_an_exam_or_training_without_being_registered(kind: str) -> None:
    ledger = county_at_work()
    ledger.when(hold(kind=kind, attended=21)).then_refused(
        "invalid_command", at="attended", registered=20
    )
    ledger.when(hold(kind=kind, attended=20)).then_event(ActivityHeld, attended=20)


@pytest.mark.parametrize("kind", ["service", "supervision"])
def test_people_may_just_turn_up_elsewhere(kind: str) -> None:
    county_at_work().when(hold(kind=kind, attended=21)).then_event(ActivityHeld, attended=21)


def test_an_activity_is_withdrawn_whole() -> None:
    ledger = county_at_work().given(hold())
    (
        ledger.when(withdraw())
        .then_in("activity/A1")
        .then_event(
            ActivityWithdrawn,
            activity="A1", project="P001", organisation="O1", region=REGION,
            category="elder_care", held_on=SATURDAY, responsible="street-office",
            registered=20, attended=18, served=40, reason_code="never_held",
        )
        .then_answer(activity="A1")
    )  # fmt: skip
    assert find_activity(ledger.books, "A1", ADMIN).withdrawn


def test_an_activity_is_withdrawn_once() -> None:
    ledger = county_at_work().given(hold(), withdraw())
    ledger.when(withdraw()).then_refused("nothing_changes", at="activity")


@pytest.mark.parametrize("scope", [{"regions": (TOWN,)}, {"organisations": ("O2",)}, None])
def test_an_activity_out_of_scope_looks_like_not_there(scope: dict[str, Any] | None) -> None:
    ledger = county_at_work().given(hold())
    by, wish = (None, "A9") if scope is None else (caller("bound", "recorder", **scope), "A1")
    ledger.when(withdraw(wish), by=by).then_refused("activity_not_found", at="activity")


def test_an_activity_stream_begins_with_its_holding() -> None:
    ledger = county_at_work().given(hold(), withdraw())
    (stream, held), (_, withdrawn) = ledger.log[-2:]
    with pytest.raises(CorruptLog):
        evolve(None, stream, withdrawn)
    with pytest.raises(CorruptLog):
        evolve(ledger.state(stream), stream, held)
