"""`hourledger project`: the tailer, which keeps the figures up to date."""

import signal
import threading

import click

from api.cli import reading
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session

#: Seconds between two looks at how far the figures are behind.
LOOK_S = 1.0


def run(*, once: bool) -> None:
    """Follow the log until interrupted, or only up to its end."""
    now = session()
    now.require_whole("admin")
    if once:
        position = reading.bring_up(now)
    else:
        follow(now)
        position = now.open_reads().position
    now.say(f"The figures are true at position {position:,}.", position=position)


def follow(now: Session) -> None:
    """Keep the figures up to date until SIGINT or SIGTERM; errors are logged and waited out."""
    from projections.tailer import Tailer  # noqa: PLC0415 (not for --help)

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    tailer = Tailer(now.open().store, now.open_reads())
    tailer.start()
    seen = tailer.lag().position
    with progress("following", None, unit="events", shown=now.on_terminal) as advance:
        while not stopping.wait(LOOK_S):
            lag = tailer.lag()
            advance(lag.position - seen)
            seen = lag.position
        tailer.stop()


command = Command(
    "project",
    params=[click.Option(["--once"], is_flag=True, help="stop at the end of the log")],
    callback=run,
    help="Keep the figures up to date until interrupted.",
)
