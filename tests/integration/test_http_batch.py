"""Batches: a result line for each line, three ways to fail, nothing lost when a client leaves."""

import http.client
import json
import resource
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest

from api.bounds import Bounds
from ledger.application import Ledger
from ledger.settings import Settings
from ledger.store.writer import Writer
from tests.http_service import YESTERDAY, Key, issue, open_ledger, refused, started
from tests.integration.test_http_writes import BASIS

NDJSON = {"content-type": "application/x-ndjson"}
#: Small, so that few lines are many chunks.
SMALL = Bounds(chunk_lines=5, atomic_lines_max=12, line_bytes_max=400, spool_bytes_max=1000)


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *BASIS)
    return settings


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "clerk", "admin")


@pytest.fixture
def client(county: Settings, key: Key) -> Iterator[httpx.Client]:
    with started(county, bounds=SMALL) as client:
        yield client


def line(number: int, **changes: Any) -> dict[str, Any]:
    """Log the hours of a row of a sheet."""
    wish: dict[str, Any] = {
        "op": "log_hours", "member": "V1", "project": "P1", "service_on": YESTERDAY.isoformat(),
        "minutes": 1, "category": "elder_care", "evidence": "manual", "source": "sheet",
        "source_ref": str(number),
    }  # fmt: skip
    return wish | changes


def lines(*wishes: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(wish).encode() + b"\n" for wish in wishes)


def send(
    client: httpx.Client, body: bytes | Iterable[bytes], key: Key, name: str = "b", **asked: str
) -> httpx.Response:
    headers = {**NDJSON, "idempotency-key": name, **key}
    return client.post("/v1/batch", content=body, headers=headers, params=asked)


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(each) for each in answer.text.splitlines()]


def outcomes(answer: httpx.Response) -> str:
    """The first letters of what became of each line."""
    told = results(answer)
    assert [each["line"] for each in told] == list(range(1, len(told) + 1))
    return "".join(each["outcome"][0] for each in told)


def entries(settings: Settings, member: str = "V1") -> int:
    ledger = Ledger(settings)
    count = sum(
        row.topic == "HoursLogged" for row in ledger.store.select_streams([f"member/{member}"])
    )
    ledger.close()
    return count


BAD = line(99, minutes=0)


@pytest.mark.parametrize("number", [1, 5, 6, 23])
def test_each_line_has_its_result(
    number: int, client: httpx.Client, county: Settings, key: Key
) -> None:
    answer = send(client, lines(*map(line, range(number))), key, on_error="continue")
    told = results(answer)
    assert outcomes(answer) == "d" * number
    assert [each["result"]["entry"] for each in told] == [f"V1-{n + 1}" for n in range(number)]
    assert told[-1]["position"] == max(each["position"] for each in told)
    assert entries(county) == number


@pytest.mark.parametrize("on_error", ["atomic", "stop", "continue"])
def test_a_batch_is_told_again_only_to_a_key_that_may_do_it(
    on_error: str, client: httpx.Client, county: Settings
) -> None:
    """Of one holder: what is refused to a key's role is refused once more, and hides nothing."""
    recorder, funder = issue(county, "clinic", "recorder"), issue(county, "clinic", "funder")
    body = lines(*map(line, range(4)))
    assert outcomes(send(client, body, recorder, on_error=on_error)) == "dddd"
    told = refused(send(client, body, funder, on_error=on_error), 403, "forbidden")
    assert told["facts"] == {"needs": "recorder", "line": 1}
    assert outcomes(send(client, body, recorder, on_error=on_error)) == "dddd"
    if on_error == "continue":
        body = lines(line(5), {"op": "register_member", "member": "V5", "region": "330424"})
        for _ in range(2):
            assert outcomes(send(client, body, recorder, "c", on_error=on_error)) == "dr"


