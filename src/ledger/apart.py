"""The writer in a process of its own, so that the rules share no interpreter with who asks.

One interpreter runs one thread at a time: an event loop, the parsing of a file or the making of
requests takes turns with the rules. Here requests go to a second process that hosts the very same
writer (`writing`), and answers come back. Whatever becomes of that process, another one is
started and asked again for all that is not answered, in order: the command ids see to it that
everything has its effect once. Where no process will stay, a writer in this one takes over.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final

import msgspec
from msgspec import Struct

from ledger.crossing import answer_of, decode_told, encode_request, error_of
from ledger.domain.errors import Unavailable
from ledger.frames import Incoming, frame
from ledger.settings import Settings
from ledger.store.requests import Answered, Request
from ledger.store.writer import Writer
from ledger.wire import Line, Watch, WatchingLoop, WatchingThread

#: Processes that are started one after the other without an answer from any.
STARTS_MAX: Final = 3
#: Processes that a request is given to, before whoever asked is told.
TRIES_MAX: Final = 3
#: Seconds without any answer after which a process is ended that owes one.
ANSWER_WAIT_S: Final = 120.0
#: Seconds between looks at that.
LOOK_EVERY_S: Final = 5.0
#: Seconds it may take to finish when it is told to.
END_WAIT_S: Final = 60.0

log = logging.getLogger(__name__)


class Sent(Struct, eq=False):
    """A request that is not answered yet."""

    request: Request
    content: bytes
    tries: int = 1


class WriterApart:
    """As `Writer`, in a process of its own. Thread-safe: `submit`, `close`."""

    def __init__(self, settings: Settings, otherwise: Callable[[], Writer]) -> None:
        """Start the process. `otherwise` makes the writer that takes over when none will stay."""
        self._settings = settings
        self._otherwise = otherwise
        self._here: Writer | None = None
        #: Guards what is sent, and by which line.
        self._lock = threading.RLock()
        self._unanswered: dict[int, Sent] = {}
        self._next = 0
        self._heard_at = time.monotonic()
        self._incoming = Incoming()
        self._line: Line | None = None
        self._starts_left = STARTS_MAX
        self._is_closed = False
        self._ended = threading.Event()
        self._ready = threading.Event()
        self._watch: Watch = WatchingThread(self._come)
        with self._lock:
            self._start()
        threading.Thread(target=self._guard, name="ledger-guard", daemon=True).start()

    @property
    def is_ready(self) -> bool:
        """Whether the process said that it has opened the log."""
        return self._ready.is_set()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until it is ready, or a writer in this process had to take over."""
        return self.is_here or self._ready.wait(timeout_s)

    @property
    def is_here(self) -> bool:
        """Whether a writer in this process had to take over."""
        return self._here is not None

    @property
    def pid(self) -> int | None:
        """The process, None where there is none."""
        return self._line.process.pid if self._line is not None else None

    def submit(self, request: Request) -> "Future[Answered]":
        """Hand a request over; its future gives the answer, or raises a LedgerError."""
        with self._lock:
            if self._is_closed:
                raise Unavailable
            request.future.set_running_or_notify_cancel()  # from here on it cannot be called off
            if self._here is not None:
                self._do_here(request, self._here)
                return request.future
            if not self._unanswered:
                self._heard_at = time.monotonic()
            self._next += 1
            sent = Sent(request, frame(encode_request(self._next, request)))
            self._unanswered[self._next] = sent
            self._send(sent.content)
        return request.future

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let this loop look at the answers; on it they are then told. To be called on the loop."""
        self._change(WatchingLoop(loop, self._come))

    def detach(self) -> None:
        """Let a thread look at the answers again. To be called on the loop."""
        self._change(WatchingThread(self._come))

    def close(self) -> None:
        """Finish what was submitted, then end the process. Not while a loop is attached."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            waiting = [sent.request.future for sent in list(self._unanswered.values())]
        wait(waiting)
        self._ended.set()
        with self._lock:
            line, self._line = self._line, None
            self._ready.clear()
            if line is not None:
                self._watch.follow(None)
                line.finish()
                line.close(END_WAIT_S)
        self._watch.stop()
        if self._here is not None:
            self._here.close()

    # what comes in; whoever watches calls this, and nobody else at the same time

    def _come(self) -> None:
        line = self._line
        piece = line.receive() if line is not None else None
        if piece is None:
            return
        try:
            for content in self._incoming.take(piece):
                self._take(content)
        except msgspec.MsgspecError:
            piece = b""
        if not piece:
            self._revive()

    def _take(self, content: bytes) -> None:
        """Tell whoever waits for it; an empty frame says that the log is open."""
        self._heard_at = time.monotonic()
        if not content:
            self._ready.set()
            return
        told = decode_told(content)
        self._starts_left = STARTS_MAX
        request = self._unanswered.pop(told.number).request
        if told.failed is None:
            request.future.set_result(answer_of(told, request.command_id))
        else:
            request.future.set_exception(error_of(told.failed))

    def _guard(self) -> None:
        """End a process that stands still; that it is gone is then seen as always."""
        while not self._ended.wait(LOOK_EVERY_S):
            line = self._line
            late = time.monotonic() - self._heard_at > ANSWER_WAIT_S
            if line is not None and late and self._unanswered:
                line.process.kill()

    # the process

    def _change(self, watch: Watch) -> None:
        self._watch.stop()
        with self._lock:
            self._watch = watch
            watch.follow(self._line)
            if self._line is not None:  # whoever watched may have left something to be sent
                watch.send(self._line)

    def _send(self, content: bytes) -> None:
        assert self._line is not None
        self._line.add(content)
        self._watch.send(self._line)

    def _start(self) -> None:
        """Start a process and give it all that is not answered; where none starts, do it here.

        The settings, which may hold a password, go over the line.
        """
        while self._line is None and self._starts_left > 0:
            self._starts_left -= 1
            try:
                self._line = Line()
            except OSError as error:
                log.warning("the writer's process did not start: %s", error)
        if self._line is None:
            self._retreat()
            return
        self._incoming = Incoming()
        self._heard_at = time.monotonic()
        self._watch.follow(self._line)
        told = msgspec.msgpack.encode(self._settings.model_dump(mode="json"))
        self._send(frame(told) + b"".join(sent.content for sent in self._unanswered.values()))

    def _revive(self) -> None:
        """The process is gone: another one does what it left."""
        lost: list[Request] = []
        with self._lock:
            line, self._line = self._line, None
            if line is None:
                return
            self._watch.follow(None)
            line.process.kill()
            line.close(END_WAIT_S)
            log.warning("the writer's process ended with %s", line.process.returncode)
            if self.is_ready:  # before that it was given nothing
                lost = self._count_tries()
            self._ready.clear()
            self._start()
        for request in lost:
            request.future.set_exception(Unavailable(reason="writer"))

    def _count_tries(self) -> list[Request]:
        """What has been with too many processes that ended: one of these may be why."""
        for sent in self._unanswered.values():
            sent.tries += 1
        lost = [number for number, sent in self._unanswered.items() if sent.tries > TRIES_MAX]
        return [self._unanswered.pop(number).request for number in lost]

    def _retreat(self) -> None:
        """No process will stay: write in this one from now on."""
        log.warning("the writer works in this process from now on")
        self._here = self._otherwise()
        unanswered, self._unanswered = self._unanswered, {}
        for sent in unanswered.values():
            self._do_here(sent.request, self._here)

    def _do_here(self, request: Request, writer: Writer) -> None:
        """Have the writer of this process do it, and tell as it is told."""

        def tell(done: "Future[Answered]") -> None:
            error = done.exception()
            if error is None:
                request.future.set_result(done.result())
            else:
                request.future.set_exception(error)

        try:
            own = msgspec.structs.replace(request, is_decoded=True, future=Future())
            writer.submit(own).add_done_callback(tell)
        except Exception as error:  # noqa: BLE001  told to whoever waits
            request.future.set_exception(error)
