"""The feed: all events from any position on, as CloudEvents, as lines, or as a stream of them."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from fastapi import Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api import auth
from api.call import EVENT_STREAM, call_of
from api.cursors import next_link
from api.errors import NotAcceptable, RateLimited
from api.queries import Limit, Query, read_query
from api.reading import note
from api.runtime import Runtime, runtime_of
from ledger.domain.errors import InvalidCommand, LedgerError
from ledger.domain.events import TOPICS
from ledger.domain.values import Count
from ledger.store.log import LogStore, Row
from ledger.store.tree import origin_of
from projections.scope import require_reader, require_whole

CLOUD_EVENTS: Final = "application/cloudevents-batch+json"
LINES: Final = "application/x-ndjson"
#: What may be accepted → the form it is answered in.
FORMS: Final = {
    CLOUD_EVENTS: CLOUD_EVENTS, "application/json": CLOUD_EVENTS, "application/*": CLOUD_EVENTS,
    "*/*": CLOUD_EVENTS, LINES: LINES, "application/jsonl": LINES,
    "application/ndjson": LINES, EVENT_STREAM: EVENT_STREAM,
}  # fmt: skip
_WEIGHT: Final = re.compile(r"(?:^|;)\s*q=([01](?:\.[0-9]*)?|\.[0-9]+)\s*(?:;|$)", re.ASCII)
#: Rows read at a time.
PAGE: Final = 1000
#: Digits of a position, so that text sorts as numbers do.
DIGITS: Final = 16

Topic = Annotated[str, Meta(extra_json_schema={"enum": sorted(TOPICS)})]


class FeedQuery(Query, frozen=True, kw_only=True):
    """Events above a position, of some topics or all."""

    after: Count = 0
    limit: Limit = 100
    topic: Annotated[tuple[Topic, ...], Meta(examples=[["HoursLogged"]])] = ()


class _Recorded(Struct):
    timestamp: str


_RECORDED: Final = msgspec.json.Decoder(_Recorded)


class Found(NamedTuple):
    """Rows that were wanted, how far was looked, and whether there is more behind."""

    rows: Sequence[Row]
    position: int
    more: bool


async def feed(request: Request) -> Response:
    """Events in log order. `Ledger-Position` tells how far was looked: ask on from there."""
    runtime = runtime_of(request)
    caller = await runtime.admit(request)
    require_reader(caller, "log")
    require_whole(caller)
    query = read_query(request, FeedQuery)
    if not TOPICS.keys() >= set(query.topic):
        raise InvalidCommand("topic", reason="no such topic")
    resumed = _last_event(call_of(request).header(b"last-event-id"))
    form = _form_of(call_of(request).header(b"accept"))
    if form == EVENT_STREAM:
        after = query.after if resumed is None else resumed
        return _stream(request, runtime, msgspec.structs.replace(query, after=after))
    return await run_in_threadpool(_page, request, runtime, query, form)


def _last_event(sent: str) -> int | None:
    """Where a stream was, from its `Last-Event-ID`. Raises InvalidCommand."""
    if not sent:
        return None
    if not sent.isdecimal() or len(sent) > DIGITS:
        raise InvalidCommand("last-event-id", reason="not a position")
    return int(sent)


def _form_of(accept: str) -> str:
    """The form that is accepted most, the first of several. Raises NotAcceptable."""
    weights: dict[str, float] = {}
    ranges = [each for each in accept.lower().split(",") if each.strip()] or ["*/*"]
    # What is named goes before what is only meant.
    for wanted in sorted(ranges, key=lambda each: "*" in each):
        media, _, parameters = wanted.partition(";")
        form = FORMS.get(media.strip())
        if form is not None and not ("*" in media and form in weights):
            weights[form] = max(weights.get(form, 0.0), _weight(parameters))
    found = max(weights, key=lambda form: weights[form], default=None)
    if found is None or not weights[found]:
        raise NotAcceptable("accept", allowed=f"{CLOUD_EVENTS}, {LINES}, {EVENT_STREAM}")
    return found


def _weight(parameters: str) -> float:
    """How much a form is accepted, 0 for not at all (RFC 9110 section 12.4.2)."""
    given = _WEIGHT.search(parameters)
    return float(given[1]) if given else 1.0


def find(store: LogStore, query: FeedQuery, scan_max: int) -> Found:
    """Up to `limit` events above `after` of the topics, looking through `scan_max` at most."""
    topics, wanted = frozenset(query.topic), list[Row]()
    position, until = query.after, query.after + scan_max
    while position < until:
        size = min(PAGE, until - position) if topics else query.limit - len(wanted) + 1
        rows = store.select_rows(position, size)
        for row in rows:
            if not topics or row.topic in topics:
                if len(wanted) == query.limit:
                    return Found(wanted, position, more=True)
                wanted.append(row)
            position = row.position
        if len(rows) < size:
            return Found(wanted, position, more=False)
    return Found(wanted, position, more=True)


def _page(request: Request, runtime: Runtime, query: FeedQuery, form: str) -> Response:
    store = runtime.ledger.store
    found = find(store, query, runtime.bounds.scan_rows_max)
    note(request, ["log"])
    headers = {"ledger-position": str(found.position), "vary": "accept"}
    if found.more:
        headers["link"] = next_link(request, after=str(found.position))
    if form == LINES:
        body = b"".join(row.line() + b"\n" for row in found.rows)
    else:
        source = origin_of(store) if found.rows else ""
        body = b"[" + b",".join(cloud_event(row, source) for row in found.rows) + b"]"
    return Response(body, 200, headers, form)


def cloud_event(row: Row, source: str) -> bytes:
    """An event as a CloudEvent, around the stored state."""
    recorded = _RECORDED.decode(row.state).timestamp
    told = {
        "specversion": "1.0", "id": f"{source}/{row.position}", "source": source,
        "type": row.topic, "subject": row.originator_id, "time": recorded,
        "datacontenttype": "application/json", "sequence": f"{row.position:0{DIGITS}}",
        "recordedtime": recorded,
    }  # fmt: skip
    return msgspec.json.encode(told)[:-1] + b',"data":' + bytes(row.state) + b"}"


# the stream


def _stream(request: Request, runtime: Runtime, query: FeedQuery) -> Response:
    """Events as they come, from where the client was."""
    gauge = runtime.metrics.streams
    if runtime.streams >= runtime.bounds.streams_max:
        raise RateLimited("accept", retry_after=5)
    secret = auth.secret_of(request)
    note(request, ["log"])

    async def events() -> AsyncIterator[bytes]:
        runtime.streams += 1
        gauge.set(runtime.streams)
        try:
            async for piece in _follow(runtime, query, secret):
                yield piece
        finally:
            runtime.streams -= 1
            gauge.set(runtime.streams)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events(), 200, headers, EVENT_STREAM)


async def _follow(runtime: Runtime, query: FeedQuery, secret: str) -> AsyncIterator[bytes]:
    """Pieces of the stream, until the service stops, the key ends or the database is away."""
    store, bounds = runtime.ledger.store, runtime.bounds
    query = msgspec.structs.replace(query, limit=PAGE)
    source, spoke = "", time.monotonic()
    yield KEEPALIVE_COMMENT
    try:
        while not runtime.stopping.is_set():
            await runtime.keys.caller(secret)
            found = await run_in_threadpool(find, store, query, bounds.scan_rows_max)
            if found.rows:
                source = source or await run_in_threadpool(origin_of, store)
                yield b"".join(map(_sender(source), found.rows))
                spoke = time.monotonic()
            query = msgspec.structs.replace(query, after=found.position)
            if time.monotonic() - spoke > bounds.stream_ping_s:
                yield KEEPALIVE_COMMENT
                spoke = time.monotonic()
            if not found.more:
                await _pause(runtime.stopping, bounds.stream_pause_s)
    except LedgerError:
        return  # the client comes again with the last id it saw


def _sender(source: str) -> Callable[[Row], bytes]:
    def send(row: Row) -> bytes:
        data = cloud_event(row, source).decode()
        return format_sse_event(data_str=data, event=row.topic, id=str(row.position))

    return send


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the end of the service."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
