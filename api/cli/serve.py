"""`hourledger serve`: the HTTP service, with the tailer in the same process unless apart."""

import click

from api.cli.program import Command
from api.cli.session import session


def run(*, host: str, port: int, tailer: bool, rate: int, log_level: str) -> None:
    """Serve until SIGINT or SIGTERM; what was acknowledged is finished."""
    from api.bounds import Bounds  # noqa: PLC0415 (not for --help)
    from api.serving import serve  # noqa: PLC0415

    now = session()
    now.require_whole("admin")
    # Opened once before the server is, so that what is wrong is told as everywhere else.
    settings = now.open().settings
    now.open().close()
    bounds = Bounds(rate_max=rate)
    if not serve(settings, host=host, port=port, tailer=tailer, bounds=bounds, log_level=log_level):
        click.get_current_context().exit(1)


command = Command(
    "serve",
    params=[
        click.Option(["--host"], default="127.0.0.1", show_default=True,
                     help="address to listen on"),
        click.Option(["--port"], type=click.IntRange(0, 65535), default=8000, show_default=True,
                     help="port to listen on; 0 takes a free one"),
        click.Option(["--tailer/--no-tailer"], default=True,
                     help="keep the figures up to date here, or leave it to hourledger project"),
        click.Option(["--rate"], type=click.IntRange(min=0), default=60_000, show_default=True,
                     help="requests of a key in a minute; 0 for no limit"),
        click.Option(["--log-level"], default="info", show_default=True,
                     type=click.Choice(["debug", "info", "warning", "error"]),
                     help="what to log to stderr, in JSON lines"),
    ],
    callback=run,
    help="Serve the HTTP interface until interrupted.",
)  # fmt: skip
