"""The body of a request as it comes in: no more of it than is taken; a command's, not for ever."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.call import call_of
from api.errors import BodyTooLarge, RequestTimeout

T = TypeVar("T")


async def pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body piece by piece, up to so many bytes. Raises BodyTooLarge, ClientDisconnect."""
    _check_length(request, most)
    more = True
    while more:
        piece, more = await _next(request, most)
        most -= len(piece)
        yield piece


async def whole(request: Request, most: int, wait_s: float) -> bytes:
    """All of the body, within so many seconds. Raises as `pieces`, and RequestTimeout."""
    _check_length(request, most)
    try:
        return await _in_time(_joined(request, most), wait_s)
    except TimeoutError:
        raise RequestTimeout from None


def _check_length(request: Request, most: int) -> None:
    """Refuse a body that is said to be too large before any of it is read."""
    told = call_of(request).header(b"content-length")
    if told.isdecimal() and int(told) > most:
        raise BodyTooLarge


async def _joined(request: Request, most: int) -> bytes:
    found, more = [], True
    while more:
        piece, more = await _next(request, most)
        most -= len(piece)
        found.append(piece)
    return b"".join(found)


async def _next(request: Request, most: int) -> tuple[bytes, bool]:
    """The next piece, and whether there is more to come."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    piece: bytes = message.get("body", b"")
    if len(piece) > most:
        raise BodyTooLarge
    return piece, message.get("more_body", False)


async def _in_time(begun: Coroutine[Any, Any, T], wait_s: float) -> T:
    """What it returns, or TimeoutError. A timer is set only where it has to wait, which is rare."""
    try:
        waits_for = begun.send(None)
    except StopIteration as done:
        found: T = done.value
        return found
    async with asyncio.timeout(wait_s):
        return await _rest(begun, waits_for)


@coroutine
def _rest(begun: Coroutine[Any, Any, T], waits_for: object) -> Generator[Any, Any, T]:
    """What is left of a coroutine that waits for something: as `yield from`, from there on."""
    while True:
        try:
            answer = yield waits_for
        except BaseException as error:  # noqa: BLE001  a cancellation is for whoever waits
            resume = partial(begun.throw, error)
        else:
            resume = partial(begun.send, answer)
        try:
            waits_for = resume()
        except StopIteration as done:
            found: T = done.value
            return found
