"""No read looks through a table that grows with members, entries or events, on both databases."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ledger.settings import Settings
from ledger.store.log import LogStore
from projections import balances, catalogue, fund_usage, participation, totals, trail
from projections.database import Reads
from projections.derived import DERIVED
from projections.filters import NO_FILTERS
from projections.models import TABLES
from projections.people import PEOPLE, PRESENCE
from projections.runner import catch_up
from projections.session import Snapshot
from projections.tables import Record, ordered_sql
from tests.opened import on_postgres, on_sqlite

#: What grows with members, entries or events.
GROWING = {"members", "active", "presence", "trail", "totals"}
Read = Callable[[Snapshot], Any]


def totals_of(by: list[str], filters: Mapping[str, str] = NO_FILTERS) -> Read:
    """Totals by and within something."""
    return lambda snapshot: totals.totals(snapshot, by, filters)


def people_of(by: list[str], filters: Mapping[str, str] = NO_FILTERS) -> Read:
    """Participation by and within something."""
    return lambda snapshot: participation.participation(snapshot, by, filters)


READS: dict[str, Read] = {
    "a balance": lambda s: balances.member_balance(s, "V0001"),
    "whether a member is seen": lambda s: s.rows(
        "SELECT region FROM {g}members WHERE member = ?", "V0001"
    ),
    "a policy": lambda s: balances.policy_balance(s, "Y1"),
    "a fund": lambda s: fund_usage.fund_usage(s, "F1"),
    "a source": lambda s: fund_usage.source_usage(s, "FC2025"),
    "projects": lambda s: catalogue.list_all(s, "project"),
    "positions of a project": lambda s: list(trail.positions_of(s, "project/P001")),
    "all totals": totals.totals,
    **{f"totals by {name}": totals_of([name]) for name in totals.GROUPINGS},
    **{
        f"totals within {name}": totals_of([], {name: value})
        for name, value in {"project": "P001", "organisation": "O1", "region": "330424"}.items()
    },
    "months of a project": totals_of(["month"], {"project": "P001"}),
    "months of a town": totals_of(["month"], {"region": "330424001"}),
    "all people": participation.participation,
    **{
        f"people by {name}": people_of([name])
        for name in ("region:6", "region:9", "region", "organisation", "project", "category",
                  "member_kind", "month")
    },
    "people of a project": people_of([], {"project": "P001"}),
    "people of a county": people_of([], {"region": "330424"}),
    "people of a month": people_of([], {"month": "2025-06"}),
}  # fmt: skip


class Explained(Snapshot):
    """A snapshot that asks for the plan of each query before it runs it."""

    def __init__(self, snapshot: Snapshot, explain: str) -> None:
        super().__init__(snapshot._session, snapshot.generation, snapshot.position, snapshot.prefix)
        self._explain = explain
        self.plans: list[str] = []

    def _plan(self, sql: str, params: tuple[object, ...]) -> None:
        rows = super().rows(f"{self._explain} {sql}", *params)
        self.plans += [str(row[-1]) for row in rows]

    def rows(self, sql: str, *params: object) -> list[Any]:
        self._plan(sql, params)
        return super().rows(sql, *params)

    def stream(self, sql: str, *params: object) -> Iterator[Any]:
        self._plan(sql, params)
        return super().stream(sql, *params)


def scanned(plans: list[str], form: str) -> set[str]:
    """The growing tables that are looked through from one end to the other."""
    found = {match[1] for plan in plans for match in re.finditer(form, plan)}
    return found & GROWING


SQLITE_SCAN = r"SCAN (?:g\d+_)?(\w+)"
POSTGRES_SCAN = r"Seq Scan on (?:g\d+_)?(\w+)"


@pytest.mark.parametrize("name", READS)
@on_sqlite
def test_nothing_that_grows_is_scanned_on_sqlite(told: LogStore, reads: Reads, name: str) -> None:
    catch_up(told, reads)
    with reads.read() as snapshot:
        explained = Explained(snapshot, "EXPLAIN QUERY PLAN")
        assert READS[name](explained)
    assert explained.plans
    assert not scanned(explained.plans, SQLITE_SCAN)


@pytest.mark.parametrize("name", READS)
@on_postgres
def test_nothing_that_grows_is_scanned_on_postgresql(
    told: LogStore, reads: Reads, name: str
) -> None:
    catch_up(told, reads)
    with reads.read() as snapshot:
        # Tables of a few rows are always scanned unless that is made dear.
        snapshot.rows("SELECT set_config('enable_seqscan', 'off', true)")
        explained = Explained(snapshot, "EXPLAIN")
        assert READS[name](explained)
    assert explained.plans
    assert not scanned(explained.plans, POSTGRES_SCAN)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_a_scan_would_be_found(told: LogStore, reads: Reads, settings: Settings) -> None:
    catch_up(told, reads)
    is_sqlite = settings.database_url.startswith("sqlite")
    with reads.read() as snapshot:
        explained = Explained(snapshot, "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN")
        explained.rows("SELECT SUM(minutes) FROM {g}presence WHERE minutes > 5")
    assert scanned(explained.plans, SQLITE_SCAN if is_sqlite else POSTGRES_SCAN) == {"presence"}


def test_positive_sums_are_counted_whatever_comes_in_which_batch(reads: Reads) -> None:
    """Given sums that rise, fall to nothing and below, then the count is always of now."""
    steps: list[list[Record]] = [
        [("all", "V1", 5), ("all", "V2", 3), ("project/P1", "V1", 5)],
        [("all", "V1", -5), ("all", "V2", -5), ("project/P1", "V1", 2)],
        [("all", "V2", 2), ("all", "V3", 0)],
        [("all", "V2", 1), ("all", "V1", 7), ("project/P1", "V1", -7)],
    ]
    sums: dict[tuple[Any, Any], int] = {}
    for position, step in enumerate(steps):
        reads.write(1, position, position + 1, [(PRESENCE, step)], bytes(32))
        for slice_, member, minutes in step:
            assert isinstance(minutes, int)
            sums[slice_, member] = sums.get((slice_, member), 0) + minutes
        with reads.read() as snapshot:
            found = snapshot.rows(f"SELECT slice, active, minutes FROM {{g}}{PEOPLE.name}")
        positive = {s: [m for (t, _), m in sums.items() if t == s and m > 0] for s, _ in sums}
        assert {(s, n, m) for s, n, m in found} == {
            (slice_, len(each), sum(each)) for slice_, each in positive.items()
        }


@pytest.mark.parametrize("name", DERIVED)
def test_kept_sums_are_the_same_queries_on_both_databases(
    told: LogStore, reads: Reads, name: str
) -> None:
    catch_up(told, reads, 7)
    (table,) = (table for table in TABLES if table.name == name)
    with reads.read() as snapshot:
        assert snapshot.rows(ordered_sql(table)) == sorted(snapshot.rows(DERIVED[name].sql))
