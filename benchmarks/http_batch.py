"""The batch endpoint over HTTP: entries as lines, a result line for each."""

from collections.abc import Iterator

import httpx
import msgspec

from benchmarks import services
from benchmarks.http_commands import MEMBERS, log_hours
from benchmarks.options import Options, run_alone
from benchmarks.places import Places
from benchmarks.running import Measured, Row, apart, median, timed

RATE = 30_000


def send(url: str, key: dict[str, str], first: int, lines: int) -> Measured:
    """Send one batch and read its result lines."""
    body = b"".join(
        b'{"op":"log_hours",' + log_hours(n)[1:] + b"\n" for n in range(first, first + lines)
    )
    headers = {"content-type": "application/x-ndjson", "idempotency-key": f"b{first}", **key}

    def work() -> int:
        answer = httpx.post(
            f"{url}/v1/batch?on_error=continue", content=body, headers=headers, timeout=600
        )
        results = [msgspec.json.decode(line) for line in answer.content.splitlines()]
        assert len(results) == lines, answer.text[:500]
        assert all(result["outcome"] == "done" for result in results), results[0]
        return lines

    return timed(work)


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """A row for each database."""
    lines = options.sized(60_000)
    for database in options.databases:
        url = places.fresh(database)
        services.prepare(url, MEMBERS)
        key = services.key_for(url)
        with services.ours(url) as service:
            found = [
                apart(send, service.url, key, n * lines, lines) for n in range(options.runs + 1)
            ]
            rate = median([each.rate for each in found[1:]])
            yield Row(
                "batch endpoint over HTTP", database, "commands/s", rate, target=RATE,
                peak_mib=service.peak_mib, runs=options.runs,
            )  # fmt: skip


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
