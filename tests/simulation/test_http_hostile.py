"""What no client should send, sent to a service in a process of its own.

Every answer is a problem of the 400s, nothing is a server error, the service goes on, and takes
little memory for it. Values go into every field of every command, and tricks into every id and
parameter: one in so many of them, all of them in the long run.
"""

import errno
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx
import msgspec
import pytest

from api import openapi
from api.routes.table import VIEWS, routes
from api.ways import WAYS, Way
from ledger.settings import Settings
from tests.http_counties import OURS, county
from tests.http_process import Process
from tests.http_service import Key, done, issue, open_ledger, post
from tests.simulation.programs import LONG

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
#: One in so many is sent.
EVERY: Final = 1 if LONG else 25
#: What the service may take more at its peak, in KiB, whatever was sent.
MORE_KIB: Final = 48 * 1024
MIB: Final = 1 << 20

#: Values as they are written in JSON.
VALUES: Final = {
    "not a number": b"NaN", "infinite": b"-Infinity", "too great": b"1e999",
    "2^53": b"9007199254740992", "2^63": b"9223372036854775808", "-2^63": b"-9223372036854775809",
    "10^400": b"1" + b"0" * 400, "10^100000": b"1" + b"0" * 100_000, "a fraction": b"0.5",
    "minus zero": b"-0.0", "a lone surrogate": b'"\\ud800"', "two in the wrong order":
    b'"\\udc00\\ud800"', "a raw surrogate": b'"\xed\xa0\x80"', "NUL": b'"V1\\u0000"',
    "a raw NUL": b'"V1\x00"', "bidi": '"V1\u202eV2\u2066"'.encode(), "no UTF-8": b'"\xff\xfe"',
    "an overlong slash": b'"\xc0\xaf"', "a control character": b'"\\u001b[2J"',
    "a line end": b'"V1\\n"', "SQL": b"\"V1'; DROP TABLE stored_events; --\"",
    "a path": b'"../../etc/passwd"', "a mark": b'"{0.__class__}%s$1"', "null": b"null",
    "true": b"true", "an object": b'{"$ne":1}', "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "a list": b"[1,[2,[3]]]",
    "a long text": b'"' + b"x" * 900_000 + b'"', "a text that is long in JSON alone":
    b'"' + b"\\u0041" * 150_000 + b'"', "many": b"[" + b"1," * 400_000 + b"1]",
    "an empty text": b'""', "a day that is none": b'"2025-02-30"', "the last day": b'"9999-12-31"',
    "the first day": b'"0001-01-01"', "Ethiopic digits": '"፩፪"'.encode(),
}  # fmt: skip
#: Bodies as a whole.
BODIES: Final = {
    "nothing": b"", "no JSON": b"member=V1", "a list": b"[]", "a text": b'"x"', "half": b'{"a":',
    "two": b"{}{}", "a mark of byte order": b"\xef\xbb\xbf{}", "UTF-16": '{"a":1}'.encode("utf-16"),
    "an unknown field": b'{"no such field":1}', "its class": b'{"__class__":1,"__init__":{}}',
    "twice": b'{"effective_on":"2025-01-01","effective_on":"2025-01-01"}',
    "twice, once escaped": b'{"effective_on":"2025-01-01","effectiv\\u0065_on":"2025-01-01"}',
    "another op": b'{"op":"open_ledger"}', "many names": b"{%b}" % b",".join(
        b'"n%d":1' % n for n in range(60_000)
    ), "only brackets": b"[" * 1_000_000, "only braces": b'{"a":' * 200_000, "blanks": b" " * MIB,
    "over the limit": b" " * (MIB + 1),
}  # fmt: skip
#: What stands in an id or a parameter, percent-encoded or to be so.
TRICKS: Final = (
    "..", "%2e%2e%2f%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "V1%00", "%0d%0aset-cookie:%20x=1",
    "V1'%20OR%20'1'='1", "V1%22;--", "1);DROP%20TABLE%20stored_events;--", "%F0%9F%92%A5",
    "%ED%A0%80", "%FF%FE", "%E2%80%AEV1", "%25", "%", "%zz", "{member}", "$ne", "*", "_%25", "-1",
    "1e9", "NaN", "9" * 400, "x" * 8_000, "true", "null", "%20V1", "V1%0a", "V1%2fV2", "V1%3fx=1",
    "V1;x=1", "\\", "[0]", "file:%2f%2f%2fetc%2fpasswd", "%EF%BC%A71", "%u0041",
)  # fmt: skip


