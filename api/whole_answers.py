"""Answers that leave in one piece: uvicorn's protocol over a transport that gathers writes.

uvicorn writes the head of an answer and its body one after the other, each with a system call
that costs as much as a third of handling the request. What is written between two turns of the
event loop goes out together.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: More than this is not gathered, so that whoever writes feels a slow reader.
GATHERED_MAX: Final = 1 << 16


class Gathering:
    """A transport, but that it writes at the next turn of the loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        """Whatever is not about writing is the transport's own."""
        return getattr(self._transport, name)

    def write(self, piece: bytes) -> None:
        """Write soon, with what else is written until then."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > GATHERED_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._pieces:
            whole = b"".join(self._pieces)
            self._pieces, self._size = [], 0
            self._transport.write(whole)

    def close(self) -> None:
        """Close, once all is written."""
        self.flush()
        self._transport.close()


class WholeAnswers(cast("type[asyncio.Protocol]", AutoHTTPProtocol)):  # type: ignore[misc]
    """uvicorn's own protocol, with answers in one piece."""

    loop: asyncio.AbstractEventLoop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        gathering = Gathering(cast("asyncio.Transport", transport), self.loop)
        super().connection_made(cast("asyncio.BaseTransport", gathering))
