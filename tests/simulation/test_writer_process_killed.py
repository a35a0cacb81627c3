"""The writer's process is killed at random under load: nobody who asks hears of it.

Nothing is lost, nothing is done twice, and no request is refused for it.
"""

import os
import random
import signal
import time
from pathlib import Path
from typing import Final

import pytest

from api.cli import importing
from api.cli.importing import run_import
from ledger import application
from ledger.application import Ledger
from ledger.settings import Settings
from tests.http_load import Load
from tests.http_service import issue, listening, open_ledger
from tests.integration.test_http_writes import BASIS
from tests.integration.test_import_killed import MEMBERS, table
from tests.office import CLERK, entries, office, rejected, save
from tests.simulation.programs import LONG, PATIENCE_S, judged

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3600)]
KILLS: Final = 60 if LONG else 3


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "cores", lambda: 2)


def writers() -> list[int]:
    """Processes of this one that write for it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid() and b"ledger.writing" in command:
            found.append(int(folder.name))
    return found


def test_killed_under_http_load(settings: Settings) -> None:
    open_ledger(settings, *BASIS)
    key = issue(settings, "clerk", "admin")
    chance = random.Random(7)
    with listening(settings, apart=True) as address:
        load = Load(address, key)
        with load.under_way():
            for _ in range(KILLS):
                told, deadline = len(load.told), time.monotonic() + PATIENCE_S
                while len(load.told) < told + 30:
                    assert time.monotonic() < deadline, load.errors
                    time.sleep(chance.uniform(0.001, 0.02))
                (writer,) = writers()
                os.kill(writer, signal.SIGKILL)
        assert len(writers()) == 1
    assert load.errors == []
    assert {status for what, status in load.answers if what == "write"} <= {200, 201}
    commands = judged(settings).commands
    assert len(load.told) > 30 * KILLS
    for name, answer in load.told.items():
        assert commands[f"clerk/{name}"] == (answer["first_position"], answer["first_position"])
    assert sum(name.startswith("clerk/W") for name in commands) == len(load.told)


def test_killed_under_an_import(
    settings: Settings,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes of it is what would have come of it undisturbed."""
    members = [f"V{n:03d}" for n in range(MEMBERS)]
    path, chance = save(tmp_path, "county", table(), "utf-8"), random.Random(3)
    aside = tmp_path_factory.mktemp("aside")
    with office(f"sqlite:///{aside}/ledger.db", *members) as ledger:
        whole = run_import(ledger, path, CLERK, rejects_path=aside / "r.csv")
        expected, refused = entries(ledger), rejected(aside / "r.csv")
    monkeypatch.setattr(importing, "CHUNK_ROWS", 100)
    killed: list[int] = []

    def advance(_: int) -> None:
        if len(killed) < KILLS and chance.random() < 0.3:
            killed.extend(writers())
            os.kill(killed[-1], signal.SIGKILL)
            time.sleep(chance.uniform(0.3, 0.6))

    with office(settings.database_url, *members):
        pass
    with Ledger(settings, apart=True) as ledger:
        found = run_import(ledger, path, CLERK, rejects_path=tmp_path / "r.csv", progress=advance)
        assert len(set(killed)) >= min(KILLS, 3)
        # What a process that was killed had done counts as done before.
        assert found.kept + found.already == whole.kept + whole.already
        assert entries(ledger) == expected
        assert rejected(tmp_path / "r.csv") == refused
    judged(settings)
