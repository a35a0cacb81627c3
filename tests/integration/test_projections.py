"""The read models on both databases: the same rows however they came about, and never a gap."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ledger.domain.errors import Unavailable
from ledger.settings import Settings
from ledger.store.log import Batch, LogStore, Row
from ledger.store.place import SqliteFile
from projections import balances, database
from projections.database import Reads, open_reads
from projections.models import TABLES, Projector
from projections.rebuild import digests, rebuild
from projections.runner import Tailer, catch_up, wait_for
from projections.session import PositionMoved
from tests.postgres_server import PostgresServer
from tests.told import ROWS
from tests.told import STORE as TOLD

#: How often the tailer is killed; the long version runs on demand.
KILLS = 200 if os.environ.get("LEDGER_TEST_LONG") else 5


@pytest.fixture
def reads(settings: Settings) -> Iterator[Reads]:
    """Empty read models on each database."""
    reads = open_reads(settings.read_models)
    yield reads
    reads.close()


@pytest.fixture
def told(store: LogStore) -> LogStore:
    """The whole story in a log on each database."""
    store.append(Batch(ROWS))
    return store


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digest of every table after the story, folded in one go into a file."""
    reads = open_reads(SqliteFile(tmp_path_factory.mktemp("reads") / "reads.db"))
    catch_up(TOLD, reads)
    found = digests_of(reads)
    reads.close()
    return found


def digests_of(reads: Reads) -> dict[str, str]:
    """The digest of every table in use."""
    with reads.read() as snapshot:
        return digests(snapshot)


