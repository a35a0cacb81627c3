"""Breaks connections that a frozen server leaves waiting.

The server's own timeouts end slow statements and the network's ends silence on
the wire; neither helps when the server's process stands still.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

#: Seconds between two looks.
LOOK_EVERY_S: Final = 1.0


class Watch:
    """Shuts the socket of whatever takes longer than `limit_s` seconds. Thread-safe."""

    def __init__(self, limit_s: Callable[[], float]) -> None:
        self._limit_s = limit_s
        self._since: dict[int, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, descriptor: int) -> Iterator[None]:
        """Watch one socket while something is waited for on it."""
        with self._lock:
            self._since[descriptor] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="ledger-watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._since[descriptor]

    def _look(self) -> None:
        while not self._closed.wait(LOOK_EVERY_S):
            # Held meanwhile, so that no descriptor is closed and given to another connection.
            with self._lock:
                latest = time.monotonic() - self._limit_s()
                for descriptor in [d for d, since in self._since.items() if since < latest]:
                    _shut(descriptor)

    def close(self) -> None:
        """End the watch."""
        self._closed.set()


def _shut(descriptor: int) -> None:
    """End both directions; whoever waits on it is told that the connection is gone."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
