"""How benchmarks are run: each work in a process of its own, alternating, medians and ratios.

A work is a function at the top of a module. It gets a place and a size and returns what it
measured; the process adds its peak memory. Timings are told as ratios beside a peer in one run.
"""

import gc
import multiprocessing
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

#: Seconds a single work may take before it is given up.
WORK_S_MAX: Final = 1800.0
KIB_IN_MIB: Final = 1024

Work = Callable[..., "Measured"]


class Measured(Struct):
    """What a work did: so many things in so many seconds, and whatever else it found."""

    count: int
    seconds: float
    more: dict[str, float] = field(default_factory=dict)
    #: Peak memory of the process that did it, in MiB.
    peak_mib: float = 0.0

    @property
    def rate(self) -> float:
        """Things a second."""
        return self.count / self.seconds


class Row(Struct, omit_defaults=True):
    """A line of the table.

    `target` is a lower bound unless `is_upper`: of the ratio if there is a peer, else of ours.
    """

    work: str
    database: str
    unit: str
    ours: float
    peer: str = ""
    peers: float | None = None
    ratio: float | None = None
    target: float | None = None
    is_upper: bool = False
    peak_mib: float | None = None
    runs: int = 1
    note: str = ""

    @property
    def is_reached(self) -> bool | None:
        """Whether the target is reached, None where there is none."""
        found = self.ours if self.ratio is None else self.ratio
        if self.target is None:
            return None
        return found <= self.target if self.is_upper else found >= self.target


class Result(Struct):
    """All that was found: rows by benchmark, what failed, and how long each took in seconds."""

    machine: dict[str, str]
    options: dict[str, Any]
    rows: dict[str, list[Row]] = field(default_factory=dict)
    #: What programs of their own told, line by line.
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def timed(work: Callable[[], int]) -> Measured:
    """Time a work that tells how many things it did."""
    gc.collect()
    began = time.perf_counter()
    count = work()
    return Measured(count, time.perf_counter() - began)


def apart(work: Work, *arguments: Any, timeout_s: float = WORK_S_MAX) -> Measured:
    """Do a work in a fresh process. Raises RuntimeError with what went wrong there."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        if not ours.poll(timeout_s):
            raise RuntimeError(f"{work.__qualname__} took longer than {timeout_s} s")
        told = ours.recv()
    except EOFError:
        raise RuntimeError(f"{work.__qualname__} ended without an answer") from None
    finally:
        if process.is_alive():
            process.join(5)
        if process.is_alive():
            process.kill()
        process.join()
    if isinstance(told, str):
        raise RuntimeError(told)  # noqa: TRY004 (what went wrong, as a text)
    assert isinstance(told, Measured)
    return told


def _do(answer: Connection, work: Work, arguments: Sequence[Any]) -> None:
    # As the program does; for the peers too.
    gc.set_threshold(100_000, 50, 100)
    sys.setswitchinterval(0.0005)
    try:
        measured = work(*arguments)
        measured.peak_mib = peak_mib("self")
        answer.send(measured)
    except BaseException:  # noqa: BLE001 (told to whoever waits)
        answer.send(traceback.format_exc())


def peak_mib(process: int | str) -> float:
    """The peak memory of a process that still lives, in MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / KIB_IN_MIB
    return 0.0


def peaks_mib(process: int) -> float:
    """The peak memory of a process and of those it started that still live, added up, in MiB."""
    try:
        own = peak_mib(process)
        started = [
            int(child)
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return 0.0  # it has ended meanwhile
    return own + sum(map(peaks_mib, started))


def median(values: Sequence[float]) -> float:
    """The median, rounded to four digits that count."""
    return rounded(statistics.median(values))


def rounded(value: float) -> float:
    """A figure with four digits that count."""
    return float(f"{value:.4g}") if abs(value) < 1000 else float(round(value))


class Side(Struct):
    """One of the works that are compared: how it is run once, and what it is called."""

    name: str
    run: Callable[[], Measured]
    #: The ratio ours must reach beside it.
    target: float | None = None


def alternate(
    work: str,
    database: str,
    ours: Callable[[], Measured],
    peers: Sequence[Side],
    runs: int,
    *,
    unit: str = "events/s",
    target: float | None = None,
) -> list[Row]:
    """Alternating runs: a row with our rate, and one for each peer with the median ratio."""
    found: list[tuple[Measured, list[Measured]]] = [
        (ours(), [peer.run() for peer in peers]) for _ in range(runs)
    ]
    rate = median([mine.rate for mine, _ in found])
    peak = median([mine.peak_mib for mine, _ in found])
    first = Row(work, database, unit, rate, target=target, peak_mib=peak or None, runs=runs)
    rows = [first]
    for n, peer in enumerate(peers):
        theirs = median([others[n].rate for _, others in found])
        ratio = median([mine.rate / others[n].rate for mine, others in found])
        row = Row(work, database, unit, rate, peer.name, theirs, ratio, peer.target, runs=runs)
        row.peak_mib = median([others[n].peak_mib for _, others in found]) or None
        rows.append(row)
    return rows
