"""Groups of a bulk load are appended by a second process, while this one decides.

The interpreter runs one thread at a time, so a group that is written in the background still takes
turns with the rules. Bulk loads have enough to write to be worth a process (`appending`); it is
started with the first of them and used once it is ready. Groups are sent to it before those ahead
of them are answered, so that it always has one to number while it writes another. It keeps nothing
but where the last one ended: whatever becomes of the process, the log is what it was or some whole
groups further, which is what the writer has to find out after any broken line. Requests and answers
are frames of MessagePack, on the process's standard input and output.
"""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Final

import msgspec

from ledger.appending import Answer, Asked, Where, encode
from ledger.domain.errors import Unavailable
from ledger.frames import Receiver, send_frame, widen
from ledger.store.flight import Flight, Landing, append_here
from ledger.store.log import Head, HeadMoved, LogStore
from ledger.store.open import LogSettings

#: From here on a round trip to another process is cheaper than taking turns with it.
EVENTS_MIN: Final = 500
#: A process that stands ready is asked for smaller groups too: while one connection alone writes,
#: what it has read stays right.
EVENTS_MIN_READY: Final = 20
#: A process that fails this often is not started again.
STARTS_MAX: Final = 3
#: Seconds a transaction of it may take: far more than the database itself allows for.
ANSWER_WAIT_S: Final = 120.0
#: Seconds it may take to finish when it is told to.
END_WAIT_S: Final = 60.0

_ANSWERS: Final = msgspec.msgpack.Decoder(Answer)


class Appender:
    """`append_here`, by a second process where that pays."""

    def __init__(self, log: LogSettings) -> None:
        self._where = Where(log.database_url, log.log_schema)
        self.process: Process | None = None
        self._starts_left = STARTS_MAX if cores() > 1 else 0

    def __call__(self, store: LogStore, flight: Flight) -> Landing:
        """Begin to append. Raises HeadMoved when what is ahead failed, and waits for it if need be.

        The landing raises as `append_pending`, and Unavailable when it is not known what was
        written; by then the process writes no more.
        """
        process = self.process_for(len(flight.pending.events))
        if process is None:
            return append_here(store, flight)
        follows = flight.ahead is not None and flight.ahead.sent_to is process
        asked = Asked(flight.pending if follows else flight.placed(), follows)
        process.send(encode(asked))
        flight.sent_to = process
        return process.answer

    def process_for(self, count: int) -> "Process | None":
        """A process that stands ready to append so many events, None where it does not pay.

        None too while it is not ready yet; where there is none, one is started.
        """
        process = self.process
        is_ready = process is not None and process.stands_ready()
        if process is not None and process.is_down:
            process = self.process = None
        if count < (EVENTS_MIN_READY if is_ready else EVENTS_MIN):
            return None
        if process is None and self._starts_left > 0:
            self._starts_left -= 1
            with suppress(OSError):
                self.process = Process(start())
                self.process.send(encode(self._where))
        return process if is_ready else None

    def close(self) -> None:
        """Let the process finish what it was asked, and end it."""
        process, self.process = self.process, None
        if process is not None:
            process.close()


class Process:
    """A process that appends. One thread sends, another one waits for the answers."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """`process` has just been started, with unbuffered pipes."""
        self._process = process
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._answers = Receiver(self._output.fileno())
        os.set_blocking(self._input.fileno(), False)
        widen(self._input.fileno())
        #: Held while something is sent, so that no descriptor is closed under it.
        self._sending = threading.Lock()
        self._is_closed = False
        #: It said that it has opened the log.
        self.is_ready = False
        #: Nothing more is to be sent to it.
        self.is_down = False

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def send(self, content: bytes) -> None:
        """Send a request. Trouble is told where the answer is waited for."""
        with self._sending:
            try:
                if not self.is_down:
                    send_frame(self._input.fileno(), content, ANSWER_WAIT_S)
            except OSError:
                self.is_down = True
                self.kill()

    def answer(self) -> Head:
        """Wait for the next answer. Raises HeadMoved, Unavailable."""
        try:
            answer = _ANSWERS.decode(self._receive())
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            self.close()
            raise Unavailable(reason="appender") from error
        if answer.is_moved:
            raise HeadMoved
        if answer.head is None:
            raise Unavailable(reason="appender")
        return answer.head

    def _receive(self) -> bytes:
        """The next frame, in bounded time: a process that stands still is killed."""
        if self._is_closed:
            raise EOFError
        try:
            return self._answers.frame(ANSWER_WAIT_S)
        except TimeoutError:
            self.kill()
            raise

    def stands_ready(self) -> bool:
        """Whether it can be sent to; looks for its greeting without waiting."""
        if not self.is_ready:
            try:
                self.is_ready = self._answers.has_arrived() and self._receive() == b""
            except (OSError, EOFError):
                self.is_down = True
            if self.is_down:  # nothing was sent to it that somebody waits for
                self.close()
        return self.is_ready and not self.is_down

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Let it finish what it was asked, and wait for its end."""
        with self._sending:
            self.is_down = True
            self._input.close()
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._process.wait(END_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


def cores() -> int:
    """Cores this process may use; not every system tells which are its own."""
    own = getattr(os, "sched_getaffinity", None)
    return len(own(0)) if own else os.cpu_count() or 1


def start() -> "subprocess.Popen[bytes]":
    """The process; where the log lies, maybe with a password, goes through its input. OSError.

    `-P`: what lies in the working directory must not stand in for a module of ours.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ledger.appending"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
