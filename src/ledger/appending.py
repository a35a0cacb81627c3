"""The process that checks, numbers, hashes and appends: `python -P -m ledger.appending`.

One thread makes the next request ready while another one is in the database. A request that follows
the one before it is numbered behind it before that is written, so where one fails, every request
that follows it fails too, however well its positions would fit: another process may have written
exactly as many events. Only a request that brings a head of its own begins anew.
"""

import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from typing import IO, Final

import msgspec
from msgspec import Struct

from ledger.domain.errors import CorruptLog, LedgerError
from ledger.frames import read_frame, write_frame
from ledger.store.log import Batch, Head, HeadMoved, LogStore, Pending, numbered
from ledger.store.open import open_store
from ledger.store.place import Place, parse_url

#: Requests that are ready and wait for the database; one more is being made ready.
READY_MAX: Final = 1
#: Seconds after which one thread lets the other one go on: what waits for the database is not to
#: wait for the rows of the next request as well.
TURN_S: Final = 0.0001

encode: Final = msgspec.msgpack.Encoder().encode


class Where(Struct, frozen=True):
    """Which log to append to; without what makes settings slow to load."""

    database_url: str
    log_schema: str | None

    @property
    def log(self) -> Place:
        """The place."""
        return parse_url(self.database_url, self.log_schema)


class Asked(Struct, frozen=True, array_like=True):
    """A request. With `follows` it stands behind the one before it, whose end is known here only.

    The head of `pending` then tells the position alone.
    """

    pending: Pending
    follows: bool = False


class Answer(Struct, frozen=True):
    """What became of a request: the head after it, or whether another writer was first.

    Any other trouble tells nothing: whoever asked writes again itself, and meets it.
    """

    head: Head | None = None
    is_moved: bool = False


class Chain(Struct):
    """Requests of which each follows the one before it, up to the first that failed."""

    is_broken: bool = False


class Ready(Struct, frozen=True):
    """A request to be written; without a batch it is one that would not read back."""

    chain: Chain
    batch: Batch | None = None
    after: Head | None = None


_REQUESTS: Final = msgspec.msgpack.Decoder(Asked)


class Numberer:
    """Makes requests ready, in their order. What it numbers is not written yet."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._chain = Chain(is_broken=True)
        self._head = Head(0, None, ())

    def ready(self, asked: Asked) -> Ready:
        """Check, number and hash, behind the request before it or behind the head it brings."""
        if not asked.follows:
            self._chain, self._head = Chain(), asked.pending.head
        elif asked.pending.head.position != self._head.position:
            return Ready(self._chain)
        try:
            batch, self._head = numbered(asked.pending._replace(head=self._head))
        except CorruptLog:
            return Ready(self._chain)
        return Ready(self._chain, self._store.made_ready(batch), self._head)


def answer_to(store: LogStore, ready: Ready) -> Answer:
    """Write what is ready, unless what it follows was not written."""
    chain, batch = ready.chain, ready.batch
    if chain.is_broken:
        return Answer(is_moved=True)
    chain.is_broken = True  # until it is known to be written
    if batch is None:
        return Answer()
    try:
        store.append(batch)
    except HeadMoved:
        return Answer(is_moved=True)
    except LedgerError:
        return Answer()
    chain.is_broken = False
    return Answer(ready.after)


def make_ready(
    numberer: Numberer, source: IO[bytes], put: Callable[[Ready | None], object]
) -> None:
    """Make one request after the other ready, and nothing when there are no more."""
    try:
        with suppress(EOFError):
            while True:
                put(numberer.ready(_REQUESTS.decode(read_frame(source))))
    finally:
        put(None)


def serve(store: LogStore, source: IO[bytes], output: IO[bytes]) -> None:
    """Append what is asked for until the input ends; the last request whole, or not at all."""
    waiting: queue.Queue[Ready | None] = queue.Queue(READY_MAX)
    making = partial(make_ready, Numberer(store), source, waiting.put)
    threading.Thread(target=making, name="ledger-ready", daemon=True).start()
    while (ready := waiting.get()) is not None:
        write_frame(output, encode(answer_to(store, ready)))


def main() -> None:
    """Open the log that is named first, say so, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides when to end
    gc.disable()  # rows hold no cycles
    sys.setswitchinterval(TURN_S)
    # Streams of our own: nothing else may write among the frames, and the interpreter, when it
    # ends, must not wait for a thread that still reads.
    source, output = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    where = msgspec.msgpack.decode(read_frame(source), type=Where)
    with closing(open_store(where)) as store, suppress(BrokenPipeError):
        write_frame(output, b"")
        serve(store, source, output)


if __name__ == "__main__":
    main()
