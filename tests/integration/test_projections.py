"""The read models on both databases: the same rows however they came about, and never a gap."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.domain.errors import Unavailable
from ledger.settings import Settings
from ledger.store.log import Batch, LogStore, Row
from projections import balances
from projections.database import Reads, open_reads
from projections.models import TABLES, Projector
from projections.runner import catch_up, wait_for
from projections.session import PositionMoved
from tests.postgres_server import PostgresServer
from tests.told import ROWS, digests_of, eventually, following

#: How often the tailer is killed; the long version runs on demand.
KILLS = 200 if os.environ.get("TEST_LONG") else 5

#: Of a row that nobody looks at again.
LEAF = bytes(32)


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
        reads.write(reads.generation, after, after + 1, [(balances.MEMBERS, record)], LEAF)
    with reads.read() as snapshot:
        rows = snapshot.rows("SELECT member, region, registered, credit_spent FROM {g}members")
    assert sorted(rows) == [(m, "330424", 2, 2 * n) for n, m in enumerate(members)]


def test_free_text_arrives_as_it_was_written(store: LogStore, reads: Reads) -> None:
    from projections.catalogue import CATALOGUE  # noqa: PLC0415

    names = ["a\\b", "\\N", "tab\\t", "引号\"'", "{g}", "100%", "?"] * 20
    record: list[Any] = [("fund", f"F{n}", name, "", "O1", "33") for n, name in enumerate(names)]
    reads.write(reads.generation, 0, 1, [(CATALOGUE, record)], LEAF)
    with reads.read() as snapshot:
        rows = dict(snapshot.rows("SELECT id, name FROM {g}catalogue"))
    assert rows == {f"F{n}": name for n, name in enumerate(names)}


# never a gap, never twice


def test_a_batch_is_written_only_right_after_what_is_there(told: LogStore, reads: Reads) -> None:
    with reads.read() as snapshot:
        one, other = Projector(snapshot), Projector(snapshot)
    reads.write(one.generation, 0, 30, one.fold(told.select_rows(0, 30)), one.leaf)
    before = digests_of(reads)
    with pytest.raises(PositionMoved):
        reads.write(other.generation, 0, 40, other.fold(told.select_rows(0, 40)), other.leaf)
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
        reads.write(projector.generation, 40, 70, Breaks(deltas), projector.leaf)
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
    finished = 0
    for _ in range(KILLS):
        if reads.position == len(ROWS):
            assert digests_of(reads) == expected
            forget_all(reads)
            finished += 1
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
    assert finished < KILLS


def forget_all(reads: Reads) -> None:
    """Let whoever opens the read models next begin at the first event again."""
    with reads._engine.writing() as session:
        session.run(f"UPDATE {reads._head} SET layout = 'old'")


# beside whoever writes


def test_who_only_reads_opens_them_while_another_writes(
    told: LogStore, reads: Reads, settings: Settings
) -> None:
    """However long that takes: what is there already is looked for without any lock."""
    catch_up(told, reads)
    with reads._engine.writing() as session:
        reads._engine.prepare(session)
        session.run(f"UPDATE {reads._head} SET latest = latest")
        others = open_reads(settings.read_models)
        assert others.position == len(ROWS)
        others.close()


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
