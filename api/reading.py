"""What all reads have in common: who may, how fresh, at which position, and who has looked.

A read is declared as a `View`; its `show` gets a `Look`: the figures of one position, as
this caller may see them. Whatever it shows of a member or a fund is noted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import date
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from api.call import call_of, template_of
from api.cursors import next_link, pack
from api.errors import Behind
from api.queries import KnownQuery, PastQuery, ReadQuery, read_query
from api.runtime import Runtime, runtime_of
from ledger.domain.access import Caller
from ledger.domain.errors import InvalidCommand
from ledger.states import States
from ledger.store.log import LogStore
from projections import scope
from projections.comparisons import Comparisons
from projections.differences import Compared
from projections.looks import Looks
from projections.moments import Moment, find_moment
from projections.session import Snapshot
from projections.standing import Standing
from projections.visibility import Visibility

JSON: Final = "application/json"
#: What leads to the events behind figures: an address, or (RFC 6570) a template of addresses.
LINK: Final = "explain"
TEMPLATE: Final = "explain_template"


class Shown(NamedTuple):
    """An answer, where its figures (if any) are explained, and where the next page begins.

    `explain` is empty where there are no figures, and for who may not follow it; `named` is what it
    is called in the answer.
    """

    answer: Struct
    explain: str
    next: Any = None
    named: str = LINK


class Look:
    """One caller's look at everything, as it stood at one moment."""

    def __init__(self, runtime: Runtime, standing: Standing, caller: Caller) -> None:
        #: The figures, as they stood.
        self.standing = standing
        #: The tables in use: they say what the caller may see, whatever is asked about.
        self.live: Snapshot = standing.live
        self.caller = caller
        self._runtime = runtime
        #: Ends with the look: what was asked of other moments.
        self.others = ExitStack()
        #: What of members and funds is shown: `member/V0001`, `fund/F1`.
        self.seen: list[str] = []

    @property
    def position(self) -> int:
        """The position all of it is true at."""
        return self.standing.moment.position

    def at(self, known_at: str, as_of: date | None, field: str) -> Standing:
        """The same as it stood at another moment. Raises InvalidCommand at the field, Behind."""
        moment = find_moment(self.store, known_at, as_of, field)
        if moment.position > self.live.position:
            raise Behind(field, position=self.live.position)
        return self._look_again(moment)

    def on(self, as_of: date | None, other: Standing) -> Standing:
        """Another moment's position, until a day."""
        return self._look_again(other.moment._replace(as_of=as_of))

    def paged(self, position: int) -> Standing:
        """The moment at which the first page of an answer was told, and so are all others.

        Raises InvalidCommand.
        """
        if not 0 <= position <= self.position:
            raise InvalidCommand("cursor", reason="not a cursor of this list")
        if position == self.position:
            return self.standing
        return self._look_again(self.standing.moment._replace(position=position))

    def _look_again(self, moment: Moment) -> Standing:
        other = Standing(self.store, self.live, self._runtime.pasts, moment)
        return self.others.enter_context(other)

    @property
    def store(self) -> LogStore:
        """The log; what stands above the position is not to be shown."""
        return self._runtime.ledger.store

    @property
    def looks(self) -> Looks:
        """Who looked at what, when."""
        return self._runtime.looks

    @property
    def comparisons(self) -> Comparisons[Compared]:
        """What was compared lately, for the next page of it."""
        return self._runtime.comparisons

    @cached_property
    def books(self) -> States:
        """The states of all streams at the position."""
        return self._runtime.ledger.books(self.position)

    @cached_property
    def visibility(self) -> Visibility:
        """Which events the caller may see, by the tables in use."""
        return Visibility(self.live, self.caller)

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
        asked = _Asked(caller, query, await _moment(runtime, query))
        await runtime.freshness.reach(asked.position, runtime.bounds.read_wait_s, asked.field)
        # Half of what Starlette's way into a thread costs, which also carries context variables.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(runtime.readers, _answer, request, runtime, view, asked)

    return read


class _Asked(NamedTuple):
    """Who asks what, and about which moment (None: now)."""

    caller: Caller
    query: ReadQuery
    moment: Moment | None

    @property
    def position(self) -> int:
        """Where the tables in use must stand at least."""
        return self.moment.position if self.moment else self.query.min_position

    @property
    def field(self) -> str:
        """The parameter that says so."""
        return "known_at" if self.moment else "min_position"


async def _moment(runtime: Runtime, query: ReadQuery) -> Moment | None:
    """The moment that was asked for, None for now. Raises InvalidCommand."""
    if not isinstance(query, KnownQuery) or query.known_at is None:
        return None
    store = runtime.ledger.store
    moment = await run_in_threadpool(find_moment, store, query.known_at, _day_of(query))
    if moment.position < query.min_position:
        raise InvalidCommand("known_at", reason="before min_position", position=moment.position)
    return moment


def _day_of(query: ReadQuery) -> date | None:
    """The last day that counts; None where all days do."""
    return query.as_of if isinstance(query, PastQuery) else None


def _answer(request: Request, runtime: Runtime, view: View, asked: _Asked) -> Response:
    """Look, show, and note who has looked. In a thread of the pool."""
    with runtime.reads.read() as live:
        if live.position < asked.position:
            raise Behind(asked.field, position=live.position)
        moment = asked.moment or Moment(live.position, _day_of(asked.query))
        with Standing(runtime.ledger.store, live, runtime.pasts, moment) as standing:
            look = Look(runtime, standing, asked.caller)
            with look.others:
                shown = view.show(look, asked.query)
    note(request, look.seen)
    body = msgspec.json.encode(shown.answer)
    # A further page is true where the first one was.
    position = getattr(shown.answer, "position", look.position)
    if shown.explain:
        told = {shown.named: _pinned(shown.explain, moment)}
        body = body[:-1] + b"," + msgspec.json.encode(told)[1:]
    headers = {"ledger-position": str(position), "cache-control": "no-store"}
    if shown.next is not None:
        headers["link"] = next_link(request, cursor=pack(shown.next))
    return Response(body, 200, headers, JSON)


def _pinned(url: str, moment: Moment) -> str:
    """An address that goes on telling the same, whatever comes to the log."""
    axes = f"known_at={moment.position}" + (f"&as_of={moment.as_of}" if moment.as_of else "")
    return f"{url}{'&' if '?' in url else '?'}{axes}"


def note(request: Request, seen: list[str]) -> None:
    """Note that the caller of a request was shown these members and funds."""
    call, looks = call_of(request), runtime_of(request).looks
    way = f"{request.method} {template_of(request.scope)}"
    for about in seen:
        looks.add(call.holder, call.key, about, way, call.request_id)
