"""A small HTTP client that asks as fast as one process can: the same for us and for the peers.

Each of some connections sends a request, waits for the whole answer, sends the next. With a rate,
requests are due at fixed times, and waiting for one's turn counts as time to answer.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from statistics import quantiles
from typing import Final
from urllib.parse import urlsplit

from benchmarks.running import Measured

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"\r\ncontent-length: "
MS: Final = 1000


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._answer = bytearray()
        self._done: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed"))

    async def ask(self, request: bytes) -> int:
        """Send a request; the status of its answer once all of that is there."""
        self._done = asyncio.get_running_loop().create_future()
        self._answer.clear()
        self.transport.write(request)
        return await self._done

    def data_received(self, data: bytes) -> None:
        """More of an answer."""
        self._answer += data
        end = self._answer.find(HEAD_END)
        if end < 0:
            return
        at = self._answer.lower().find(LENGTH, 0, end + 2)
        length = int(self._answer[at + len(LENGTH) : self._answer.index(b"\r\n", at + 2)])
        if len(self._answer) >= end + len(HEAD_END) + length:
            assert self._done is not None
            self._done.set_result(int(self._answer[9:12]))


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the line."""
    told = {"host": "localhost", **headers, "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def ask(
    url: str, requests: Sequence[bytes], clients: int, seconds: float, rate: float | None = None
) -> Measured:
    """Ask for so many seconds, or until there is nothing left to ask; times in milliseconds.

    Raises RuntimeError for an answer that is no success.
    """
    return asyncio.run(_ask(url, deque(requests), clients, seconds, rate))


async def _ask(
    url: str, left: deque[bytes], clients: int, seconds: float, rate: float | None
) -> Measured:
    place = urlsplit(url)
    assert place.hostname
    assert place.port
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(clients):
        _, connection = await loop.create_connection(Connection, place.hostname, place.port)
        connections.append(connection)
    times: list[float] = []
    statuses: Counter[int] = Counter()
    began = time.perf_counter()
    end = began + seconds

    async def work(connection: Connection, number: int) -> None:
        due = began + (number / rate if rate else 0)
        while left and time.perf_counter() < end:
            if rate:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent = due if rate else time.perf_counter()
            statuses[await connection.ask(left.popleft())] += 1
            times.append((time.perf_counter() - sent) * MS)
            due += clients / rate if rate else 0

    await asyncio.gather(*(work(each, n) for n, each in enumerate(connections)))
    took = time.perf_counter() - began
    for connection in connections:
        connection.transport.close()
    if any(status >= 400 for status in statuses):
        raise RuntimeError(f"answers were {dict(statuses)}")
    return Measured(len(times), took, _percentiles(times))


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(times, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98]}
