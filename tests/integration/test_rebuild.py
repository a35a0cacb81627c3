"""Reads of one moment, and rebuilds beside the tables in use, on both databases."""

import threading
import time
from pathlib import Path
from typing import Final, cast

import pytest

from ledger.domain.errors import InvalidSettings
from ledger.log import merkle
from ledger.settings import Settings
from ledger.store.log import LogStore, Row
from ledger.store.place import SqliteFile
from projections import database, runner
from projections import rebuild as rebuilding
from projections.bring_up import bring_up
from projections.catalogue import CATALOGUE
from projections.database import Reads, open_reads
from projections.models import TABLES
from projections.rebuild import at_one_moment, rebuild
from projections.refill import MadeTable
from projections.replay import replayed
from projections.runner import catch_up, wait_for
from projections.segments import seal
from projections.session import PositionMoved
from projections.tables import ordered_sql
from projections.under_way import Wanted
from tests.memory_store import MemoryStore
from tests.told import ROWS, digests_of, eventually, following

#: A log that was opened by another command.
OTHER_ROWS = [
    ROWS[0]._replace(state=ROWS[0].state.replace(b'"command_id":"', b'"command_id":"other')),
    *ROWS[1:],
]


def test_an_answer_and_its_position_are_of_one_moment(told: LogStore, reads: Reads) -> None:
    catch_up(told, reads, until=30)
    with reads.read() as snapshot:
        before = snapshot.rows("SELECT * FROM {g}totals ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9")
        catch_up(told, reads)
        again = snapshot.rows("SELECT * FROM {g}totals ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9")
        assert (snapshot.position, again) == (30, before)
    assert reads.position == len(ROWS)


