"""One request from door to door: its id, who calls, the headers its answer gets.

`Envelope` is the outermost layer of the application: it gives each request its
`Call`, puts the call's headers on whatever is answered, sees to it that every error
is a problem, and measures and logs what happened.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import uuid_utils
from fastapi import Request
from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.metrics import Metrics
from ledger.domain.errors import LedgerError

#: A request id that is taken over from the caller.
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}", re.ASCII)
#: What asks for an answer without end.
EVENT_STREAM: Final = "text/event-stream"
#: Where errors of the framework begin.
ERROR: Final = 400

access_log = logging.getLogger("hourledger.access")


class Call:
    """A request under way."""

    __slots__ = ("_sent", "code", "headers", "holder", "key", "request_id", "started")

    def __init__(self, scope: Scope) -> None:
        self._sent = _by_name(scope["headers"])
        given = self.header(b"x-request-id")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid_utils.uuid7().hex
        self.started = time.perf_counter()
        #: Who calls and with which key, once that is known.
        self.holder = ""
        self.key = ""
        #: The code it was refused with, empty when it was not.
        self.code = ""
        #: Headers of the answer, whatever it will be.
        self.headers: list[tuple[bytes, bytes]] = [(b"x-request-id", self.request_id.encode())]

    def header(self, name: bytes) -> str:
        """A header of the request, empty when it is not there."""
        return self._sent.get(name, b"").decode("latin-1")

    def add(self, name: str, value: str) -> None:
        """Put a header on the answer."""
        self.headers.append((name.encode("latin-1"), value.encode("latin-1")))


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; one that is sent twice is a list of both, as HTTP has it, so not a key."""
    found = dict(headers)
    if len(found) < len(headers):
        values: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            values.setdefault(name, []).append(value)
        found = {name: b", ".join(each) for name, each in values.items()}
    return found


def call_of(request: Request) -> Call:
    """The call of a request."""
    call: Call = request.scope["call"]
    return call


def template_of(scope: Scope) -> str:
    """The route that was taken, as it is written, so that no id gets into logs and metrics."""
    return getattr(scope.get("route"), "path_format", "-")


class Envelope:
    """The outermost layer; see the module."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = Call(scope)
        # The server leaves the body out of the answer to HEAD; one without end is not begun for it.
        if scope["method"] == "HEAD" and EVENT_STREAM not in call.header(b"accept"):
            scope = {**scope, "method": "GET"}
        scope["call"] = call
        answer = Answering(scope, call, send)
        self._metrics.under_way += 1
        try:
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            # The service ends and waits no longer. What was begun must look broken off.
            if answer.status:
                raise
            await answer.refuse(errors.Stopping())
        finally:
            self._metrics.under_way -= 1
            seconds = time.perf_counter() - call.started
            template = template_of(scope)
            self._metrics.saw(scope["method"], template, answer.status, seconds)
            if access_log.isEnabledFor(logging.INFO):
                access_log.info("request", extra=_told(scope, call, answer.status, seconds))


class Answering:
    """Passes an answer on: with the call's headers, and as a problem when it is an error."""

    def __init__(self, scope: Scope, call: Call, send: Send) -> None:
        self._scope, self._call, self._send = scope, call, send
        #: The status answered with, 0 as long as there is none.
        self.status = 0
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        """As the server's own."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            if self.status >= ERROR and not _is_problem(headers):
                self._is_replaced = True
                # It was refused before any handler saw it.
                await self._send_problem(errors.error_of(self.status))
                return
            message = {**message, "headers": [*headers, *self._call.headers]}
        if not self._is_replaced:
            await self._send(message)

    async def refuse(self, error: LedgerError) -> None:
        """Answer with an error, where nothing was answered yet."""
        self.status = errors.STATUS[error.code]
        await self._send_problem(error)

    async def _send_problem(self, error: LedgerError) -> None:
        self._call.code = error.code
        problem = errors.problem_of(error, self._scope["path"], self._call.request_id)
        body = msgspec.json.encode(problem)
        headers = {**errors.headers_of(error), "content-length": str(len(body))}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        start: Message = {"type": "http.response.start", "status": self.status}
        await self._send({**start, "headers": [*raw, *self._call.headers]})
        await self._send({"type": "http.response.body", "body": body})


def _is_problem(headers: list[tuple[bytes, bytes]]) -> bool:
    kinds = [value for name, value in headers if name.lower() == b"content-type"]
    return kinds == [errors.MEDIA_TYPE.encode()]


def _told(scope: Scope, call: Call, status: int, seconds: float) -> Mapping[str, Any]:
    """What the log says of a request: the route as it is written, no id of a member."""
    told = {
        "request_id": call.request_id, "method": scope["method"], "route": template_of(scope),
        "status": status, "ms": round(seconds * 1000, 2), "holder": call.holder, "key": call.key,
        "code": call.code,
    }  # fmt: skip
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        told["trace_id"] = f"{span.trace_id:032x}"
    return {"told": told}