def eventually(check: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def following(store: LogStore, reads: Reads) -> Iterator[Tailer]:
    """A tailer at work."""
    tailer = Tailer(store, reads)
    tailer.start()
    try:
        yield tailer
    finally:
        tailer.stop()


# the same rows


@pytest.mark.parametrize("limit", [1, 3, 7, 50, 1000])
def test_rows_do_not_depend_on_where_batches_end(
    told: LogStore, reads: Reads, expected: dict[str, str], limit: int
) -> None:
    assert catch_up(told, reads, limit) == len(ROWS)
    assert digests_of(reads) == expected


def test_rows_do_not_depend_on_where_the_tailer_stopped(
    told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    dice = random.Random(7)
    while reads.position < len(ROWS):
        stop = min(reads.position + dice.randint(1, 20), len(ROWS))
        assert catch_up(told, reads, dice.randint(1, 9), until=stop) == stop == reads.position
    assert digests_of(reads) == expected


def test_many_deltas_merge_like_few(store: LogStore, reads: Reads) -> None:
    """More members than go into one statement on PostgreSQL; again over the rows there are."""
    members = [f"V{n:04}" for n in range(300)]
    record: list[Any] = [(m, "330424", "volunteer", 1, *[n] * 8) for n, m in enumerate(members)]
    for after in (0, 1):
        reads.write(reads.generation, after, after + 1, [(balances.MEMBERS, record)])
    with reads.read() as snapshot:
        rows = snapshot.rows("SELECT member, region, registered, credit_spent FROM {g}members")
    assert sorted(rows) == [(m, "330424", 2, 2 * n) for n, m in enumerate(members)]


def test_free_text_arrives_as_it_was_written(store: LogStore, reads: Reads) -> None:
    from projections.catalogue import CATALOGUE  # noqa: PLC0415

    names = ["a\\b", "\\N", "tab\\t", "引号\"'", "{g}", "100%", "?"] * 20
    record: list[Any] = [("fund", f"F{n}", name, "", "O1", "33") for n, name in enumerate(names)]
    reads.write(reads.generation, 0, 1, [(CATALOGUE, record)])
    with reads.read() as snapshot:
        rows = dict(snapshot.rows("SELECT id, name FROM {g}catalogue"))
    assert rows == {f"F{n}": name for n, name in enumerate(names)}


# never a gap, never twice


def test_a_batch_is_written_only_right_after_what_is_there(told: LogStore, reads: Reads) -> None:
    with reads.read() as snapshot:
        one, other = Projector(snapshot), Projector(snapshot)
    reads.write(one.generation, 0, 30, one.fold(told.select_rows(0, 30)))
    before = digests_of(reads)
    with pytest.raises(PositionMoved):
        reads.write(other.generation, 0, 40, other.fold(told.select_rows(0, 40)))
    assert (digests_of(reads), reads.position) == (before, 30)


def test_tailers_at_the_same_time_double_nothing(
    told: LogStore, settings: Settings, expected: dict[str, str]
) -> None:
    all_reads = [open_reads(settings.read_models) for _ in range(4)]
    start = threading.Barrier(len(all_reads))
    errors: list[BaseException] = []

    def race(reads: Reads, limit: int) -> None:
        start.wait()
        try:
            catch_up(told, reads, limit)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=race, args=(r, n)) for n, r in enumerate(all_reads, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert digests_of(all_reads[0]) == expected
    for reads in all_reads:
        reads.close()


@pytest.mark.parametrize("fails_at", range(len(TABLES) + 1))
def test_a_batch_that_breaks_off_anywhere_leaves_nothing_behind(
    told: LogStore,
    reads: Reads,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    fails_at: int,
) -> None:
    catch_up(told, reads, until=40)
    before = digests_of(reads)
    with reads.read() as snapshot:
        projector = Projector(snapshot)
    deltas = projector.fold(told.select_rows(40, 30))

    class Breaks(list[Any]):
        """Deltas of which one cannot be had."""

        def __iter__(self) -> Iterator[Any]:
            for n, delta in enumerate(deltas):
                if n == fails_at:
                    raise RuntimeError("cut")
                yield delta
            if fails_at >= len(deltas):
                raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        reads.write(projector.generation, 40, 70, Breaks(deltas))
    assert (digests_of(reads), reads.position) == (before, 40)
    catch_up(told, reads)
    assert digests_of(reads) == expected


def test_a_killed_tailer_loses_and_doubles_nothing(
    told: LogStore, settings: Settings, reads: Reads, expected: dict[str, str]
) -> None:
    program = (
        "import sys; from ledger.settings import Settings\n"
        "from ledger.store.open import open_store\n"
        "from projections.database import open_reads; from projections.runner import catch_up\n"
        "s = Settings(database_url=sys.argv[1]); store = open_store(s)\n"
        "reads = open_reads(s.read_models); print(flush=True)\n"
        "catch_up(store, reads, 1)"
    )
    dice = random.Random(11)
    for _ in range(KILLS):
        tailer = subprocess.Popen(
            [sys.executable, "-c", program, settings.database_url],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert tailer.stdout is not None
        tailer.stdout.readline()
        time.sleep(dice.random() * 0.05)
        tailer.send_signal(signal.SIGKILL)
        tailer.wait()
        tailer.stdout.close()
    # Whoever was killed in the middle of a commit may still hold its locks for a moment.
    assert eventually(lambda: catch_up(told, reads) == len(ROWS))
    assert digests_of(reads) == expected


# the tailer


def test_a_tailer_keeps_up_and_says_how_far_it_is(store: LogStore, reads: Reads) -> None:
    with following(store, reads) as tailer:
        for begin in range(0, len(ROWS), 10):
            part = ROWS[begin : begin + 10]
            store.append(Batch(part))
            assert wait_for(reads, part[-1].position, 20)
        assert eventually(lambda: tailer.lag().events == 0)
        lag = tailer.lag()
        assert (lag.position, lag.head, lag.error, lag.seconds) == (len(ROWS), len(ROWS), "", 0.0)
    assert not wait_for(reads, len(ROWS) + 1, 0.05)


class Failing:
    """A log that cannot be read a few times."""

    def __init__(self, store: LogStore, errors: list[Exception]) -> None:
        self._store = store
        self.errors = errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def select_rows(self, after: int, limit: int) -> list[Row]:
        if self.errors:
            raise self.errors.pop(0)
        return self._store.select_rows(after, limit)


def test_whatever_goes_wrong_the_tailer_goes_on_by_itself(
    told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    failing: Any = Failing(told, [Unavailable(reason="away"), KeyError("x"), OSError("disk")])
    with following(failing, reads) as tailer:
        assert wait_for(reads, len(ROWS), 20)
        assert eventually(lambda: tailer.lag().error == "")
    assert failing.errors == []
    assert digests_of(reads) == expected


def test_a_row_that_cannot_be_read_is_reported_and_nothing_of_it_shown(
    told: LogStore, reads: Reads
) -> None:
    bad = ROWS[30]._replace(topic="Unheard")

    class Damaged(Failing):
        def select_rows(self, after: int, limit: int) -> list[Row]:
            rows = super().select_rows(after, 10)
            return [bad if row.position == bad.position else row for row in rows]

    damaged: Any = Damaged(told, [])
    with following(damaged, reads) as tailer:
        assert eventually(lambda: "CorruptLog" in tailer.lag().error)
        assert tailer.lag().position == 30
        assert tailer.lag().seconds > 0


def test_two_tailers_take_turns(
    told: LogStore, settings: Settings, reads: Reads, expected: dict[str, str]
) -> None:
    other = open_reads(settings.read_models)
    with following(told, reads), following(told, other):
        assert wait_for(reads, len(ROWS), 20)
    assert digests_of(reads) == expected
    other.close()


def test_the_tailer_outlives_an_outage_of_the_server(
    postgres_server: PostgresServer, postgres_url: str, expected: dict[str, str]
) -> None:
    from ledger.store.open import open_store  # noqa: PLC0415

    settings = Settings(database_url=postgres_url)
    store = open_store(settings, create=True)
    store.append(Batch(ROWS[:40]))
    reads = open_reads(settings.read_models)
    with following(store, reads) as tailer:
        assert wait_for(reads, 40, 20)
        postgres_server.stop()
        assert eventually(lambda: tailer.lag().error != "")
        with pytest.raises(Unavailable):
            digests_of(reads)
        postgres_server.start()
        assert eventually(lambda: tailer.lag().error == "")
        store.append(Batch(ROWS[40:]))
        assert wait_for(reads, len(ROWS), 20)
    assert digests_of(reads) == expected
    reads.close()


# reads and rebuilds


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
    assert seen == [20, 40, 60, 80, len(ROWS)]
    assert (reads.generation, digests_of(reads)) == (found.generation, expected)


def test_a_rebuild_names_what_was_wrong_and_mends_it(
    told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
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


def test_a_rebuild_from_behind_comes_out_ahead(
    told: LogStore, reads: Reads, expected: dict[str, str]
) -> None:
    catch_up(told, reads, until=10)
    found = rebuild(told, reads)
    assert (found.compared_at, found.position, found.differences) == (10, len(ROWS), [])
    assert digests_of(reads) == expected


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


def test_of_two_rebuilds_one_wins_and_the_other_says_so(
    told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch, expected: dict[str, str]
) -> None:
    catch_up(told, reads)
    swap = Reads.swap

    def late(self: Reads, old: int, new: int) -> bool:
        monkeypatch.setattr(Reads, "swap", swap)
        rebuild(told, reads)
        return swap(self, old, new)

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
