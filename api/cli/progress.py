"""Progress of long work: a bar with a rate on a terminal, nothing in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Tell how many more are done.
Advance = Callable[[int], None]


def _unwatched(_done: int) -> None:
    """Nobody watches."""


@contextmanager
def progress(title: str, total: int | None, *, unit: str, shown: bool) -> Iterator[Advance]:
    """A bar on stderr while the body runs; `total` None when it is not known how much there is."""
    if not shown:
        yield _unwatched
        return
    from rich.console import Console  # noqa: PLC0415 (not for --help)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} " + unit),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=total, rate="")

        def advance(done: int) -> None:
            bar.advance(task, done)
            seconds = bar.tasks[0].elapsed or 0
            rate = f"{bar.tasks[0].completed / seconds:,.0f}/s" if seconds else ""
            bar.update(task, rate=rate)

        yield advance
