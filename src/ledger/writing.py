"""The process that decides and writes what another one asks for: the far side of `apart`.

It hosts the very writer that a process has by itself. What it is asked comes in frames on the
socket that stands for its input, and what becomes of it goes back on the same; several answers
that are ready go in one piece. Its end comes with the end of its input: what it was given by then
is finished.
"""

import gc
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import IO, Any, Final, cast

import msgspec

from ledger.appender import Appender
from ledger.crossing import decode_asked, encode_answer, encode_error, request_of
from ledger.decider import Decider
from ledger.domain.errors import InvalidCommand, LedgerError, Unavailable
from ledger.frames import frame, read_frame
from ledger.settings import Settings
from ledger.store.open import open_store
from ledger.store.recorder import LogRecorder
from ledger.store.requests import Answered
from ledger.store.writer import PATIENCE_S, Writer

#: Answers that go in one piece at most.
ANSWERS_MAX: Final = 256
BUFFER_BYTES: Final = 1 << 18
#: Seconds between two tries to open a log that is not to be reached.
PAUSE_S: Final = 0.2

#: The number of a request and what became of it.
Settled = tuple[int, "Future[Answered] | InvalidCommand"]


class Answers:
    """Sends what is settled, in a thread of its own, so that the writer waits for nobody."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._settled: queue.SimpleQueue[Settled | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger-answers", daemon=True)
        self._thread.start()

    def add(self, number: int, settled: "Future[Answered] | InvalidCommand") -> None:
        """Send what became of a request."""
        self._settled.put((number, settled))

    def close(self) -> None:
        """Send what is settled, then stop."""
        self._settled.put(None)
        self._thread.join()

    def _run(self) -> None:
        with suppress(OSError):  # who asked is gone, and the input ends as well
            while ready := list(self._ready()):
                self._line.sendall(b"".join(frame(_encoded(*each)) for each in ready))

    def _ready(self) -> Iterator[Settled]:
        """Wait for something that is settled, and take along what else is. Nothing when closed."""
        settled = self._settled.get()
        for left in reversed(range(ANSWERS_MAX)):
            if settled is None:
                self._settled.put(None)
                return
            yield settled
            if not left or self._settled.empty():
                return
            settled = self._settled.get()


def _encoded(number: int, settled: "Future[Answered] | InvalidCommand") -> bytes:
    if isinstance(settled, InvalidCommand):
        return encode_error(number, settled)
    error = settled.exception()
    if error is None:
        return encode_answer(number, settled.result())
    if not isinstance(error, LedgerError):
        sys.excepthook(type(error), error, error.__traceback__)
    return encode_error(number, error)


def serve(source: IO[bytes], writer: Writer, answers: Answers) -> None:
    """Hand over what is asked until the input ends."""
    while True:
        asked = decode_asked(read_frame(source))
        try:
            request = request_of(asked)
        except InvalidCommand as refusal:
            answers.add(asked.number, refusal)
            continue
        request.future.add_done_callback(lambda done, n=asked.number: answers.add(n, done))  # type: ignore[misc]
        writer.submit(request)


def open_in_patience(settings: Settings) -> LogRecorder:
    """Open the log; an outage need not have ended yet. Raises Unavailable when it lasts."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return open_store(settings)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)


def main() -> None:
    """Write what is asked for until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever asks decides when to end
        signal.signal(number, signal.SIG_IGN)
    # As the program does.
    gc.set_threshold(100_000, 50, 100)
    sys.setswitchinterval(0.0005)
    line = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # no process of this one may hold the line
    source = cast("IO[bytes]", line.makefile("rb", BUFFER_BYTES))
    with line, source, ExitStack() as stack:
        values: dict[str, Any] = msgspec.msgpack.decode(read_frame(source))
        settings = Settings(**values)
        store = open_in_patience(settings)
        stack.callback(store.close)
        appender = Appender(settings)
        stack.callback(appender.close)
        answers = Answers(line)
        stack.callback(answers.close)
        writer = Writer(store, Decider(store), appender)
        stack.callback(writer.close)
        with suppress(EOFError, OSError):
            line.sendall(frame(b""))
            serve(source, writer, answers)


if __name__ == "__main__":
    main()
