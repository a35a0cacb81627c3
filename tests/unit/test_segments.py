"""Segments: what is sealed, what is taken for sealed, and what is not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import duckdb
import msgspec
import pytest

from ledger.domain.errors import BadSegment, CorruptLog
from ledger.log import merkle
from ledger.store.log import LogStore
from projections.moments import Moment
from projections.past import Pasts, folded
from projections.rebuild import digests
from projections.replay import replayed
from projections.segments import (
    File,
    Manifest,
    Segment,
    cells_of,
    check_whole,
    opened,
    seal,
    sealed,
    verify,
)
from projections.sums import SUMMED, wrong_sums
from tests.memory_store import MemoryStore
from tests.told import ROWS, STORE

EVENTS = 25


def store_of(rows: list[object]) -> LogStore:
    memory = MemoryStore()
    memory.rows = rows  # type: ignore[assignment]
    return cast("LogStore", memory)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The first sixty events in three segments, the last of ten."""
    seal(STORE, tmp_path / "sealed", until=60, events=EVENTS)
    return tmp_path / "sealed"


def bounds(segments: list[Segment]) -> list[tuple[int, int]]:
    return [(each.manifest.first, each.manifest.last) for each in segments]


def folded_until(position: int) -> dict[str, str]:
    with folded(ROWS, Moment(position)) as snapshot:
        return digests(snapshot)


def test_segments_follow_each_other_and_say_the_root_at_their_end(folder: Path) -> None:
    segments = sealed(folder)
    assert bounds(segments) == [(1, 25), (26, 50), (51, 60)]
    frontier: list[bytes] = []
    for size, row in enumerate(ROWS[:60]):
        merkle.extend(frontier, size, merkle.leaf_hash(row.line()))
    assert segments[-1].manifest.root == merkle.root(frontier).hex()
    assert segments[-1].manifest.frontier == tuple(node.hex() for node in frontier)
    verify(segments, STORE)


def test_sealing_goes_on_and_replaces_a_last_segment_that_is_not_full(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.glob("*1-*25.*")}
    segments = seal(STORE, folder, until=80, events=EVENTS)
    assert bounds(segments) == [(1, 25), (26, 50), (51, 75), (76, 80)]
    assert segments == sealed(folder)
    assert len(list(folder.iterdir())) == 4 * (2 + len(SUMMED))
    assert {path: path.read_bytes() for path in folder.glob("*1-*25.*")} == before


def test_what_was_opened_is_read_though_it_is_replaced(folder: Path) -> None:
    with opened(STORE, folder) as segments:
        assert bounds(segments) == [(1, 25), (26, 50), (51, 60)]
        seal(STORE, folder, until=80, events=EVENTS)
        assert not (folder / segments[-1].columns.name).exists()
        verify(segments, STORE)
        with replayed(STORE, 70, segments=segments) as replay:
            assert digests(replay.snapshot()) == folded_until(70)


@pytest.mark.parametrize("position", [55, 70])
def test_pasts_are_told_on_though_what_was_sealed_is_replaced(folder: Path, position: int) -> None:
    pasts = Pasts(STORE, sealed=folder, replayed_from=1)
    with pasts.at(Moment(60)) as snapshot:
        assert digests(snapshot) == folded_until(60)
    seal(STORE, folder, until=80, events=EVENTS)
    with pasts.at(Moment(position)) as snapshot:
        assert digests(snapshot) == folded_until(position)
    pasts.close()


def test_those_who_seal_at_once_take_turns(tmp_path: Path) -> None:
    """Each would replace what the one before has written."""
    goals = (30, 41, 52, 63)
    with ThreadPoolExecutor(len(goals)) as threads:
        running = [
            threads.submit(seal, STORE, tmp_path, until=until, events=EVENTS) for until in goals
        ]
        for each in running:
            each.result()
    segments = sealed(tmp_path)
    assert bounds(segments) == [(1, 25), (26, 50), (51, 63)]
    verify(segments, STORE)
    assert len(list(tmp_path.iterdir())) == len(segments) * (2 + len(SUMMED))
    cells: list[Path] = []
    for segment in segments:
        assert wrong_sums(segment.columns, segment.sums, cells) is None
        cells += cells_of([segment])


def test_sealing_what_is_sealed_does_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert bounds(seal(STORE, folder, until=60, events=EVENTS))[-1] == (51, 60)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_what_was_sealed_in_another_form_is_sealed_anew(folder: Path) -> None:
    """Whatever the manifests of that form said, and whatever else lay beside the columns."""
    for path in folder.glob("*.json"):
        path.write_text('{"form": "of old", "file": "and more"}')
    left = second(folder, "totals.parquet")
    left.rename(left.with_name(left.name.replace("totals", "of_old")))
    assert sealed(folder) == []
    assert bounds(seal(STORE, folder, until=60, events=EVENTS)) == [(1, 25), (26, 50), (51, 60)]
    assert not list(folder.glob("*of_old*"))
    verify(sealed(folder), STORE)


