"""Named faults of the store: what is raised, what is kept, and that work goes on afterwards."""

import resource
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from ledger.domain.errors import Unavailable
from ledger.settings import Settings
from ledger.store import postgres_datastore, sqlite_datastore
from ledger.store.log import Batch, HeadMoved, LogStore
from ledger.store.open import open_store
from ledger.store.place import SqliteFile, parse_url
from ledger.store.postgres import COPY_FROM_ROWS
from ledger.store.postgres_schema import CONNECT
from tests.batches import after_head, answer, entries, hours
from tests.cutting_proxy import CuttingProxy, Moment
from tests.opened import opened
from tests.postgres_server import PostgresServer

#: Seconds within which trouble is told: connecting, a lock and a request's place in the queue.
BOUND_S: Final = 12.0


@contextmanager
def unavailable() -> Iterator[None]:
    """What stands here is told to be unavailable, in bounded time."""
    started = time.monotonic()
    with pytest.raises(Unavailable):
        yield
    assert time.monotonic() - started < BOUND_S


def assert_works(store: LogStore, member: str = "V9") -> None:
    """The next append goes through."""
    position = store.head().position
    store.append(after_head(store, entries(member, 1, 1), f"works-{member}"))
    assert store.glance([f"works-{member}"])[0] == position + 1


# A batch that clashes: nothing of it is written, whatever it clashes with.

MANY: Final = COPY_FROM_ROWS + 5


def behind(store: LogStore) -> Batch:
    batch = after_head(store, entries("V2", 1, 1), "c2")
    store.append(after_head(store, entries("V3", 1, 1)))
    return batch


def in_part_behind(store: LogStore) -> Batch:
    batch = after_head(store, entries("V2", 1, MANY), "c2")
    store.append(after_head(store, entries("V3", 1, 2)))
    return batch


def shifted(store: LogStore, by: int) -> Batch:
    batch = after_head(store, entries("V2", 1, 3), "c2")
    return batch._replace(rows=[r._replace(position=r.position + by) for r in batch.rows])


def with_a_hole(store: LogStore) -> Batch:
    batch = after_head(store, entries("V2", 1, 4), "c2")
    return batch._replace(rows=[*batch.rows[:1], *batch.rows[2:]])


CLASHES: Final[dict[str, Callable[[LogStore], Batch]]] = {
    "position taken": behind,
    "position taken, by COPY": in_part_behind,
    "version taken": lambda store: after_head(store, [hours("V2", 1), hours("V1", 2)], "c2"),
    "version taken, by COPY": lambda store: after_head(
        store, [*entries("V2", 1, MANY), hours("V1", 1)], "c2"
    ),
    "version twice in the batch": lambda store: after_head(
        store, [hours("V2", 1), hours("V2", 1)], "c2"
    ),
    "command id taken": lambda store: after_head(store, entries("V2", 1, 1), "c2", "c1"),
    "command id taken, by COPY": lambda store: after_head(
        store, entries("V2", 1, MANY), "c2", "c1"
    ),
    "command id taken, no events": lambda _: Batch([], [answer("c2", 0, 0), answer("c1", 0, 0)]),
    "gap before the batch": lambda store: shifted(store, 1),
}


@pytest.mark.parametrize("fault", CLASHES)
def test_a_clash_moves_the_head_and_writes_nothing(store: LogStore, fault: str) -> None:
    store.append(after_head(store, entries("V1", 1, 3), "c1"))
    batch = CLASHES[fault](store)
    before = store.head()
    with pytest.raises(HeadMoved):
        store.append(batch)
    assert store.head() == before
    assert set(store.glance(["c1", "c2"])[1]) == {"c1"}
    assert_works(store)


@pytest.mark.parametrize("fault", CLASHES)
def test_a_clash_in_an_exclusive_session_writes_nothing(store: LogStore, fault: str) -> None:
    store.append(after_head(store, entries("V1", 1, 3), "c1"))
    batch = CLASHES[fault](store)
    before = store.head()
    with pytest.raises(HeadMoved), store.exclusive() as session:
        session.append(batch)
    assert store.head() == before
    assert_works(store)


