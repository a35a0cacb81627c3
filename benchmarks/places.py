"""Fresh databases for each run: a SQLite file, a schema of a PostgreSQL that a package brings."""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import psycopg

from benchmarks.running import peaks_mib
from tests.postgres_server import PostgresServer

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
DATABASES: Final = (SQLITE, POSTGRES)
#: Seconds between looks at the memory of what runs.
LOOK_EVERY_S: Final = 0.1


class County:
    """A demonstration county that was made here: where it is, and what that took."""

    def __init__(self, url: str, seconds: float, peak_mib: float) -> None:
        self.url, self.seconds, self.peak_mib = url, seconds, peak_mib


class Places:
    """A folder and a server for the length of a run."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self.folder = folder
        self.server = server
        self._counties: dict[tuple[str, str], County] = {}

    def fresh(self, database: str) -> str:
        """The URL of a ledger that does not exist yet."""
        name = f"b{uuid4().hex[:12]}"
        if database == SQLITE:
            return f"sqlite:///{self.folder_named(name)}/ledger.db"
        return f"{self.server.url}&schema={name}"

    def folder_named(self, name: str = "") -> Path:
        """A folder of its own."""
        folder = self.folder / (name or f"b{uuid4().hex[:12]}")
        folder.mkdir()
        return folder

    def drop(self, url: str) -> None:
        """Remove a ledger and its figures; disks are not endless."""
        if url.startswith("sqlite:///"):
            shutil.rmtree(Path(url.removeprefix("sqlite:///")).parent, ignore_errors=True)
            return
        schema = url.partition("schema=")[2]
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute("SET client_min_messages = 'error'")
            for name in (schema, f"{schema}_read"):
                connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())

    def clear_public(self) -> None:
        """Remove what the library's own recorders made."""
        self.server.execute("DROP SCHEMA IF EXISTS public CASCADE")
        self.server.execute("CREATE SCHEMA public")

    def county(self, database: str, scale: str) -> County:
        """The demonstration county at a scale, made once by the command line."""
        key = database, scale
        if key not in self._counties:
            self._counties[key] = self._make(self.fresh(database), scale)
        return self._counties[key]

    def _make(self, url: str, scale: str) -> County:
        command = [hourledger(), "--database", url, "--json", "demo", "--scale", scale]
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peak = 0.0  # of all its processes together
        while child.poll() is None:
            peak = max(peak, peaks_mib(child.pid))
            time.sleep(LOOK_EVERY_S)
        if child.returncode:
            raise RuntimeError(f"hourledger demo ended with {child.returncode}")
        return County(url, time.perf_counter() - began, peak)


@contextmanager
def opened() -> Iterator[Places]:
    """Places that are gone afterwards."""
    # As many files as the system allows: a server and its clients each take some.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with TemporaryDirectory(prefix="hourledger-bench-") as folder:
        server = PostgresServer()
        try:
            yield Places(Path(folder), server)
        finally:
            server.end()


def hourledger() -> str:
    """The program of this very installation."""
    return str(Path(sys.executable).parent / "hourledger")
