"""What every benchmark can be told: sizes, runs, databases; and how one is run alone."""

import argparse
from collections.abc import Callable, Iterator

from msgspec import Struct

from benchmarks import places
from benchmarks.places import DATABASES, Places
from benchmarks.running import Row
from benchmarks.table import table


class Options(Struct, frozen=True):
    """`scale` multiplies all sizes but that of the county, whose scale is its own."""

    scale: float = 1.0
    runs: int = 3
    county: str = "1"
    growth: int = 10_000_000
    seconds: float = 3.0
    databases: tuple[str, ...] = DATABASES

    def sized(self, count: int) -> int:
        """So many at scale 1."""
        return max(1, round(count * self.scale))


Benchmark = Callable[[Places, Options], Iterator[Row]]


def parser(about: str) -> argparse.ArgumentParser:
    """The options of the command line."""
    made = Options()
    found = argparse.ArgumentParser(description=about)
    found.add_argument("--scale", type=float, default=made.scale, help="multiplies the sizes")
    found.add_argument("--runs", type=int, default=made.runs, help="alternating runs of each")
    found.add_argument("--county", default=made.county, help="scale of the county that is read")
    found.add_argument("--growth", type=int, default=made.growth, help="events to grow to")
    found.add_argument("--seconds", type=float, default=made.seconds, help="of each HTTP load")
    found.add_argument("--database", choices=DATABASES, action="append", help="only this one")
    return found


def options_of(told: argparse.Namespace) -> Options:
    """The options that were given."""
    return Options(
        scale=told.scale,
        runs=told.runs,
        county=told.county,
        growth=told.growth,
        seconds=told.seconds,
        databases=tuple(told.database or DATABASES),
    )


def run_alone(benchmark: Benchmark, about: str | None) -> None:
    """Run one benchmark and print its table."""
    options = options_of(parser(about or "").parse_args())
    with places.opened() as where:
        print(table(benchmark(where, options)))
