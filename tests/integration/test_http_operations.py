"""Running the service: alive, ready, counted, limited, logged, traced, stopped; and its outages."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from starlette.types import Message, Receive, Scope, Send

from api import rates
from api.app import create_app
from api.bounds import Bounds
from api.call import Envelope
from api.metrics import Metrics
from api.serving import JsonLines
from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.settings import Settings
from tests.http_process import free_port
from tests.http_service import Key, done, issue, open_ledger, post, raw, refused, started
from tests.postgres_server import PostgresServer
from tests.told import eventually

DESK = {"holder": "desk", "roles": ["recorder"], "expires_on": "2099-12-31"}
MEMBER = {"member": "V1", "region": "330424"}


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings)
    return settings


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "boss", "admin")


@pytest.fixture
def client(county: Settings, key: Key) -> Iterator[httpx.Client]:
    with started(county) as client:
        yield client


def test_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"alive": True}
    assert eventually(lambda: client.get("/readyz").json()["lag_events"] == 0)
    ready = client.get("/readyz").json()
    assert (ready["ready"], ready["reason"], ready["position"]) == (True, "", ready["head"])


def test_a_service_whose_figures_are_far_behind_is_not_ready(county: Settings, key: Key) -> None:
    with started(county, tailer=False, bounds=Bounds(lag_s_max=0.3)) as client:
        assert client.get("/readyz").status_code in (200, 503)
        position = done(post(client, "/v1/members", MEMBER, key))["position"]
        assert eventually(lambda: client.get("/readyz").status_code == 503)
        problem = refused(client.get("/readyz"), 503, "not_ready")
        assert "too far behind" in problem["facts"]["reason"]
        assert problem["facts"]["lag_events"] >= 1
        assert client.get("/livez").status_code == 200
        # Another process brings the figures up to date.
        with started(county):
            assert eventually(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/readyz").json()["position"] >= position


def test_metrics_count_by_route_and_by_code(client: httpx.Client, key: Key) -> None:
    done(post(client, "/v1/members", MEMBER, key))
    refused(post(client, "/v1/members", MEMBER, key), 409, "already_exists")
    client.get("/v1/members/V1/balance", headers=key)
    client.get("/v1/members/V2/balance", headers=key)
    client.get("/anything/else")
    done(post(client, "/v1/keys", DESK, key))
    refused(
        post(client, "/v1/keys", {**DESK, "expires_on": "2020-01-01"}, key), 422, "invalid_command"
    )
    text = client.get("/metrics").text
    for line in (
        'hourledger_requests_total{method="POST",route="/v1/members",status="201"} 1.0',
        'hourledger_requests_total{method="POST",route="/v1/members",status="409"} 1.0',
        'hourledger_requests_total{method="GET",route="/v1/members/{member}/balance",status="404"}',
        'hourledger_requests_total{method="GET",route="-",status="404"} 1.0',
        'hourledger_commands_total{op="register_member",outcome="done"} 1.0',
        'hourledger_commands_total{op="register_member",outcome="already_exists"} 1.0',
        'hourledger_commands_total{op="issue_key",outcome="done"} 1.0',
        'hourledger_commands_total{op="issue_key",outcome="invalid_command"} 1.0',
        "hourledger_request_seconds_bucket",
        "hourledger_figures_lag_seconds",
        "hourledger_log_position",
        "hourledger_log_ahead_seconds 0.0",
    ):
        assert line in text, line
    assert "V1" not in text


def test_a_request_has_an_id(client: httpx.Client, key: Key) -> None:
    own = client.get("/v1/keys", headers={**key, "x-request-id": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1"
    for sent in ("a b", "x" * 65, "é", '"', "a\tb"):
        answer = client.get("/v1/nothing", headers=raw({"x-request-id": sent}))
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_key_may_ask_so_often(
    county: Settings, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = issue(county, "other", "auditor")
    bounds = Bounds(rate_max=5, rate_window_s=60, stranger_rate_max=3)
    now = time.monotonic()
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: now))
    with started(county, bounds=bounds) as client:
        for left in range(4, -1, -1):
            answer = client.get("/v1/keys", headers=key)
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"default";q=5;w=60'
            assert answer.headers["ratelimit"].startswith(f'"default";r={left};t=')
        answer = client.get("/v1/keys", headers=key)
        refused(answer, 429, "rate_limited", "key")
        assert answer.headers["ratelimit"].startswith('"default";r=0;t=')
        assert answer.headers["retry-after"] == "60"
        assert client.get("/v1/events", headers=other).status_code == 200
        now += 60
        assert client.get("/v1/keys", headers=key).status_code == 200
        # Whoever guesses keys is slowed down, whatever is wrong with the guesses.
        statuses = [client.get("/v1/keys").status_code for _ in range(5)]
        assert statuses == [401] * 3 + [429] * 2
        assert client.get("/v1/events", headers=other).status_code == 200


def test_a_log_line_names_no_member(
    client: httpx.Client, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "hourledger.access"):
        client.get("/v1/members/V0001/balance", headers={**key, "x-request-id": "r-1"})
        assert eventually(lambda: any(r.name == "hourledger.access" for r in caplog.records))
    (record,) = [r for r in caplog.records if r.name == "hourledger.access"]
    line = JsonLines().format(record)
    assert "V0001" not in line
    told = json.loads(line)
    assert told["ms"] > 0
    expected = {
        "event": "request", "level": "info", "logger": "hourledger.access", "request_id": "r-1",
        "method": "GET", "route": "/v1/members/{member}/balance", "status": 404, "holder": "boss",
        "key": key["authorization"].split("_")[1], "code": "member_not_found",
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected


def test_a_surprise_is_told_to_the_log_and_not_to_the_caller(
    county: Settings, key: Key, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr(Ledger, "submit", fail)
    with started(county) as client:
        answer = post(client, "/v1/members", MEMBER, key)
        refused(answer, 500, "internal")
        assert "secret" not in answer.text
        assert answer.headers["x-request-id"]
    assert "secret words" in caplog.text


class Spans(trace.TracerProvider):
    """Remembers the spans that are started."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.attributes: dict[str, Any] = {}

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return Tracer(self)


