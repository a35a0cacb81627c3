"""Each hazard of the event-sourcing library under stress, by its number, and its guard here.

Hazard 2 is in `test_append_only.py`; those of the tailer (6, 18) have their tests beside it; what
a cut connection does (3, 14) is shown in full in `test_store_faults.py`.
"""

import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psycopg
import pytest
from eventsourcing.persistence import (
    IntegrityError,
    OperationalError,
)

from ledger.domain.errors import CorruptLog, InvalidSettings, NotDurable, Unavailable
from ledger.log import codec, merkle
from ledger.settings import Settings
from ledger.store import postgres, postgres_datastore, sqlite, sqlite_datastore
from ledger.store.log import Batch, HeadMoved, KeySecret, LogStore, number
from ledger.store.open import open_store
from tests.batches import after_head, answer, entries, hours, note
from tests.cutting_proxy import CuttingProxy
from tests.opened import events, on_postgres, on_sqlite, opened, path_of, schema_of
from tests.postgres_server import PostgresServer


def test_hazard_01_database_functions_are_refused(postgres_url: str) -> None:
    env = {"LEDGER_DATABASE_URL": postgres_url, "POSTGRES_ENABLE_DB_FUNCTIONS": "yes"}
    with pytest.raises(InvalidSettings, match="loses events"):
        postgres.Factory(env)


def test_hazard_03_a_write_of_unknown_outcome_is_not_tried_again(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command id, kept in the same transaction, tells afterwards what happened."""
    attempts: list[Batch] = []
    keep = store.append

    def keep_and_lose_the_answer(batch: Batch) -> None:
        attempts.append(batch)
        keep(batch)
        raise Unavailable

    monkeypatch.setattr(store, "append", keep_and_lose_the_answer)
    with pytest.raises(OperationalError):
        store.insert_events(events("V1", 1), commands=[answer("c1", 1, 1)])
    assert len(attempts) == 1
    assert store.glance(["c1"]) == (1, {"c1": answer("c1", 1, 1)})
    with pytest.raises(HeadMoved):
        keep(attempts[0])


def test_hazard_04_and_05_the_log_is_followed_by_position_and_not_by_subscription(
    store: Any,
) -> None:
    with pytest.raises(NotImplementedError):
        store.subscribe(gt=0)
    store.append(after_head(store, entries("V1", 1, 3)))
    assert [row.position for row in store.select_rows(1, 10)] == [2, 3]


@pytest.mark.parametrize("marker", [{"_type_": "datetime_iso", "_data_": "x"}, {"_type_": "x"}])
def test_hazard_07_user_data_is_never_a_type_marker(marker: dict[str, str]) -> None:
    sealed = hours("V1", 1)
    state = msgspec.json.decode(sealed.state)
    for poisoned in (state | {"category": marker}, state | marker, marker):
        with pytest.raises(CorruptLog):
            codec.decode(sealed.topic, msgspec.json.encode(poisoned))


@pytest.mark.parametrize("factory", [sqlite.Factory, postgres.Factory])
def test_hazard_08_a_missing_setting_is_an_error_and_never_a_store_in_memory(factory: Any) -> None:
    for env in ({}, {"SQLITE_DBNAME": ":memory:"}, {"LEDGER_DATABASE_URL": "sqlite:///:memory:"}):
        with pytest.raises(InvalidSettings):
            factory(env)


def test_hazard_09_a_failing_open_holds_no_lock(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More failures than the pool has connections, then everything works."""
    module: Any = postgres_datastore
    error: type[Exception] = psycopg.OperationalError
    pools: list[Any] = [store.datastore.pool]
    if isinstance(store, sqlite.SqliteLog):
        module, error = sqlite_datastore, sqlite3.OperationalError
        pools = [store.datastore._writers, store.datastore._readers]
    for idle in [connection for pool in pools for connection in pool._idle]:
        idle.close()
    failures = 0

    def fail(*_: object, **__: object) -> None:
        nonlocal failures
        failures += 1
        raise error("no connection")

    monkeypatch.setattr(module, "connect", fail)
    for _ in range(20):
        with pytest.raises(Unavailable):
            store.append(Batch([], [answer("c1", 0, 0)]))
        with pytest.raises(Unavailable):
            store.head()
    assert failures == 40
    monkeypatch.undo()
    store.append(after_head(store, entries("V1", 1, 1), "c1"))
    assert store.glance(["c1"])[0] == 1


@on_sqlite
def test_hazard_10_writers_that_read_first_wait_for_each_other(settings: Settings) -> None:
    with opened(settings.database_url, create=True):
        pass

    def read_then_write(member: str) -> None:
        with opened(settings.database_url) as own:
            for version in range(1, 26):
                with own.exclusive() as session:
                    rows, _ = number([hours(member, version)], session.head())
                    session.append(Batch(rows))

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(read_then_write, ["V1", "V2", "V3", "V4"]))
    with opened(settings.database_url) as log:
        assert log.head().position == 100