@pytest.mark.parametrize("table", SUMMED)
def test_sums_that_are_not_those_of_the_columns_are_found(table: str, tmp_path: Path) -> None:
    """A row too many, too few, or another one."""
    (segment,) = seal(STORE, tmp_path, until=len(ROWS))
    path = segment.sums[table]
    assert wrong_sums(segment.columns, segment.sums, []) is None
    last = SUMMED[table].names()[-1]
    others = {"trail": "'AA'::BLOB", "cells": "'AA'"}
    other = f"{last} || {others[table]}" if table in others else f"{last} + 1"
    rows = f"FROM read_parquet('{path}')"
    for query in (
        f"{rows} UNION ALL ({rows} LIMIT 1)",
        f"{rows} ORDER BY ALL OFFSET 1",
        f"SELECT * REPLACE ({other} AS {last}) {rows}",
    ):
        wrong = path.with_suffix(".wrong")
        duckdb.connect().execute(f"COPY ({query}) TO '{wrong}' (FORMAT parquet)")
        assert wrong_sums(segment.columns, segment.sums | {table: wrong}, []) == table


def second(folder: Path, suffix: str) -> Path:
    return next(folder.glob(f"*26-*50.{suffix}"))


def changed(folder: Path, **fields: object) -> None:
    path = second(folder, "json")
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, **fields)))


#: What happens to the second segment, after which only the first one counts.
UNSEALED: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda folder: second(folder, "json").unlink(),
    "no columns": lambda folder: second(folder, "parquet").unlink(),
    "no sums": lambda folder: second(folder, "totals.parquet").unlink(),
    "columns of another form": lambda folder: changed(folder, form="0" * 16),
    "a gap in front of it": lambda folder: changed(folder, first=27),
}


@pytest.mark.parametrize("name", UNSEALED)
def test_what_does_not_follow_is_not_sealed(name: str, folder: Path) -> None:
    UNSEALED[name](folder)
    assert bounds(sealed(folder)) == [(1, 25)]
    segments = seal(STORE, folder, until=60, events=EVENTS)
    assert bounds(segments) == [(1, 25), (26, 50), (51, 60)]
    verify(sealed(folder), STORE)


#: What happens to the first two segments, and what of it is told.
GONE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a manifest in front": (lambda folder: manifest_of(folder, 1).unlink(), "from 1 on"),
    "a manifest in the middle": (lambda folder: manifest_of(folder, 26).unlink(), "from 26 on"),
    "events in the middle": (lambda folder: changed(folder, first=27), "from 26 on"),
}


def manifest_of(folder: Path, first: int) -> Path:
    (path,) = folder.glob(f"{first:012}-*.json")
    return path


@pytest.mark.parametrize("name", GONE)
def test_what_is_gone_in_front_of_a_segment_is_missed(name: str, folder: Path) -> None:
    """The log has it still, but it was sealed to be kept."""
    check_whole(folder)
    lose, where = GONE[name]
    lose(folder)
    with pytest.raises(BadSegment) as raised:
        check_whole(folder)
    assert where in str(raised.value.facts["error"])
    seal(STORE, folder, until=60, events=EVENTS)  # again, from the log
    check_whole(folder)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def other_digest(folder: Path) -> File:
    manifest = msgspec.json.decode(second(folder, "json").read_bytes(), type=Manifest)
    return msgspec.structs.replace(manifest.columns, sha256="0" * 64)


def fewer_sums(folder: Path) -> dict[str, File]:
    manifest = msgspec.json.decode(second(folder, "json").read_bytes(), type=Manifest)
    return {name: file for name, file in manifest.sums.items() if name != "totals"}


#: What is refused by name.
BAD: dict[str, Callable[[Path], object]] = {
    "a bit of the columns": lambda folder: flip(second(folder, "parquet")),
    "a byte of the columns too few": lambda folder: cut(second(folder, "parquet")),
    "a bit of the sums": lambda folder: flip(second(folder, "totals.parquet")),
    "a byte of the sums too few": lambda folder: cut(second(folder, "trail.parquet")),
    "a manifest that is none": lambda folder: second(folder, "json").write_bytes(b"{"),
    "another digest": lambda folder: changed(folder, columns=other_digest(folder)),
    "a table of sums too few": lambda folder: changed(folder, sums=fewer_sums(folder)),
    "another frontier": lambda folder: changed(folder, frontier=()),
    "another root": lambda folder: changed(folder, root="0" * 64),
    "a field too many": lambda folder: second(folder, "json").write_bytes(b'{"x":1}'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_segment_that_is_not_what_its_manifest_says_is_named(name: str, folder: Path) -> None:
    BAD[name](folder)
    with pytest.raises(BadSegment) as raised:
        verify(sealed(folder), STORE)
    assert "26-" in str(raised.value.facts["file"])


def test_segments_of_another_log_are_refused(folder: Path) -> None:
    other = [ROWS[0]._replace(hashes=bytes(32)), *ROWS[1:]]
    with pytest.raises(BadSegment):
        verify(sealed(folder)[:1], store_of([*other[:24], ROWS[24]._replace(hashes=bytes(32))]))


def test_lines_that_are_not_those_of_the_tree_are_not_sealed(tmp_path: Path) -> None:
    changed_rows = [*ROWS[:9], ROWS[9]._replace(topic="LimitsSet"), *ROWS[10:]]
    with pytest.raises(CorruptLog):
        seal(store_of([*changed_rows]), tmp_path, until=20)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_is_no_json_is_not_sealed(tmp_path: Path) -> None:
    row = ROWS[0]._replace(state=b'{"no json')
    row = row._replace(hashes=merkle.leaf_hash(row.line()))
    with pytest.raises(CorruptLog):
        seal(store_of([row]), tmp_path, until=1)
    assert list(tmp_path.iterdir()) == []
