"""What the end of a service cuts off is told to ask again, and may."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from ledger.settings import Settings
from tests.http_service import issue, listening, open_ledger
from tests.integration.test_http_writes import BASIS, head_of
from tests.told import eventually

MEMBER = b'{"op":"register_member","member":"N1","region":"330424"}'


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/batch?on_error=continue", "/v1/members"])
def test_a_body_that_had_not_come_by_the_end(path: str, settings: Settings) -> None:
    open_ledger(settings, *BASIS)
    body = MEMBER if "batch" in path else MEMBER.replace(b'"op":"register_member",', b"")
    headers = {
        "idempotency-key": "slow",
        "content-type": "application/x-ndjson" if "batch" in path else "application/json",
        **issue(settings, "clerk", "admin"),
    }
    before = head_of(settings)
    told = {**headers, "host": "here", "content-length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    with listening(settings, stop_s=1) as url:
        place = urlsplit(url)
        slow = socket.create_connection((place.hostname, place.port), timeout=30)
        slow.sendall("\r\n".join([*lines, "", ""]).encode() + body[:-9])
        assert eventually(lambda: "under_way 2.0" in httpx.get(f"{url}/metrics").text, 10)
    with slow, slow.makefile("rb") as answer:
        head, _, problem = answer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 "), head
    assert {b"content-type: application/problem+json", b"retry-after: 2"} <= {*head.split(b"\r\n")}
    assert b'"code":"stopping"' in problem
    assert head_of(settings) == before
    with listening(settings) as url:
        again = httpx.post(url + path, content=body, headers=headers)
        assert again.status_code in (200, 201), again.text
    assert head_of(settings) == before + 1
