"""A service in a process of its own, which can be told to die right after a commit."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import httpx

from api.app import create_app
from api.bounds import Bounds
from api.serving import server
from ledger.settings import Settings
from ledger.store.log import Batch
from ledger.store.postgres import PostgresLog
from ledger.store.sqlite import SqliteLog

ROOT: Final = Path(__file__).parent.parent
#: Seconds a service may take to start.
PATIENCE_S: Final = 60.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Process:
    """A service that runs until it is stopped, killed, or dies by `doom`.

    `doom` is a file: the number in it says how many transactions more are committed and answered;
    the one after them is committed, and the process ends by SIGKILL before anything is answered.
    """

    def __init__(self, url: str, doom: Path | None = None) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        told = [url, str(self.port), *([str(doom)] if doom else [])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, *told],
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.address}/livez").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.process.kill()
        raise AssertionError("the service did not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self, number: int) -> int:
        """Send a signal and wait for the end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def memory(self, kind: str = "VmRSS") -> int:
        """Memory it has now in KiB; `VmHWM` for the most it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(kind))

    def take_no_more_bytes(self, *, again: bool = False) -> None:
        """As on a full disk, nothing it writes to a file is taken any more; until it is `again`."""
        soft = resource.RLIM_INFINITY if again else 0
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))


def doomed(append: Callable[[Any, Batch], None], doom: Path) -> Callable[[Any, Batch], None]:
    """As `append`, and its end when it has come."""

    def append_and_die(log: Any, batch: Batch) -> None:
        append(log, batch)
        if doom.exists():
            left = int(doom.read_text(encoding="ascii"))
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            doom.write_text(str(left - 1), encoding="ascii")

    return append_and_die


def main(url: str, port: str, *doom: str) -> None:
    """Serve; memory shows more clearly when nobody is limited."""
    for path in map(Path, doom):
        for log in (SqliteLog, PostgresLog):
            setattr(log, "append", doomed(log.append, path))  # noqa: B010 (a method of a class)
    bounds = Bounds(rate_max=0)
    app = create_app(Settings(database_url=url), bounds=bounds)
    server(app, host="127.0.0.1", port=int(port), bounds=bounds).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
