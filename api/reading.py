"""What all reads have in common: who may, how fresh, at which position, and who has looked.

A read is declared as a `View`; its `show` gets a `Look`: the figures of one position, as
this caller may see them. Whatever it shows of a member or a fund is noted.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from api.call import call_of, template_of
from api.cursors import next_link, pack
from api.errors import Behind
from api.queries import ReadQuery, read_query
from api.runtime import Runtime, runtime_of
from ledger.domain.access import Caller
from ledger.states import States
from ledger.store.log import LogStore
from projections import scope
from projections.looks import Looks
from projections.session import Snapshot

JSON: Final = "application/json"


class Shown(NamedTuple):
    """An answer, where its figures (if any) are explained, and where the next page begins."""

    answer: Struct
    explain: str
    next: Any = None


class Look:
    """One caller's look at everything, as it stood at one position."""

    def __init__(self, runtime: Runtime, snapshot: Snapshot, caller: Caller) -> None:
        self.snapshot = snapshot
        self.caller = caller
        self._runtime = runtime
        #: What of members and funds is shown: `member/V0001`, `fund/F1`.
        self.seen: list[str] = []

    @property
    def position(self) -> int:
        """The position all of it is true at."""
        return self.snapshot.position

    @property
    def store(self) -> LogStore:
        """The log; what stands above the position is not to be shown."""
        return self._runtime.ledger.store

    @property
    def looks(self) -> Looks:
        """Who looked at what, when."""
        return self._runtime.looks

    @cached_property
    def books(self) -> States:
        """The states of all streams at the position."""
        return self._runtime.ledger.books(self.position)

    def saw(self, about: str) -> None:
        """Note what is shown."""
        self.seen.append(about)


class View(NamedTuple):
    """A route that reads. `what` is who may: a name of `READERS`."""

    path: str
    what: str
    show: Callable[[Look, Any], Shown]
    query: type[ReadQuery]
    answer: type[Struct]


def handler(view: View) -> Callable[[Request], Awaitable[Response]]:
    """What is done with a request to read this."""

    async def read(request: Request) -> Response:
        runtime = runtime_of(request)
        caller = await runtime.admit(request)
        scope.require_reader(caller, view.what)
        query = read_query(request, view.query)
        await runtime.freshness.reach(query.min_position, runtime.bounds.read_wait_s)
        return await run_in_threadpool(_answer, request, runtime, caller, view, query)

    return read


def _answer(
    request: Request, runtime: Runtime, caller: Caller, view: View, query: ReadQuery
) -> Response:
    """Look, show, and note who has looked. In a thread of the pool."""
    with runtime.reads.read() as snapshot:
        if snapshot.position < query.min_position:
            raise Behind("min_position", position=snapshot.position)
        look = Look(runtime, snapshot, caller)
        shown = view.show(look, query)
    note(request, look.seen)
    body = msgspec.json.encode(shown.answer)
    if shown.explain:
        body = body[:-1] + b',"explain":' + msgspec.json.encode(shown.explain) + b"}"
    headers = {"ledger-position": str(look.position), "cache-control": "no-store"}
    if shown.next is not None:
        headers["link"] = next_link(request, cursor=pack(shown.next))
    return Response(body, 200, headers, JSON)


def note(request: Request, seen: list[str]) -> None:
    """Note that the caller of a request was shown these members and funds."""
    call, looks = call_of(request), runtime_of(request).looks
    way = f"{request.method} {template_of(request.scope)}"
    for about in seen:
        looks.add(call.holder, call.key, about, way, call.request_id)
