"""How far long work has come, for whoever watches."""

from collections.abc import Callable

#: Told how many more events are done; may raise to give the work up.
Progress = Callable[[int], None]


def unwatched(_: int) -> None:
    """Nobody watches."""


def beyond(position: int, progress: Progress) -> Progress:
    """A progress over one that is told only of what is beyond a position."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        before, done = max(done, position), done + more
        progress(max(done, position) - before)

    return advance