@on_sqlite
def test_hazard_11_positions_survive_a_dump_and_the_tail_cannot_be_deleted(
    store: LogStore, settings: Settings, tmp_path: Path
) -> None:
    store.append(after_head(store, entries("V1", 1, 5), "c1"))
    store.put_key(KeySecret("k1", "holder", None, b"s", b"d"))
    with sqlite3.connect(path_of(settings)) as file:
        for table, column in (("stored_events", "topic"), ("commands", "count"), ("keys", "key")):
            for change in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = 1"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    file.execute(change)
        dump = "\n".join(file.iterdump())
    with sqlite3.connect(tmp_path / "restored.db") as restored:
        restored.executescript(dump)
        rows = restored.execute("SELECT rowid, originator_version FROM stored_events").fetchall()
    assert rows == [(n, n) for n in range(1, 6)]


@on_sqlite
def test_hazard_11_replacing_is_deleting(store: Any) -> None:
    store.append(after_head(store, entries("V1", 1, 2)))
    for position, version in ((1, 9), (3, 1)):
        with pytest.raises(IntegrityError, match="append-only"), store.transaction() as inside:
            inside.execute(
                "INSERT OR REPLACE INTO stored_events VALUES (?, 'member/V1', ?, 't', '', '')",
                position,
                version,
            )
    assert store.head().position == 2


def test_hazard_12_a_conflict_burns_no_position(store: LogStore) -> None:
    store.append(after_head(store, entries("V1", 1, 2)))
    for _ in range(3):
        with pytest.raises(HeadMoved):
            store.append(after_head(store, [hours("V2", 1), hours("V1", 1)]))
    store.append(after_head(store, entries("V2", 1, 1)))
    assert [row.position for row in store.select_rows(0, 9)] == [1, 2, 3]


@on_sqlite
@pytest.mark.parametrize("pragma", ["journal_mode = DELETE", "synchronous = NORMAL"])
def test_hazard_13_sqlite_is_durable_or_refused(
    store: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, pragma: str
) -> None:
    with store.datastore.writer() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    store.close()
    pragmas = (*sqlite_datastore._PRAGMAS, pragma)
    monkeypatch.setattr(sqlite_datastore, "_PRAGMAS", pragmas)
    with pytest.raises(NotDurable), opened(settings.database_url):
        pass


@on_postgres
@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_hazard_13_postgres_is_durable_or_refused(
    store: LogStore, settings: Settings, postgres_server: PostgresServer, setting: str
) -> None:
    postgres_server.execute(f"ALTER SYSTEM SET {setting} = off")
    try:
        postgres_server.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 5
        while postgres_server.execute(f"SHOW {setting}") != [("off",)]:
            assert time.monotonic() < deadline
        with pytest.raises(NotDurable), opened(settings.database_url):
            pass
    finally:
        postgres_server.execute(f"ALTER SYSTEM RESET {setting}")
        postgres_server.execute("SELECT pg_reload_conf()")
        while postgres_server.execute(f"SHOW {setting}") != [("on",)]:
            time.sleep(0.01)


