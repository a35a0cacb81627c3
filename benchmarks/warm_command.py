"""A warm command with a county in the ledger, beside the same with ten thousand events."""

import time
from collections.abc import Iterator
from datetime import timedelta

from benchmarks.bulk_load import save_ours
from benchmarks.county import size_of
from benchmarks.options import Options, run_alone
from benchmarks.places import Places
from benchmarks.running import Measured, Row, apart, median, rounded
from benchmarks.services import DAY, REGISTRY
from ledger.application import Ledger
from ledger.domain.commands import (
    LogHours,
    OpenProject,
    RegisterMember,
    RegisterOrganisation,
    SetLimits,
)
from ledger.settings import Settings

TIMES = 1.5
COMMANDS = 400
SMALL_MEMBERS = 125
REGION = "330424001"
DAYS = 300


def small(url: str) -> Measured:
    """A ledger of about ten thousand events."""
    return Measured(save_ours(url, SMALL_MEMBERS, 40), 1.0)


def log(mark: str, n: int) -> LogHours:
    """Entry n of a member in a project of the same name."""
    start = 8 + n // DAYS
    return LogHours(
        member=mark, project=mark, service_on=DAY + timedelta(days=n % DAYS), minutes=60,
        category="elder_care", evidence="system", start=f"{start:02}:00", end=f"{start + 1:02}:00",
    )  # fmt: skip


def prepared(url: str, mark: str) -> Ledger:
    """An open ledger with a member and a project of their own."""
    ledger = Ledger(Settings(database_url=url))
    ledger.execute_many(
        [
            SetLimits(region=REGION, backdating_days=36500, day_minutes_max=900),
            RegisterOrganisation(organisation=mark, name="社工站", org_kind="agency", region="33"),
            OpenProject(
                project=mark, name="邻里助老", organisation=mark, region=REGION,
                categories=("elder_care",), opens_on=DAY,
            ),
            RegisterMember(member=mark, region=REGION),
        ],
        REGISTRY,
    )  # fmt: skip
    return ledger


def commands(*urls: str) -> Measured:
    """One command after the other, by turns in each ledger; `0`, `1` …: their medians in ms."""
    mark = f"W{time.time_ns() % 10**10}"
    ledgers = [prepared(url, mark) for url in urls]
    times: list[list[float]] = [[] for _ in urls]
    began = time.perf_counter()
    for n in range(COMMANDS):
        for ledger, took in zip(ledgers, times, strict=True):
            sent = time.perf_counter()
            ledger.execute(log(mark, n), REGISTRY)
            took.append((time.perf_counter() - sent) * 1000)
    spent = time.perf_counter() - began
    for ledger in ledgers:
        ledger.close()
    medians = {str(n): median(took) for n, took in enumerate(times)}
    return Measured(COMMANDS * len(urls), spent, medians)


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """The ratio of medians on each database, command by command in turn."""
    for database in options.databases:
        large, tiny = places.county(database, options.county).url, places.fresh(database)
        apart(small, tiny)
        runs = [apart(commands, large, tiny).more for _ in range(options.runs)]
        ours, peers = (median([run[n] for run in runs]) for n in ("0", "1"))
        ratio = median([run["0"] / run["1"] for run in runs])
        yield Row(
            f"a warm command with {size_of(large):,} events", database, "ms", ours,
            f"the same with {size_of(tiny):,}", peers, rounded(ratio), TIMES, is_upper=True,
            runs=options.runs,
        )  # fmt: skip


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
