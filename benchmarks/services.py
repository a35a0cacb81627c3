"""Servers to ask: ours, one that writes a transaction a command, and an empty FastAPI route."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any

import httpx

from benchmarks.places import hourledger
from benchmarks.running import peaks_mib
from benchmarks.umadb_peer import free_port
from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import (
    IssueKey,
    OpenLedger,
    OpenProject,
    RegisterMember,
    RegisterOrganisation,
    SetAccrualRule,
    SetLimits,
)
from ledger.domain.values import Role
from ledger.settings import Settings

START_S = 30.0
DAY = date(2025, 1, 1)
REGISTRY = operator("registry")
ROLES: tuple[Role, ...] = ("recorder", "verifier", "auditor", "treasurer", "admin")
#: The same program, but no two commands share a transaction, in the writer's process either.
SINGLY = """
import subprocess
import ledger.store.writer as writer
writer.GROUP_MAX = 1
FAR = "import ledger.store.writer as w; w.GROUP_MAX = 1; from ledger.writing import main; main()"

class Popen(subprocess.Popen):
    def __init__(self, args, **more):
        super().__init__([*args[:2], "-c", FAR] if args[-1] == "ledger.writing" else args, **more)

subprocess.Popen = Popen
from api.cli.main import main
main()
"""
EMPTY = """
import sys, gc
gc.set_threshold(100_000, 50, 100)
import uvicorn
from fastapi import FastAPI, Response
app = FastAPI()

@app.post("/v1/hours")
async def nothing() -> Response:
    return Response(b"{}", 201, media_type="application/json")

@app.get("/readyz")
async def ready() -> Response:
    return Response(b"{}", 200, media_type="application/json")

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error")
"""


class Service:
    """A server under way."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]") -> None:
        self.url = url
        self._process = process

    @property
    def peak_mib(self) -> float:
        """Its peak memory so far, with that of its own processes, in MiB."""
        return peaks_mib(self._process.pid)


@contextmanager
def ours(database_url: str, *, singly: bool = False, tailer: bool = True) -> Iterator[Service]:
    """Our service over a ledger."""
    program = [sys.executable, "-c", SINGLY] if singly else [hourledger()]
    port = free_port()
    options = ["--port", str(port), "--rate", "0", "--log-level", "error"]
    options += [] if tailer else ["--no-tailer"]
    command = [*program, "--database", database_url, "serve", *options]
    with _running(command, port) as service:
        yield service


@contextmanager
def empty() -> Iterator[Service]:
    """A FastAPI application that answers without doing anything."""
    port = free_port()
    with _running([sys.executable, "-c", EMPTY, str(port)], port) as service:
        yield service


@contextmanager
def _running(command: list[str], port: int) -> Iterator[Service]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("LEDGER_")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, process)
        yield Service(url, process)
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError("the service did not start")


def prepare(url: str, members: int) -> None:
    """A ledger with a project and members who may serve every day."""
    ledger = Ledger(Settings(database_url=url), create=True)
    facts: list[Any] = [
        OpenLedger(origin="bench.example"),
        SetLimits(region="33", backdating_days=36500, day_minutes_max=1440),
        RegisterOrganisation(organisation="O1", name="社工站", org_kind="agency", region="33"),
        OpenProject(
            project="P001", name="邻里助老", organisation="O1", region="330424001",
            categories=("elder_care",), opens_on=DAY,
        ),
        SetAccrualRule(rule="R1", region="33", num=1, den=1, effective_on=DAY),
    ]  # fmt: skip
    facts += [RegisterMember(member=f"V{n:06d}", region="330424001") for n in range(members)]
    ledger.execute_many(facts, REGISTRY)
    ledger.close()


def key_for(url: str) -> dict[str, str]:
    """The headers of a key that may do everything here."""
    ledger = Ledger(Settings(database_url=url))
    command = IssueKey(holder="bench", roles=ROLES, expires_on=date(2099, 12, 31))
    _, secret = ledger.issue_key(command, REGISTRY)
    ledger.close()
    return {"authorization": f"Bearer {secret}"}
