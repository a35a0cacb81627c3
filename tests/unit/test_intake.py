"""Bodies as they come in: whole, in pieces, too large, too late, broken off."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope

from api import intake
from api.call import Call
from api.errors import BodyTooLarge, RequestTimeout

Receive = Callable[[], Awaitable[Message]]


def request_of(receive: Receive, *headers: tuple[bytes, bytes]) -> Request:
    scope: Scope = {"type": "http", "headers": list(headers)}
    scope["call"] = Call(scope)
    return Request(scope, receive)


def coming(*pieces: bytes, pause_s: float | None = None, breaks: bool = False) -> Receive:
    """A client that sends these pieces; before each it may pause, and in the end break off."""
    left: Iterator[bytes] = iter(pieces)
    count = len(pieces)

    async def receive() -> Message:
        nonlocal count
        if pause_s is not None:
            await asyncio.sleep(pause_s)
        count -= 1
        if count < 0 or (breaks and count == 0):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": next(left), "more_body": count > 0}

    return receive


def whole(receive: Receive, *headers: tuple[bytes, bytes], wait_s: float = 30) -> bytes:
    return asyncio.run(intake.whole(request_of(receive, *headers), 10, wait_s))


def test_a_body_that_is_there_is_read_without_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "timeout", None)
    assert whole(coming(b"12345", b"67890")) == b"1234567890"


@pytest.mark.parametrize("pause_s", [0, 0.001])
def test_a_body_may_come_in_pieces(pause_s: float) -> None:
    assert whole(coming(b"123", b"", b"456", pause_s=pause_s)) == b"123456"


def test_a_body_that_does_not_end_is_given_up() -> None:
    with pytest.raises(RequestTimeout):
        whole(coming(*[b""] * 1000, pause_s=0.01), wait_s=0.2)


def test_a_body_that_does_not_begin_is_given_up() -> None:
    with pytest.raises(RequestTimeout):
        whole(coming(b"1", pause_s=60), wait_s=0.2)


def test_a_body_said_to_be_too_large_is_not_read() -> None:
    async def receive() -> Message:
        raise AssertionError

    with pytest.raises(BodyTooLarge):
        whole(receive, (b"content-length", b"11"))


def test_a_body_that_becomes_too_large_is_read_no_further() -> None:
    receive = coming(*[b"1234"] * 4)
    with pytest.raises(BodyTooLarge):
        whole(receive)
    assert asyncio.run(receive_once(receive)) == b"1234"


async def receive_once(receive: Receive) -> bytes:
    message = await receive()
    return bytes(message["body"])


def test_as_much_as_is_allowed_is_taken() -> None:
    assert whole(coming(b"1234567890"), (b"content-length", b"10")) == b"1234567890"


@pytest.mark.parametrize("pause_s", [None, 0.001])
def test_a_client_that_breaks_off(pause_s: float | None) -> None:
    with pytest.raises(ClientDisconnect):
        whole(coming(b"123", b"456", pause_s=pause_s, breaks=True))


def test_who_waits_for_a_body_can_be_called_off() -> None:
    async def calling_off() -> None:
        is_told = asyncio.Event()

        async def receive() -> Message:
            try:
                await asyncio.sleep(60)
            finally:
                is_told.set()
            raise AssertionError

        task = asyncio.create_task(intake.whole(request_of(receive), 10, 60))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert is_told.is_set()

    asyncio.run(calling_off())


def test_the_pieces_of_a_long_body_are_bounded_together() -> None:
    async def take() -> None:
        pieces = intake.pieces(request_of(coming(*[b"1234"] * 4)), 10)
        assert [await anext(pieces), await anext(pieces)] == [b"1234", b"1234"]
        with pytest.raises(BodyTooLarge):
            await anext(pieces)

    asyncio.run(take())
