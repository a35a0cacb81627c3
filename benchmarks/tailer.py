"""The tailer in a process of its own while a bulk load runs at full speed."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.bulk_load import load
from benchmarks.options import Options, run_alone
from benchmarks.places import Places, hourledger
from benchmarks.running import Row, apart, median
from ledger.application import Ledger
from ledger.settings import Settings
from projections.database import open_reads

BEHIND_S = 5.0
WAIT_S = 600.0


@contextmanager
def following(url: str) -> Iterator[None]:
    """The tailer of the command line, under way."""
    command = [hourledger(), "--database", url, "project"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def behind(url: str, ended: float) -> float:
    """Seconds from the end of the load until the figures are true at the end of the log."""
    settings = Settings(database_url=url)
    ledger, reads = Ledger(settings), open_reads(settings.read_models)
    head = ledger.store.head().position
    while reads.position < head:
        if time.time() - ended > WAIT_S:
            raise RuntimeError("the tailer did not catch up")
        time.sleep(0.02)
    took = time.time() - ended
    reads.close()
    ledger.close()
    return took


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """Rows for each database."""
    members = options.sized(5000)
    runs = min(options.runs, 3)
    for database in options.databases:
        took, rates = [], []
        for _ in range(runs):
            url = places.fresh(database)
            Ledger(Settings(database_url=url), create=True).close()
            with following(url):
                loaded = apart(load, url, members, 40)
                took.append(behind(url, loaded.more["ended"]))
            rates.append(loaded.rate)
            places.drop(url)
        note = f"{loaded.count:,} events loaded at {median(rates):,.0f}/s meanwhile"
        yield Row(
            "tailer caught up after bulk load at full speed", database, "s", median(took),
            target=BEHIND_S, is_upper=True, note=note, runs=runs,
        )  # fmt: skip


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
