"""Services for tests: a real server in a thread, on a free port; and a key for any role."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import httpx

from api.app import Application, create_app
from api.bounds import Bounds
from api.serving import server
from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.access import operator
from ledger.domain.values import Role
from ledger.settings import Settings
from projections.database import open_reads
from projections.runner import catch_up

OPERATOR: Final = operator("operator")
ORIGIN: Final = "haiyan.example/hours"
#: The ledger's own today, and a day that is certainly over.
TODAY: Final = (datetime.now(UTC) + timedelta(hours=8)).date()
LONG_AGO: Final = date(2020, 1, 1)
YESTERDAY: Final = TODAY - timedelta(days=1)
NEVER: Final = date(2099, 12, 31)

Key = dict[str, str]


def open_ledger(settings: Settings, *commands: c.Command) -> None:
    """Open a ledger where there is none yet, carry commands out, fold them into the figures."""
    ledger = Ledger(settings, create=True)
    ledger.execute(c.OpenLedger(origin=ORIGIN), OPERATOR, command_id="open")
    if commands:
        ledger.execute_many(commands, OPERATOR)
    ledger.close()
    fold(settings)


def fold(settings: Settings) -> None:
    """Bring the figures up to date."""
    ledger, reads = Ledger(settings), open_reads(settings.read_models)
    catch_up(ledger.store, reads)
    reads.close()
    ledger.close()


def issue(settings: Settings, holder: str, *roles: Role, **scope: Any) -> Key:
    """The headers of a new key."""
    ledger = Ledger(settings)
    command = c.IssueKey(holder=holder, roles=roles, **{"expires_on": NEVER, **scope})
    _, secret = ledger.issue_key(command, OPERATOR)
    ledger.close()
    return {"authorization": f"Bearer {secret}"}


@contextmanager
def started(settings: Settings, **options: Any) -> Iterator[httpx.Client]:
    """A client of a service, which runs as long."""
    with listening(settings, **options) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@contextmanager
def listening(
    settings: Settings, *, port: int = 0, stop_s: int = 10, **options: Any
) -> Iterator[str]:
    """The address of a real server of the application; port 0: any that is free."""
    app: Application = create_app(settings, **options)
    running = server(app, host="127.0.0.1", port=port, bounds=Bounds(stop_s=stop_s))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not running.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.started
    (socket,) = running.servers[0].sockets
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def post(
    client: httpx.Client, path: str, body: Any, key: Key, command_id: str | None = None, **more: Any
) -> httpx.Response:
    """Post a command, under a fresh command id unless one is given."""
    headers = {"idempotency-key": command_id or f"t-{time.monotonic_ns()}", **key}
    return client.post(path, json=body, headers=headers, **more)


def raw(headers: Key) -> list[tuple[bytes, bytes]]:
    """Headers with whatever bytes there are."""
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def done(answer: httpx.Response) -> dict[str, Any]:
    """The answer to a command that was carried out."""
    assert answer.status_code in (200, 201), answer.text
    body: dict[str, Any] = answer.json()
    return body


def refused(
    answer: httpx.Response, status: int, code: str, at: str | None = None
) -> dict[str, Any]:
    """The problem an answer is."""
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), answer.text
    body: dict[str, Any] = answer.json()
    assert (body["code"], body["status"]) == (code, status), body
    assert at is None or body["at"] == at, body
    return body