class Service(NamedTuple):
    """The service, who asks it, and with which key."""

    process: Process
    client: httpx.Client
    key: Key

    def is_well(self) -> None:
        """It answers, it counted no server error, and never took much memory."""
        assert self.process.process.poll() is None
        text = httpx.get(f"{self.process.address}/metrics").text
        counted = [line for line in text.splitlines() if line.startswith("hourledger_requests_")]
        assert counted
        assert not [line for line in counted if 'status="5' in line]

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        sent = {"content-type": "application/json", "idempotency-key": "k", **self.key, **headers}
        return self.client.post(path, content=body, headers=sent)

    def wire(self, told: bytes, *, pause_s: float = 0.0) -> bytes:
        """The first line of the answer to bytes as they are; b"" when it only hangs up."""
        with socket.create_connection(("127.0.0.1", self.process.port), timeout=20) as line:
            try:
                line.sendall(told)
                time.sleep(pause_s)
                line.shutdown(socket.SHUT_WR)
                return line.makefile("rb").readline()
            except OSError as error:
                if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
                    raise
                return b""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/ledger.db"
    settings = Settings(database_url=url)
    open_ledger(settings, *county(OURS))
    key = issue(settings, "boss", "admin")
    with Process(url) as process, httpx.Client(base_url=process.address, timeout=60) as client:
        yield Service(process, client, key)


@pytest.fixture(autouse=True)
def _bounded(service: Service) -> Iterator[None]:
    """Whatever a test sends, the service is well afterwards and has not grown by much."""
    before = service.process.memory("VmHWM")
    yield
    service.is_well()
    grown = service.process.memory("VmHWM") - before
    print(f"{grown} KiB more")
    assert grown < MORE_KIB, f"{grown} KiB more"


