"""Result lines on their way to a client that may read slowly, or only once it has sent all.

A client that sends a whole batch before it reads would wait for ever for a service
that waits for it to read. So results are never waited for: few are kept in memory,
more of them in a file that is gone when the batch is done.
"""

import asyncio
from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Final

PIECE: Final = 1 << 16


class Spool:
    """Bytes in, the same bytes out. For one writer and one reader on one event loop."""

    def __init__(self, memory_max: int) -> None:
        self._file = SpooledTemporaryFile(memory_max)  # noqa: SIM115 (closed by `read`)
        self._written = self._read = 0
        self._ended = False
        self._more = asyncio.Event()

    def write(self, piece: bytes) -> None:
        """Add what is to be read."""
        if not self._file.closed:
            self._file.seek(self._written)
            self._file.write(piece)
            self._written += len(piece)
            self._more.set()

    def end(self) -> None:
        """There is no more to come."""
        self._ended = True
        self._more.set()

    async def read(self) -> AsyncIterator[bytes]:
        """All that is written, until the end."""
        with self._file:
            while True:
                while self._read < self._written:
                    self._file.seek(self._read)
                    piece = self._file.read(PIECE)
                    self._read += len(piece)
                    yield piece
                if self._ended:
                    return
                # All of it was read, so that its place is free again.
                self._file.seek(0)
                self._file.truncate()
                self._written = self._read = 0
                self._more.clear()
                await self._more.wait()
