"""A second process that checks, numbers, hashes and appends, while this one decides.

The interpreter runs one thread at a time, so a group that is written in the background still takes
turns with the rules. Bulk loads have enough to write to be worth a process; it is started with the
first of them and used once it is ready. It keeps nothing of its own: each request brings the head
it follows, so whatever becomes of the process, the log is what it was or one transaction further,
which is what the writer has to find out after any broken line. Requests and answers are frames of
MessagePack, on the process's standard input and output.
"""

import gc
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import closing, suppress
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.domain.errors import LedgerError, Unavailable
from ledger.frames import read_frame, write_frame
from ledger.settings import Settings
from ledger.store.log import Head, HeadMoved, LogStore, Pending, append_pending
from ledger.store.open import open_store

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

_ENCODER: Final = msgspec.msgpack.Encoder()
_REQUESTS: Final = msgspec.msgpack.Decoder(Pending)


class Answer(Struct, frozen=True):
    """What became of a request: the head after it, or whether another writer was first.

    Any other trouble tells nothing: whoever asked writes again itself, and meets it.
    """

    head: Head | None = None
    is_moved: bool = False


_ANSWERS: Final = msgspec.msgpack.Decoder(Answer)


class Appender:
    """`append_pending`, by a second process where that pays. For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._starts_left = STARTS_MAX if cores() > 1 else 0

    def __call__(self, store: LogStore, pending: Pending) -> Head:
        """Append. Raises as `append_pending`; Unavailable when it is not known what was written."""
        count = len(pending.events)
        if count < (EVENTS_MIN_READY if self._is_ready else EVENTS_MIN) or not self._stands_ready():
            return append_pending(store, pending)
        try:
            answer = self._ask(pending)
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            self.close()
            raise Unavailable(reason="appender") from error
        if answer.is_moved:
            raise HeadMoved
        if answer.head is None:
            raise Unavailable(reason="appender")
        return answer.head

    def _ask(self, pending: Pending) -> Answer:
        """One request and its answer, in bounded time: one that stands still is killed."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        bound = threading.Timer(ANSWER_WAIT_S, process.kill)
        bound.start()
        try:
            write_frame(process.stdin, _ENCODER.encode(pending))
            return _ANSWERS.decode(read_frame(process.stdout))
        finally:
            bound.cancel()

    def _stands_ready(self) -> bool:
        """Whether the process said that it has opened the log; starts it when there is none."""
        if not self._is_ready and self._starts_left > 0:
            try:
                self._is_ready = self._look()
            except (OSError, EOFError):
                self.close()
        return self._is_ready

    def _look(self) -> bool:
        """Start the process, or look for its greeting without waiting. Raises OSError, EOFError."""
        if self._process is None:
            self._starts_left -= 1
            self._process = start(self._settings)
        output = self._process.stdout
        assert output is not None
        if not select.select([output], [], [], 0)[0]:
            return False
        read_frame(output)
        return True

    def close(self) -> None:
        """Let the process finish what it was asked, and end it."""
        process, self._process, self._is_ready = self._process, None, False
        if process is None:
            return
        try:
            process.communicate(timeout=END_WAIT_S)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()


def cores() -> int:
    """Cores this process may use; not every system tells which are its own."""
    own = getattr(os, "sched_getaffinity", None)
    return len(own(0)) if own else os.cpu_count() or 1


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """The process; the settings, which may hold a password, go through its input. Raises OSError.

    `-P`: what lies in the working directory must not stand in for a module of ours.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ledger.appender"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    write_frame(process.stdin, _ENCODER.encode(settings.model_dump(mode="json")))
    return process


def answer_to(store: LogStore, request: bytes) -> Answer:
    """Do what a request asks for."""
    try:
        return Answer(append_pending(store, _REQUESTS.decode(request)))
    except HeadMoved:
        return Answer(is_moved=True)
    except LedgerError:
        return Answer()


def main() -> None:
    """Append what is asked for until the input ends; the last request whole, or not at all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides when to end
    gc.disable()  # rows hold no cycles
    source, output = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may write among the frames
    values: dict[str, Any] = msgspec.msgpack.decode(read_frame(source))
    with closing(open_store(Settings(**values))) as store, suppress(EOFError, BrokenPipeError):
        write_frame(output, b"")
        while True:
            write_frame(output, _ENCODER.encode(answer_to(store, read_frame(source))))


if __name__ == "__main__":
    main()
