"""An import is killed at random, again and again: run once more, it adds exactly the rest.

A kill shows that nothing is torn or done twice; that the disk keeps what was committed is the
database's promise, which is checked when the ledger opens.
"""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from api.cli.cells import Cell
from api.cli.importing import run_import
from tests.office import CLERK, SPRING, entries, logged, office, rejected, save

ROOT: Final = Path(__file__).parents[2]
KILLS: Final = 100 if os.environ.get("TEST_LONG") == "1" else 6
MEMBERS: Final = 30
ROWS: Final = 3_000
#: Runs an import in small chunks and says so after each.
PROGRAM: Final = """
import sys
from pathlib import Path
from api.cli import importing
from tests.office import CLERK, office
importing.CHUNK_ROWS = 100
with office(sys.argv[1], create=False) as ledger:
    importing.run_import(ledger, Path(sys.argv[2]), CLERK, progress=lambda n: print(n, flush=True))
"""


def table() -> list[list[Cell]]:
    """Rows of which some come twice, some are amended, and some are of nobody."""
    chance = random.Random(11)
    rows: list[list[Cell]] = []
    for n in range(ROWS):
        member = f"V{n % MEMBERS:03d}" if n % 17 else "V999"
        day = SPRING - timedelta(days=n // MEMBERS)
        rows.append([member, "P001", day, chance.choice(["1小时", "90分钟", "2"]), "elder_care"])
        if n % 10 == 0:
            rows.append([*rows[-1]])
        if n % 25 == 0:
            rows.append([*rows[-1][:3], "3小时", "elder_care"])
    return [["志愿者编号", "项目", "服务日期", "服务时长", "类别"], *rows]


def killed_at_random(url: str, path: Path, chance: random.Random, chunks_max: int) -> int:
    """Start an import, kill it some chunks later; how many chunks it had told of."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    told = 0
    try:
        assert process.stdout is not None
        for _ in range(chance.randint(1, chunks_max)):
            told += bool(process.stdout.readline())
        time.sleep(chance.uniform(0, 0.03))
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return told


@pytest.mark.timeout(1800)
def test_a_killed_import_run_again_adds_exactly_the_rest(
    database_url: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    members = [f"V{n:03d}" for n in range(MEMBERS)]
    path, chance = save(tmp_path, "county", table(), "gb18030"), random.Random(5)
    aside = tmp_path_factory.mktemp("aside")
    with office(f"sqlite:///{aside}/ledger.db", *members) as ledger:
        whole = run_import(ledger, path, CLERK, rejects_path=aside / "r.csv")
        expected, refused = entries(ledger), rejected(aside / "r.csv")
    with office(database_url, *members) as ledger:
        seen = [0]
        for chunks_max in (8, *[30] * (KILLS - 1)):
            assert killed_at_random(database_url, path, chance, chunks_max)
            seen.append(len(entries(ledger)))
        assert seen == sorted(seen)
        assert seen[1] < len(expected), "the first run was not killed in time"
        summary = run_import(ledger, path, CLERK, rejects_path=tmp_path / "r.csv")
        assert (summary.kept, summary.already) == (
            len(expected) - seen[-1], whole.already + seen[-1],
        )  # fmt: skip
        assert entries(ledger) == expected
        assert len({event.entry for event in logged(ledger)}) == len(expected)
        assert rejected(tmp_path / "r.csv") == refused
        assert run_import(ledger, path, CLERK, rejects_path=tmp_path / "r.csv").kept == 0
        assert entries(ledger) == expected