class Span(trace.NonRecordingSpan):
    def __init__(self, spans: Spans) -> None:
        super().__init__(trace.SpanContext(7, 8, is_remote=False))
        self._spans = spans

    def is_recording(self) -> bool:
        return True

    def update_name(self, name: str) -> None:
        self._spans.names.append(name)

    def set_attribute(self, key: str, value: Any) -> None:
        self._spans.attributes[key] = value


class Tracer(trace.Tracer):
    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def start_span(self, name: str, *_: Any, **__: Any) -> trace.Span:
        self._spans.names.append(name)
        return Span(self._spans)

    def start_as_current_span(self, name: str, *_: Any, **__: Any) -> Any:
        return trace.use_span(self.start_span(name))


def test_requests_are_traced_through_fastapi_itself(
    county: Settings, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    spans = Spans()
    with (
        started(county, telemetry={"tracer_provider": spans}) as client,
        caplog.at_level(logging.INFO, "hourledger.access"),
    ):
        client.get("/livez")
        assert spans.names == []
        client.get("/v1/members/V0001/balance", headers=key)
        # A request is logged after it was answered.
        assert eventually(lambda: f"{7:032x}" in "".join(map(JsonLines().format, caplog.records)))
    assert "GET /v1/members/{member}/balance" in spans.names
    assert spans.attributes["http.route"] == "/v1/members/{member}/balance"


def test_the_envelope_makes_a_problem_of_any_error() -> None:
    import asyncio  # noqa: PLC0415

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 431, "headers": []})
        await send({"type": "http.response.body", "body": b"too many", "more_body": True})
        await send({"type": "http.response.body", "body": b"headers"})

    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(Envelope(inner, Metrics())(scope, receive, send))
    start, body = told
    assert start["status"] == 431
    assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
    assert json.loads(body["body"])["code"] == "bad_request"


def test_the_document_is_served(client: httpx.Client) -> None:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == json.loads(json.dumps(create_app().openapi()))


