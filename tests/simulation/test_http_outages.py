"""The database goes away under HTTP load and comes back, again and again.

PostgreSQL is stopped as by a crash. A SQLite file is made read-only in two ways: by the file
system's own mark, which stops root as well and descriptors that are open, and by taking no more
bytes from the service, as a full disk does. Its index in shared memory is left alone: to write to a
mapped file that may not be written ends any process by a signal of its own.

Nothing that was acknowledged is lost or doubled; who asks meanwhile is told so in bounded time; the
service goes on by itself, without being started again.
"""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from ledger.settings import Settings
from tests.http_load import WRITERS, Load
from tests.http_process import Process
from tests.http_service import Key, issue, open_ledger
from tests.integration.test_http_writes import BASIS
from tests.postgres_server import PostgresServer
from tests.simulation.programs import LONG, judged
from tests.told import eventually

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
OUTAGES: Final = 20 if LONG else 2
#: Seconds within which anyone must have been told, however long the outage.
TOLD_WITHIN_S: Final = 20.0
#: One outage in four is longer than the writer itself is patient for.
LONG_OUTAGE_S: Final = 7.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of our own, since others would not like it to be stopped."""
    made = PostgresServer()
    yield made
    made.end()


def county(url: str) -> tuple[Settings, Key]:
    settings = Settings(database_url=url)
    open_ledger(settings, *BASIS)
    return settings, issue(settings, "clerk", "admin")


def play(url: str, outage: Callable[[Process, int], None]) -> Load:
    """So many outages under load; the load, judged but for what it met meanwhile."""
    settings, key = county(url)
    with Process(url) as process:
        load = Load(process.address, key)
        with load.under_way():
            for number in range(OUTAGES):
                wait_for_more(load, process)
                outage(process, number)
                assert httpx.get(f"{process.address}/livez").status_code == 200
                assert eventually(lambda: is_ready(process), 60), load.errors
            wait_for_more(load, process)
        assert load.errors == []
        assert load.waited_s < TOLD_WITHIN_S
        once_and_whole(settings, process, load)
        assert process.process.poll() is None
    print(f"{len(load.told)} kept, {dict(load.answers)}, at most {load.waited_s:.1f} s")
    return load


def is_ready(process: Process) -> bool:
    return httpx.get(f"{process.address}/readyz", timeout=30).status_code == 200


def wait_for_more(load: Load, process: Process) -> None:
    goal = len(load.told) + 5 * WRITERS
    assert eventually(lambda: len(load.told) >= goal or bool(load.errors), 60), process.address
    assert load.errors == []


def once_and_whole(settings: Settings, process: Process, load: Load) -> None:
    """Every acknowledged write is there once, where its answer says, and is told so again."""
    recount = judged(settings)
    for name, answer in load.told.items():
        assert recount.commands[f"clerk/{name}"] == (answer["position"],) * 2
    # One write of each client may have been under way at the end.
    written = [command for command in recount.commands if command.startswith("clerk/W")]
    assert len(load.told) <= len(written) <= len(load.told) + WRITERS
    with httpx.Client(base_url=process.address, timeout=30) as client:
        for name, answer in list(load.told.items())[:: max(1, len(load.told) // 50)]:
            again = load.register(client, name)
            assert again.status_code == 201
            assert again.json() == answer | {"replayed": True}


def seconds(number: int, chance: random.Random) -> float:
    return LONG_OUTAGE_S if number % 4 == 1 else chance.uniform(0.1, 2)


def test_postgresql_stopped_and_started_under_load(server: PostgresServer) -> None:
    chance = random.Random(11)

    def outage(_: Process, number: int) -> None:
        server.stop()
        try:
            time.sleep(seconds(number, chance))
        finally:
            server.start()

    load = play(server.url, outage)
    assert load.answers["write", 503]
    assert load.answers["read", 503]


@contextmanager
def immutable(files: list[Path]) -> Iterator[bool]:
    """Let nobody write to these files; whether the file system and our rights allow that."""
    names = list(map(str, files))
    try:
        found = subprocess.run(["chattr", "+i", *names], capture_output=True, check=False)
        yield found.returncode == 0
    finally:
        subprocess.run(["chattr", "-i", *names], capture_output=True, check=False)


@contextmanager
def full(process: Process) -> Iterator[None]:
    process.take_no_more_bytes()
    try:
        yield
    finally:
        process.take_no_more_bytes(again=True)


def test_a_file_read_only_and_writable_again_under_load(sqlite_url: str) -> None:
    """Where the mark cannot be set, the disk is full instead, as in the next test."""
    chance = random.Random(12)
    name = sqlite_url.removeprefix("sqlite:///")
    files = [Path(name), Path(f"{name}-wal")]

    def outage(process: Process, number: int) -> None:
        with immutable(files) as is_set:
            if is_set:
                time.sleep(seconds(number, chance))
                return
        with full(process):
            time.sleep(seconds(number, chance))

    load = play(sqlite_url, outage)
    assert load.answers["write", 503]
    assert not load.answers["read", 503]


def test_a_full_disk_and_room_again_under_load(sqlite_url: str) -> None:
    chance = random.Random(13)

    def outage(process: Process, number: int) -> None:
        with full(process):
            time.sleep(seconds(number, chance))

    load = play(sqlite_url, outage)
    assert load.answers["write", 503]
    # A read may be the one that would have to write its index anew.
    assert load.answers["read", 200] > 10 * load.answers["read", 503]
