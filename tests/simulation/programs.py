"""Starting, watching and killing the programs of `workers`; judging what they left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain import values as v
from ledger.log import merkle
from ledger.settings import Settings
from tests.audit import Audit
from tests.recount import Recount
from tests.scenario import STANDING
from tests.simulation.workers import BULK_EVENTS, LOADED_MEMBERS
from tests.wishes import today

ROOT: Final = Path(__file__).parent.parent.parent
#: The run that takes hours.
LONG: Final = os.environ.get("TEST_LONG") == "1"
#: Seconds something may take that has to come to pass at all.
PATIENCE_S: Final = 60.0


class Program:
    """One running program, its notes in a file."""

    def __init__(
        self,
        mode: str,
        url: str,
        notes: Path,
        *arguments: str,
        module: str = "tests.simulation.workers",
    ) -> None:
        self.notes_path = notes
        self.log = notes.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, mode, url, str(notes), *arguments],
            cwd=ROOT,
            stdout=self.log,
            stderr=self.log,
        )

    def kill(self) -> None:
        """SIGKILL, by its own process id."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def wait(self) -> None:
        """Wait for its end; it must end well."""
        try:
            assert self.process.wait(PATIENCE_S * 5) == 0, self.said()
        finally:
            self.kill()

    def said(self) -> str:
        """What it wrote to its error output, the last of it."""
        return self.notes_path.with_suffix(".log").read_text(encoding="utf-8")[-4000:]


@contextmanager
def running(*programs: Program) -> Iterator[None]:
    """Kill what still runs when the body is left."""
    try:
        yield
    finally:
        for program in programs:
            program.kill()


def notes_in(path: Path) -> list[dict[str, Any]]:
    """The whole notes of a program."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]


def wait_until(holds: Callable[[], object], *programs: Program) -> None:
    """Wait until something holds; fail when it does not within bounded time."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to pass"
        for program in programs:
            assert program.process.poll() in {None, 0}, program.said()
        time.sleep(0.005)


def counted(path: Path, name: str = "id") -> int:
    """Notes of a sort; acknowledged commands unless said otherwise."""
    return path.read_bytes().count(b'{"%b": ' % name.encode()) if path.exists() else 0


def wait_for_more(
    path: Path, *programs: Program, name: str = "id", than: int | None = None, by: int = 1
) -> None:
    """Wait until there are more notes of a sort than there were (now, or as told)."""
    goal = by + (counted(path, name) if than is None else than)
    wait_until(lambda: counted(path, name) >= goal, *programs)


def found_county(settings: Settings) -> None:
    """A ledger with people, a project, policies and money, for the programs to work on."""
    this_year = today() - timedelta(days=300)
    within = v.Terms(purpose="x", opens_on=this_year, closes_on=today() + timedelta(days=300))
    offer: dict[str, Any] = {
        "name": "x", "dimension": "economic_incentive", "region": "330424",
        "threshold": v.Threshold(minutes=0, months=12), "opens_on": this_year,
        "closes_on": today() + timedelta(days=300),
    }  # fmt: skip
    row: dict[str, Any] = {
        "project": "P1", "service_on": today(), "category": "elder_care", "evidence": "manual",
    }  # fmt: skip
    members = ("V1", "V2", "V3")
    ledger = Ledger(settings, create=True)
    ledger.execute(c.OpenLedger(origin="haiyan.example/hours"), STANDING["admin"])
    ledger.execute_many(
        [
            c.SetAccrualRule(rule="R1", region="33", num=1, den=1, effective_on=this_year),
            c.RegisterOrganisation(organisation="O1", name="x", org_kind="team", region="330424"),
            *(
                c.RegisterMember(member=member, region="330424001")
                for member in (*members, *(f"L{number}" for number in range(LOADED_MEMBERS)))
            ),
            c.OpenProject(project="P1", name="x", organisation="O1", region="330424",
                          categories=("elder_care",), opens_on=this_year),
            c.OpenFund(fund="F1", name="x", organisation="O1", region="330424", terms=within),
            c.ReceiveFunds(fund="F1", source_kind="charity", source_id="S1", fen=4_100,
                           document="x"),
            c.ReceiveFunds(fund="F1", source_kind="charity", source_id="S2", fen=5_000,
                           document="x"),
            c.DefinePolicy(policy="Y1", credit_cost=7, quota_total=90, **offer),
            c.DefinePolicy(policy="Y2", credit_cost=1, fund="F1", fen_cost=70, **offer),
            c.AllocateFunds(fund="F1", target="project/P1", fen=5_000),
            c.AllocateFunds(fund="F1", target="policy/Y2", fen=2_000),
            *(c.LogHours(member=member, minutes=500, **row) for member in members),
        ],
        STANDING["admin"],
    )  # fmt: skip
    for member in members:
        ledger.execute(c.VerifyHours(entry=f"{member}-1"), STANDING["verifier"])
    ledger.close()


def judged(settings: Settings) -> Recount:
    """The log as it stands, recounted: without a fault, with the root the store believes in."""
    ledger = Ledger(settings)
    try:
        lines: list[bytes] = []
        while rows := ledger.store.select_rows(len(lines), 10_000):
            lines += [row.line() for row in rows]
        head = ledger.store.head()
        stored = [row.hashes for row in ledger.store.select_rows(0, 10**9)]
    finally:
        ledger.close()
    recount = Recount(lines)
    assert recount.faults == []
    assert Audit(lines).faults == []
    assert (head.position, merkle.root(head.frontier)) == (len(lines), recount.root)
    frontier: list[bytes] = []
    for size, line in enumerate(lines):
        assert merkle.extend(frontier, size, merkle.leaf_hash(line)) == stored[size]
    return recount


def once_and_whole(recount: Recount, notes: list[dict[str, Any]]) -> None:
    """Every acknowledged command is there once, where its answer says; nothing went wrong."""
    assert [note for note in notes if "error" in note] == []
    for note in notes:
        if "id" in note:
            placed = recount.commands[note["id"]]
            assert placed == (note["first"], note["first"] + note["count"] - 1), note
    for command_id, (first, last) in recount.commands.items():
        number = command_id.rpartition("-")[2]
        if command_id.startswith("load") and number.isdigit():
            assert last - first + 1 == (1 if int(number) % 3 else 3), command_id
        if command_id.startswith("bulk"):
            assert last - first + 1 == BULK_EVENTS, command_id
