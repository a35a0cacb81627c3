"""How often a key may ask: a fixed window for each, told in the standard headers."""

import time
from typing import Final

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from api.bounds import Bounds
from api.call import Call
from api.errors import RateLimited

NAME: Final = "default"


class Rates:
    """Counts the requests of one process."""

    def __init__(self, bounds: Bounds) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        window = bounds.rate_window_s
        self._keys = _item(bounds.rate_max, window)
        self._strangers = _item(bounds.stranger_rate_max, window)
        self._policy = f'"{NAME}";q={bounds.rate_max};w={window}'

    def count(self, call: Call, key: str) -> None:
        """Count a request of a key and tell it where it stands. Raises RateLimited."""
        if self._keys is None:
            return
        is_within = self._limiter.hit(self._keys, key)
        reset, left = self._limiter.get_window_stats(self._keys, key)
        seconds = max(1, round(reset - time.time()))
        call.add("ratelimit-policy", self._policy)
        call.add("ratelimit", f'"{NAME}";r={left};t={seconds}')
        if not is_within:
            raise RateLimited("key", retry_after=seconds)

    def count_stranger(self, address: str) -> None:
        """Count a request without a valid key. Raises RateLimited."""
        if self._strangers is not None and not self._limiter.hit(self._strangers, "-", address):
            raise RateLimited("key", retry_after=self._strangers.get_expiry())


def _item(amount: int, window_s: int) -> RateLimitItem | None:
    """So many in so many seconds; 0 for no limit."""
    return RateLimitItemPerSecond(amount, window_s) if amount else None
