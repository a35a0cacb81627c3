"""Recomputation from sealed segments of the demonstration county, beside decoding its events.

Sealed, recomputed in alternation with the library's own mapper decoding a part of the same
events, recomputed at a past position, rebuilt from and checked. The segments are alike whatever
the database is, so one is enough.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.library_events import as_stored, decode_all
from benchmarks.options import Options, run_alone
from benchmarks.places import Places, hourledger
from benchmarks.running import Measured, Row, Side, alternate, apart, rounded, timed
from ledger.settings import Settings
from ledger.store.open import open_store
from projections.database import open_reads
from projections.models import TABLES
from projections.rebuild import rebuild
from projections.replay import replayed
from projections.segments import seal, sealed, verify

RATE, TIMES = 2_000_000, 15.0
#: Events the library decodes in each run: it is too slow for all of them.
DECODED = 100_000


def seal_all(url: str, folder: Path) -> Measured:
    """Seal the whole log; `bytes` of an event."""
    store = open_store(Settings(database_url=url))
    size = store.head().position

    def work() -> int:
        seal(store, folder, until=size)
        return size

    measured = timed(work)
    files = [file for each in sealed(folder) for file in each.manifest.files]
    measured.more["bytes"] = sum(file.bytes for file in files) / size
    store.close()
    return measured


def recompute(url: str, folder: Path, share: float) -> Measured:
    """Every table of every read model, at the position behind a share of the log."""
    store = open_store(Settings(database_url=url))
    segments = sealed(folder)
    position = round(segments[-1].manifest.last * share)

    def work() -> int:
        verify(segments, store)
        with replayed(store, position, segments=segments) as replay:
            replay.make(*(table.name for table in TABLES))
        return position

    measured = timed(work)
    store.close()
    return measured


def decode(url: str) -> Measured:
    """Some events in the middle of the log, decoded by the library."""
    store = open_store(Settings(database_url=url))
    middle = max(0, store.head().position // 2 - DECODED)
    stored = as_stored(store.select_rows(middle, DECODED))
    store.close()
    return timed(lambda: decode_all(stored))


def rebuild_from(url: str, folder: Path) -> Measured:
    """All read models rebuilt from segments, compared and swapped."""
    settings = Settings(database_url=url)
    store, reads = open_store(settings), open_reads(settings.read_models)
    measured = timed(lambda: rebuild(store, reads, segments=sealed(folder)).position)
    reads.close()
    store.close()
    return measured


def check(url: str, events: int) -> Measured:
    """The command line's own check of all that is stored."""
    began = time.perf_counter()
    subprocess.run([hourledger(), "--database", url, "check"], check=True, capture_output=True)
    return Measured(events, time.perf_counter() - began)


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """Rows for the first database."""
    database = options.databases[0]
    url, folder = places.county(database, options.county).url, places.folder_named()
    sealing = apart(seal_all, url, folder)
    note = f"{rounded(sealing.more['bytes'])} bytes an event"
    yield _row("seal", database, sealing, note)
    yield from alternate(
        "recompute all read models from segments", database,
        lambda: apart(recompute, url, folder, 1.0),
        [Side("the library decodes the same events", lambda: apart(decode, url), TIMES)],
        options.runs, target=RATE,
    )  # fmt: skip
    past = apart(recompute, url, folder, 2 / 3)
    yield _row("recompute at a past position", database, past, f"position {past.count:,}")
    yield _row("rebuild from segments", database, apart(rebuild_from, url, folder))
    yield _row("check all that is stored", database, check(url, sealing.count))


def _row(work: str, database: str, found: Measured, note: str = "") -> Row:
    took = f"{found.seconds:,.1f} s"
    note = f"{took}; {note}" if note else took
    peak = rounded(found.peak_mib) or None
    return Row(work, database, "events/s", rounded(found.rate), peak_mib=peak, note=note)


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
