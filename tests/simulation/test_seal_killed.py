"""Sealing is killed, again and again: what is taken for a segment is whole and of this log."""

import random
import time
from pathlib import Path

import duckdb
import pytest

from ledger.log import merkle
from ledger.settings import Settings
from ledger.store.open import open_store
from projections.columns import LINE
from projections.segments import Segment, seal, sealed, verify
from projections.sums import SUMMED
from tests.simulation.programs import (
    LONG,
    Program,
    found_county,
    notes_in,
    running,
    wait_for_more,
)

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
KILLS = 100 if LONG else 4
#: Seconds a program lives on after it first sealed something, at most.
LIFE_S = 0.5


def root_of(segments: list[Segment]) -> str:
    """The root that the sealed lines hash to."""
    frontier: list[bytes] = []
    size = 0
    for segment in segments:
        sql = f"SELECT {LINE} FROM read_parquet('{segment.columns}') ORDER BY position"
        for (line,) in duckdb.connect().execute(sql).fetchall():
            merkle.extend(frontier, size, merkle.leaf_hash(line.encode()))
            size += 1
    assert size == segments[-1].manifest.last
    return merkle.root(frontier).hex()


def test_no_half_written_segment_is_taken_for_whole(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=sqlite_url)
    found_county(settings)
    load = Program("load", sqlite_url, tmp_path / "load.notes", "load", "40")
    with running(load):
        load.wait()
    notes, folder, chance = tmp_path / "seal.notes", tmp_path / "sealed", random.Random(5)
    store = open_store(settings)
    found = 0
    for _ in range(KILLS):
        program = Program("seal", sqlite_url, notes, str(folder))
        with running(program):
            wait_for_more(notes, program, name="sealed")
            time.sleep(chance.uniform(0, LIFE_S))
        segments = sealed(folder)
        verify(segments, store)
        if segments:
            found += 1
            assert root_of(segments) == segments[-1].manifest.root
    assert [note for note in notes_in(notes) if "error" in note] == []
    assert found
    head = store.head()
    segments = seal(store, folder, until=head.position, events=50)
    assert segments[-1].manifest.root == root_of(segments) == merkle.root(head.frontier).hex()
    assert sorted(path.suffix for path in folder.iterdir()) == sorted(
        [".json", *[".parquet"] * (1 + len(SUMMED))] * len(segments)
    )