def test_a_rebuild_of_sound_tables_finds_no_difference(
    told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    catch_up(told, reads, 7)
    seen: list[int] = []
    found = rebuild(told, reads, 20, seen.append)
    assert (found.differences, found.position, found.compared_at) == ([], len(ROWS), len(ROWS))
    assert seen == [20, 20, 20, 20, len(ROWS) - 80]
    assert (reads.generation, digests_of(reads)) == (found.generation, expected)


def test_a_rebuild_from_columns_gives_the_same_tables(
    told: LogStore, reads: Reads, expected: dict[str, str], tmp_path: Path
) -> None:
    catch_up(told, reads)
    for segments in ([], seal(told, tmp_path, until=50, events=20)):
        seen: list[int] = []
        found = rebuild(told, reads, progress=seen.append, segments=segments, refilled_from=0)
        assert (found.differences, found.position, sum(seen)) == ([], len(ROWS), len(ROWS))
        assert (reads.generation, digests_of(reads)) == (found.generation, expected)


@pytest.mark.parametrize("looks", [0, 3], ids=["rows are read", "the database compares"])
def test_a_rebuild_names_what_was_wrong_and_mends_it(
    told: LogStore,
    reads: Reads,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    looks: int,
) -> None:
    monkeypatch.setattr(rebuilding, "LOOKS_MAX", looks)
    catch_up(told, reads)
    with reads._engine.writing() as session:
        prefix = reads._prefix(reads.generation)
        session.run(f"UPDATE {prefix}members SET verified_minutes = 99 WHERE member = 'V0002'")
        session.run(f"DELETE FROM {prefix}heads WHERE account = 'world'")
    found = {difference.table: difference for difference in rebuild(told, reads).differences}
    assert set(found) == {"members", "heads"}
    live, fresh = found["members"].live_row, found["members"].fresh_row
    assert live is not None
    assert fresh is not None
    assert (live[0], live[5], fresh[5]) == ("V0002", 99, 240)
    assert found["heads"].live_row is None
    assert digests_of(reads) == expected


#: What is done to fresh tables that were like those in use.
CHANGES: Final = {
    "a sum": "UPDATE {g}members SET credit_spent = credit_spent + 1 WHERE member = 'V0002'",
    "bytes": "UPDATE {g}trail SET offsets = CAST('' AS {bytes}) WHERE entity = 'project/P001'",
    "case": "UPDATE {g}catalogue SET kind = upper(kind) WHERE type = 'organisation'",
    "null": "UPDATE {g}catalogue SET name = NULL WHERE id = 'P001'",
    "a row too many": "INSERT INTO {g}heads VALUES ('registered/99/volunteer', '99', 1)",
    "a row too few": "DELETE FROM {g}heads WHERE account = 'world'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_sees_whatever_is_not_alike(change: str, told: LogStore, reads: Reads) -> None:
    catch_up(told, reads)
    new = reads.begin()
    catch_up(told, reads, generation=new)
    names = {"g": reads._prefix(new), "bytes": "bytea" if reads.is_apart else "BLOB"}
    for is_alike in (True, False):
        with at_one_moment(told, reads, new) as (live, fresh):
            assert all(live.has_the_rows_of(fresh, table) for table in TABLES) is is_alike
            assert all(fresh.has_the_rows_of(live, table) for table in TABLES) is is_alike
        with reads._engine.writing() as session:
            if is_alike:
                session.run(CHANGES[change].format_map(names))


def test_nothing_is_alike_nothing(told: LogStore, reads: Reads) -> None:
    catch_up(told, reads)
    new = reads.begin()
    catch_up(told, reads, generation=new)
    with reads._engine.writing() as session:
        for generation in (1, new):
            session.run(f"UPDATE {reads._prefix(generation)}catalogue SET kind = NULL")
    with at_one_moment(told, reads, new) as (live, fresh):
        assert live.rows("SELECT DISTINCT kind FROM {g}catalogue") == [(None,)]
        assert live.has_the_rows_of(fresh, CATALOGUE)


TEXTS: Final = ["", " ", ",", "'", '"', '""', "\\N", "\\.", "\\x41", "a\tb\r\nc", "名", "NULL"]


def test_rows_are_put_in_as_they_were_made(told: LogStore, reads: Reads) -> None:
    new = reads.begin()
    with replayed(told, len(ROWS)) as replay:
        replay.make(CATALOGUE.name)
        into = f"INSERT INTO replay.{CATALOGUE.name} VALUES ('project', ?, ?, NULL, ?, '33')"
        for text in TEXTS:
            replay.run(into, (f"x{text}", text, text))
        expected = replay.rows(ordered_sql(CATALOGUE).format(g="replay."))
        reads.load(new, MadeTable(replay, CATALOGUE, Wanted()))
    assert len(expected) > len(TEXTS)
    with reads.read(new) as snapshot:
        assert snapshot.rows(ordered_sql(CATALOGUE)) == expected


def test_a_rebuild_from_behind_comes_out_ahead(
    told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    catch_up(told, reads, until=10)
    found = rebuild(told, reads)
    assert (found.compared_at, found.position, found.differences) == (10, len(ROWS), [])
    assert digests_of(reads) == expected


#: Other events than there were once, beyond the figures made of those.
GROWN: Final = [row._replace(position=30 + n) for n, row in enumerate(ROWS[40:70], 1)]
ANOTHER: Final = {
    "restored": ROWS[:30],
    "restored and grown": [
        *ROWS[:30], *(row._replace(hashes=merkle.leaf_hash(row.line())) for row in GROWN)
    ],
    "another log": OTHER_ROWS,
}  # fmt: skip


@pytest.mark.parametrize("refilled_from", [1, 1_000])
@pytest.mark.parametrize("rows", ANOTHER.values(), ids=ANOTHER)
def test_figures_of_another_log_are_refused_until_they_are_made_anew(
    told: LogStore, reads: Reads, rows: list[Row], refilled_from: int
) -> None:
    catch_up(told, reads, until=40)
    memory = MemoryStore()
    memory.rows = rows
    log = cast("LogStore", memory)
    with pytest.raises(InvalidSettings):
        catch_up(log, reads)
    with following(log, reads) as tailer:
        assert eventually(lambda: "another log" in tailer.lag().error)
    assert reads.position == 40
    found = rebuild(log, reads, refilled_from=refilled_from)
    assert found.differences
    assert found.position == len(rows) == catch_up(log, reads)


@pytest.mark.parametrize("name", ["restored", "restored and grown"])
def test_a_log_that_is_restored_while_it_is_followed_is_told_apart(reads: Reads, name: str) -> None:
    memory = MemoryStore()
    memory.rows = ROWS[:40]
    log = cast("LogStore", memory)
    with following(log, reads) as tailer:
        assert eventually(lambda: reads.position == 40)
        memory.rows = ANOTHER[name]
        assert eventually(lambda: "another log" in tailer.lag().error)
    assert reads.position == 40


def test_reads_and_the_tailer_go_on_during_rebuilds(
    told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    stopping = threading.Event()
    positions: list[int] = []
    errors: list[BaseException] = []

    def read_on() -> None:
        try:
            while not stopping.is_set():
                with reads.read() as snapshot:
                    assert snapshot.rows("SELECT COUNT(*) FROM {g}totals")
                    time.sleep(0.001)
                    assert snapshot.rows("SELECT COUNT(*) FROM {g}trail")
                    positions.append(snapshot.position)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for reader in readers:
        reader.start()
    with following(told, reads):
        generations = [rebuild(told, reads, 20).generation for _ in range(3)]
        assert wait_for(reads, len(ROWS), 20)
    stopping.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert generations == [2, 3, 4]
    assert positions[-1] == len(ROWS)
    assert digests_of(reads) == expected


def test_a_slow_reader_keeps_what_it_reads(told: LogStore, reads: Reads) -> None:
    catch_up(told, reads)
    with reads.read() as snapshot:
        thread = threading.Thread(target=rebuild, args=(told, reads))
        thread.start()
        assert eventually(lambda: reads.generation == 2)
        for table in TABLES:
            assert snapshot.rows(f"SELECT COUNT(*) FROM {{g}}{table.name}")[0][0] > 0
    thread.join()
    with pytest.raises(PositionMoved), reads.read(1):
        pass


def test_who_comes_while_old_tables_wait_to_be_dropped_need_not_wait(
    told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up(told, reads)
    patient = "SELECT set_config('lock_timeout', '60s', true)"
    monkeypatch.setattr("projections.postgres._IN_BOUNDED_TIME", patient)
    thread = threading.Thread(target=rebuild, args=(told, reads))
    with reads.read():
        thread.start()
        assert eventually(lambda: reads._in_use() == 2)
        thread.join(0.5)  # by then it is done, or waits for the early reader
        with reads.read() as snapshot:
            assert snapshot.rows("SELECT COUNT(*) FROM {g}totals")[0][0] > 0
        assert reads.generation == 2
        reads.write(2, len(ROWS), len(ROWS) + 1, [], bytes(32))
        assert reads.position == len(ROWS) + 1
    thread.join()


def test_of_two_rebuilds_one_wins_and_the_other_says_so(
    told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch, expected: dict[str, str]
) -> None:
    catch_up(told, reads)
    swap = Reads.swap

    def late(self: Reads, old: int, new: int, **how: bool) -> bool:
        monkeypatch.setattr(Reads, "swap", swap)
        rebuild(told, reads)
        return swap(self, old, new, **how)

    monkeypatch.setattr(Reads, "swap", late)
    with pytest.raises(PositionMoved):
        rebuild(told, reads)
    assert reads.generation == 3
    assert digests_of(reads) == expected
    with reads._engine.reading() as session:
        assert session.rows(f"SELECT application_name FROM {reads._tracking}") == [("g3",)]


def test_fresh_tables_are_not_taken_while_they_are_behind(told: LogStore, reads: Reads) -> None:
    catch_up(told, reads)
    fresh = reads.begin()
    catch_up(told, reads, until=10, generation=fresh)
    assert not reads.swap(1, fresh)
    assert not reads.swap(fresh, 1)
    assert reads.generation == 1


def test_another_layout_begins_anew_from_the_log(
    told: LogStore,
    settings: Settings,
    reads: Reads,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, str],
) -> None:
    catch_up(told, reads)
    monkeypatch.setattr(database, "LAYOUT", "another")
    newer = open_reads(settings.read_models)
    assert (newer.position, newer.generation) == (0, 2)
    catch_up(told, newer)
    assert digests_of(newer) == expected
    newer.close()


def test_opening_at_the_same_time_sets_up_once(settings: Settings) -> None:
    found: list[Reads] = []
    start = threading.Barrier(6)

    def race() -> None:
        start.wait()
        found.append(open_reads(settings.read_models))

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reads.generation for reads in found] == [1] * 6
    for reads in found:
        reads.close()


@pytest.mark.parametrize("table", [0, 5], ids=["at the first table", "further on"])
@pytest.mark.parametrize("is_new", [True, False], ids=["filled", "rebuilt"])
def test_whoever_is_overtaken_while_recomputing_is_told_so(
    told: LogStore,
    reads: Reads,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, str],
    table: int,
    is_new: bool,
) -> None:
    """The other one has dropped the tables it was about to fill."""
    monkeypatch.setattr(runner, "REFILLED_EVENTS", 10)
    load, faster, seen = reads.load, open_reads(settings.read_models), list[str]()
    rebuilt: list[int] = []

    def overtaken(generation: int, made: MadeTable) -> None:
        if len(seen) == table:
            rebuilt.append(rebuild(told, faster).generation)
        seen.append(made.table.name)
        load(generation, made)

    monkeypatch.setattr(reads, "load", overtaken)
    if is_new:
        assert bring_up(told, reads) == len(ROWS)
    else:
        catch_up(told, reads)
        with pytest.raises(PositionMoved):
            rebuild(told, reads, refilled_from=0)
    assert ([reads.generation], digests_of(reads)) == (rebuilt, expected)
    faster.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reads.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InvalidSettings):
        open_reads(SqliteFile(path))