def problem(answer: httpx.Response, *sent: object) -> None:
    """It is refused, as everything is."""
    assert 400 <= answer.status_code < 500, (sent, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json", sent
    assert len(answer.content) < 20_000, sent
    told = answer.json()
    assert told["status"] == answer.status_code, sent


def path_of(way: Way) -> str:
    return way.path.format_map({**openapi.EXAMPLES, **OURS.words})


def test_values_in_every_field(service: Service) -> None:
    """One field of a sound command holds what it should not; few hold what happens to be sound."""
    number = taken = 0
    for way in WAYS:
        example = openapi.example(way.kind, way.ids)
        for field in way.kind.__struct_fields__:
            if field in way.ids:
                continue
            for name, value in VALUES.items():
                number += 1
                if number % EVERY:
                    continue
                body = json.dumps({**example, field: "?!"}).encode().replace(b'"?!"', value)
                answer = service.post(path_of(way) + "?dry_run=true", body)
                if answer.status_code == 200:
                    taken += 1
                else:
                    problem(answer, way.op, field, name)
    print(f"{number // EVERY} of {number} values, {taken} of them sound")
    assert taken < number / EVERY / 10


def test_bodies_of_every_route(service: Service) -> None:
    paths = ["/v1/keys", *map(path_of, WAYS)]
    for path in paths[::EVERY]:
        for name, body in BODIES.items():
            answer = service.post(path + "?dry_run=true", body)
            # Who has nothing to say may say so with blanks.
            if answer.status_code != 200 or name not in ("nothing", "blanks"):
                problem(answer, path, name)
            assert (answer.status_code == 413) == (len(body) > MIB)


def test_lines_of_a_batch(service: Service) -> None:
    """Each is refused in its place; those around it are carried out."""
    sound = b'{"op":"profile_region","region":"33","name":"x","population":1,"source":"x"}\n'
    for name, body in {**VALUES, **BODIES}.items():
        lines = sound + b'{"op":"log_hours","member":' + body + b"}\n" + body + b"\n" + sound
        answer = service.post(
            "/v1/batch?on_error=continue&dry_run=true", lines,
            **{"content-type": "application/x-ndjson"},
        )  # fmt: skip
        told = [json.loads(line) for line in answer.text.splitlines()]
        outcomes = [each["outcome"] for each in told]
        assert (outcomes[0], outcomes[-1]) == ("done", "done"), name
        assert set(outcomes[1:-1]) == {"refused"}, name
        assert len(answer.content) < 20_000, name


def test_tricks_in_every_id_and_parameter(service: Service) -> None:
    words = {**openapi.EXAMPLES, **OURS.words, "type": "member", "id": "V1", "account": "served"}
    number = 0
    for route in routes():
        path = route.path.replace(":path", "")
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        asked = [p["name"] for p in route.operation.get("parameters", ()) if p["in"] == "query"]
        for name in (*names, *asked, "unknown"):
            for trick in TRICKS:
                number += 1
                if number % EVERY:
                    continue
                url = path.format_map({**words, name: trick})
                query = f"?{name}={quote(trick, safe='%')}" if name not in names else ""
                raw = httpx.URL(service.process.address).copy_with(
                    raw_path=f"{url}{query}".encode()
                )
                request = service.client.build_request(
                    route.method, raw, headers={**service.key, "idempotency-key": "k"}
                )
                answer = service.client.send(request)
                assert answer.status_code < 500, (route.path, name, trick, answer.text[:300])
                if answer.status_code >= 400:
                    problem(answer, route.path, name, trick)
    print(f"{number // EVERY} of {number} tricks")
    assert {view.path for view in VIEWS} <= {route.path for route in routes()}


HEAD: Final = b"GET /v1/keys HTTP/1.1\r\nhost: x\r\n"
POST: Final = b"POST /v1/members HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
#: What is sent on the wire; `{key}` is a sound key. None is answered with 200.
WIRE: Final = {
    "nothing": b"", "a blank line": b"\r\n\r\n", "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00",
    "HTTP/0.9": b"GET /v1/keys\r\n\r\n", "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\nhost: x\r\n\r\n", "no host": b"GET /v1/keys HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + b"host: y\r\n\r\n", "a header without a name": HEAD + b": x\r\n\r\n",
    "a blank in a name": HEAD + b"a b: x\r\n\r\n", "a folded header": HEAD + b"a: b\r\n c\r\n\r\n",
    "NUL in a header": HEAD + b"a: b\x00c\r\n\r\n", "a bare CR": HEAD + b"a: b\rc: d\r\n\r\n",
    "a long header": HEAD + b"a: " + b"x" * 200_000 + b"\r\n\r\n",
    "a header without end": HEAD + b"a: " + b"x" * 1_000_000,
    "many headers": HEAD + b"".join(b"a%d: b\r\n" % n for n in range(5_000)) + b"\r\n",
    "a long target": b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    "a target that is none": b"GET v1 HTTP/1.1\r\nhost: x\r\n\r\n",
    "an absolute target": b"GET http://[::1/v1/keys HTTP/1.1\r\nhost: x\r\n\r\n",
    "another method": b"BREW /v1/keys HTTP/1.1\r\nhost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nhost: x\r\n\r\n",
    "all of it": b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    "an upgrade": HEAD + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "no length": POST + b"content-length: x\r\n\r\n{}",
    "a negative length": POST + b"content-length: -1\r\n\r\n{}",
    "a great length": POST + b"authorization: {key}\r\nidempotency-key: k\r\n"
    b"content-length: 99999999999999\r\n\r\n{}",
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "a length and chunks": POST
    + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "another encoding": POST + b"transfer-encoding: gzip\r\n\r\n{}",
    "a chunk that is none": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a great chunk": POST + b"authorization: {key}\r\nidempotency-key: k\r\n"
    b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "a chunk with much to say": POST + b"transfer-encoding: chunked\r\n\r\n2;" + b"x" * 500_000,
    "a body that breaks off": POST + b"authorization: {key}\r\nidempotency-key: k\r\n"
    b"content-length: 50\r\n\r\n{",
    "a key twice": HEAD + b"authorization: {key}\r\nauthorization: Bearer x\r\n\r\n",
    "an empty key": HEAD + b"authorization:\r\n\r\n",
    "a key in another script": HEAD + "authorization: Bearer ключ\r\n\r\n".encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", WIRE)
def test_what_is_no_request(name: str, service: Service) -> None:
    """It is refused or hung up on, and never done."""
    told = WIRE[name].replace(b"{key}", service.key["authorization"].encode())
    status = service.wire(told, pause_s=0.05)
    assert status == b"" or status.startswith(b"HTTP/1.1 4"), status


HEADERS: Final = {
    "host": ("[::1", "a:b:c", "\xff"), "x-forwarded-for": ("x" * 5_000,),
    "cookie": ("\xff", "=;" * 9),
    "accept": (",,;q=,", "\xff", "*/*;q=" + "9" * 999), "accept-encoding": ("gzip;q=x", "\xff"),
    "content-type": ("application/json; charset=utf-16", "x/y" * 999, "\xff"),
    "content-encoding": ("gzip", "x"), "traceparent": ("00-x", "\xff" * 55), "range": ("bytes=9-",),
    "x-request-id": ("\xff", "a" * 5_000, "{}"), "last-event-id": ("-1", "9" * 999, "\xff"),
    "idempotency-key": ('"', "a/b", "\xff", "x" * 5_000), "if-match": ("*",),
    "expect": ("nothing",),
    "authorization": ("Bearer " + "x" * 5_000, "Bearer \xff", "Basic Og==", "Bearer"),
}  # fmt: skip


def test_hostile_headers(service: Service) -> None:
    """They are passed over or refused, and nothing that was sent is told back in a header."""
    body = msgspec.json.encode({"member": "V7", "region": "33"})
    for name, values in HEADERS.items():
        for value in values:
            for method, path in (("GET", "/v1/events?limit=1"), ("POST", "/v1/members?dry_run=1")):
                own = {**service.key, "content-type": "application/json", name: value}
                pairs = [(k.encode(), v.encode("latin-1")) for k, v in own.items()]
                answer = service.client.request(
                    method, path, headers=pairs, content=body if method == "POST" else None
                )
                assert answer.status_code < 500, (name, value)
                assert all(len(told) < 500 for told in answer.headers.values()), name
                if answer.status_code >= 400:
                    problem(answer, name, value)


def test_a_header_that_is_sent_twice_is_not_one_of_both(service: Service) -> None:
    """Whoever stands before the service may have looked at the other one."""
    sound = {"content-type": "application/json", "idempotency-key": "k", **service.key}
    pairs = [(name.encode(), value.encode()) for name, value in sound.items()]
    for name, status in (("authorization", 401), ("idempotency-key", 422), ("content-type", 415)):
        twice = (name.encode(), sound[name].encode())
        for headers in ([*pairs, twice], [twice, *pairs]):
            body = b'{"member":"TWICE","region":"33"}'
            answer = service.client.post("/v1/members", content=body, headers=headers)
            problem(answer, name)
            assert answer.status_code == status


def test_a_body_over_the_limit_in_chunks_takes_no_memory(service: Service) -> None:
    pieces = (b" " * MIB for _ in range(200))
    named = {**service.key, "idempotency-key": "k"}
    try:
        answer = service.client.post("/v1/members", content=pieces, headers=named)
    except httpx.TransportError:
        return  # hung up on in the middle
    problem(answer)
    assert answer.status_code == 413


def test_slow_clients_hold_up_nobody(service: Service) -> None:
    """Two hundred send a byte now and then; all others are answered meanwhile."""
    head = POST + b"authorization: " + service.key["authorization"].encode() + b"\r\n"
    lines = [socket.create_connection(("127.0.0.1", service.process.port)) for _ in range(200)]
    for number, line in enumerate(lines):
        line.sendall(
            (head, head + b"idempotency-key: k\r\ncontent-length: 50\r\n\r\n{")[number % 2]
        )
    for number in range(20):
        for line in lines[number::20]:
            line.sendall(b" ")
        wish = {"member": f"SLOW{number}", "region": "33"}
        done(post(service.client, "/v1/members", wish, service.key))
    for line in lines:
        line.close()


def test_many_who_hang_up_in_the_middle(service: Service) -> None:
    """Of an answer, of a body, of a batch: nothing of theirs stays."""
    key = f"authorization: {service.key['authorization']}\r\nidempotency-key: %d\r\n".encode()
    batch = b"POST /v1/batch?on_error=continue HTTP/1.1\r\nhost: x\r\n"
    batch += b"content-type: application/x-ndjson\r\n"

    def hang_up(number: int) -> None:
        own = key % number
        told = (
            HEAD + own + b"\r\n",
            POST + own + b"content-length: 50\r\n\r\n{",
            batch + own + b"transfer-encoding: chunked\r\n\r\n5\r\n{}\n{}\r\n",
            b"GET /v1/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n" + own + b"\r\n",
        )[number % 4]
        with socket.create_connection(("127.0.0.1", service.process.port)) as line:
            line.sendall(told)
            time.sleep(0.01)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(hang_up, range(400)))
    deadline = time.monotonic() + 20
    while "hourledger_streams 0.0" not in service.client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
