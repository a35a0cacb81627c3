"""How often a key may ask: a fixed window for each, told in the standard headers."""

import time
from typing import Final, NamedTuple

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from api.bounds import Bounds
from api.call import Call
from api.errors import RateLimited

NAME: Final = "default"
#: Windows that are remembered at most; the strangers' addresses are not ours to bound.
WINDOWS_MAX: Final = 100_000


class Window(NamedTuple):
    """What was counted in a window, and when it ends, on a clock that is never set."""

    hits: int
    until: float


class Windows(Storage):
    """Counts in memory, for one event loop: no locks, no threads that wake up to tidy."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        super().__init__()

    @property
    def base_exceptions(self) -> type[Exception]:
        """What may be raised for want of a better storage: nothing."""
        return ValueError

    def find(self, key: str) -> Window:
        """The window of a key; an empty one that is over when there is none."""
        window, now = self._windows.get(key), time.monotonic()
        return window if window is not None and now < window.until else Window(0, now)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, in a window that ends `expiry` seconds after its first; the count."""
        window = self.find(key)
        if not window.hits:
            if len(self._windows) >= WINDOWS_MAX:
                self._tidy()
            window = Window(0, time.monotonic() + expiry)
        self._windows[key] = Window(window.hits + amount, window.until)
        return window.hits + amount

    def _tidy(self) -> None:
        """Drop the windows that have ended, and if that is not enough, all."""
        now = time.monotonic()
        self._windows = {key: w for key, w in self._windows.items() if now < w.until}
        if len(self._windows) >= WINDOWS_MAX:
            self._windows.clear()

    def get(self, key: str) -> int:
        """The count of a window."""
        return self.find(key).hits

    def get_expiry(self, key: str) -> float:
        """When a window ends."""
        return self.find(key).until

    def check(self) -> bool:
        """Whether it can count."""
        return True

    def reset(self) -> int:
        """Forget all windows; how many there were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget a window."""
        self._windows.pop(key, None)


class Rates:
    """Counts the requests of one process."""

    def __init__(self, bounds: Bounds) -> None:
        self._windows = Windows()
        self._limiter = FixedWindowRateLimiter(self._windows)
        window = bounds.rate_window_s
        self._keys = _item(bounds.rate_max, window)
        self._strangers = _item(bounds.stranger_rate_max, window)
        self._policy = f'"{NAME}";q={bounds.rate_max};w={window}'

    def count(self, call: Call, key: str) -> None:
        """Count a request of a key and tell it where it stands. Raises RateLimited."""
        if self._keys is None:
            return
        is_within = self._limiter.hit(self._keys, key)
        count, until = self._windows.find(self._keys.key_for(key))
        left, seconds = max(0, self._keys.amount - count), max(1, round(until - time.monotonic()))
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
