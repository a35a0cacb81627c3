"""Sums that are kept: the same answers with them as without, and functions of the older tables."""

from collections import Counter
from itertools import product

import pytest

from projections import participation, people, totals
from projections.people import presence_of, slices_of
from projections.rollups import ROLLUPS
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


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: rollup.table.name)
def test_a_rollup_is_a_query_of_the_cube(snapshot: Snapshot, rollup: object) -> None:
    (rollup,) = [each for each in ROLLUPS if each == rollup]
    kept = snapshot.rows(ordered_sql(rollup.table))
    assert kept
    assert kept == sorted(snapshot.rows(rollup.select_sql))


def test_presence_and_people_are_functions_of_active_members(snapshot: Snapshot) -> None:
    names = [column.name for column in participation.CELLS.columns]
    cells = [
        dict(zip(names, row, strict=True))
        for row in snapshot.rows(ordered_sql(participation.CELLS))
    ]
    slices = {cell["id"]: slices_of(cell) for cell in cells}
    active = [
        ((month, cell, member), minutes)
        for month, cell, member, minutes in snapshot.rows(ordered_sql(participation.ACTIVE))
    ]
    presence = presence_of(active, slices)
    kept = snapshot.rows(ordered_sql(people.PRESENCE))
    assert kept == sorted((*who, minutes) for who, minutes in presence.items())
    counts = Counter(slice_ for (slice_, _), minutes in presence.items() if minutes > 0)
    assert {
        slice_: active for slice_, active, _ in snapshot.rows(ordered_sql(people.PEOPLE)) if active
    } == counts
