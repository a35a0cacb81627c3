"""The story as the read models know it, and a recount of it that does not know them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from ledger.store.log import LogStore
from projections.database import Reads
from projections.rebuild import digests
from projections.tailer import Tailer
from tests.memory_store import MemoryStore
from tests.recount import Recount
from tests.story import rows_of, tell

ROWS = rows_of(tell())
_MEMORY = MemoryStore()
_MEMORY.rows = ROWS
STORE = cast("LogStore", _MEMORY)
RECOUNT = Recount([row.line() for row in ROWS])


def digests_of(reads: Reads) -> dict[str, str]:
    """The digest of every table in use."""
    with reads.read() as snapshot:
        return digests(snapshot)


def eventually(check: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def following(store: LogStore, reads: Reads) -> Iterator[Tailer]:
    """A tailer at work."""
    tailer = Tailer(store, reads)
    tailer.start()
    try:
        yield tailer
    finally:
        tailer.stop()
