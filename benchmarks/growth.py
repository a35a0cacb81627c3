"""How cost grows with the log: load, a warm command, reads and bytes an event, size by size."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bulk_load import save_ours
from benchmarks.options import Options, run_alone
from benchmarks.places import Places
from benchmarks.plot import Line, plot
from benchmarks.running import Measured, Row, apart, rounded
from benchmarks.storage import parts_of
from benchmarks.warm_command import commands
from ledger.settings import Settings
from ledger.store.open import open_store
from projections.balances import member_balance
from projections.database import open_reads
from projections.participation import participation
from projections.runner import catch_up
from projections.totals import totals

SMALLEST = 10_000
#: From here on there is something to plot.
PLOTTED = 100_000
ENTRIES = 40
READS = 200
#: Microseconds of each work by size of the log.
WORKS = ("load an event", "fold an event", "warm command", "balance", "totals", "people")


def grown(url: str, events: int) -> Measured:
    """Load a log of a size, fold it, read from it; microseconds of each."""
    members = max(1, events // (1 + 2 * ENTRIES))
    began = time.perf_counter()
    count = save_ours(url, members, ENTRIES)
    loaded = time.perf_counter() - began
    settings = Settings(database_url=url)
    store, reads = open_store(settings), open_reads(settings.read_models)
    began = time.perf_counter()
    catch_up(store, reads)
    folded = time.perf_counter() - began

    def read(work: Callable[..., object]) -> float:
        times = []
        for n in range(READS):
            asked = time.perf_counter()
            with reads.read() as snapshot:
                work(snapshot, n)
            times.append(time.perf_counter() - asked)
        return statistics.median(times) * 1e6

    found = {
        "load an event": loaded / count * 1e6,
        "fold an event": folded / count * 1e6,
        "balance": read(lambda s, n: member_balance(s, f"V{n * members // READS:06d}")),
        "totals": read(lambda s, _: totals(s)),
        "people": read(lambda s, _: participation(s)),
    }
    reads.close()
    store.close()
    return Measured(count, loaded, found)


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """Rows for each size, and the plot of all."""
    lines: dict[tuple[str, str], Line] = {}
    for database in options.databases:
        events = SMALLEST
        while events <= options.growth:
            url = places.fresh(database)
            measured = apart(grown, url, events)
            found = measured.more
            found["warm command"] = apart(commands, url).more["0"] * 1000
            live = sum(size for part, size in parts_of(url).items() if part != "figures")
            places.drop(url)
            for what in WORKS:
                line = lines.setdefault((what, database), Line(what, database))
                line.points.append((measured.count, found[what]))
                yield Row(
                    f"{what}, {events:,} events", database, "µs", rounded(found[what]),
                    peak_mib=measured.peak_mib if what == "load an event" else None,
                )  # fmt: skip
            size = rounded(live / measured.count)
            yield Row(f"live store, {events:,} events", database, "bytes/event", size)
            events *= 10
    if options.growth >= PLOTTED:
        Path("docs/growth.svg").write_text(plot(list(lines.values())))


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
