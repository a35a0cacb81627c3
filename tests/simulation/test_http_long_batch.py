"""A batch of a million lines: streamed in and out in bounded memory, and resumed in the middle.

The client sends a part and goes away. Then it sends all of it again under the same key: what was
done is told again, the rest is done, and every line has had one effect.
"""

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import httpx
import pytest

from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.settings import Settings
from ledger.store.open import open_store
from tests.http_process import Process
from tests.http_service import OPERATOR, YESTERDAY, Key, issue, open_ledger
from tests.integration.test_http_writes import BASIS
from tests.simulation.programs import LONG
from tests.told import eventually

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
LINES: Final = 1_000_000 if LONG else 6_000
#: Where the client goes away; in the middle of a chunk.
BREAK: Final = LINES * 2 // 5 + 123
CHUNK: Final = 500
MEMBERS: Final = 4_000 if LONG else 40
DAYS: Final = 25
#: What the service may take more at its peak, once it has carried out the first part, in KiB: warm
#: states are kept as far as `EVENTS_KEPT_MAX` allows, about 200 bytes each.
MORE_KIB: Final = 64 * 1024 + LINES * 300 // 1024


def line(number: int) -> bytes:
    """Log a minute of a member on one of the last days."""
    day = YESTERDAY - timedelta(days=number // MEMBERS % DAYS)
    return (
        b'{"op":"log_hours","member":"M%d","project":"P1","service_on":"%b","minutes":1,'
        b'"category":"elder_care","evidence":"manual","source":"s","source_ref":"%d"}\n'
        % (number % MEMBERS, day.isoformat().encode(), number)
    )


def pieces(until: int) -> Iterator[bytes]:
    """Lines up to a number, some hundreds at a time."""
    for start in range(0, until, 700):
        yield b"".join(map(line, range(start, min(start + 700, until))))


def county(url: str) -> tuple[Settings, Key]:
    settings = Settings(database_url=url)
    open_ledger(settings, *BASIS)
    ledger = Ledger(settings)
    members = [c.RegisterMember(member=f"M{n}", region="330424") for n in range(MEMBERS)]
    ledger.execute_many(members, OPERATOR)
    ledger.close()
    return settings, issue(settings, "clerk", "admin")


def send_a_part(process: Process, key: Key, is_done: Callable[[], bool]) -> None:
    """Send lines up to the break, read nothing, wait until as much is done, and hang up."""
    head = "POST /v1/batch?on_error=continue HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    named = {"content-type": "application/x-ndjson", "idempotency-key": "big", **key}
    head += "".join(f"{name}: {value}\r\n" for name, value in named.items())
    with socket.create_connection(("127.0.0.1", process.port)) as sock:
        sock.sendall(head.encode() + b"\r\n")
        for piece in pieces(BREAK):
            sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert eventually(is_done, 1_800 if LONG else 60)
    assert eventually(lambda: is_idle(process), 60)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_long_batch_is_resumed_in_bounded_memory(
    database: str, request: pytest.FixtureRequest
) -> None:
    settings, key = county(request.getfixturevalue(f"{database}_url"))
    log = open_store(settings)
    before = log.head().position
    # The chunk that broke off is not carried out.
    done = BREAK - BREAK % CHUNK
    with Process(settings.database_url) as process:
        send_a_part(process, key, lambda: log.head().position - before >= done)
        assert log.head().position - before == done
        settled = process.memory("VmHWM")
        told, longest = send_all(process, key)
        grown = process.memory("VmHWM") - settled
        print(f"{LINES} lines, {done} before the break, {settled} KiB then, {grown} KiB more")
    assert told == {("done", True): done, ("done", False): LINES - done}
    assert log.head().position - before == LINES
    assert longest < 1_000
    assert grown < MORE_KIB
    log.close()


def is_idle(process: Process) -> bool:
    text = httpx.get(f"{process.address}/metrics").text
    return "hourledger_requests_under_way 1.0" in text


def send_all(process: Process, key: Key) -> tuple[Counter[tuple[str, bool]], int]:
    """Send all lines and read as results come: what became of them, and the longest result."""
    told: Counter[tuple[str, bool]] = Counter()
    longest, expected = 0, 0
    headers = {"content-type": "application/x-ndjson", "idempotency-key": "big", **key}
    with (
        httpx.Client(base_url=process.address, timeout=600) as client,
        client.stream(
            "POST", "/v1/batch?on_error=continue", content=pieces(LINES), headers=headers
        ) as answer,
    ):
        for text in answer.iter_lines():
            expected += 1
            result = json.loads(text)
            assert result["line"] == expected
            told[result["outcome"], result.get("replayed", False)] += 1
            longest = max(longest, len(text))
    return told, longest
