"""A bounded pool of connections that a failure leaves as it was.

Connections are opened when asked for, in the caller's thread and time: no
worker threads, no waiting for a background reconnect. Whatever fails, an open
included, gives its slot back; what is not usable afterwards is closed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, Self, TypeVar

from ledger.domain.errors import Unavailable


class Closable(Protocol):
    """What a pool holds."""

    def close(self) -> None:
        """Release it."""


C = TypeVar("C", bound=Closable)


class Pool(Generic[C]):
    """Up to `size` connections at once; who waits longer than `wait_s` seconds is told so."""

    def __init__(
        self,
        connect: Callable[[], C],
        is_usable: Callable[[C], bool],
        *,
        size: int,
        wait_s: float,
    ) -> None:
        self._connect = connect
        self._is_usable = is_usable
        self._wait_s = wait_s
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[C] = []
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[C]:
        """A connection for one thread. Raises Unavailable, or what `connect` raises."""
        if not self._slots.acquire(timeout=self._wait_s):
            raise Unavailable(reason="connections")
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._slots.release()

    def _take(self) -> C:
        """The connection used last, a new one when none of the idle ones is alive."""
        while True:
            with self._lock:
                if self._closed:
                    raise Unavailable(reason="closed")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            if self._is_usable(connection):
                return connection
            connection.close()

    def _give_back(self, connection: C) -> None:
        is_usable = self._is_usable(connection)
        with self._lock:
            if is_usable and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def open(self, wait: bool = False, timeout: float = 0) -> None:
        """Nothing to do: connections are opened when asked for. The library calls this."""

    def __enter__(self) -> Self:
        """As `open`: the library's datastore hands its `with` on."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is idle now, and the rest when it is given back. May be called again."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
