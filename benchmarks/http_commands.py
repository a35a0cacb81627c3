"""Single commands over HTTP with 16 and 64 clients, beside a route that does nothing.

On PostgreSQL also beside the same program with a transaction for each command; and how long the
slowest hundredth takes at half that load.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import msgspec

from benchmarks import services
from benchmarks.load import ask, request
from benchmarks.options import Options, run_alone
from benchmarks.places import POSTGRES, Places
from benchmarks.running import Measured, Row, Side, alternate, apart, median, rounded

CLIENTS = (16, 64)
MEMBERS = 200
DAYS = 300
P99_MS = 50.0
WORK = "single commands over HTTP, {} clients"


def log_hours(number: int) -> bytes:
    """The body of an entry that was never sent before."""
    day = services.DAY + timedelta(days=number // MEMBERS % DAYS)
    body = {
        "member": f"V{number % MEMBERS:06d}", "project": "P001", "service_on": day.isoformat(),
        "minutes": 1, "category": "elder_care", "evidence": "manual", "source": "bench",
        "source_ref": f"r{number}",
    }  # fmt: skip
    return msgspec.json.encode(body)


def ask_to_log(
    url: str,
    key: dict[str, str],
    first: int,
    clients: int,
    pace: tuple[float, float | None],
) -> Measured:
    """Log entry after entry, from a number on, for so many seconds at a rate."""
    seconds, rate = pace
    count = int((rate or 8000) * seconds) + clients
    headers = {"content-type": "application/json", **key}
    requests = [
        request("POST", "/v1/hours", {**headers, "idempotency-key": f"k{n}"}, log_hours(n))
        for n in range(first, first + count)
    ]
    return ask(url, requests, clients, seconds, rate)


class Target:
    """A service with entries still to be logged."""

    def __init__(self, service: services.Service, key: dict[str, str]) -> None:
        self.service, self._key = service, key
        self._next = 0

    def load(self, clients: int, seconds: float, rate: float | None = None) -> Measured:
        """Ask, from a process of its own; the memory is the service's."""
        first, self._next = self._next, self._next + int((rate or 8000) * seconds) + clients
        arguments = self.service.url, self._key, first, clients, (seconds, rate)
        measured = apart(ask_to_log, *arguments)
        measured.peak_mib = self.service.peak_mib
        return measured


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """Rows for each database and number of clients."""
    for database in options.databases:
        with ExitStack() as stack:
            ours, peers = _started(stack, places, database)
            for clients in CLIENTS:
                yield from _measured(ours, peers, options, database, clients)


def _started(
    stack: ExitStack, places: Places, database: str
) -> tuple[Target, list[tuple[str, Target, float]]]:
    """Our service and its peers, all under way: (name, service, ratio asked for)."""

    def target(*, singly: bool = False) -> Target:
        url = places.fresh(database)
        services.prepare(url, MEMBERS)
        key = services.key_for(url)
        return Target(stack.enter_context(services.ours(url, singly=singly)), key)

    nothing = Target(stack.enter_context(services.empty()), {})
    peers = [("an empty FastAPI route", nothing, 0.5)]
    if database == POSTGRES:
        peers.append(("a transaction a command", target(singly=True), 3.0))
    return target(), peers


def _measured(
    ours: Target,
    peers: list[tuple[str, Target, float]],
    options: Options,
    database: str,
    clients: int,
) -> list[Row]:
    def load(target: Target) -> Measured:
        return target.load(clients, options.seconds)

    for each in (ours, *(peer for _, peer, _ in peers)):
        each.load(clients, 1.0)  # first calls compile, connect and fill caches
    sides = [Side(name, lambda peer=peer: load(peer), bound) for name, peer, bound in peers]  # type: ignore[misc]
    runs = min(options.runs, 3)
    work = WORK.format(clients)
    rows = alternate(work, database, lambda: load(ours), sides, runs, unit="commands/s")
    half = rows[0].ours / 2
    slow = [ours.load(clients, options.seconds, half) for _ in range(runs)]
    p50, p99 = (median([each.more[name] for each in slow]) for name in ("p50", "p99"))
    work = f"the same at half that load ({half:,.0f}/s), p99"
    note = f"p50 {rounded(p50)} ms"
    row = Row(work, database, "ms", p99, target=P99_MS, is_upper=True, note=note, runs=runs)
    return [*rows, row]


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