def test_hostile_headers_harm_nothing(client: httpx.Client, key: Key) -> None:
    for name, value in (
        ("host", "[::1"), ("host", "a:b:c"), ("x-forwarded-for", "x" * 5000), ("cookie", "\xff"),
        ("accept", ",,;q=,"), ("content-length", "0"), ("traceparent", "00-x"),
        ("range", "bytes=9-"),
        ("authorization", "Bearer hl_" + "0" * 16 + "_" + "A" * 32), ("expect", "nothing"),
    ):  # fmt: skip
        for path in ("/v1/keys", "/v1/members/V9/balance", "/v1/nothing", "/v1/members?limit=1"):
            answer = client.get(path, headers=raw({**key, name: value}))
            assert answer.status_code < 500, (name, value, answer.text)
    for path in ("/v1/members/..%2f..%2fetc%2fpasswd/balance", "/v1/members/%00/balance",
                 "/v1/members/V1'%20OR%20'1'='1/balance", "/v1/members/%F0%9F%92%A5/balance",
                 "/v1/members/%ED%A0%80/balance", "/v1/trail/member/%2e%2e", "//v1//keys",
                 "/v1/members/V1/balance/", "/v1/members//balance", "/%FF", "/v1/keys%0d%0ax:y",
                 "/v1/funds/" + "F" * 5000 + "/usage"):  # fmt: skip
        answer = client.get(path, headers=key)
        assert answer.status_code in (404, 422), (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_slow_client_is_not_waited_for(county: Settings, key: Key) -> None:
    """A body that trickles in holds up nobody else, and is given up in bounded time."""
    with started(county, bounds=Bounds(body_wait_s=0.3)) as client:
        host, port = client.base_url.host, client.base_url.port
        with socket.create_connection((host, port or 0)) as slow:
            head = f"POST /v1/members HTTP/1.1\r\nhost: x\r\nauthorization: {key['authorization']}"
            slow.sendall(f"{head}\r\nidempotency-key: k\r\ncontent-length: 50\r\n\r\n{{".encode())
            done(post(client, "/v1/members", MEMBER, key))
            answer = slow.recv(10_000)
            slow.settimeout(5)
            while b"}" not in answer:
                answer += slow.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in answer


def test_serve_is_a_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    settings = Settings(database_url=url)
    program = [sys.executable, "-m", "api.cli.main", "--database", url, "serve", "--port"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    missing = subprocess.run([*program, "0"], capture_output=True, env=env, text=True, check=False)
    assert missing.returncode == 2
    assert "hourledger init" in missing.stderr
    open_ledger(settings)
    key = issue(settings, "boss", "admin")
    port = free_port()
    process = subprocess.Popen([*program, str(port)], stderr=subprocess.PIPE, env=env, text=True)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:

        def is_up() -> bool:
            try:
                return client.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        assert eventually(is_up, 30)
        position = done(post(client, "/v1/members", MEMBER, key))["position"]
        fresh = {"min_position": position}
        answer = client.get("/v1/members/V1/balance", headers=key, params=fresh)
        assert answer.status_code == 200
    taken = subprocess.run(
        [*program, str(port)], capture_output=True, env=env, text=True, check=False
    )
    assert (taken.returncode, "address already in use" in taken.stderr) == (1, True)
    process.send_signal(signal.SIGTERM)
    _, logged = process.communicate(timeout=30)
    assert process.returncode == 0
    lines = [json.loads(line) for line in logged.splitlines()]
    routes = {line.get("route") for line in lines if line["event"] == "request"}
    assert "/v1/members/{member}/balance" in routes


# outages


def test_an_outage_is_told_in_bounded_time_and_ends_by_itself(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    settings = Settings(database_url=postgres_url)
    open_ledger(settings)
    key = issue(settings, "boss", "admin")
    with started(settings) as client:
        done(post(client, "/v1/members", MEMBER, key, "first"))
        postgres_server.stop()
        try:
            began = time.monotonic()
            answer = post(client, "/v1/members", {"member": "D1", "region": "33"}, key)
            problem = refused(answer, 503, "unavailable")
            assert answer.headers["retry-after"] == "1"
            assert "postgres" not in json.dumps(problem).lower()
            refused(client.get("/v1/members/V1/balance", headers=key), 503, "unavailable")
            refused(client.get("/readyz"), 503, "not_ready")
            assert client.get("/livez").status_code == 200
            assert client.get("/metrics").status_code == 200
            assert time.monotonic() - began < 15
        finally:
            postgres_server.start()
        assert eventually(lambda: client.get("/readyz").status_code == 200)
        answer = post(client, "/v1/members", {"member": "U1", "region": "33"}, key)
        position = done(answer)["position"]
        assert done(post(client, "/v1/members", MEMBER, key, "first"))["replayed"]
        fresh = {"min_position": position}
        answer = client.get("/v1/members/U1/balance", headers=key, params=fresh)
        assert answer.status_code == 200


def test_a_file_that_was_read_only_for_a_while(sqlite_url: str) -> None:
    """As root a file's mode stops nobody, so the writer's connection is made read-only instead."""
    settings = Settings(database_url=sqlite_url)
    open_ledger(settings, c.RegisterMember(member="V9", region="33"))
    key = issue(settings, "boss", "admin")
    from ledger.store import sqlite_datastore  # noqa: PLC0415

    real = sqlite_datastore.connect

    def read_only(path: Path, **options: Any) -> Any:
        connection = real(path, **options)
        connection.execute("PRAGMA query_only = ON")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_datastore, "connect", read_only)
        with started(settings) as client:
            answer = post(client, "/v1/members", MEMBER, key, "m")
            refused(answer, 503, "unavailable")
            assert client.get("/v1/members/V9/balance", headers=key).status_code == 200
            patch.undo()
            assert eventually(
                lambda: post(client, "/v1/members", MEMBER, key, "m").status_code == 201
            )
