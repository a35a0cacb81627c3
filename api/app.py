"""The HTTP application: the one place that wires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.concurrency import run_in_threadpool
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from api import openapi
from api.bounds import Bounds
from api.call import Envelope
from api.errors import HANDLERS
from api.metrics import Metrics
from api.routes.operations import PATHS
from api.routes.table import KINDS, routes
from api.runtime import Runtime
from ledger.settings import Settings

TITLE: Final = "hourledger"
ABOUT: Final = (
    "A ledger of service hours, incentives and the money behind them. Quantities are integers:"
    " minutes, credit-minutes, fen. A write needs an `Idempotency-Key`; an answer says the"
    " `position` it is true at; a refusal is `application/problem+json` with a `code`."
)


class Plain(APIRoute):
    """A route whose endpoint takes the request as it is: nothing to be resolved around it."""

    def __init__(self, path: str, *args: Any, **more: Any) -> None:
        super().__init__(path, *args, **more)
        #: What every path of the route begins with.
        self._beginning = path.partition("{")[0]
        self.app = self._answer

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As always, but that most of the routes in front are told apart by how they begin."""
        if not scope.get("root_path") and not scope["path"].startswith(self._beginning):
            return Match.NONE, {}
        return super().matches(scope)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The endpoint's answer. What it raises is rendered by the application."""
        request = Request(scope, receive, send)
        response: Response = await self.endpoint(request)
        await response(scope, receive, send)


class Application(FastAPI):
    """FastAPI, with every answer and every error in our envelope, and our document."""

    def build_middleware_stack(self) -> ASGIApp:
        """As FastAPI's, with the envelope around all of it."""
        return Envelope(super().build_middleware_stack(), self.state.metrics)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.describe(self, KINDS)
        return self.openapi_schema


def create_app(
    settings: Settings | None = None,
    *,
    tailer: bool = True,
    apart: bool = False,
    bounds: Bounds | None = None,
    telemetry: TelemetryConfig | None = None,
) -> Application:
    """The application over the ledger of these settings, which is opened when it starts.

    `tailer`: keep the figures up to date in this process (otherwise `hourledger project` does, for
    all processes). `apart`: rules and log in a process of their own, as in `Ledger`. `telemetry`:
    as FastAPI's own. Starting raises InvalidSettings, NotDurable and Unavailable.
    """
    bounds = bounds or Bounds()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        def opened() -> Runtime:
            return Runtime(settings or Settings(), bounds, metrics, tailer=tailer, apart=apart)

        runtime = await run_in_threadpool(opened)
        app.state.runtime = runtime
        runtime.attach()
        try:
            yield
        finally:
            runtime.stopping.set()
            runtime.detach()
            await run_in_threadpool(runtime.close)

    app = Application(
        title=TITLE,
        version=_version(),
        description=ABOUT,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"exclude": lambda scope: scope["path"] in PATHS, **(telemetry or {})},
    )
    app.state.metrics = metrics
    _add_routes(app)
    return app


def _add_routes(app: Application) -> None:
    for route in routes():
        app.router.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            name=route.name,
            operation_id=route.name,
            response_class=Response,
            response_model=None,
            route_class_override=Plain,
            openapi_extra=route.operation,
        )

    async def document(_: Request) -> Response:
        """This document."""
        return Response(_document(app), media_type="application/json")

    app.router.add_api_route(
        "/openapi.json", document, methods=["GET"], include_in_schema=False, response_model=None
    )


def _document(app: Application) -> bytes:
    """The document as it is sent, encoded once."""
    if not hasattr(app.state, "document"):
        app.state.document = msgspec.json.encode(app.openapi())
    made: bytes = app.state.document
    return made


def _version() -> str:
    try:
        return version(TITLE)
    except PackageNotFoundError:
        return "0"
