"""PostgreSQL is stopped as by a crash and started again, while two programs load it.

Nothing that was acknowledged is lost; whoever asks meanwhile is told so in bounded time; and both
programs and the tailer go on by themselves, without being started again.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.settings import Settings
from ledger.store.open import open_store
from projections.database import open_reads
from projections.rebuild import rebuild
from projections.runner import catch_up
from tests.comparison import differences
from tests.postgres_server import PostgresServer
from tests.simulation.programs import (
    LONG,
    Program,
    found_county,
    judged,
    notes_in,
    once_and_whole,
    running,
    wait_for_more,
    wait_until,
)
from tests.wishes import today

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
OUTAGES = 20 if LONG else 2
#: Seconds within which a caller must have been told, however long the outage.
TOLD_WITHIN_S = 30.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of our own, since others would not like it to be stopped."""
    made = PostgresServer()
    yield made
    made.end()


def test_an_outage_loses_nothing_and_ends_by_itself(server: PostgresServer, tmp_path: Path) -> None:
    settings, chance = Settings(database_url=server.url), random.Random(13)
    found_county(settings)
    paths = [tmp_path / f"load{n}.notes" for n in range(2)]
    loads = [
        Program("load", settings.database_url, path, f"load{n}", "-1")
        for n, path in enumerate(paths)
    ]
    tailer = Program("tail", settings.database_url, tmp_path / "tail.notes", "50")
    with running(*loads, tailer):
        wait_for_more(tailer.notes_path, tailer, name="position", than=0)  # it has opened both
        for outage in range(OUTAGES):
            for load in loads:
                wait_for_more(load.notes_path, *loads, tailer, by=5)
            server.stop()
            # Longer at times than the writer itself is patient for.
            time.sleep(6 if outage % 4 == 1 else chance.uniform(0.1, 2))
            server.start()
        for load in loads:
            wait_for_more(load.notes_path, *loads, tailer, by=5)
        known = open_store(settings).head().position
        wait_until(lambda: notes_in(tailer.notes_path)[-1]["position"] >= known, tailer)
    told = [note for path in paths for note in notes_in(path)]
    recount = judged(settings)
    once_and_whole(recount, told)
    waits = [note["seconds"] for note in told if "unavailable" in note]
    assert waits, "the long outage was noticed by nobody"
    assert max(waits) < TOLD_WITHIN_S
    reads, store = open_reads(settings.read_models), open_store(settings)
    assert catch_up(store, reads) == recount.position
    with reads.read() as snapshot:
        assert differences(recount, snapshot, today().isoformat()) == []
    assert rebuild(store, reads).differences == []
    reads.close()