def test_postgres_refuses_a_gap_inside_a_batch(postgres_url: str) -> None:
    """On SQLite only our own numbering stands before this; `head` finds it afterwards."""
    with opened(postgres_url, create=True) as store:
        with pytest.raises(HeadMoved):
            store.append(with_a_hole(store))
        assert_works(store)


# Connections to PostgreSQL that break.


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[CuttingProxy]:
    server = Path(str(postgres_server.socket_directory))
    # Not in tmp_path: a socket's name has 107 bytes at most.
    with TemporaryDirectory() as directory, CuttingProxy(Path(directory), server) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(
    proxy: CuttingProxy, postgres_server: PostgresServer, postgres_url: str
) -> Iterator[LogStore]:
    with opened(postgres_url, create=True):
        pass
    place = parse_url(postgres_url)
    assert not isinstance(place, SqliteFile)
    with opened(f"{postgres_server.url_at(proxy.directory)}&schema={place.schema}") as store:
        store.append(after_head(store, entries("V1", 1, 1), "warm"))
        yield store


#: Fault → when the connection is cut, at which message, how many rows, and what is kept of them.
CUTS: Final[dict[str, tuple[Moment, bytes, int, int]]] = {
    "cut before the insert": ("before", b"", 1, 0),
    "cut after the insert": ("after", b"", 1, 1),
    "cut before COPY": ("before", b"COPY", MANY, 0),
    "cut after COPY": ("after", b"COPY", MANY, 0),
    "cut before the commit": ("before", b"COMMIT", MANY, 0),
    "cut after the commit": ("after", b"COMMIT", MANY, MANY),
}


@pytest.mark.parametrize("fault", CUTS)
def test_a_cut_connection_is_unavailable_and_the_command_id_tells_what_was_kept(
    through_proxy: LogStore, proxy: CuttingProxy, fault: str
) -> None:
    moment, at, size, kept = CUTS[fault]
    batch = after_head(through_proxy, entries("V2", 1, size), "c2")
    proxy.cut(moment, at)
    with unavailable():
        through_proxy.append(batch)
    position, answered = through_proxy.glance(["c2"])
    assert (position, set(answered)) == (1 + kept, {"c2"} if kept else set())
    if kept:
        with pytest.raises(HeadMoved):
            through_proxy.append(batch)
    assert_works(through_proxy)


def test_a_server_that_never_answers_is_unavailable_in_bounded_time(
    through_proxy: LogStore, proxy: CuttingProxy
) -> None:
    proxy.cut("before")
    with unavailable():
        through_proxy.head()
    proxy.cut("silent")
    with unavailable():
        through_proxy.head()
    proxy.cut("after", b"no such message")
    assert_works(through_proxy)


def test_a_frozen_server_is_unavailable_in_bounded_time(
    through_proxy: LogStore, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_datastore, "FROZEN_AFTER_S", 1.0)
    batch = after_head(through_proxy, entries("V2", 1, 1), "c2")
    proxy.cut("frozen")
    with unavailable():
        through_proxy.append(batch)
    through_proxy.append(batch)
    assert_works(through_proxy)


def end_backends(server: PostgresServer) -> None:
    """End all connections of ours, and wait until they have ended (5 s at most)."""
    server.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'hourledger'"
    )


