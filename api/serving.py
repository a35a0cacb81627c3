"""The server process: logs in JSON, a graceful stop that finishes what was acknowledged."""

import asyncio
import logging
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.bounds import Bounds
from api.whole_answers import WholeAnswers
from ledger.settings import Settings

#: Connections that may wait to be accepted, and be open.
BACKLOG: Final = 2048
CONNECTIONS_MAX: Final = 1000
#: Seconds a connection may be silent between two requests.
KEEP_ALIVE_S: Final = 30


class JsonLines(logging.Formatter):
    """One JSON object a line; what a record carries as `told` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode(errors="replace")


def log_to_stderr(level: str = "info") -> None:
    """Let everything this process logs go to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


class Server(uvicorn.Server):
    """uvicorn's, which tells the application before it waits for its answers to end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End endless answers, finish all others, then stop the application."""
        app = self.config.loaded_app
        while app is not None and not isinstance(app, FastAPI):
            app = getattr(app, "app", None)
        runtime = getattr(app.state, "runtime", None) if app is not None else None
        if runtime is not None:
            runtime.stopping.set()
        await super().shutdown(sockets)
        # To be told to stop is no failure; uvicorn would end the process by the same signal.
        self._captured_signals.clear()


def server(app: FastAPI, *, host: str, port: int, bounds: Bounds | None = None) -> Server:
    """A server of the application. `run` it, or `serve` it on a loop; port 0 takes a free one."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=WholeAnswers,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=(bounds or Bounds()).stop_s,
    )
    return Server(config)


def serve(
    settings: Settings, *, host: str, port: int, tailer: bool, bounds: Bounds, log_level: str
) -> bool:
    """Serve until told to stop; whether the service could be started."""
    log_to_stderr(log_level)
    running = server(
        create_app(settings, tailer=tailer, apart=True, bounds=bounds),
        host=host,
        port=port,
        bounds=bounds,
    )
    # uvicorn has said why it cannot listen there, and ends the process with a status of its own.
    with suppress(SystemExit):
        asyncio.run(running.serve())
    return running.started
