"""Sums that are kept: the same answers with them as without, and functions of the older tables."""

from itertools import product

import pytest

from projections import participation, people, totals
from projections.derived import DERIVED
from projections.models import TABLES
from projections.session import Snapshot
from projections.tables import ordered_sql

FILTERS: list[dict[str, str]] = [
    {},
    {"region": "33"},
    {"region": "330424"},
    {"region": "330424001"},
    {"project": "P001"},
    {"organisation": "O1"},
    {"category": "elder_care"},
    {"month": "2025-06"},
    {"from_month": "2025-06"},
    {"from_month": "2025-05", "to_month": "2025-06"},
    {"region": "330424", "month": "2025-06"},
]
PEOPLE_GROUPS = [(), *((name,) for name in participation.GROUPINGS), ("region:6",), ("region:9",),
                 ("region:2",), ("project", "month")]  # fmt: skip
TOTALS_GROUPS = [(), *((name,) for name in totals.GROUPINGS), ("region:4",), ("project", "month"),
                 ("kind", "evidence"), ("region", "category")]  # fmt: skip


@pytest.mark.parametrize(
    ("by", "filters"),
    [*product(PEOPLE_GROUPS, [*FILTERS, {"member_kind": "volunteer"}, {"evidence": "manual"}])],
    ids=str,
)
def test_people_are_as_many_counted_beforehand_as_counted_now(
    snapshot: Snapshot,
    monkeypatch: pytest.MonkeyPatch,
    by: tuple[str, ...],
    filters: dict[str, str],
) -> None:
    found = participation.participation(snapshot, by, filters)
    monkeypatch.setattr(participation, "counted", lambda *_: None)
    assert found == participation.participation(snapshot, by, filters)


@pytest.mark.parametrize(
    ("by", "filters"), [*product(TOTALS_GROUPS, [*FILTERS, {"kind": "service"}])], ids=str
)
def test_totals_are_the_same_from_a_rollup_and_from_the_cube(
    snapshot: Snapshot,
    monkeypatch: pytest.MonkeyPatch,
    by: tuple[str, ...],
    filters: dict[str, str],
) -> None:
    found = totals.totals(snapshot, by, filters)
    monkeypatch.setattr(totals, "rollup_for", lambda _: None)
    assert found == totals.totals(snapshot, by, filters)


def test_most_questions_have_their_sums_beforehand(snapshot: Snapshot) -> None:
    told = people.counted(snapshot, (), {})
    assert told is not None
    assert told[()] == (2, participation.participation(snapshot).rows[0]["verified_minutes"])


@pytest.mark.parametrize("name", DERIVED)
def test_kept_sums_are_queries_of_the_tables_they_are_kept_beside(
    snapshot: Snapshot, name: str
) -> None:
    (table,) = (table for table in TABLES if table.name == name)
    kept = snapshot.rows(ordered_sql(table))
    assert kept
    assert kept == sorted(snapshot.rows(DERIVED[name].sql))
