"""hledger, when it is installed: the balances of the same moves, from a journal of its own form."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.running import Measured
from ledger.log.codec import decode
from ledger.settings import Settings
from ledger.store.log import Row
from ledger.store.open import open_store
from projections.moves import moves

#: Events of the journal: enough for a rate.
EVENTS = 50_000
PAGE = 10_000


def is_installed() -> bool:
    """Whether the program is there."""
    return shutil.which("hledger") is not None


def balance(url: str, journal: Path) -> Measured:
    """All balances of a log's first events; the journal is written beforehand."""
    with journal.open("w") as file:
        for row in _rows(url):
            file.writelines(_entries(row))
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    command = ["hledger", "-f", str(journal), "balance", "--flat", "--no-total"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return Measured(EVENTS, time.perf_counter() - began)


def _rows(url: str) -> Iterator[Row]:
    store = open_store(Settings(database_url=url))
    for after in range(0, EVENTS, PAGE):
        yield from store.select_rows(after, PAGE)
    store.close()


def _entries(row: Row) -> Iterator[str]:
    """A transaction for each move."""
    for move in moves(decode(row.topic, row.state), row.originator_id):
        source, target = move.source.replace("/", ":"), move.target.replace("/", ":")
        quantity = f"{move.quantity} {move.commodity}"
        yield f"{move.day} {row.position}\n  {target}  {quantity}\n  {source}  -{quantity}\n\n"
