"""The feed: all events from any position on, once or for as long as they come."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import httpx
import httpx_sse
import msgspec

from api.answers import CloudEvent
from api.client.door import BROKEN, Door
from api.client.errors import ServiceError, UnreachableError, problem_in

PATH: Final = "/v1/events"
PAGE: Final = 1000
#: A stream that is silent for so long is broken: the service speaks every quarter of a minute.
SILENCE_MAX_S: Final = 60.0
#: A service whose stream stood for so long was there, whether anything happened meanwhile or not.
STOOD_S: Final = 10.0


class Page(NamedTuple):
    """Some events; `position` is how far was looked: ask on behind it."""

    events: list[CloudEvent]
    position: int
    more: bool


class Events:
    """The log, as it is for consumers who keep their own position."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def page(self, after: int = 0, *, limit: int = PAGE, topics: Sequence[str] = ()) -> Page:
        """Events above a position, of some topics or all."""
        answer = self._door.get(PATH, after=after, limit=limit, topic=tuple(topics))
        found = msgspec.json.decode(answer.content, type=list[CloudEvent])
        return Page(found, int(answer.headers["ledger-position"]), "next" in answer.links)

    def read(self, after: int = 0, *, topics: Sequence[str] = ()) -> Iterator[CloudEvent]:
        """All events above a position, to the end of the log."""
        page = Page([], after, more=True)
        while page.more:
            page = self.page(page.position, topics=topics)
            yield from page.events

    def lines(self, after: int = 0) -> Iterator[bytes]:
        """The canonical lines above a position, to the end of the log: what the root is made of."""
        headers = {"accept": "application/x-ndjson"}
        more = True
        while more:
            answer = self._door.get(PATH, after=after, limit=PAGE, headers=headers)
            yield from answer.content.splitlines()
            after, more = int(answer.headers["ledger-position"]), "next" in answer.links

    def follow(self, after: int = 0, *, topics: Sequence[str] = ()) -> Iterator[CloudEvent]:
        """All events above a position and those to come, without end.

        When the stream is cut it is taken up behind the last event that was given out. Raises
        ProblemError, and UnreachableError when the service stays away.
        """
        attempts = 0
        while True:
            opened = math.inf
            try:
                for event in self._stream(after, topics):
                    if event is None:
                        opened = time.monotonic()
                    else:
                        after, attempts = event.position, 0
                        yield event
                failure: ServiceError = UnreachableError("the stream ended")
            except httpx.ReadTimeout as error:
                opened = math.inf  # it was there, but it did not speak
                failure = UnreachableError(f"the stream fell silent: {error}")
            except BROKEN as error:
                failure = UnreachableError(f"the stream broke off: {error}")
            except ServiceError as error:
                failure = error
            attempts = 1 if time.monotonic() - opened > STOOD_S else attempts + 1
            if not self._door.patience.goes_on(failure, attempts):
                raise failure
            self._door.patience.rest(failure, attempts)

    def _stream(self, after: int, topics: Sequence[str]) -> Iterator[CloudEvent | None]:
        """None once it stands, and the events of one connection.

        Raises ProblemError, what httpx raises.
        """
        http = self._door.http
        timeout = httpx.Timeout(http.timeout.connect, read=SILENCE_MAX_S)
        asked = {"after": after, "topic": list(topics)}
        with httpx_sse.connect_sse(http, "GET", PATH, params=asked, timeout=timeout) as source:
            if not source.response.is_success:
                source.response.read()
                failure = problem_in(source.response)
                assert failure is not None
                raise failure
            yield None
            for sent in source.iter_sse():
                yield msgspec.json.decode(sent.data, type=CloudEvent)
