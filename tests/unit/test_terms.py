"""Terms: regions, categories, windows, and terms within terms."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.errors import InvalidCommand
from ledger.domain.terms import (
    allows_category,
    allows_region,
    is_within,
    refusal_of,
    settled_terms,
)
from ledger.domain.values import Terms
from tests.money import terms
from tests.scenario import ELSEWHERE, OTHER_TOWN, REGION, TODAY, TOWN

WORDS = ("banquet", "elder_care", "transport")
REGIONS = ("33", REGION, TOWN, ELSEWHERE)
DAYS = tuple(date(2025, month, 1) for month in (1, 4, 7, 10))


def lists_of(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2).map(tuple)


any_terms = st.builds(
    Terms,
    purpose=st.just("为老服务"),
    regions=lists_of(REGIONS),
    allowed=lists_of(WORDS),
    forbidden=lists_of(WORDS),
    opens_on=st.sampled_from(DAYS),
    closes_on=st.sampled_from(DAYS),
)


def test_lists_of_terms_are_sorted_and_each_word_stands_once() -> None:
    settled = settled_terms(
        terms(regions=(TOWN, REGION, TOWN), allowed=("b", "a"), forbidden=("d", "c"))
    )
    assert (settled.regions, settled.allowed, settled.forbidden) == (
        (REGION, TOWN), ("a", "b"), ("c", "d"),
    )  # fmt: skip


def test_terms_close_no_earlier_than_they_open() -> None:
    with pytest.raises(InvalidCommand) as refused:
        settled_terms(terms(closes_on=date(2024, 12, 31)))
    assert refused.value.at == "terms.closes_on"
    assert settled_terms(terms(closes_on=date(2025, 1, 1))).closes_on == date(2025, 1, 1)


def test_a_purpose_is_a_clean_name() -> None:
    with pytest.raises(InvalidCommand) as refused:
        settled_terms(terms(purpose="为老 "))
    assert refused.value.at == "terms.purpose"


@pytest.mark.parametrize(
    ("regions", "region", "allowed"),
    [
        ((), ELSEWHERE, True),
        ((REGION,), REGION, True),
        ((REGION,), TOWN, True),
        ((TOWN,), REGION, False),
        ((TOWN, OTHER_TOWN), OTHER_TOWN, True),
        ((REGION,), ELSEWHERE, False),
    ],
)
def test_a_region_contains_the_longer_ones(
    regions: tuple[str, ...], region: str, allowed: bool
) -> None:
    assert allows_region(terms(regions=regions), region) is allowed


@pytest.mark.parametrize(
    ("lists", "allowed"),
    [
        ({}, True),
        ({"allowed": ("elder_care",)}, True),
        ({"allowed": ("transport",)}, False),
        ({"forbidden": ("elder_care",)}, False),
        ({"allowed": ("elder_care",), "forbidden": ("elder_care",)}, False),
    ],
)
def test_what_is_forbidden_is_never_allowed(lists: dict[str, Any], allowed: bool) -> None:
    assert allows_category(terms(**lists), "elder_care") is allowed


def test_a_wrong_purpose_is_said_before_a_wrong_day() -> None:
    late = terms(regions=(TOWN,), closes_on=date(2025, 6, 15))
    for given_terms, region, code in (
        ([late], REGION, "purpose_violation"),
        ([late], TOWN, "fund_closed"),
        ([terms()], REGION, None),
        ([terms(), late], TOWN, "fund_closed"),
        ([], REGION, None),
    ):
        refusal = refusal_of(given_terms, region, TODAY, "target")
        assert (None if refusal is None else refusal.code) == code


@pytest.mark.parametrize("day", [date(2025, 1, 1), date(2025, 12, 31)])
def test_a_window_has_both_its_days(day: date) -> None:
    assert refusal_of([terms()], REGION, day, "target") is None


@given(any_terms, any_terms)
def test_terms_within_terms_allow_nothing_more(inner: Terms, outer: Terms) -> None:
    if is_within(inner, outer):
        for region in REGIONS:
            assert allows_region(outer, region) or not allows_region(inner, region)
        for category in (*WORDS, "other"):
            assert allows_category(outer, category) or not allows_category(inner, category)
        assert outer.opens_on <= inner.opens_on
        assert inner.closes_on <= outer.closes_on


@given(any_terms)
def test_terms_lie_within_themselves(same: Terms) -> None:
    assert is_within(same, same)


@pytest.mark.parametrize(
    "wider",
    [
        {"regions": ()},
        {"regions": ("33",)},
        {"allowed": ()},
        {"allowed": ("elder_care", "other")},
        {"forbidden": ()},
        {"opens_on": date(2024, 12, 31)},
        {"closes_on": date(2026, 1, 1)},
    ],
)
def test_wider_terms_are_not_within(wider: dict[str, Any]) -> None:
    narrow: dict[str, Any] = {
        "regions": (REGION,), "allowed": ("banquet", "elder_care"), "forbidden": ("banquet",),
    }  # fmt: skip
    assert not is_within(terms(**narrow | wider), terms(**narrow))
