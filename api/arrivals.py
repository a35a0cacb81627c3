"""Answers of the writer, brought to the event loop a group at a time.

To wake the loop costs a system call, and the writer's thread answers whole groups at once: one
call is enough for all of them, and none is needed for what the loop itself has read from the
writer's process. Nobody waits for ever: each who waits has a bound.
"""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future

from ledger.domain.errors import CommandInFlight
from ledger.store.requests import Answered

Waiter = asyncio.Future[Answered]


class Arrivals:
    """What has been answered and not been told yet. For one event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        #: The loop's.
        self._thread = 0
        self._arrived: deque[tuple[Waiter, Future[Answered]]] = deque()
        self._is_woken = False
        #: Who waits until when, in this order, and some who were told: one timer is enough for all.
        self._waiting: deque[tuple[Waiter, float]] = deque()
        self._is_timed = False

    async def wait(self, future: "Future[Answered]") -> Answered:
        """The answer. Raises what the writer refused it with, CommandInFlight after the bound."""
        if future.done():
            return future.result()
        loop = self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        waiter: Waiter = loop.create_future()
        future.add_done_callback(lambda done: self._arrive(waiter, done))
        self._forget_told()
        self._waiting.append((waiter, loop.time() + self._timeout_s))
        if not self._is_timed:
            self._time(loop)
        return await waiter

    def _forget_told(self) -> None:
        """Drop those in front who wait no more."""
        while self._waiting and self._waiting[0][0].done():
            self._waiting.popleft()

    def _time(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again when the first wait ends, if anyone waits."""
        self._is_timed = bool(self._waiting)
        if self._waiting:
            loop.call_at(self._waiting[0][1], self._give_up, loop)

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those whose wait is over."""
        while self._waiting and (self._waiting[0][0].done() or self._waiting[0][1] <= loop.time()):
            waiter, _ = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(CommandInFlight("idempotency-key"))
        self._time(loop)

    def _arrive(self, waiter: Waiter, future: "Future[Answered]") -> None:
        """Tell on the loop; from the writer's thread wake it, unless it is woken already."""
        if threading.get_ident() == self._thread:
            _tell(waiter, future)
            return
        self._arrived.append((waiter, future))
        if not self._is_woken and self._loop is not None and not self._loop.is_closed():
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._tell_all)

    def _tell_all(self) -> None:
        # First, so that whoever arrives while this runs wakes the loop again.
        self._is_woken = False
        while self._arrived:
            _tell(*self._arrived.popleft())


def _tell(waiter: Waiter, future: "Future[Answered]") -> None:
    """Tell who waits, unless the wait is over."""
    if waiter.done():
        return
    error = future.exception()
    if error is None:
        waiter.set_result(future.result())
    else:
        waiter.set_exception(error)
