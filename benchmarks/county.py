"""The demonstration county made by the command line, figures included."""

from collections.abc import Iterator

from benchmarks.options import Options, run_alone
from benchmarks.places import Places
from benchmarks.running import Row, rounded
from ledger.settings import Settings
from ledger.store.open import open_store

#: Seconds and MiB at scale 1.
SECONDS, PEAK_MIB = 240.0, 2048.0


def size_of(url: str) -> int:
    """Events in a log."""
    store = open_store(Settings(database_url=url))
    count = store.head().position
    store.close()
    return count


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """Time and memory on each database; both are bounds for scale 1."""
    for database in options.databases:
        county = places.county(database, options.county)
        count = size_of(county.url)
        work = f"demonstration county at scale {options.county}"
        note = f"{count:,} events, {count / county.seconds:,.0f}/s with all figures"
        for unit, found, most in (
            ("s", county.seconds, SECONDS * min(1.0, float(options.county))),
            ("MiB at most", county.peak_mib, PEAK_MIB),
        ):
            yield Row(work, database, unit, rounded(found), target=most, is_upper=True, note=note)
            note = ""


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
