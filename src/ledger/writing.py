"""The process that decides and writes what another one asks for: the far side of `apart`.

It hosts the very writer that a process has by itself. What it is asked comes in frames on the
socket that stands for its input, and what becomes of it goes back on the same, the answers of a
group in one piece. Its end comes with the end of its input: what it was given by then is finished.
"""

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
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

BUFFER_BYTES: Final = 1 << 18
#: Seconds between two tries to open a log that is not to be reached.
PAUSE_S: Final = 0.2

#: The number of a request and what became of it.
Settled = tuple[int, "Future[Answered] | InvalidCommand"]


class Answers:
    """What is settled and not sent yet.

    Whoever settled a group sends it. A thread for that would have to wait for the interpreter,
    which is the writer's until the next group is under way.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._settled: deque[Settled] = deque()
        self._lock = threading.Lock()

    def add(self, number: int, settled: "Future[Answered] | InvalidCommand") -> None:
        """Keep what became of a request, to be sent."""
        self._settled.append((number, settled))

    def send(self) -> None:
        """Send all of it in one piece. Thread-safe; waits for nobody where there is nothing."""
        if not self._settled:  # or another thread is at it
            return
        with self._lock:
            ready = [self._settled.popleft() for _ in range(len(self._settled))]
            try:
                self._line.sendall(b"".join([frame(_encoded(*each)) for each in ready]))
            except OSError:  # what is lost must not pass for what is still to come
                with suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)


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
            answers.send()
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
        writer = Writer(store, Decider(store), appender, answers.send)
        stack.callback(writer.close)
        with suppress(EOFError, OSError):
            line.sendall(frame(b""))
            serve(source, writer, answers)


if __name__ == "__main__":
    main()
