"""Waiting until the figures are true at a position, without a thread for each who waits."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from api.errors import Behind
from ledger.domain.errors import InvalidCommand

#: Seconds between two looks while someone waits.
PAUSE_MIN_S: Final = 0.005
PAUSE_MAX_S: Final = 0.05


class Freshness:
    """The position of the figures, looked at by one task for all who wait. For one event loop."""

    def __init__(
        self,
        position: Callable[[], int],
        head: Callable[[], int],
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        """`hurry` tells who brings the figures up to date that someone waits."""
        self._position, self._head, self._hurry = position, head, hurry
        self._seen = 0
        self._moved: asyncio.Task[None] | None = None

    async def reach(self, position: int, timeout_s: float, at: str = "min_position") -> None:
        """Wait until the figures stand at a position, which was asked for in the field `at`.

        Raises Behind, Unavailable, and InvalidCommand for a position the log does not have yet:
        no write was ever answered with it.
        """
        if position <= self._seen:
            return
        head = await run_in_threadpool(self._head)
        if position > head:
            raise InvalidCommand(at, reason="the log is not that long", head=head)
        deadline = time.monotonic() + timeout_s
        while self._seen < position:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Behind(at, position=self._seen)
            if self._moved is None or self._moved.done():
                self._moved = asyncio.ensure_future(self._look(deadline))
            await asyncio.wait({self._moved}, timeout=left)
            if self._moved.done():
                self._moved.result()

    async def _look(self, deadline: float) -> None:
        """Look until the figures have moved on, or until one of those who wait gives up."""
        pause, before = PAUSE_MIN_S, self._seen
        while self._seen == before and time.monotonic() < deadline:
            self._hurry()
            self._seen = max(self._seen, await run_in_threadpool(self._position))
            if self._seen == before:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, PAUSE_MAX_S)
