"""What every log store keeps, shown on both databases."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ledger.domain.errors import AlreadyExists, CorruptLog, InvalidSettings
from ledger.log import merkle
from ledger.settings import Settings
from ledger.store.log import Batch, Head, HeadMoved, KeySecret, LogStore, Row
from ledger.store.open import open_store
from ledger.store.place import PostgresSchema
from ledger.store.postgres import COPY_FROM_ROWS
from ledger.store.recorder import STREAMS_AT_ONCE
from tests.batches import NINE, after_head, answer, entries, hours, note
from tests.exported import tree_root


@contextmanager
def another(settings: Settings) -> Iterator[LogStore]:
    """The same log, as another process sees it."""
    log = open_store(settings)
    yield log
    log.close()


def lines(rows: list[Row]) -> list[bytes]:
    return [row.line() for row in rows]


def test_an_empty_log_ends_at_position_zero(store: LogStore) -> None:
    assert store.head() == Head(0, None, ())
    assert store.glance(["c1"]) == (0, {})
    assert store.select_rows(0, 10) == []
    assert list(store.select_streams(["member/V1"])) == []


@pytest.mark.parametrize("is_made_ready", [False, True])
@pytest.mark.parametrize(
    "size", [1, COPY_FROM_ROWS - 1, COPY_FROM_ROWS, COPY_FROM_ROWS + 1, 1_000, 2_301]
)
def test_what_is_appended_is_read_back(
    store: LogStore, settings: Settings, size: int, is_made_ready: bool
) -> None:
    """Whichever ways into the database the rows take, and whoever prepared them."""
    batch = after_head(store, entries("V1", 1, size), "c1", "c2")
    store.append(store.made_ready(batch) if is_made_ready else batch)
    with another(settings) as other:
        assert other.select_rows(0, size + 1) == batch.rows
        assert other.glance(["c2", "c0", "c1"]) == (size, {c.command_id: c for c in batch.commands})


def test_the_head_knows_time_and_tree(store: LogStore) -> None:
    for seconds in range(7):
        store.append(after_head(store, [hours("V1", seconds + 1, seconds)]))
        head = store.head()
        assert (head.position, head.timestamp) == (seconds + 1, NINE + timedelta(seconds=seconds))
        assert merkle.root(head.frontier) == tree_root(lines(store.select_rows(0, 10)))


def test_rows_come_in_order_and_as_many_as_asked_for(store: LogStore) -> None:
    store.append(after_head(store, entries("V1", 1, 30)))
    assert [row.position for row in store.select_rows(10, 5)] == [11, 12, 13, 14, 15]
    assert [row.position for row in store.select_positions([20, 3, 99])] == [3, 20]
    assert store.select_rows(30, 5) == []


def test_streams_come_each_in_version_order(store: LogStore) -> None:
    members = [f"V{n}" for n in range(STREAMS_AT_ONCE + 3)]
    for version in (1, 2):
        store.append(after_head(store, [hours(member, version) for member in members]))
    found: dict[str, list[int]] = {}
    for row in store.select_streams([f"member/{m}" for m in members] + ["member/NOBODY"]):
        found.setdefault(row.originator_id, []).append(row.originator_version)
    assert found == {f"member/{m}": [1, 2] for m in members}


def test_streams_after_a_position_are_named_once(store: LogStore) -> None:
    store.append(
        after_head(store, [hours("V1", 1), hours("V2", 1), hours("V3", 1), hours("V2", 2)])
    )
    assert sorted(store.streams_after(1)) == ["member/V2", "member/V3"]
    assert store.streams_after(4) == []


def test_a_command_without_events_is_kept(store: LogStore) -> None:
    store.append(Batch([], [answer("c1", 0, 0)]))
    assert store.glance(["c1"]) == (0, {"c1": answer("c1", 0, 0)})
    with pytest.raises(HeadMoved):
        store.append(Batch([], [answer("c1", 0, 0)]))


def test_an_empty_batch_is_nothing(store: LogStore) -> None:
    store.append(Batch([]))
    assert store.head().position == 0


TEXTS = ["发票 2025-118", "a\x00b", "x" * 20_000, "短"]


def test_notes_are_kept_until_erased(store: LogStore) -> None:
    notes = [note(text) for text in TEXTS]
    store.append(Batch([], [answer("c1", 0, 0)], notes))
    assert [store.read_note(n.digest) for n in notes] == TEXTS
    store.append(Batch([], [], [], [notes[0].digest]))
    assert [store.read_note(n.digest) for n in notes] == [None, *TEXTS[1:]]
    assert store.read_note("not a digest") is None


def files_of(settings: Settings) -> bytes:
    """Every byte the database keeps of its notes."""
    place = settings.log
    if isinstance(place, PostgresSchema):
        with psycopg.connect(place.conninfo, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            row = connection.execute(
                "SELECT pg_read_binary_file(pg_relation_filepath(%s::regclass))"
                " || coalesce(pg_read_binary_file(nullif(pg_relation_filepath(reltoastrelid), '')))"
                " FROM pg_class WHERE oid = %s::regclass",
                [f"{place.schema}.notes"] * 2,
            ).fetchone()
            assert row is not None
            return bytes(row[0])
    return b"".join(path.read_bytes() for path in place.path.parent.glob(f"{place.path.name}*"))


def test_an_erased_text_is_in_no_file_any_more(store: LogStore, settings: Settings) -> None:
    texts = [f"payee {n:04} " + "abc" * (n % 900) for n in range(300)]
    notes = [note(text) for text in texts]
    for start in range(0, 300, 50):
        store.append(Batch([], [], notes[start : start + 50]))
    for n in range(0, 300, 7):
        store.append(Batch([], [], [], [notes[n].digest]))
    found = files_of(settings)
    assert b"payee 0001" in found
    assert [n for n in range(0, 300, 7) if f"payee {n:04}".encode() in found] == []
    assert [store.read_note(n.digest) for n in notes[1:7]] == texts[1:7]


def test_keys_are_kept_outside_the_log(store: LogStore) -> None:
    first = KeySecret("k1", "association", None, b"salt", b"digest")
    second = KeySecret("k0", "association", "V1", b"salt", b"digest")
    store.put_key(first)
    store.put_key(first)
    store.put_key(second)
    assert store.find_key("k1") == first
    assert store.find_key("k2") is None
    assert store.list_keys() == [first, second]
    assert store.members_of_holder("association") == {"V1"}
    assert store.members_of_holder("nobody") == frozenset()
    with pytest.raises(AlreadyExists):
        store.put_key(first._replace(digest=b"other"))


def test_an_exclusive_session_commits_when_left(store: LogStore, settings: Settings) -> None:
    with store.exclusive() as session, another(settings) as other:
        session.append(after_head(store, entries("V1", 1, 3), "c1"))
        assert session.head().position == 3
        assert other.head().position == 0
    assert store.glance(["c1"])[0] == 3


def test_an_error_rolls_an_exclusive_session_back(store: LogStore) -> None:
    class RefusedError(Exception): ...

    def refuse() -> None:
        with store.exclusive() as session:
            session.append(after_head(store, entries("V1", 1, 300), "c1"))
            raise RefusedError

    with pytest.raises(RefusedError):
        refuse()
    assert store.glance(["c1"]) == (0, {})
    store.append(after_head(store, entries("V1", 1, 1)))


def test_the_head_stands_still_in_an_exclusive_session(store: LogStore, settings: Settings) -> None:
    """An optimistic writer waits outside, and finds that the head has moved."""
    outcome: list[str] = []

    def intrude() -> None:
        with another(settings) as other:
            batch = after_head(other, entries("V2", 1, 1))
            started.set()
            try:
                other.append(batch)
            except HeadMoved:
                outcome.append("moved")

    started = threading.Event()
    intruder = threading.Thread(target=intrude)
    with store.exclusive() as session:
        head = session.head()
        intruder.start()
        assert started.wait(5)
        intruder.join(0.3)
        assert session.head() == head
        session.append(after_head(store, entries("V1", 1, 1)))
    intruder.join()
    assert outcome == ["moved"]
    assert [row.originator_id for row in store.select_rows(0, 9)] == ["member/V1"]


def test_racing_writers_leave_no_gap_and_lose_nothing(store: LogStore, settings: Settings) -> None:
    """Three writers, half of their appends exclusive, and a tailer that reads along."""
    writers, rounds = 3, 25
    seen: list[Row] = []

    def write(member: str) -> None:
        with another(settings) as own:
            version = 1
            while version <= rounds:
                with suppress(HeadMoved):
                    write_one(own, member, version)
                    version += 1

    def write_one(own: LogStore, member: str, version: int) -> None:
        if version % 2:
            own.append(after_head(own, entries(member, version, 1), f"{member}{version}"))
        else:
            with own.exclusive() as session:
                session.append(after_head(own, entries(member, version, 1), f"{member}{version}"))

    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write, f"V{n}") for n in range(writers)]
        while not all(future.done() for future in writing):
            seen += store.select_rows(len(seen), 100)
    assert [future.result() for future in writing] == [None] * writers
    seen += store.select_rows(len(seen), 100)
    assert [row.position for row in seen] == list(range(1, writers * rounds + 1))
    ids = [f"V{n}{version}" for n in range(writers) for version in range(1, rounds + 1)]
    assert len(store.glance(ids)[1]) == writers * rounds
    assert merkle.root(store.head().frontier) == tree_root(lines(seen))


def test_a_log_with_a_gap_has_no_head(store: LogStore, settings: Settings) -> None:
    """Whoever got past the guards with rights of their own does not get a proof built on it."""
    store.append(after_head(store, entries("V1", 1, 8)))
    place = settings.log
    if isinstance(place, PostgresSchema):
        with psycopg.connect(place.conninfo, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(
                f"DELETE FROM {place.schema}.stored_events WHERE notification_id = 8"
            )
            connection.execute(
                f"UPDATE {place.schema}.stored_events SET notification_id = 9"
                " WHERE notification_id = 7"
            )
    else:
        with sqlite3.connect(place.path) as file:
            file.execute("DROP TRIGGER stored_events_refuse_update")
            file.execute("DROP TRIGGER stored_events_refuse_delete")
            file.execute("DELETE FROM stored_events WHERE rowid = 8")
            file.execute("UPDATE stored_events SET rowid = 9 WHERE rowid = 7")
    with pytest.raises(CorruptLog):
        store.head()


def test_a_place_without_a_ledger_is_refused(settings: Settings) -> None:
    with pytest.raises(InvalidSettings, match="run hourledger init"):
        open_store(settings)


def test_creating_again_changes_nothing(store: LogStore, settings: Settings) -> None:
    store.append(after_head(store, entries("V1", 1, 2)))
    again = open_store(settings, create=True)
    assert again.head() == store.head()
    again.close()


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    other, text = tmp_path / "other.db", tmp_path / "notes.txt"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE theirs (x)")
    text.write_text("not a database " * 100)
    for path in (other, text):
        before = path.read_bytes()
        for create in (False, True):
            with pytest.raises(InvalidSettings, match=r"another program|not a SQLite database"):
                open_store(Settings(database_url=f"sqlite:///{path}"), create=create)
        assert path.read_bytes() == before
