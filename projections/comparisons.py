"""Comparisons that were made lately, so that the pages of one are of one and the same."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

#: How many are kept: one of a million events takes some 8 MB.
KEPT_MAX: Final = 16

C = TypeVar("C")


class Comparisons(Generic[C]):
    """What was compared, by what was compared with what. Thread-safe."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        #: The least recently used in front.
        self._kept: OrderedDict[Hashable, Future[C]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, compare: Callable[[], C]) -> C:
        """What was compared under this key, or is now; who asks meanwhile waits for the same.

        Raises what `compare` raises, and keeps nothing then.
        """
        with self._lock:
            found = self._kept.get(key)
            is_new = found is None
            if found is None:
                found = self._kept[key] = Future()
            self._kept.move_to_end(key)
            while len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        if is_new:
            self._make(key, found, compare)
        return found.result()

    def _make(self, key: Hashable, made: "Future[C]", compare: Callable[[], C]) -> None:
        try:
            made.set_result(compare())
        except BaseException as error:  # noqa: BLE001 (told to all who wait, and whoever asked)
            with self._lock:
                if self._kept.get(key) is made:
                    del self._kept[key]
            made.set_exception(error)
