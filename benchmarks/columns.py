"""Recomputation from sealed segments beside decoding the same events with the library.

`python -m benchmarks.columns [DATABASE_URL] [RUNS]`: seals the log there (a demonstration county
in a temporary folder when none is named), recomputes every read model from the segments in
alternation with the library's own mapper decoding a part of the same events, replays a past
position, rebuilds and checks. Events a second of wall time and of processor time: on a machine
with other work only the ratio and the latter mean much.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from benchmarks.library_events import as_stored, decode_all
from ledger.settings import Settings
from ledger.store.log import LogStore
from ledger.store.open import open_store
from projections.database import open_reads
from projections.models import TABLES
from projections.rebuild import rebuild
from projections.replay import replayed
from projections.runner import catch_up
from projections.segments import Segment, seal, sealed, verify

#: Events the library decodes in each run: it is too slow for all of them.
DECODED: Final = 100_000
SCALE: Final = "0.05"


class Took(NamedTuple):
    """How long a work took: seconds on the clock, and of the processors."""

    wall_s: float
    cpu_s: float


def processor_s() -> float:
    """Processor seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def took(work: Callable[[], object]) -> Took:
    """Time a work."""
    wall, cpu = time.perf_counter(), processor_s()
    work()
    return Took(time.perf_counter() - wall, processor_s() - cpu)


def say(work: str, events: int, time_: Took, **more: Any) -> None:
    """A line of JSON."""
    facts: dict[str, Any] = {
        "work": work,
        "events": events,
        "events_per_s": round(events / time_.wall_s),
        "cpu_us_per_event": round(time_.cpu_s / events * 1e6, 3),
        "wall_s": round(time_.wall_s, 2),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(facts | more | {"peak_mib": peak}), flush=True)


def recompute(store: LogStore, segments: list[Segment], position: int) -> None:
    """Every table of every read model."""
    with replayed(store, position, segments=segments) as replay:
        replay.make(*(table.name for table in TABLES))


def beside_the_library(store: LogStore, segments: list[Segment], size: int, runs: int) -> None:
    """Alternating runs; medians, and the median of the ratios."""
    stored = as_stored(store.select_rows(max(0, size // 2 - DECODED), DECODED))
    pairs = [
        (took(lambda: recompute(store, segments, size)), took(lambda: decode_all(stored)))
        for _ in range(runs)
    ]
    ratios = [(size / ours.wall_s) / (len(stored) / theirs.wall_s) for ours, theirs in pairs]
    processor = [(theirs.cpu_s / len(stored)) / (ours.cpu_s / size) for ours, theirs in pairs]
    by_wall = sorted(ours for ours, _ in pairs)
    theirs = sorted(theirs for _, theirs in pairs)
    say(
        "recompute all read models from segments", size, by_wall[runs // 2],
        best_events_per_s=round(size / by_wall[0].wall_s),
        library_decodes_per_s=round(len(stored) / theirs[runs // 2].wall_s),
        ratio=round(statistics.median(ratios), 1),
        ratio_of_processor_time=round(statistics.median(processor), 1), runs=runs,
    )  # fmt: skip


def measure(url: str, runs: int) -> None:
    """Everything, on the log at a URL."""
    settings = Settings(database_url=url)
    store, reads = open_store(settings), open_reads(settings.read_models)
    size = store.head().position
    with TemporaryDirectory() as name:
        folder = Path(name)
        time_ = took(lambda: seal(store, folder, until=size))
        segments = sealed(folder)
        count = sum(file.bytes for segment in segments for file in segment.manifest.files)
        say("seal", size, time_, bytes_per_event=round(count / size, 1), segments=len(segments))
        say("verify segments", size, took(lambda: verify(segments, store)))
        beside_the_library(store, segments, size, runs)
        past = size * 2 // 3
        say("replay a past position", past, took(lambda: recompute(store, segments, past)))
        say("recompute from the live store", size, took(lambda: recompute(store, [], size)))
        catch_up(store, reads)
        say("rebuild from the live store", size, took(lambda: rebuild(store, reads)))
        time_ = took(lambda: rebuild(store, reads, segments=segments))
        say("rebuild from segments", size, time_)
    reads.close()
    store.close()


def main(url: str = "", runs: str = "3") -> None:
    """Measure a log, or a demonstration county."""
    if url:
        measure(url, int(runs))
        return
    with TemporaryDirectory() as name:
        url = f"sqlite:///{name}/county.db"
        program = [sys.executable, "-m", "api.cli.main", "--database", url]
        demo = [*program, "demo", "--scale", SCALE, "--seed", "1"]
        subprocess.run(demo, check=True, stdout=subprocess.DEVNULL, env=os.environ)
        measure(url, int(runs))
        checking = took(lambda: subprocess.run([*program, "check"], check=True))
        print(json.dumps({"work": "check", "wall_s": round(checking.wall_s, 2)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