def test_connections_the_server_ended_while_idle_are_replaced_unnoticed(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with opened(postgres_url, create=True) as store:
        for member in ("V1", "V2", "V3"):
            assert_works(store, member)
            end_backends(postgres_server)


def test_a_session_whose_backend_is_ended_writes_nothing(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with opened(postgres_url, create=True) as store:
        with unavailable(), store.exclusive() as session:
            session.append(after_head(store, entries("V1", 1, 1), "c1"))
            end_backends(postgres_server)
        assert store.glance(["c1"]) == (0, {})
        assert_works(store)


def test_a_crashed_server_is_unavailable_and_work_goes_on_when_it_is_back(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with opened(postgres_url, create=True) as store:
        for member in ("V1", "V2"):
            assert_works(store, member)
            postgres_server.stop()
            try:
                for _ in range(3):
                    with unavailable():
                        store.append(Batch([], [answer(member, 0, 0)]))
                with unavailable(), store.exclusive():
                    pass
            finally:
                postgres_server.start()
        assert store.head().position == 2
        assert_works(store, "V3")


def test_a_standby_is_unavailable_for_writing(postgres_url: str) -> None:
    with opened(postgres_url, create=True) as store:
        assert_works(store)
    read_only = f"{postgres_url}&options=-c%20default_transaction_read_only%3Don"
    with opened(read_only) as store:
        assert store.head().position == 1
        with unavailable():
            store.append(after_head(store, entries("V1", 1, 1)))


# A lock that is not given up.


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_datastore, "LOCK_WAIT_S", 0.3)
    impatient = CONNECT.replace(b"'5s'", b"'300ms'")
    monkeypatch.setattr(postgres_datastore, "CONNECT", impatient)


@pytest.mark.usefixtures("_short_waits")
def test_a_lock_that_is_held_too_long_is_unavailable(database_url: str) -> None:
    with opened(database_url, create=True) as store, opened(database_url) as other:
        batch = after_head(store, entries("V1", 1, 1))
        with other.exclusive():
            with unavailable():
                store.append(batch)
            with unavailable(), store.exclusive():
                pass
        store.append(batch)
        assert_works(store)


# A disk in trouble.


def test_a_full_disk_is_unavailable_and_work_goes_on_when_there_is_room(sqlite_url: str) -> None:
    """The limit on a file's size stands for the disk's; it holds for this process only."""
    with opened(sqlite_url, create=True) as store:
        store.append(after_head(store, entries("V1", 1, 1)))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with unavailable():
                store.append(after_head(store, entries("V2", 1, 500), "c2"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert store.glance(["c2"]) == (1, {})
        assert_works(store)


def test_a_file_that_was_moved_away_takes_nothing_until_it_is_back(sqlite_url: str) -> None:
    """What was kept in it meanwhile would be lost with it, though it had been acknowledged."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with opened(sqlite_url, create=True) as store:
        assert_works(store, "V1")
        batch = after_head(store, entries("V2", 1, 1))
        files = path.parent.glob("ledger.db*")
        names = {file: file.with_name(f"away{file.name}") for file in files}
        for name, away in names.items():
            name.rename(away)
        with unavailable():
            store.append(batch)
        with unavailable():
            store.head()
        for name, away in names.items():
            away.rename(name)
        store.append(batch)
        assert_works(store)


def test_a_file_that_was_replaced_is_the_one_that_is_written_to(sqlite_url: str) -> None:
    """Whoever writes is told first, to read it anew."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with opened(sqlite_url, create=True) as store:
        backup = path.with_name("backup")
        with closing(sqlite3.connect(path)) as file, closing(sqlite3.connect(backup)) as copy:
            file.backup(copy)
        store.append(after_head(store, entries("V1", 1, 3)))
        for found in path.parent.glob("ledger.db*"):
            found.unlink()
        backup.rename(path)
        batch = after_head(store, entries("V2", 1, 1))
        with unavailable():
            store.append(batch)
        store.append(batch)
    with opened(sqlite_url) as store:
        assert [row.position for row in store.select_rows(0, 10)] == [1]


def test_a_read_only_file_is_unavailable_and_work_goes_on_when_it_is_writable(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modes do not bind the superuser, so the connection itself is made read-only here."""
    plain = sqlite_datastore.connect

    def read_only(path: Path, *, create: bool = False) -> sqlite3.Connection:
        connection = plain(path, create=create)
        connection.execute("PRAGMA query_only = ON")
        return connection

    with opened(sqlite_url, create=True) as store:
        assert_works(store, "V1")
    monkeypatch.setattr(sqlite_datastore, "connect", read_only)
    with opened(sqlite_url) as store:
        batch = after_head(store, entries("V2", 1, 1))
        with unavailable():
            store.append(batch)
        monkeypatch.setattr(sqlite_datastore, "connect", plain)
        store.append(batch)
        assert_works(store)


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    settings = Settings(database_url=f"postgresql://nobody@/none?host={tmp_path}")
    with unavailable():
        open_store(settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(database_url=f"postgresql://nobody@127.0.0.1:{port}/none")
    with unavailable():
        open_store(settings)
