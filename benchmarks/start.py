"""How long `hourledger --help` takes."""

import subprocess
import time
from collections.abc import Iterator

from benchmarks.options import Options, run_alone
from benchmarks.places import Places, hourledger
from benchmarks.running import Row, median

SECONDS = 0.4
RUNS = 9


def benchmark(_: Places, __: Options) -> Iterator[Row]:
    """One row; it touches no database."""
    times = []
    for _run in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run([hourledger(), "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    yield Row(
        "hourledger --help", "", "s", median(times[1:]), target=SECONDS, is_upper=True, runs=RUNS
    )


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
