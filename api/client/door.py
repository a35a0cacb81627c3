"""Requests and their answers: every request is repeated until it is answered, in bounded time.

A write is repeated under the same `Idempotency-Key`, so however often it is sent it has its effect
once. Between two attempts lies what the service asks for (`Retry-After`) and a random pause whose
bound doubles, so that those who wait do not come back together.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from api.answers import Written
from api.client.errors import ServiceError, UnreachableError, problem_in
from api.ways import ISSUE_KEY, WAYS
from ledger.domain.commands import Command
from ledger.domain.errors import InvalidCommand
from ledger.store.requests import Result

T = TypeVar("T")

JSON: Final = {"content-type": "application/json"}
#: Failures that say nothing about what the service did.
BROKEN: Final = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
_WAYS: Final = {way.kind: way for way in (*WAYS, ISSUE_KEY)}


class Patience(NamedTuple):
    """How long a request is repeated; times in seconds."""

    attempts_max: int = 10
    #: The first pause lasts at most so long; the bound doubles with each.
    pause_s: float = 0.2
    pause_max_s: float = 10.0
    #: A service that asks for a longer pause is not waited for.
    retry_after_max_s: float = 90.0

    def goes_on(self, failure: ServiceError, attempts: int) -> bool:
        """Whether to ask once more after so many attempts."""
        after = failure.retry_after_s or 0
        return (
            failure.is_passing and attempts < self.attempts_max and after <= self.retry_after_max_s
        )

    def rest(self, failure: ServiceError, attempts: int) -> None:
        """Wait before the next attempt."""
        bound = min(self.pause_max_s, self.pause_s * 2.0 ** (attempts - 1))
        time.sleep((failure.retry_after_s or 0) + random.uniform(0, bound))  # noqa: S311 (no secret)


class Answer(Written, frozen=True, kw_only=True):
    """The answer to a command; `result` holds the ids and figures it gave."""

    result: Result


class Door:
    """One service, as one key may use it. Thread-safe as far as `httpx.Client` is."""

    def __init__(self, http: httpx.Client, patience: Patience) -> None:
        self.http = http
        self.patience = patience

    # asking

    def ask(
        self,
        request: httpx.Request,
        failure_in: Callable[[httpx.Response], ServiceError | None] = problem_in,
    ) -> httpx.Response:
        """Send until there is an answer without failure. Raises ProblemError, UnreachableError."""
        attempts = 0
        while True:
            answer, failure = self._try(request, failure_in)
            if failure is None:
                return answer
            attempts += 1
            if not self.patience.goes_on(failure, attempts):
                failure.idempotency_key = request.headers.get("idempotency-key", "")
                raise failure
            self.patience.rest(failure, attempts)

    def _try(
        self, request: httpx.Request, failure_in: Callable[[httpx.Response], ServiceError | None]
    ) -> tuple[httpx.Response, ServiceError | None]:
        try:
            answer = self.http.send(request)
        except BROKEN as error:
            failure = UnreachableError(f"no answer: {type(error).__name__} {error}")
            failure.__cause__ = error
            return httpx.Response(500), failure
        return answer, failure_in(answer)

    # writing

    def execute(
        self, command: Command, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Answer:
        """Have a command carried out, exactly once for one key (a fresh one unless given).

        Raises ProblemError, UnreachableError; both know the key to repeat it under. InvalidCommand
        for what cannot be said over HTTP at all.
        """
        way = _WAYS.get(type(command))
        if way is None:
            raise InvalidCommand("op", reason="only at the machine itself")
        body = {name: told for name, told in msgspec.to_builtins(command).items() if name != "op"}
        path = way.path.format_map({name: _taken(body, name) for name in way.ids})
        key = idempotency_key or uuid.uuid4().hex
        request = self.http.build_request(
            "POST",
            path,
            params={"dry_run": "true"} if dry_run else None,
            content=msgspec.json.encode(body),
            headers={**JSON, "idempotency-key": key},
        )
        told: dict[str, Any] = msgspec.json.decode(self.ask(request).content)
        own = {name: told.pop(name) for name in Written.__struct_fields__ if name in told}
        return Answer(**own, result=told)

    # reading

    def read(self, kind: type[T], path: str, /, **asked: Any) -> T:
        """What stands at a path, decoded. Raises ProblemError, UnreachableError."""
        return msgspec.json.decode(self.get(path, **asked).content, type=kind)

    def pages(self, kind: type[T], name: str, path: str, /, **asked: Any) -> Iterator[T]:
        """The things of a list, page after page, each page asked for when it is needed."""
        url: str | None = None
        while True:
            answer = (
                self.ask(self.http.build_request("GET", url)) if url else self.get(path, **asked)
            )
            items: Mapping[str, msgspec.Raw] = msgspec.json.decode(
                answer.content, type=dict[str, msgspec.Raw]
            )
            yield from msgspec.json.decode(items[name], type=list[kind])  # type: ignore[valid-type]
            url = answer.links.get("next", {}).get("url")
            if url is None:
                return

    def get(
        self, path: str, *, headers: Mapping[str, str] | None = None, **asked: Any
    ) -> httpx.Response:
        """The answer to a read; what is None is not asked for."""
        told = msgspec.to_builtins({n: value for n, value in asked.items() if value is not None})
        return self.ask(self.http.build_request("GET", path, params=told, headers=headers))


def _taken(body: dict[str, Any], name: str) -> str:
    """A field that stands in the path instead of the body."""
    try:
        return segment(str(body.pop(name)))
    except KeyError:
        raise InvalidCommand(name, reason="needed here; only a batch names it otherwise") from None


def segment(text: str) -> str:
    """An id as one segment of a path, whatever stands in it."""
    return quote(text, safe="")
