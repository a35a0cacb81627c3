"""Bulk load through all rules, every guarantee on, beside what packages bring.

Peers: the library's own recorders and `app.save`; COPY or `executemany` of the very same rows,
which is the floor of the database; UmaDB's batched append of the same states.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import date, timedelta

from psycopg.conninfo import conninfo_to_dict

from benchmarks import rows_again, umadb_peer
from benchmarks.options import Options, run_alone
from benchmarks.peers import postgres_env, save_stock, sqlite_env
from benchmarks.places import SQLITE, Places
from benchmarks.running import Measured, Row, Side, alternate, apart, timed
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
#: Blocks handed over before one is waited for.
UNDER_WAY = 10
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
        """Hand a block over; where many are under way, wait for the first of them."""
        sent.append(ledger.submit(commands, caller))
        if len(sent) > UNDER_WAY:
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


def load(url: str, members: int, entries: int) -> Measured:
    """Our load, timed; and when it ended, by the clock of the machine."""
    measured = timed(lambda: save_ours(url, members, entries))
    measured.more["ended"] = time.time()
    return measured


def load_stock(env: dict[str, str], members: int, entries: int) -> Measured:
    """The library's, timed."""
    return timed(lambda: save_stock(env, members, entries))


def stock_env(places: Places, database: str) -> dict[str, str]:
    """The library's settings for an empty place."""
    if database == SQLITE:
        return sqlite_env(places.folder_named())
    places.clear_public()
    said = conninfo_to_dict(places.server.url)
    return postgres_env(str(said["host"]), str(said["user"]), str(said["dbname"]))


#: Ratio beside `app.save` and events a second on a quiet machine that are asked for.
TARGETS = {"SQLite": 5.0, "PostgreSQL": 10.0}
RATE = 100_000


def benchmark(places: Places, options: Options) -> Iterator[Row]:
    """Rows for each database."""
    members, entries = options.sized(4000), 40
    for database in options.databases:
        yield from _compared(places, options, database, members, entries)


def _compared(
    places: Places, options: Options, database: str, members: int, entries: int
) -> list[Row]:
    kept = places.fresh(database)
    apart(load, kept, members, entries)

    def ours() -> Measured:
        url = places.fresh(database)
        measured = apart(load, url, members, entries)
        places.drop(url)
        return measured

    def stock() -> Measured:
        return apart(load_stock, stock_env(places, database), max(1, members // 6), entries)

    def again() -> Measured:
        url = places.fresh(database)
        measured = apart(rows_again.write, kept, url)
        places.drop(url)
        return measured

    is_file = database == SQLITE
    peers = [
        Side("app.save of the library", stock, TARGETS[database]),
        Side("executemany of the same rows" if is_file else "COPY of the same rows", again,
             None if is_file else 0.35),
    ]  # fmt: skip
    if umadb_peer.is_installed():
        folder = places.folder_named()
        peers.append(
            Side("UmaDB, batched append", lambda: umadb_peer.append_apart(folder, kept),
                 None if is_file else 1.0)
        )  # fmt: skip
    work = "bulk load through the rules"
    found = alternate(work, database, ours, peers, options.runs, target=RATE)
    places.drop(kept)
    return found


if __name__ == "__main__":
    run_alone(benchmark, __doc__)