OPEN_AND_WRITE = """
import sys
from ledger.settings import Settings
from ledger.store.open import open_store
from ledger.store.log import Batch, CommandRow
sys.stdin.read()
store = open_store(Settings(database_url=sys.argv[1]), create=True)
store.append(Batch([], [CommandRow(sys.argv[2], b"", 0, 0, b"")]))
"""


def test_hazard_13_racing_first_opens_all_succeed(settings: Settings) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_WRITE, settings.database_url, f"c{n}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]
    time.sleep(1)  # most have done their imports by then, and wait
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.close()
        opener.stdin = None
    assert [opener.communicate(timeout=60)[1] for opener in openers] == [b""] * 4
    with opened(settings.database_url) as log:
        assert len(log.glance([f"c{n}" for n in range(4)])[1]) == 4


@on_postgres
def test_hazard_14_reading_through_the_library_fails_at_once(
    store: Any, postgres_server: PostgresServer, settings: Settings
) -> None:
    """The library's ten attempts at an outage are not made."""
    server = Path(str(postgres_server.socket_directory))
    with TemporaryDirectory() as directory:
        with CuttingProxy(Path(directory), server):
            url = f"{postgres_server.url_at(directory)}&schema={schema_of(settings)}"
            log: Any = open_store(Settings(database_url=url))
        started = time.monotonic()
        for read in (
            lambda: log.select_events("member/V1"),
            lambda: log.select_notifications(1, 10),
            log.max_notification_id,
            lambda: log.insert_events(events("V1", 1)),
        ):
            with pytest.raises(OperationalError):
                read()
        assert time.monotonic() - started < 30  # ten attempts at four reads would take longer
        log.close()


def test_hazard_15_a_row_moved_elsewhere_has_another_leaf(store: LogStore) -> None:
    store.append(after_head(store, entries("V1", 1, 1)))
    (row,) = store.select_rows(0, 1)
    moved = [
        row._replace(position=2),
        row._replace(originator_id="member/V2"),
        row._replace(originator_version=2),
        row._replace(topic="HoursVerified"),
        row._replace(state=row.state.replace(b"150", b"151")),
    ]
    leaves = {merkle.leaf_hash(r.line()) for r in (row, *moved)}
    assert len(leaves) == 6
    assert row.hashes == merkle.leaf_hash(row.line())


def test_hazard_15_what_a_later_version_wrote_is_refused() -> None:
    sealed = hours("V1", 1)
    with pytest.raises(CorruptLog):
        codec.decode(sealed.topic, sealed.state[:-1] + b',"zone":"later"}')


@pytest.mark.parametrize("topic", ["os:system", "ledger.domain.events:HoursLogged", "Event", ""])
def test_hazard_16_a_topic_imports_nothing(topic: str) -> None:
    with pytest.raises(CorruptLog):
        codec.decode(topic, b"{}")


@on_sqlite
def test_hazard_17_an_erasure_that_readers_delay_is_not_a_failed_write(
    store: LogStore, settings: Settings
) -> None:
    """The write-ahead log cannot be emptied while someone reads it; a later write does."""
    text = note("the payee's name")
    store.append(Batch([], [], [text]))
    path = path_of(settings)
    wal = path.with_name("ledger.db-wal")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM notes").fetchone()
    store.append(Batch([], [], [], [text.digest]))
    assert store.read_note(text.digest) is None
    reader.close()
    store.append(Batch([], [answer("c1", 0, 0)]))
    assert text.text.encode() not in path.read_bytes() + wal.read_bytes()


@on_postgres
def test_hazard_17_an_erasure_that_cannot_rewrite_the_table_is_not_a_failed_write(
    store: LogStore, settings: Settings, postgres_server: PostgresServer
) -> None:
    text = note("the payee's name")
    store.append(Batch([], [], [text]))
    with psycopg.connect(postgres_server.url) as reader:
        reader.execute(f"LOCK TABLE {schema_of(settings)}.notes IN ROW EXCLUSIVE MODE".encode())
        store.append(Batch([], [], [], [text.digest]))
        assert store.read_note(text.digest) is None
