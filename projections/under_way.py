"""Work of other threads that is given up as soon as nobody wants what comes of it."""

from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import Final, TypeVar

from projections.progress import Progress

#: Seconds between two words to whoever watches, who may give the work up.
LOOK_S: Final = 0.2

T = TypeVar("T")


class Wanted:
    """Whether what is under way is wanted still; for the threads that are at it."""

    def __init__(self) -> None:
        self._given_up = Event()

    def give_up(self) -> None:
        """It is wanted no more."""
        self._given_up.set()

    def check(self) -> None:
        """Raises CancelledError when it is wanted no more."""
        if self._given_up.is_set():
            raise CancelledError


@contextmanager
def workers(count: int, name: str) -> Iterator[tuple[ThreadPoolExecutor, Wanted]]:
    """Threads, and what tells them that the body has failed; they have ended when it is left."""
    wanted = Wanted()
    with ThreadPoolExecutor(count, name) as threads:
        try:
            yield threads, wanted
        except BaseException:
            wanted.give_up()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def awaited(made: Future[T], progress: Progress) -> T:
    """What comes of it. Meanwhile `progress` hears of nothing new, and may raise to give it up."""
    while not wait((made,), LOOK_S).done:
        progress(0)
    return made.result()
