"""Who calls: from a bearer key to a caller with roles and scopes.

Checking a key costs a few queries, so a caller is remembered for a moment under a
hash of the secret. Writes do not rest on that: the ledger looks at the key again
where it decides, so nothing is written behind a revocation.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from typing import Final

import anyio
from anyio.to_thread import run_sync
from fastapi import Request

from api.call import call_of
from ledger.domain.access import Caller
from ledger.domain.errors import Unauthenticated

#: A secret as `issue_key` makes them; anything else is not looked up.
SECRET: Final = re.compile(r"hl_[0-9a-f]{16}_[A-Za-z0-9_-]{20,64}", re.ASCII)
#: Callers that are remembered at most.
KEPT_MAX: Final = 10_000
#: Look-ups at once. They have threads of their own: slow reads must not hold up every caller.
THREADS: Final = 8


class Keys:
    """Looks up callers, each of them once at a time. For one event loop."""

    def __init__(self, caller_for: Callable[[str], Caller], kept_s: float) -> None:
        self._caller_for = caller_for
        self._kept_s = kept_s
        self._kept: dict[bytes, tuple[Caller, float]] = {}
        self._under_way: dict[bytes, asyncio.Task[Caller]] = {}
        self._threads = anyio.CapacityLimiter(THREADS)

    async def caller(self, secret: str) -> Caller:
        """Who holds this secret. Raises Unauthenticated, Unavailable."""
        # A hash tells nothing of the secrets that almost match it, however long a look-up takes.
        digest = hashlib.sha256(secret.encode()).digest()
        kept = self._kept.get(digest)
        if kept is not None and time.monotonic() < kept[1]:
            return kept[0]
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.ensure_future(self._look_up(secret, digest))
            self._under_way[digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(digest, None))
        return await asyncio.shield(task)

    async def _look_up(self, secret: str, digest: bytes) -> Caller:
        until = time.monotonic() + self._kept_s
        caller = await run_sync(self._caller_for, secret, limiter=self._threads)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[digest] = (caller, until)
        return caller

    def forget(self) -> None:
        """Look up everyone anew: keys were issued or revoked."""
        self._kept.clear()


def secret_of(request: Request) -> str:
    """The bearer key of a request. Raises Unauthenticated when there is none of that form."""
    kind, _, secret = call_of(request).header(b"authorization").partition(" ")
    if kind.lower() != "bearer" or not SECRET.fullmatch(secret):
        raise Unauthenticated
    return secret


def know(request: Request, caller: Caller) -> None:
    """Let log and answer know who calls."""
    call = call_of(request)
    call.holder, call.key = caller.holder, caller.key
