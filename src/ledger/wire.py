"""The line to the writer's process, and who looks at it: a thread, or the event loop of a service.

An event loop that looks itself needs no thread that takes the interpreter from it.
"""

import asyncio
import os
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

#: What is asked for at once on a line, either way.
BUFFER_BYTES: Final = 1 << 20
#: Seconds after which a line that takes no more is looked at again.
ROOM_WAIT_S: Final = 1.0


class Line:
    """A socket to a writer's process, started with its other end as input. Never waits."""

    def __init__(self) -> None:
        """Start the process. Raises OSError.

        `-P`: what lies in the working directory must not stand in for a module of ours.
        """
        self._socket, theirs = socket.socketpair()
        with theirs:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                for end in (self._socket, theirs):
                    end.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
            self._socket.settimeout(0)
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "ledger.writing"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                )
            except OSError:
                self._socket.close()
                raise
        self._unsent = bytearray()
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def add(self, content: bytes) -> None:
        """Say what is to be sent, by `send`."""
        with self._lock:
            self._unsent += content

    def send(self) -> bool:
        """Send what there is room for; whether that was all. A line that is broken takes all."""
        with self._lock:
            while self._unsent:
                try:
                    sent = self._socket.send(self._unsent)
                except BlockingIOError:
                    return False
                except OSError:
                    sent = len(self._unsent)
                del self._unsent[:sent]
        return True

    def receive(self) -> bytes | None:
        """What has come in; None for nothing yet, empty when the process is gone."""
        try:
            return self._socket.recv(BUFFER_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def finish(self) -> None:
        """Say that there is no more to come."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self, wait_s: float) -> None:
        """Give the process so many seconds to end, then end it."""
        self._socket.close()
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Watch(Protocol):
    """Who looks at the line."""

    def follow(self, line: Line | None) -> None:
        """Call back whenever something comes in on this line, and no more for the one before."""

    def send(self, line: Line) -> None:
        """See to it that all of a line is sent."""

    def stop(self) -> None:
        """Look no more."""


class WatchingThread:
    """A thread that looks at the line; who sends waits for room."""

    def __init__(self, come: Callable[[], None]) -> None:
        self._come = come
        self._line: Line | None = None
        self._is_stopping = False
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="ledger-answers", daemon=True)
        self._thread.start()

    def follow(self, line: Line | None) -> None:
        """Look at this line from now on."""
        self._line = line
        os.write(self._wake, b".")

    def send(self, line: Line) -> None:
        """Send, and wait until all is sent or the line is broken."""
        if line.send():
            return
        with selectors.DefaultSelector() as selector:
            selector.register(line, selectors.EVENT_WRITE)
            while not line.send():
                selector.select(ROOM_WAIT_S)

    def stop(self) -> None:
        """Look no more."""
        self._is_stopping = True
        os.write(self._wake, b".")
        if threading.current_thread() is not self._thread:
            self._thread.join()
        os.close(self._woken)
        os.close(self._wake)

    def _run(self) -> None:
        while not self._is_stopping:
            line = self._line
            with selectors.DefaultSelector() as selector:
                selector.register(self._woken, selectors.EVENT_READ)
                if line is not None:
                    selector.register(line, selectors.EVENT_READ)
                while self._line is line and not self._is_stopping:
                    self._look(selector)

    def _look(self, selector: selectors.BaseSelector) -> None:
        for key, _ in selector.select():
            if key.fileobj == self._woken:
                os.read(self._woken, 1)
            else:
                self._come()


class WatchingLoop:
    """An event loop that looks at the line between other things; nobody waits for room."""

    def __init__(self, loop: asyncio.AbstractEventLoop, come: Callable[[], None]) -> None:
        """To be made on the loop."""
        self._loop, self._come = loop, come
        self._line: Line | None = None
        self._thread = threading.get_ident()
        #: Whether the line is to be sent at the next turn, and whether it waits for room.
        self._is_due = self._is_waiting = False

    def follow(self, line: Line | None) -> None:
        """Look at this line from now on. To be called on the loop."""
        if self._line is not None:
            self._loop.remove_reader(self._line)
            self._loop.remove_writer(self._line)
        self._line, self._is_waiting = line, False
        if line is not None:
            self._loop.add_reader(line, self._come)

    def send(self, line: Line) -> None:
        """Send at the next turn of the loop, with what else comes until then."""
        del line  # whichever is followed by then
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self._send)
        elif not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send)

    def stop(self) -> None:
        """Look no more. To be called on the loop."""
        self.follow(None)

    def _send(self) -> None:
        self._is_due = False
        if self._line is None:  # what is not sent yet is sent by whoever follows it next
            return
        is_all = self._line.send()
        if is_all == self._is_waiting:
            self._is_waiting = not is_all
            if is_all:
                self._loop.remove_writer(self._line)
            else:
                self._loop.add_writer(self._line, self._send)
