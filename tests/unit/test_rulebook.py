"""Rules of the ledger stream: opening, limits, star levels, accrual rules, erasure."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import commands as c
from ledger.domain.entry import Entry
from ledger.domain.errors import CorruptLog, LedgerNotOpened
from ledger.domain.events import (
    AccrualRuleSet,
    LedgerOpened,
    LimitsSet,
    MemberMoved,
    RegionProfiled,
    StarLevelsSet,
    TextErased,
)
from ledger.domain.rulebook import Limits, Rulebook, evolve, in_force, ranked
from ledger.domain.values import StarLevel
from tests.scenario import (
    ELSEWHERE,
    ORIGIN,
    REGION,
    SATURDAY,
    TODAY,
    TOWN,
    Scenario,
    accrual,
    caller,
    county,
    county_at_work,
    log_hours,
)

NEW_YEAR = date(2025, 1, 1)
DIGEST = "ab" * 32
TOWN_ADMIN = caller("town-hall", "admin", regions=(TOWN,))


def limits(days: int, minutes: int = 960, region: str = REGION, **changes: Any) -> c.SetLimits:
    return c.SetLimits(region=region, backdating_days=days, day_minutes_max=minutes, **changes)


def star_levels(*minutes: int, **changes: Any) -> c.SetStarLevels:
    levels = tuple(StarLevel(stars=n, minutes=m) for n, m in enumerate(minutes, 1))
    return c.SetStarLevels(**{"region": REGION, "levels": levels} | changes)


def rulebook(ledger: Scenario) -> Rulebook:
    return ledger.books.rulebook


# Opening


def test_a_ledger_is_opened_with_the_posting_table_it_counts_by() -> None:
    ledger = Scenario()
    opened = ledger.when(c.OpenLedger(origin=ORIGIN))
    opened.then_events(LedgerOpened).then_in(f"ledger/{ORIGIN}").then_answer(origin=ORIGIN)
    opened.then_event(LedgerOpened, utc_offset="+08:00", currency="CNY", postings_version=1)


def test_nothing_is_set_before_the_ledger_is_opened() -> None:
    Scenario().when(limits(30)).then_refused("ledger_not_opened")
    with pytest.raises(LedgerNotOpened):
        _ = rulebook(Scenario())


@pytest.mark.parametrize("origin", [ORIGIN, "another.example/hours"])
def test_a_ledger_is_opened_once_whatever_the_name(origin: str) -> None:
    again = county().when(c.OpenLedger(origin=origin))
    again.then_refused("already_exists", at="origin", origin=ORIGIN)


def test_today_is_the_day_at_the_ledgers_offset() -> None:
    book = rulebook(county())
    assert book.today(datetime(2025, 6, 15, 15, 59, tzinfo=UTC)) == date(2025, 6, 15)
    assert book.today(datetime(2025, 6, 15, 16, 0, tzinfo=UTC)) == date(2025, 6, 16)


# Limits


def test_limits_are_ninety_days_and_sixteen_hours_unless_set() -> None:
    row = rulebook(county()).limits(TOWN, TODAY)
    assert (row.backdating_days, row.day_minutes_max) == (90, 960)
    assert rulebook(county()).backdating_days_max(TODAY) == 90


def test_limits_hold_in_the_region_and_all_it_contains() -> None:
    ledger = county().given(limits(30, 480))
    ledger.when(limits(10, 600, region=TOWN)).then_events(LimitsSet).then_answer(region=TOWN)
    book = rulebook(ledger)
    assert book.limits(REGION, TODAY).backdating_days == 30
    assert book.limits("330424101", TODAY).day_minutes_max == 480
    assert book.limits("330424001003", TODAY).day_minutes_max == 600
    assert book.limits(ELSEWHERE, TODAY).backdating_days == 90


def test_limits_hold_from_their_day_on_even_when_recorded_out_of_order() -> None:
    ledger = county().given(
        limits(10, effective_on=TODAY),
        limits(20, effective_on=NEW_YEAR),
        limits(30, effective_on=date(2025, 7, 1)),
    )
    book = rulebook(ledger)
    assert book.limits(REGION, date(2024, 12, 31)).backdating_days == 90
    assert book.limits(REGION, NEW_YEAR).backdating_days == 20
    assert book.limits(REGION, TODAY).backdating_days == 10
    assert book.limits(REGION, date(2025, 7, 1)).backdating_days == 30


def test_of_limits_of_one_day_those_recorded_last_hold() -> None:
    ledger = county().given(limits(10), limits(20))
    assert rulebook(ledger).limits(REGION, TODAY).backdating_days == 20


def test_a_narrower_region_goes_before_a_later_day() -> None:
    ledger = county().given(limits(10, region=TOWN, effective_on=NEW_YEAR), limits(20))
    assert rulebook(ledger).limits(TOWN, TODAY).backdating_days == 10


def test_an_answer_is_not_kept_beyond_the_next_setting() -> None:
    ledger = county()
    assert rulebook(ledger).limits(TOWN, TODAY).backdating_days == 90
    ledger.given(limits(10))
    assert rulebook(ledger).limits(TOWN, TODAY).backdating_days == 10


def test_an_act_may_lie_back_as_far_as_any_limits_in_force_allow() -> None:
    ledger = county().given(limits(365, effective_on=NEW_YEAR))
    assert rulebook(ledger).backdating_days_max(TODAY) == 365
    ledger.given(limits(30))
    assert rulebook(ledger).backdating_days_max(TODAY) == 90
    ledger.given(limits(200, effective_on=date(2025, 7, 1)))
    assert rulebook(ledger).backdating_days_max(TODAY) == 200


def test_limits_of_more_than_a_hundred_years_are_a_slip() -> None:
    county().when(limits(36_526)).then_refused("invalid_command", at="backdating_days")
    county().given(limits(36_525))


def test_limits_that_have_ended_let_no_act_lie_back_any_more() -> None:
    """Both are set at once: an archive may be brought in until the end of the month."""
    ledger = county_at_work().given(
        limits(1_000, effective_on=NEW_YEAR), limits(60, effective_on=date(2025, 7, 1))
    )
    long_ago = c.MoveMember(member="V0001", region="330424101", effective_on=date(2024, 1, 1))
    ledger.when(long_ago).then_events(MemberMoved)
    ledger.later(days=15)
    assert rulebook(ledger).backdating_days_max(date(2025, 7, 1)) == 90
    ledger.when(long_ago).then_refused("date_too_old", at="effective_on", days_max=90)


# Regions


def test_a_region_has_the_profile_recorded_last() -> None:
    ledger = county()
    profile = c.ProfileRegion(region=REGION, name="海盐县", population=470_000, source="census")
    ledger.when(profile).then_events(RegionProfiled)
    assert rulebook(ledger).profiles[REGION].population == 470_000


@pytest.mark.parametrize("field", ["name", "source"])
def test_a_profile_has_clean_names(field: str) -> None:
    wish: dict[str, Any] = {"name": "海盐县", "source": "census", field: "海盐\u200b"}
    profile = c.ProfileRegion(region=REGION, population=1, **wish)
    county().when(profile).then_refused("invalid_command", at=field)


# Stars


def test_stars_are_those_of_the_highest_level_reached() -> None:
    ledger = county()
    ledger.when(star_levels(6000, 18_000)).then_events(StarLevelsSet)
    stars = [rulebook(ledger).stars_for(TOWN, minutes, TODAY) for minutes in (5999, 6000, 18_000)]
    assert stars == [0, 1, 2]


def test_there_are_no_stars_where_and_when_there_are_no_levels() -> None:
    book = rulebook(county().given(star_levels(60)))
    assert book.stars_for(TOWN, 60, SATURDAY) == 0
    assert book.stars_for(ELSEWHERE, 60, TODAY) == 0


@pytest.mark.parametrize(
    "levels",
    [
        (StarLevel(stars=1, minutes=60), StarLevel(stars=2, minutes=60)),
        (StarLevel(stars=2, minutes=60), StarLevel(stars=1, minutes=90)),
        (StarLevel(stars=1, minutes=60), StarLevel(stars=1, minutes=90)),
    ],
)
def test_star_levels_rise_in_stars_and_minutes(levels: tuple[StarLevel, ...]) -> None:
    county().when(star_levels(levels=levels)).then_refused(
        "invalid_command",
        at="levels",
        reason="not ascending",
        stars=levels[1].stars,
        minutes=levels[1].minutes,
    )


# Accrual


def rule_for(ledger: Scenario, on: date = TODAY, **of: str) -> str | None:
    about: Any = {"region": TOWN, "category": "elder_care", "evidence": "manual"} | of
    rule = rulebook(ledger).accrual_rule(**about, service_on=on)
    return rule.rule if rule else None


def test_an_accrual_rule_is_for_the_categories_and_evidence_it_lists_or_for_all() -> None:
    ledger = county().given(
        accrual("ALL"),
        accrual("CARE", categories=("elder_care", "child_care"), effective_on=date(2025, 2, 1)),
        accrual("SYSTEM", evidence=("system",), effective_on=date(2025, 3, 1)),
    )
    assert rule_for(ledger) == "CARE"
    assert rule_for(ledger, category="environment") == "ALL"
    assert rule_for(ledger, evidence="system") == "SYSTEM"
    assert rule_for(ledger, region=ELSEWHERE) is None


def test_an_accrual_rule_keeps_its_lists_sorted() -> None:
    rule = accrual(categories=("b", "a", "b"), evidence=("system", "manual"))
    outcome = county().when(rule).then_answer(rule="R1")
    outcome.then_event(AccrualRuleSet, categories=("a", "b"), evidence=("manual", "system"))


def test_the_longest_region_wins_then_the_latest_day_then_the_last_recorded() -> None:
    ledger = county().given(accrual("A", region="33"), accrual("B"), accrual("C"))
    assert rule_for(ledger) == "C"
    ledger.given(accrual("D", effective_on=date(2025, 2, 1)))
    ledger.given(accrual("E", effective_on=date(2025, 1, 15)))
    assert rule_for(ledger) == "D"
    assert rule_for(ledger, on=date(2025, 1, 20)) == "E"
    ledger.given(accrual("F", region=TOWN, effective_on=date(2024, 1, 1)))
    assert rule_for(ledger) == "F"
    assert rule_for(ledger, region="3301") == "A"


def test_a_rule_earns_nothing_before_its_day() -> None:
    ledger = county().given(accrual())
    assert rule_for(ledger, on=date(2024, 12, 31)) is None
    assert rule_for(ledger, on=NEW_YEAR) == "R1"


def test_an_accrual_rule_cannot_be_set_twice_since_hours_keep_it_by_its_id() -> None:
    ledger = county().given(accrual())
    ledger.when(accrual(num=2)).then_refused("already_exists", at="rule", rule="R1")


# Erasing


def test_erasing_a_text_says_which_and_leaves_the_rest_to_the_store() -> None:
    erased = county().when(c.EraseText(note=DIGEST)).then_events(TextErased)
    assert erased.decision.erase == DIGEST


def test_a_key_with_a_scope_erases_nothing() -> None:
    ledger = county()
    ledger.when(c.EraseText(note=DIGEST), by=TOWN_ADMIN).then_refused("forbidden", at="note")


# Scope and form


@pytest.mark.parametrize(
    "command",
    [
        limits(30),
        star_levels(60),
        accrual(),
        c.ProfileRegion(region=REGION, name="a", population=1, source="b"),
    ],
)
def test_what_holds_in_a_region_is_set_by_those_whose_scope_it_is(command: c.Command) -> None:
    county().when(command, by=TOWN_ADMIN).then_refused("forbidden", at="region")


def test_a_scoped_admin_sets_what_holds_within_the_scope() -> None:
    county().given(limits(30, region=TOWN), by=TOWN_ADMIN)


def test_a_recorder_sets_no_rules() -> None:
    county().when(limits(30), by=caller("association", "recorder")).then_refused("forbidden")


def test_the_rulebook_refuses_events_out_of_place() -> None:
    ledger = county_at_work().given(log_hours())
    opened, logged = ledger.log[0][1], ledger.log[-1][1]
    for state, event in ((None, logged), (rulebook(ledger), logged), (rulebook(ledger), opened)):
        with pytest.raises(CorruptLog):
            evolve(state, f"ledger/{ORIGIN}", event)
    assert isinstance(ledger.state("member/V0001").find_entry("V0001-1"), Entry)


def test_a_replayed_rulebook_is_the_same() -> None:
    ledger = county().given(limits(365), accrual(), star_levels(60), c.EraseText(note=DIGEST))
    rulebook(ledger).limits(TOWN, TODAY)
    assert ledger.replayed().rulebook == rulebook(ledger)


regions = st.sampled_from(["33", "3304", "330424", "330424001", "640522"])
days = st.dates(date(2025, 1, 1), date(2025, 1, 9))
rows = st.lists(st.builds(Limits, regions, days, st.integers(0, 9), st.just(1)), max_size=12)


@given(rows, regions, days)
def test_the_row_in_force_is_the_best_by_region_day_and_order(
    table: list[Limits], region: str, on: date
) -> None:
    holding = [
        (len(row.region), row.effective_on, position, row)
        for position, row in enumerate(table)
        if region.startswith(row.region) and row.effective_on <= on
    ]
    expected = max(holding, key=lambda each: each[:3])[3] if holding else None
    assert in_force(ranked(table, region), on) is expected
