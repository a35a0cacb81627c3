"""UmaDB from PyPI with the server its package brings: the same states appended in batches."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from benchmarks.rows_again import pages_of
from benchmarks.running import Measured, apart

#: Events of one append.
BATCH = 4000
START_S = 20.0
SERVER = "from umadb.umadb_server_cli import main; main()"


def is_installed() -> bool:
    """Whether the package is there."""
    return find_spec("umadb") is not None


def append_apart(folder: Path, source: str) -> Measured:
    """Append the events of a log to an empty UmaDB."""
    with served(folder / uuid4().hex) as address:
        return apart(append, address, source)


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The address of a server over an empty store."""
    address = f"127.0.0.1:{free_port()}"
    path.mkdir(parents=True)
    options = ["--listen", address, "--db-path", str(path)]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _await(address)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def append(address: str, source: str) -> Measured:
    """Append the states of a log, each tagged with its stream."""
    from umadb import Client, Event  # noqa: PLC0415 (a peer that need not be installed)

    batches = [
        [Event(row.topic, row.state, [row.originator_id]) for row in rows]
        for rows in pages_of(source, BATCH)
    ]
    client = Client(f"http://{address}")
    began = time.perf_counter()
    for batch in batches:
        client.append(batch)
    return Measured(sum(map(len, batches)), time.perf_counter() - began)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _await(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("UmaDB did not start")