def test_continue_keeps_what_is_not_refused(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    body = lines(line(1), BAD, line(2), *map(line, range(3, 7)), BAD | {"member": "V9"}, line(7))
    body += b'not json\n{"op":"nonsense"}\n\n{"op":"log_hours"}\n' + lines(line(8))
    answer = send(client, body, key, on_error="continue")
    told = results(answer)
    assert "".join(each["outcome"][0] for each in told) == "drdddddrdrrrd"
    # The empty line is none, but counts.
    assert [each["line"] for each in told] == [*range(1, 12), 13, 14]
    codes = {each["line"]: (each["code"], each.get("at", "")) for each in told if "code" in each}
    assert codes == {
        2: ("minutes_out_of_range", "minutes"), 8: ("member_not_found", "member"),
        10: ("invalid_command", ""), 11: ("invalid_command", "op"),
        13: ("invalid_command", "member"),
    }  # fmt: skip
    assert entries(county) == 8


@pytest.mark.parametrize("wrong", [lines(BAD), b"{}\n"])
@pytest.mark.parametrize("before", [0, 3, 5, 7])
def test_stop_keeps_what_stands_before(
    before: int, wrong: bytes, client: httpx.Client, county: Settings, key: Key
) -> None:
    body = lines(*map(line, range(before))) + wrong + lines(*map(line, range(10, 19)))
    answer = send(client, body, key, on_error="stop")
    assert outcomes(answer) == "d" * before + "r" + "s" * 9
    assert entries(county) == before


def test_atomic_keeps_all_or_nothing(client: httpx.Client, county: Settings, key: Key) -> None:
    for wrong, code, at in (
        (BAD, "minutes_out_of_range", "minutes"),
        ({}, "invalid_command", "op"),
    ):
        answer = send(client, lines(line(1), line(2), wrong, line(3)), key)
        assert refused(answer, 422, code, at)["facts"]["line"] == 3
        assert entries(county) == 0
    assert outcomes(send(client, lines(line(1), line(2)), key)) == "dd"
    assert entries(county) == 2
    problem = refused(
        send(client, lines(*map(line, range(13))), key, "big"), 413, "batch_too_large"
    )
    assert problem["facts"] == {"lines_max": 12}


def test_a_dry_run_tells_all_and_writes_nothing(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    member = {"op": "register_member", "member": "V7", "region": "330424"}
    body = lines(member, line(1, member="V7"), BAD, {"op": "verify_hours", "entry": "V7-1"})
    asked = {"dry_run": "true", "on_error": "continue"}
    answer = client.post("/v1/batch", content=body, headers={**NDJSON, **key}, params=asked)
    assert outcomes(answer) == "ddrr"  # nobody verifies what they recorded
    assert entries(county, "V7") == 0
    refused(send(client, lines(*map(line, range(13))), key, **asked), 413, "batch_too_large")
    refused(send(client, lines(BAD), key, dry_run="true"), 422, "minutes_out_of_range")


def test_later_lines_name_an_entry_by_its_reference(client: httpx.Client, key: Key) -> None:
    other = {"op": "reject_hours", "member": "V1", "source": "sheet", "source_ref": "1",
             "reason_code": "error"}  # fmt: skip
    answer = send(client, lines(line(1), other), key, on_error="continue")
    assert [each["result"]["entry"] for each in results(answer)] == ["V1-1", "V1-1"]


def test_the_same_again_replays_and_goes_on(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    wishes = [line(n) for n in range(23)]
    first = results(send(client, lines(*wishes[:15]), key, on_error="continue"))
    again = results(send(client, lines(*wishes), key, on_error="continue"))
    assert [each.get("replayed", False) for each in again] == [True] * 15 + [False] * 8
    assert [each["result"] for each in again[:15]] == [each["result"] for each in first]
    assert entries(county) == 23


def test_another_batch_under_the_same_key_is_refused(client: httpx.Client, key: Key) -> None:
    assert outcomes(send(client, lines(*map(line, range(12))), key, on_error="stop")) == "d" * 12
    changed = lines(line(0, minutes=2), *map(line, range(1, 12)))
    refused(send(client, changed, key, on_error="stop"), 422, "idempotency_mismatch")
    later = lines(*map(line, range(5)), line(5, minutes=2), *map(line, range(6, 12)))
    told = results(send(client, later, key, on_error="stop"))
    assert "".join(each["outcome"][0] for each in told) == "dddddrrrrrss"
    assert {each["code"] for each in told if "code" in each} == {"idempotency_mismatch"}


def test_a_key_names_one_write_however_it_is_asked_for(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    """Whichever way comes first, the others are refused under its key, and add nothing."""
    wish = line(0)
    ways: dict[str, Callable[[str], httpx.Response]] = {
        "atomic": lambda name: send(client, lines(wish), key, name),
        "stop": lambda name: send(client, lines(wish), key, name, on_error="stop"),
        "continue": lambda name: send(client, lines(wish), key, name, on_error="continue"),
        "single": lambda name: client.post(
            "/v1/hours",
            json={field: value for field, value in wish.items() if field != "op"},
            headers={"idempotency-key": name, **key},
        ),
    }
    same = ({"atomic", "single"}, {"stop"}, {"continue"})  # one command, all or nothing
    for number, (first, first_way) in enumerate(ways.items()):
        wish["source_ref"] = f"r{number}"
        assert first_way(first).is_success
        for other, way in ways.items():
            if any({first, other} <= alike for alike in same):
                assert way(first).is_success
            else:
                refused(way(first), 422, "idempotency_mismatch")
        assert entries(county) == number + 1


def test_a_chunk_without_a_command_leaves_the_key_to_the_next(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    body = b"{\n" * SMALL.chunk_lines + lines(line(0))
    assert outcomes(send(client, body, key, on_error="continue")) == "rrrrrd"
    refused(send(client, lines(line(1)), key), 422, "idempotency_mismatch")
    assert entries(county) == 1


def test_a_line_that_is_too_long_costs_no_memory(client: httpx.Client, key: Key) -> None:
    long = b'{"op":"' + b"x" * 5_000_000 + b'"}\n'
    pieces = [lines(line(1)), *(long[n : n + 65_536] for n in range(0, len(long), 65_536)),
              lines(line(2)), b'{"op":"' + b"y" * 500]  # fmt: skip
    answer = send(client, iter(pieces), key, on_error="continue")
    assert outcomes(answer) == "drdr"
    assert results(answer)[1]["facts"]["reason"] == "the line is too long"


def test_any_pieces_make_the_same_lines(client: httpx.Client, key: Key) -> None:
    body = lines(line(1), line(2)).rstrip(b"\n") + b"\r\n\r\n" + lines(line(3)).rstrip(b"\n")
    for size in (1, 7, 64, len(body)):
        pieces = (body[n : n + size] for n in range(0, len(body), size))
        told = results(send(client, pieces, key, on_error="continue"))
        assert [each["line"] for each in told] == [1, 2, 4]
        assert {each["outcome"] for each in told} == {"done"}


def test_what_a_batch_needs(client: httpx.Client, key: Key) -> None:
    answer = client.post("/v1/batch", content=b"", headers={**NDJSON, **key})
    refused(answer, 400, "idempotency_key_required")
    headers = {"content-type": "application/json", "idempotency-key": "b", **key}
    refused(client.post("/v1/batch", content=b"{}", headers=headers), 415, "unsupported_media_type")
    refused(send(client, b"", key, on_error="maybe"), 422, "invalid_command", "on_error")
    refused(send(client, b"", key, what="ever"), 422, "invalid_command", "what")
    for mode in ("atomic", "stop", "continue"):
        assert results(send(client, b"", key, on_error=mode)) == []
        assert results(send(client, b"\n \n\r\n", key, on_error=mode)) == []
    secret = {"op": "issue_key", "holder": "x", "roles": ["admin"], "expires_on": "2099-01-01"}
    assert results(send(client, lines(secret), key, on_error="stop"))[0]["at"] == "op"


def test_a_client_that_goes_away_can_come_again(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    """It breaks off in the middle of the third chunk; two are there, the third is not."""
    wishes = [line(n) for n in range(23)]
    host, port = client.base_url.host, client.base_url.port
    assert port is not None
    with socket.create_connection((host, port)) as sock:
        body = lines(*wishes[:13])
        head = (
            "POST /v1/batch?on_error=continue HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        )
        for name, value in {**NDJSON, "idempotency-key": "b", **key}.items():
            head += f"{name}: {value}\r\n"
        sock.sendall(head.encode() + b"\r\n" + b"%x\r\n%b\r\n" % (len(body), body))
        deadline = time.monotonic() + 10
        while entries(county) < 10 and time.monotonic() < deadline:
            time.sleep(0.05)
    time.sleep(0.3)
    assert entries(county) == 10
    again = results(send(client, lines(*wishes), key, on_error="continue"))
    assert [each.get("replayed", False) for each in again] == [True] * 10 + [False] * 13
    assert entries(county) == 23


def test_results_come_while_lines_are_still_sent(client: httpx.Client, key: Key) -> None:
    """A client that reads as it sends has the first results before it has sent the last line."""
    assert client.base_url.port is not None
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=10)
    connection.putrequest("POST", "/v1/batch?on_error=continue")
    for name, value in {**NDJSON, "idempotency-key": "b", **key}.items():
        connection.putheader(name, value)
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()

    def give(body: bytes) -> None:
        connection.send(b"%x\r\n%b\r\n" % (len(body), body))

    give(lines(*map(line, range(5))))
    answer = connection.getresponse()
    assert [json.loads(answer.readline())["line"] for _ in range(5)] == [1, 2, 3, 4, 5]
    give(lines(*map(line, range(5, 12))))
    assert json.loads(answer.readline())["line"] == 6
    connection.send(b"0\r\n\r\n")
    assert len(answer.read().splitlines()) == 6
    connection.close()


def test_a_database_that_goes_away_in_the_middle(
    client: httpx.Client, county: Settings, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first result it is a 503; later the lines of the chunk are unknown.

    What was handed over behind it is told of as it is; what was not is skipped.
    """
    from ledger.domain.errors import Unavailable  # noqa: PLC0415

    real = Writer.submit
    away = {"b"}

    def submit(self: Writer, request: Any) -> Any:
        if request.command_id in {f"clerk/{name}" for name in away}:
            request.future.set_exception(Unavailable())
            return request.future
        return real(self, request)

    monkeypatch.setattr(Writer, "submit", submit)
    body = lines(*map(line, range(13)))
    answer = send(client, body, key, on_error="continue")
    refused(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    away.symmetric_difference_update({"b", "b/2"})
    assert outcomes(send(client, body, key, on_error="continue")) == "ddddduuuuuddd"
    away.clear()
    assert outcomes(send(client, body, key, on_error="continue")) == "d" * 13
    assert entries(county) == 13
    away.add("s/2")
    body = lines(*map(line, range(13, 26)))
    assert outcomes(send(client, body, key, "s", on_error="stop")) == "ddddduuuuusss"
    assert entries(county) == 18


def test_a_long_batch_streams_in_bounded_memory(sqlite_url: str) -> None:
    """Forty thousand lines from a client that reads nothing until it has sent all."""
    settings = Settings(database_url=sqlite_url)
    open_ledger(settings, *BASIS)
    key = issue(settings, "clerk", "admin")
    text = b'{"op":"reject_hours","entry":"V1-1","reason_code":"error"}\n' * 500
    with started(settings, bounds=Bounds(rate_max=0)) as client:
        send(client, text, key, "warm", on_error="continue")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        headers = {**NDJSON, "idempotency-key": "long", **key}
        asked = {"on_error": "continue"}
        count = 0
        body = (text for _ in range(80))
        with client.stream("POST", "/v1/batch", content=body, headers=headers, params=asked,
                           timeout=120) as answer:  # fmt: skip
            for told in answer.iter_lines():
                count += '"refused"' in told
        assert count == 40_000
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 40_000, f"{grown} KiB more"
