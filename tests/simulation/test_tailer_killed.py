"""The tailer is killed in the middle of its batches: read models equal a rebuild, byte for byte."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.settings import Settings
from ledger.store.open import open_store
from projections.database import Reads, open_reads
from projections.rebuild import rebuild
from projections.runner import catch_up
from tests.comparison import differences
from tests.simulation.programs import (
    LONG,
    Program,
    found_county,
    judged,
    notes_in,
    running,
    wait_for_more,
    wait_until,
)
from tests.wishes import today

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
KILLS = 200 if LONG else 8
LIFE_S = 0.3


@contextmanager
def reads_of(settings: Settings) -> Iterator[Reads]:
    reads = open_reads(settings.read_models)
    try:
        yield reads
    finally:
        reads.close()


def test_a_killed_tailer_loses_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    found_county(settings)
    notes, chance = tmp_path / "tail.notes", random.Random(11)
    load = Program("load", settings.database_url, tmp_path / "load.notes", "load", "-1")
    with running(load):
        for _ in range(KILLS):
            tailer = Program("tail", settings.database_url, notes, str(chance.choice([1, 7, 50])))
            with running(tailer):
                wait_for_more(notes, tailer, load, name="position", by=2)
                time.sleep(chance.uniform(0, LIFE_S))
    assert [note for note in notes_in(notes) if "error" in note] == []
    store, recount = open_store(settings), judged(settings)
    with reads_of(settings) as reads:
        assert reads.position > 0
        assert catch_up(store, reads) == recount.position
        with reads.read() as snapshot:
            assert differences(recount, snapshot, today().isoformat()) == []
        assert rebuild(store, reads).differences == []


def test_two_tailers_at_once_are_as_good_as_one(settings: Settings, tmp_path: Path) -> None:
    """Each goes on from where the other is; none doubles what the other wrote."""
    found_county(settings)
    load = Program("load", settings.database_url, tmp_path / "load.notes", "load", "30")
    paths = [tmp_path / f"tail{n}.notes" for n in range(2)]
    tailers = [Program("tail", settings.database_url, path, "5") for path in paths]
    with running(load, *tailers):
        load.wait()
        recount = judged(settings)
        with reads_of(settings) as reads:
            wait_until(lambda: reads.position == recount.position, *tailers)
    assert [note for path in paths for note in notes_in(path) if "error" in note] == []
    with reads_of(settings) as reads:
        with reads.read() as snapshot:
            assert differences(recount, snapshot, today().isoformat()) == []
        assert rebuild(open_store(settings), reads).differences == []
