"""For those who run the service: alive, ready, counted, described."""

import msgspec
from fastapi import Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from api import metrics
from api.errors import NotReady
from api.runtime import runtime_of

JSON = "application/json"
#: Routes nobody needs a key for.
PATHS = ("/livez", "/readyz", "/metrics", "/openapi.json")


class Alive(Struct, frozen=True):
    """The process answers."""

    alive: bool = True


async def livez(request: Request) -> Response:
    """Whether the process answers at all."""
    del request
    return Response(msgspec.json.encode(Alive()), media_type=JSON)


async def readyz(request: Request) -> Response:
    """Whether the service can do its work, and how far behind its figures are.

    Raises NotReady with the reason.
    """
    runtime = runtime_of(request)
    found = await run_in_threadpool(runtime.health.look)
    if runtime.stopping.is_set():
        found = msgspec.structs.replace(found, ready=False, reason="about to stop")
    if not found.ready:
        lag = {"lag_events": found.lag_events, "lag_seconds": int(found.lag_seconds)}
        raise NotReady("", reason=found.reason, position=found.position, **lag)
    return Response(msgspec.json.encode(found), media_type=JSON)


async def show_metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    runtime = runtime_of(request)
    found = await run_in_threadpool(runtime.health.look)
    counted = runtime.metrics
    counted.head.set(found.head)
    counted.ahead.set(runtime.health.ahead_s)
    counted.position.set(found.position)
    counted.lag.set(found.lag_seconds)
    counted.writer.set(runtime.health.has_writer)
    counted.looks_waiting.set(runtime.looks.waiting)
    counted.looks_dropped.set(runtime.looks.dropped)
    return Response(counted.text(), media_type=metrics.MEDIA_TYPE)
