"""A proxy before PostgreSQL's socket that breaks connections at a chosen moment."""

import contextlib
import select
import socket
import threading
from pathlib import Path
from typing import Final, Literal, Self

#: `before`: what the client sends next never arrives. `after`: it arrives and is carried out, and
#: the answer is lost. `frozen`: it is never answered, and the connection stays open. `silent`: new
#: connections are accepted and never answered.
Moment = Literal["before", "after", "frozen", "silent"]
#: How an answer ends: ReadyForQuery; how one to COPY begins: CopyInResponse.
READY_FOR_QUERY: Final = b"Z\x00\x00\x00\x05"
COPY_IN: Final = b"G"


class CuttingProxy:
    """Listens in `directory` and forwards to the server's socket, until told to cut."""

    def __init__(self, directory: Path, server: Path) -> None:
        self.directory = directory
        self._server = str(server / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / ".s.PGSQL.5432"))
        self._listener.listen()
        self._armed: tuple[Moment, bytes] | None = None
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for connection in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def cut(self, moment: Moment, at: bytes = b"") -> None:
        """Cut once, at the next message of a client that contains `at`."""
        self._armed = (moment, at)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                if self._armed is None or self._armed[0] != "silent":
                    threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        self._open.append(server)
        # A socket that was closed meanwhile is no descriptor to select by (ValueError).
        with contextlib.suppress(OSError, ValueError), client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    data = source.recv(1 << 16)
                    if not data or (source is client and self._cuts(data, client, server)):
                        return
                    (server if source is client else client).sendall(data)

    def _cuts(self, data: bytes, client: socket.socket, server: socket.socket) -> bool:
        """Whether this is the message to cut at; if so, after it was carried out or before."""
        if self._armed is None or self._armed[1] not in data:
            return False
        (moment, _), self._armed = self._armed, None
        if moment == "after":
            server.sendall(data)
            answer = b""
            while READY_FOR_QUERY not in answer and not answer.startswith(COPY_IN):
                answer += server.recv(1 << 16)
        if moment == "frozen":
            while client.recv(1 << 16):
                pass
        return True
