"""Balances, totals and the catalogue against a recount of the same story."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.errors import (
    InvalidCommand,
    LedgerError,
    LedgerNotOpened,
    MemberNotFound,
    OrganisationNotFound,
    PolicyNotFound,
    ProjectNotFound,
)
from ledger.store.place import SqliteFile
from projections import balances, catalogue, totals
from projections.database import open_reads
from projections.models import TABLES
from projections.session import Snapshot
from tests import figures
from tests.figures import Slice
from tests.told import RECOUNT, ROWS


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Snapshot]:
    """Read models of a log without events."""
    reads = open_reads(SqliteFile(tmp_path / "reads.db"))
    with reads.read() as snapshot:
        yield snapshot
    reads.close()


def test_members_have_what_a_recount_gives_them(snapshot: Snapshot) -> None:
    members = figures.members(RECOUNT)
    assert [b.member for b in balances.member_balances(snapshot)] == members
    for member in members:
        found = balances.member_balance(snapshot, member)
        expected = figures.balance(RECOUNT, member)
        assert {
            "pending": found.pending_minutes,
            "verified": found.verified_minutes,
            "training_pending": found.training_pending_minutes,
            "training": found.training_verified_minutes,
            "earned": found.credit_earned,
            "spent": found.credit_spent,
            "available": found.credit_available,
        } == expected
        assert found.position == len(ROWS)


def test_a_member_is_shown_as_they_were_last_known(snapshot: Snapshot) -> None:
    moved = balances.member_balance(snapshot, "V0003")
    assert (moved.region, moved.kinds) == ("330424101", ("social_worker", "volunteer"))
    assert balances.member_balance(snapshot, "V0001").kinds == ("party_member", "volunteer")
    gone = balances.member_balance(snapshot, "V0004")
    assert (gone.registered, gone.region) == (False, "330424001")


def test_declined_and_rejected_minutes_are_refused_ones(snapshot: Snapshot) -> None:
    assert balances.member_balance(snapshot, "V0001").refused_minutes == 15
    assert balances.member_balance(snapshot, "V0002").refused_minutes == 45


def test_stars_follow_the_levels_in_force(snapshot: Snapshot) -> None:
    assert balances.member_balance(snapshot, "V0002").stars == 1
    (levels,) = catalogue.read_rulebook(snapshot).star_rows
    early = levels.effective_on.replace(year=2024)
    assert balances.member_balance(snapshot, "V0002", early).stars == 0


def test_members_are_listed_by_region_and_page(snapshot: Snapshot) -> None:
    first = balances.member_balances(snapshot, region="330424101", limit=1)
    assert [b.member for b in first] == ["V0002"]
    rest = balances.member_balances(snapshot, region="330424101", after="V0002")
    assert [b.member for b in rest] == ["V0003"]


def test_a_policy_has_its_live_grants_and_redeemed_credit(snapshot: Snapshot) -> None:
    for policy in ("Y1", "Y2"):
        found, expected = balances.policy_balance(snapshot, policy), figures.policy(RECOUNT, policy)
        assert (found.grants, found.credit_redeemed) == (expected["granted"], expected["redeemed"])
    found = balances.policy_balance(snapshot, "Y1")
    assert (found.granted, found.revoked, found.dimension) == (3, 1, "economic_incentive")


def test_unknown_members_and_policies_are_named(snapshot: Snapshot) -> None:
    with pytest.raises(MemberNotFound):
        balances.member_balance(snapshot, "V9")
    with pytest.raises(PolicyNotFound):
        balances.policy_balance(snapshot, "Y9")


# totals

#: Figure → commodity, state and sign in the recount.
RECOUNTED: Mapping[str, tuple[str, str, int]] = {
    "pending_minutes": ("MIN", "pending", 1),
    "verified_minutes": ("MIN", "verified", 1),
    "training_verified_minutes": ("TRN", "verified", 1),
    "fen_received": ("FEN", "received", 1),
    "fen_unallocated": ("FEN", "unallocated", 1),
    "fen_allocated": ("FEN", "allocated", 1),
    "fen_spent": ("FEN", "spent", 1),
    "fen_returned": ("FEN", "returned", 1),
    "fen_in_transit": ("FEN", "transit", 1),
}
GROUPINGS = [
    (),
    ("region",),
    ("region:4",),
    ("project", "month"),
    ("organisation", "category"),
    ("kind", "evidence"),
]


@pytest.mark.parametrize("by", GROUPINGS, ids=str)
@pytest.mark.parametrize("figure", RECOUNTED)
def test_totals_are_those_of_a_recount(
    snapshot: Snapshot, figure: str, by: tuple[str, ...]
) -> None:
    if by and figure in totals.WHOLE_ONLY:
        assert all(figure not in row for row in totals.totals(snapshot, by).rows)
        return
    commodity, state, sign = RECOUNTED[figure]
    expected: dict[tuple[Any, ...], int] = {}
    # The recount knows money by its target, which is a project or a policy.
    keys = ["target" if name == "project" and commodity == "FEN" else name for name in by]
    for key, quantity in figures.cube(RECOUNT, commodity, state, keys).items():
        named = tuple(re.sub("^project/|^policy/.*", "", str(part or "")) for part in key)
        expected[named] = expected.get(named, 0) + sign * quantity
    names = [name.partition(":")[0] for name in by]
    found = {
        tuple(row[name] for name in names): row[figure]
        for row in totals.totals(snapshot, by).rows
        if row[figure]
    }
    assert found == {key: quantity for key, quantity in expected.items() if quantity}


def test_training_is_never_in_a_total_of_service(snapshot: Snapshot) -> None:
    rows = totals.totals(snapshot, ["kind"]).rows
    service = next(row for row in rows if row["kind"] == "service")
    training = next(row for row in rows if row["kind"] == "training")
    assert training["verified_minutes"] == training["logged_minutes"] == 0
    assert service["training_verified_minutes"] == 0
    assert training["training_verified_minutes"] == 90


def test_person_times_and_activities_go_back_when_withdrawn(snapshot: Snapshot) -> None:
    (row,) = totals.totals(snapshot).rows
    assert [row[f"person_times_{what}"] for what in ("registered", "attended", "served")] == [
        30, 28, 55,
    ]  # fmt: skip
    assert row["activities"] == 1
    (exam,) = totals.totals(snapshot, (), {"kind": "exam"}).rows
    assert exam["activities"] == exam["person_times_registered"] == 0


def test_each_commodity_sums_to_zero_over_its_states(snapshot: Snapshot) -> None:
    sums = snapshot.rows("SELECT commodity, SUM(quantity) FROM {g}totals GROUP BY commodity")
    assert dict(sums) == {"MIN": 0, "TRN": 0, "CRD": 0, "FEN": 0, "PPL": 0, "ACT": 0}
    assert snapshot.rows("SELECT SUM(heads) FROM {g}heads") == [(0,)]


def test_money_received_is_where_it_went(snapshot: Snapshot) -> None:
    (row,) = totals.totals(snapshot).rows
    places = ("unallocated", "allocated", "spent", "returned", "in_transit", "transferred")
    assert row["fen_received"] == sum(int(row[f"fen_{place}"]) for place in places)


@pytest.mark.parametrize(
    "filters",
    [
        {"region": "33"},
        {"region": "330424", "month": "2025-06"},
        {"project": "P001", "evidence": "manual"},
        {"organisation": "O1", "from_month": "2025-06", "to_month": "2025-06"},
        {"category": "elder_care", "kind": "service"},
    ],
    ids=str,
)
def test_filters_are_slices_of_a_recount(snapshot: Snapshot, filters: dict[str, str]) -> None:
    where = {k: v for k, v in filters.items() if not k.endswith("month")}
    within = Slice(where=tuple(where.items()))
    if len(where) < len(filters):
        within = within._replace(since="2025-06-01", as_of="2025-06-30")
    (row,) = totals.totals(snapshot, (), filters).rows
    expected = figures.amount(RECOUNT, "MIN", "verified", within)
    assert row["verified_minutes"] == expected > 0


UNKNOWN: list[tuple[tuple[str, ...], dict[str, str], type[LedgerError]]] = [
    (("colour",), {}, InvalidCommand),
    (("region:5",), {}, InvalidCommand),
    (("month:4",), {}, InvalidCommand),
    (("region", "region:6"), {}, InvalidCommand),
    ((), {"colour": "red"}, InvalidCommand),
    ((), {"region": "33042"}, InvalidCommand),
    ((), {"region": "３３"}, InvalidCommand),
    ((), {"month": "2025-13"}, InvalidCommand),
    ((), {"kind": "rest"}, InvalidCommand),
    ((), {"evidence": "none"}, InvalidCommand),
    ((), {"category": "Elder Care"}, InvalidCommand),
    ((), {"project": "P999"}, ProjectNotFound),
    ((), {"organisation": "O999"}, OrganisationNotFound),
]


@pytest.mark.parametrize(("by", "filters", "error"), UNKNOWN, ids=str)
def test_what_is_unknown_is_refused_and_never_an_empty_answer(
    snapshot: Snapshot, by: tuple[str, ...], filters: dict[str, str], error: type[LedgerError]
) -> None:
    with pytest.raises(error) as refused:
        totals.totals(snapshot, by, filters)
    assert refused.value.at in {"group_by", *filters}


# the catalogue


def test_the_catalogue_names_what_there_is(snapshot: Snapshot) -> None:
    assert [listed.id for listed in catalogue.list_all(snapshot, "fund")] == ["F1", "F2"]
    found = catalogue.find_listed(snapshot, "organisation", "O2", "organisation")
    assert (found.name, found.kind, found.region) == ("武原街道", "community", "330424001")


def test_nothing_is_read_where_no_ledger_was_opened(empty: Snapshot) -> None:
    assert empty.position == 0
    with pytest.raises(LedgerNotOpened):
        catalogue.read_rulebook(empty)
    (row,) = totals.totals(empty).rows
    assert set(row.values()) == {0}


def test_every_table_has_rows_after_the_story(snapshot: Snapshot) -> None:
    counts = {t.name: snapshot.rows(f"SELECT COUNT(*) FROM {{g}}{t.name}") for t in TABLES}
    assert all(count[0][0] > 0 for count in counts.values()), counts
