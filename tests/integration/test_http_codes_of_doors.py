"""Every code of the error map over HTTP: the doors' own, and whatever the ledger may say."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest

from api.bounds import Bounds
from api.errors import RETRY_AFTER_S, STATUS
from ledger.application import Ledger
from ledger.domain.errors import LedgerError, all_errors
from ledger.settings import Settings
from tests.http_service import ORIGIN, Key, done, issue, open_ledger, post, refused, started
from tests.integration.test_cli_refusals import CASES, DESIGN
from tests.unit.test_http_openapi import ELSEWHERE

MEMBER: Final = {"member": "V1", "region": "330424"}
NDJSON: Final = {"content-type": "application/x-ndjson", "idempotency-key": "b"}
#: So tight that everything there is too much of is soon there.
TIGHT: Final = Bounds(
    body_wait_s=0.2, read_wait_s=0.1, write_wait_s=0.2, lag_s_max=0, atomic_lines_max=1
)


class Place(NamedTuple):
    """A service whose figures nobody brings up to date, and what it stands on."""

    client: httpx.Client
    key: Key
    file: Path
    patch: pytest.MonkeyPatch


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/ledger.db")
    open_ledger(settings)
    key = issue(settings, "boss", "admin")
    with started(settings, bounds=TIGHT, tailer=False) as client:
        yield Place(client, key, tmp_path / "ledger.db", monkeypatch)


# what each is provoked by


def nothing_sent(place: Place) -> httpx.Response:
    return place.client.get("/v1/keys")


def no_name(place: Place) -> httpx.Response:
    return place.client.post("/v1/members", json=MEMBER, headers=place.key)


def no_route(place: Place) -> httpx.Response:
    return place.client.get("/v1/nothing", headers=place.key)


def no_method(place: Place) -> httpx.Response:
    return place.client.delete("/v1/members", headers=place.key)


def no_form(place: Place) -> httpx.Response:
    return place.client.get("/v1/events", headers={**place.key, "accept": "image/png"})


def no_end(place: Place) -> httpx.Response:
    """A body that never ends."""
    host, port = place.client.base_url.host, place.client.base_url.port or 0
    with socket.create_connection((host, port), timeout=10) as slow:
        head = (
            f"POST /v1/members HTTP/1.1\r\nhost: x\r\nauthorization: {place.key['authorization']}"
        )
        slow.sendall(f"{head}\r\nidempotency-key: k\r\ncontent-length: 50\r\n\r\n{{".encode())
        told = b""
        while not told.endswith(b"}"):
            told += slow.recv(10_000)
    head, _, body = told.decode().partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    request = httpx.Request("POST", "http://x/v1/members")
    pairs = [tuple(header.split(": ", 1)) for header in headers]
    return httpx.Response(int(status.split()[1]), headers=pairs, text=body, request=request)  # type: ignore[arg-type]


def too_large(place: Place) -> httpx.Response:
    headers = {"content-type": "application/json", "idempotency-key": "k", **place.key}
    return place.client.post("/v1/members", content=b" " * 1_048_577, headers=headers)


def too_many(place: Place) -> httpx.Response:
    body = b'{"op":"register_member","member":"V1","region":"33"}\n' * 2
    return place.client.post("/v1/batch", content=body, headers={**NDJSON, **place.key})


def no_json(place: Place) -> httpx.Response:
    headers = {"content-type": "text/plain", "idempotency-key": "k", **place.key}
    return place.client.post("/v1/members", content=b"{}", headers=headers)


def not_folded(place: Place) -> httpx.Response:
    position = done(post(place.client, "/v1/members", MEMBER, place.key))["position"]
    asked = {"min_position": position}
    return place.client.get("/v1/members/V1/balance", headers=place.key, params=asked)


def not_known_yet(place: Place) -> httpx.Response:
    position = done(post(place.client, "/v1/members", MEMBER, place.key))["position"]
    asked = {"known_at": position}
    return place.client.get("/v1/totals", headers=place.key, params=asked)


def far_behind(place: Place) -> httpx.Response:
    done(post(place.client, "/v1/members", MEMBER, place.key))
    place.client.get("/readyz")
    return place.client.get("/readyz")


def no_answer(place: Place) -> httpx.Response:
    waiting: Future[Any] = Future()
    place.patch.setattr(Ledger, "submit", lambda *_, **__: waiting)
    return post(place.client, "/v1/members", MEMBER, place.key)


def mistake(place: Place) -> httpx.Response:
    place.patch.setattr(Ledger, "submit", lambda *_, **__: 1 / 0)
    return post(place.client, "/v1/members", MEMBER, place.key)


def nobody(place: Place) -> httpx.Response:
    return place.client.get("/v1/trail/actor/nobody", headers=place.key)


def never_signed(place: Place) -> httpx.Response:
    return place.client.get("/v1/log/checkpoint?size=7", headers=place.key)


def changed_row(place: Place) -> httpx.Response:
    """Someone got at the file by other means than ours."""
    with sqlite3.connect(place.file) as connection:
        connection.execute("DROP TRIGGER stored_events_refuse_update")
        connection.execute("UPDATE stored_events SET state = '{}' WHERE rowid = 1")
    return place.client.get(f"/v1/trail/ledger/{ORIGIN}", headers=place.key)


PROVOKED: Final[dict[str, tuple[Callable[[Place], httpx.Response], str]]] = {
    "unauthenticated": (nothing_sent, ""),
    "idempotency_key_required": (no_name, "idempotency-key"),
    "route_not_found": (no_route, ""),
    "not_found": (nobody, "id"),
    "checkpoint_not_found": (never_signed, "size"),
    "method_not_allowed": (no_method, ""),
    "not_acceptable": (no_form, "accept"),
    "request_timeout": (no_end, ""),
    "body_too_large": (too_large, ""),
    "batch_too_large": (too_many, "on_error"),
    "unsupported_media_type": (no_json, "content-type"),
    "behind": (not_folded, "min_position"),
    "not_ready": (far_behind, ""),
    "command_in_flight": (no_answer, "idempotency-key"),
    "internal": (mistake, ""),
    "corrupt_log": (changed_row, "state"),
}
#: Shown by outages, by rates and by the end of a service in tests of their own.
ELSEWHERE_SHOWN: Final = {"unavailable", "rate_limited", "stopping"}
#: No request meets these, but if one did, it would be told: they are said by the ledger below.
UNMET: Final = {
    "bad_segment": "sealed segments are the operator's to read",
    "bad_request": "whoever it concerns has gone",
    "ledger_not_opened": "a log that is not open has no keys",
    "command_not_found": "receipts are made of what was just written",
    "not_durable": "found when the service starts",
    "invalid_settings": "found when the service starts",
    "position_moved": "reads look again, unless rebuilds overtake them many times",
    "head_moved": "the writer decides again",
    "region_not_found": "a region without a profile has figures",
}


@pytest.mark.parametrize("code", PROVOKED)
def test_what_the_doors_refuse_has_its_status_code_and_place(code: str, place: Place) -> None:
    provoke, at = PROVOKED[code]
    answer = provoke(place)
    problem = refused(answer, STATUS[code], code, at)
    assert problem["type"] == f"urn:hourledger:problem:{code}"
    assert problem["instance"] == answer.request.url.path
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["title"]
    assert [each["at"] for each in problem["errors"]] == ([at] if at else [])
    assert answer.headers.get("retry-after") == (
        str(RETRY_AFTER_S[code]) if code in RETRY_AFTER_S else None
    )


def test_figures_behind_a_moment_are_told_where_it_was_asked_for(place: Place) -> None:
    refused(not_known_yet(place), STATUS["behind"], "behind", "known_at")


ERRORS: Final = sorted(
    (
        kind
        for kind in all_errors()
        if kind.code in STATUS and not kind.__module__.startswith(ELSEWHERE)
    ),
    key=lambda kind: kind.code,
)


def test_whatever_the_ledger_says_is_told_with_its_status_and_place(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every code of the map, as it comes from the ledger: for a command, and for lines."""
    settings, said = Settings(database_url=sqlite_url), list[LedgerError]()
    open_ledger(settings)
    key = issue(settings, "boss", "admin")

    def say(*_: object, **__: object) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_exception(said[-1])
        return future

    monkeypatch.setattr(Ledger, "submit", say)
    with started(settings, tailer=False) as client:
        for kind in ERRORS:
            said.append(kind("member", minutes=7))
            line = b'{"op":"register_member","member":"V1","region":"33"}\n'
            for answer in (
                post(client, "/v1/members", MEMBER, key),
                client.post("/v1/batch?on_error=stop", content=line, headers={**NDJSON, **key}),
            ):
                problem = refused(answer, STATUS[kind.code], kind.code, "member")
                assert problem["facts"] == {"minutes": 7}
                assert problem["title"] == kind.__doc__
                assert ("retry-after" in answer.headers) == (kind.code in RETRY_AFTER_S)
                assert ("www-authenticate" in answer.headers) == (kind.code == "unauthenticated")


def test_every_code_of_the_map_is_shown() -> None:
    by_rules = {case.code for case in CASES}
    assert {*DESIGN.split()} <= by_rules | {*PROVOKED}
    assert by_rules | {*PROVOKED} | ELSEWHERE_SHOWN | {*UNMET} == {*STATUS}
    assert not (by_rules | {*PROVOKED}) & {*UNMET}
    assert {kind.code for kind in ERRORS} == {*STATUS}
