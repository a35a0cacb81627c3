"""Who is registered, active, certified and belongs where, against a recount."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.errors import InvalidCommand, OrganisationNotFound
from ledger.store.place import SqliteFile
from projections import participation
from projections.database import open_reads
from projections.session import Snapshot
from tests import figures
from tests.figures import Slice
from tests.told import RECOUNT


def test_registered_members_are_counted_by_region_and_kind(snapshot: Snapshot) -> None:
    (all_rows,) = participation.participation(snapshot).rows
    assert all_rows["registered"] == figures.registered(RECOUNT) == 3
    by_kind = participation.participation(snapshot, ["member_kind"]).rows
    assert {row["member_kind"]: row["registered"] for row in by_kind} == {
        "party_member": 1,
        "social_worker": 1,
        "volunteer": 3,
    }
    by_town = participation.participation(snapshot, ["region"]).rows
    assert {row["region"]: row["registered"] for row in by_town} == {
        "330424001": 1,
        "330424101": 2,
    }


def test_a_member_is_active_once_and_only_with_a_positive_sum(snapshot: Snapshot) -> None:
    (row,) = participation.participation(snapshot).rows
    assert row["active"] == len(figures.distinct_members(RECOUNT)) == 2
    assert row["verified_minutes"] == figures.amount(RECOUNT, "MIN", "verified")


def test_rates_are_of_the_registered_and_of_the_inhabitants(snapshot: Snapshot) -> None:
    (row,) = participation.participation(snapshot, ["region:6"]).rows
    assert row["active_per_10000_registered"] == 2 * 10_000 // 3
    assert row["inhabitants"] == 460_000
    assert row["active_per_10000_inhabitants"] == 0
    town = participation.participation(snapshot, ["region"]).rows[0]
    assert town["inhabitants"] is None
    assert town["active_per_10000_inhabitants"] is None


def test_before_the_first_event_nobody_took_part(tmp_path: Path) -> None:
    with closing(open_reads(SqliteFile(tmp_path / "reads.db"))) as reads, reads.read() as nothing:
        (row,) = participation.participation(nothing).rows
        assert (row["registered"], row["active"], row["inhabitants"]) == (0, 0, None)
        assert participation.participation(nothing, ["region"]).rows == []


@pytest.mark.parametrize(
    ("by", "filters"),
    [
        (("month",), {}),
        (("project", "month"), {"region": "330424101"}),
        (("service_region:6", "category"), {"month": "2025-06"}),
        (("organisation", "evidence"), {"member_kind": "party_member"}),
    ],
    ids=str,
)
def test_active_members_of_any_slice_are_distinct(
    snapshot: Snapshot, by: tuple[str, ...], filters: dict[str, str]
) -> None:
    found = participation.participation(snapshot, by, filters).rows
    names = {
        "region": "member_region",
        "service_region": "region",
        "member_kind": "member_kinds",
    }
    where = {names.get(k, k): v for k, v in filters.items() if k != "month"}
    within = Slice(where=tuple(where.items()))
    if "month" in filters:
        within = within._replace(since="2025-06-01", as_of="2025-06-30")
    keys = [name.replace("service_region", "region") for name in by]
    members: dict[tuple[Any, ...], set[str]] = {}
    for key, minutes in figures.cube(RECOUNT, "MIN", "verified", [*keys, "member"], within).items():
        if minutes > 0:
            members.setdefault(key[:-1], set()).add(key[-1])
    names_found = [name.partition(":")[0] for name in by]
    assert {tuple(row[n] for n in names_found): row["active"] for row in found} == {
        key: len(of_key) for key, of_key in members.items()
    }


def test_certified_and_belonging_members_are_those_of_a_recount(snapshot: Snapshot) -> None:
    certified = {
        (c.credential, c.level, c.tier): c.members for c in participation.certified(snapshot)
    }
    assert certified == figures.certified(RECOUNT)
    assert participation.certified(snapshot, {"region": "35"}) == []
    belonging = {
        (b.organisation, b.residency): b.members for b in participation.belonging(snapshot)
    }
    assert belonging == figures.memberships(RECOUNT)
    assert participation.belonging(snapshot, {"organisation": "O1"}) == []


@pytest.mark.parametrize(
    ("by", "filters"),
    [
        (("kind",), {}),
        (("member_kind:2",), {}),
        ((), {"kind": "service"}),
        ((), {"member_kind": "tourist"}),
        ((), {"from_month": "June"}),
    ],
    ids=str,
)
def test_participation_refuses_what_it_does_not_know(
    snapshot: Snapshot, by: tuple[str, ...], filters: dict[str, str]
) -> None:
    with pytest.raises(InvalidCommand):
        participation.participation(snapshot, by, filters)


def test_other_filters_of_heads_are_refused(snapshot: Snapshot) -> None:
    with pytest.raises(InvalidCommand):
        participation.certified(snapshot, {"level": "senior"})
    with pytest.raises(OrganisationNotFound):
        participation.belonging(snapshot, {"organisation": "O9"})
