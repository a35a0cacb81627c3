"""How often a read waits for the database, and what it does when its tables were replaced."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ledger.domain.access import operator
from ledger.settings import Settings
from ledger.store.log import LogStore
from projections import postgres_reading
from projections.balances import member_balance
from projections.database import Reads, open_reads
from projections.fund_usage import fund_usage
from projections.participation import participation
from projections.rebuild import rebuild
from projections.runner import catch_up
from projections.scope import check_fund, check_member
from projections.session import Snapshot
from projections.totals import totals
from tests.opened import on_postgres

BOSS = operator("boss")


def seen_balance(snapshot: Snapshot) -> None:
    """A balance, for someone who may see it."""
    check_member(snapshot, BOSS, "V0001")
    assert member_balance(snapshot, "V0001").verified_minutes > 0


def seen_fund(snapshot: Snapshot) -> None:
    """A fund's usage, for someone who may see it."""
    check_fund(snapshot, BOSS, "F1")
    assert fund_usage(snapshot, "F1").spent_fen > 0


#: What is read → questions of its own; beside them where things stand, with which it begins.
QUESTIONS: dict[str, tuple[Callable[[Snapshot], Any], int]] = {
    "nothing": (lambda _: None, 0),
    "a balance": (seen_balance, 1),
    "a fund": (seen_fund, 2),
    "totals": (totals, 1),
    "people": (participation, 1),
}
AROUND = 1


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was answered by the server to those who read, as it comes."""
    checked = postgres_reading.Statements._checked
    found: list[str] = []

    def noted(self: postgres_reading.Statements, result: Any) -> Any:
        found.append((result.command_status or b"").decode())
        return checked(self, result)

    monkeypatch.setattr(postgres_reading.Statements, "_checked", noted)
    return found


@pytest.mark.parametrize("name", QUESTIONS)
@on_postgres
def test_a_read_waits_once_for_each_question(
    told: LogStore, reads: Reads, trips: list[str], name: str
) -> None:
    catch_up(told, reads)
    read, questions = QUESTIONS[name]

    for _ in range(2):  # first statements are prepared, and what goes with most figures is read
        trips.clear()
        with reads.read() as snapshot:
            read(snapshot)
    assert len(trips) == questions + AROUND, trips


def test_who_remembers_a_generation_that_went_finds_the_next(
    told: LogStore, settings: Settings, reads: Reads
) -> None:
    """Given tables replaced by another process, a reader goes on with those in use."""
    position = catch_up(told, reads)
    other = open_reads(settings.read_models)
    with other.read() as snapshot:
        assert (snapshot.generation, snapshot.position) == (1, position)
    rebuild(told, reads)
    with other.read() as snapshot:
        assert (snapshot.generation, snapshot.position) == (2, position)
        seen_balance(snapshot)
    other.close()


def test_tables_that_wait_to_be_dropped_are_not_read(
    told: LogStore, settings: Settings, reads: Reads
) -> None:
    """Given a generation that was put out of use but is still there, it is not read any more."""
    position = catch_up(told, reads)
    other = open_reads(settings.read_models)
    fresh = reads.begin()
    assert catch_up(told, reads, generation=fresh) == position
    assert reads.swap(1, fresh)
    assert other.generation == reads.generation == fresh
    with other.read(1) as snapshot:
        assert snapshot.position == position
    other.close()


@on_postgres
def test_statements_are_remembered_within_bounds(
    told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up(told, reads)
    monkeypatch.setattr(postgres_reading, "STATEMENTS_MAX", 4)
    with reads.read() as snapshot:
        for _ in range(2):
            for n in range(10):
                assert snapshot.rows(f"SELECT {n} + ?", 1) == [(n + 1,)]
        sql = "SELECT COUNT(*) FROM pg_prepared_statements WHERE name LIKE 'ledger%'"
        assert snapshot.rows(sql)[0][0] <= 4


@on_postgres
def test_values_mean_the_same_whatever_their_type(reads: Reads) -> None:
    with reads.read() as snapshot:
        for value in (1, -(2**40), "1", "汉字", None, b"\x00\xff"):
            assert snapshot.rows("SELECT ?", value) == [(value,)]


@on_postgres
def test_a_question_that_fails_harms_no_other(told: LogStore, reads: Reads) -> None:
    catch_up(told, reads)
    for sql in ("SELECT 1 / 0", "SELECT * FROM nowhere", "no SQL at all"):
        with pytest.raises(psycopg.Error), reads.read() as snapshot:
            snapshot.rows(sql)
        with reads.read() as snapshot:
            seen_balance(snapshot)
