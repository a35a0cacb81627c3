"""`python -m benchmarks`: the whole table, as JSON after each benchmark and as Markdown at the end.

A benchmark that fails is told in the table and stops nothing. Sizes, runs and what is run can be
chosen; each benchmark is a module of its own that can be run alone as well.
"""

import os
import platform
import subprocess
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import (
    bulk_load,
    columns,
    county,
    growth,
    http_batch,
    http_commands,
    http_reads,
    options,
    places,
    rebuild,
    start,
    storage,
    tailer,
    warm_command,
)
from benchmarks.document import written
from benchmarks.options import Benchmark, Options
from benchmarks.places import Places
from benchmarks.running import Result, Row
from benchmarks.table import table

#: In this order: what uses the county comes after it was made.
BENCHMARKS: dict[str, Benchmark] = {
    "start": start.benchmark,
    "bulk_load": bulk_load.benchmark,
    "http_commands": http_commands.benchmark,
    "http_batch": http_batch.benchmark,
    "tailer": tailer.benchmark,
    "county": county.benchmark,
    "http_reads": http_reads.benchmark,
    "rebuild": rebuild.benchmark,
    "columns": columns.benchmark,
    "storage": storage.benchmark,
    "warm_command": warm_command.benchmark,
    "growth": growth.benchmark,
}
#: Programs of their own, which print lines of JSON.
PROGRAMS = ("proofs", "hidden", "verify_bundle")
PROGRAM_S_MAX = 900


def main() -> int:
    """Run what is asked for; 1 when a benchmark failed."""
    parser = options.parser(__doc__ or "")
    names = [*BENCHMARKS, *PROGRAMS]
    parser.add_argument("--only", choices=names, action="append", help="only this benchmark")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="results")
    parser.add_argument("--document", type=Path, help="Markdown file to write the results into")
    told = parser.parse_args()
    chosen = told.only or names
    result = Result(machine=_machine(), options=msgspec.to_builtins(options.options_of(told)))
    with places.opened() as where:
        for name in chosen:
            _run(name, where, options.options_of(told), result)
            told.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    print(table([row for rows in result.rows.values() for row in rows]))
    for name, error in result.failed.items():
        print(f"{name} failed:\n{error}", file=sys.stderr)
    if told.document is not None:
        told.document.write_text(written(told.document, result))
    return 1 if result.failed else 0


def _run(name: str, where: Places, chosen: Options, result: Result) -> None:
    """Run one benchmark, tell how it goes, keep what it found before it failed."""
    began = time.perf_counter()
    rows: list[Row] = result.rows.setdefault(name, [])
    try:
        if name in PROGRAMS:
            result.told[name] = _lines_of(name)
            return
        for row in BENCHMARKS[name](where, chosen):
            rows.append(row)
            print(f"{name}: {table([row]).splitlines()[-1]}", file=sys.stderr, flush=True)
    except Exception:  # noqa: BLE001 (told at the end; the other benchmarks go on)
        result.failed[name] = traceback.format_exc()
        print(f"{name} failed", file=sys.stderr, flush=True)
    finally:
        result.seconds[name] = round(time.perf_counter() - began, 1)


def _lines_of(name: str) -> list[dict[str, Any]]:
    """What a program of its own tells."""
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(
        command, check=True, capture_output=True, timeout=PROGRAM_S_MAX, text=True
    )
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def _machine() -> dict[str, str]:
    """What it was run on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
    }


if __name__ == "__main__":
    sys.exit(main())
