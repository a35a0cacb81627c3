"""Programs that tests start, load and kill: `python -m tests.simulation.workers MODE URL FILE …`.

Each appends what it intends and what it was answered to FILE, one JSON object a line, flushed and
synced before it goes on, so that whoever reads the file after a kill knows what was acknowledged.
What is intended is decided by name and number alone: started again, a program first sends once
more what it had no answer to.
"""

import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ledger.appender import EVENTS_MIN
from ledger.application import Answer, Ledger
from ledger.domain import commands as c
from ledger.domain.errors import LedgerError, Refusal, Unavailable
from ledger.settings import Settings
from ledger.store.open import open_store
from projections.database import open_reads
from projections.segments import seal
from projections.tailer import Tailer
from tests.scenario import STANDING
from tests.wishes import today

#: Threads of one program that send commands at once.
THREADS = 4
#: How often a command is asked again when the database is too busy.
TRIES_MAX = 20
#: Members whose hours are logged, so many that no day becomes overfull.
LOADED_MEMBERS = 30
#: Commands that cost what there is not enough of, by their name in command ids.
COSTLY: dict[str, c.Command] = {
    "grant": c.GrantIncentive(member="V1", policy="Y1"),
    "paid": c.GrantIncentive(member="V2", policy="Y2"),
    "spend": c.SpendFunds(
        fund="F1", target="project/P1", fen=70, category="meals",
        payee_kind="supplier", payee="x", document="bill",
    ),
}  # fmt: skip

#: So many that a second process appends them.
BULK_EVENTS: Final = EVENTS_MIN + 20


class Notebook:
    """What a program intends and was told, on disk before it goes on."""

    def __init__(self, path: Path) -> None:
        known = path.read_bytes().splitlines() if path.exists() else []
        told = [json.loads(line) for line in known if line.endswith(b"}")]
        self.intended = {note["intent"]: note for note in told if "intent" in note}
        self.answered = {note["id"] for note in told if "id" in note}
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        if known:  # the last line may have been cut short
            os.write(self._file, b"\n")

    def write(self, **note: Any) -> None:
        """Append a note and sync it."""
        with self._lock:
            os.write(self._file, json.dumps(note).encode() + b"\n")
            os.fsync(self._file)


def deed(name: str, number: int) -> Sequence[c.Command]:
    """What command `number` of a thread says: three events at once, or one; in bulk, hundreds."""
    if name.startswith("bulk"):
        members = (f"{name.upper()}X{number}X{n}" for n in range(BULK_EVENTS))
        return [c.RegisterMember(member=member, region="330424001") for member in members]
    member = f"L{number % LOADED_MEMBERS}"
    day = today() - timedelta(days=number // LOADED_MEMBERS % 60)
    row: dict[str, Any] = {
        "member": member, "project": "P1", "service_on": day, "minutes": 1,
        "category": "elder_care", "evidence": "manual", "source": "load",
    }  # fmt: skip
    if number % 3:
        return [c.LogHours(source_ref=f"{name}/{number}", **row)]
    return [c.LogHours(source_ref=f"{name}/{number}.{part}", **row) for part in ("a", "b", "c")]


def send(ledger: Ledger, notes: Notebook, command_id: str, commands: Sequence[c.Command]) -> None:
    """Ask until there is an answer, with the same command id, and note it."""
    while True:
        began = time.monotonic()
        try:
            answered = ledger.execute_many(commands, STANDING["admin"], command_id=command_id)
        except Unavailable:
            notes.write(unavailable=command_id, seconds=time.monotonic() - began)
            time.sleep(0.05)
        else:
            notes.write(
                id=command_id, first=answered.first_position, count=answered.count,
                replayed=answered.replayed,
            )  # fmt: skip
            return


def load(ledger: Ledger, notes: Notebook, name: str, count: str) -> None:
    """Log hours without end, or so many times a thread; first what was not answered before."""
    for intent in [notes.intended[i] for i in notes.intended if i not in notes.answered]:
        send(ledger, notes, intent["intent"], deed(intent["thread"], intent["number"]))
    made = 1 + max((note["number"] for note in notes.intended.values()), default=0)
    last = made + int(count) if int(count) >= 0 else sys.maxsize

    def run(thread: str) -> None:
        for number in range(made, last):
            command_id = f"{thread}-{number}"
            notes.write(intent=command_id, thread=thread, number=number)
            send(ledger, notes, command_id, deed(thread, number))

    at_once([lambda thread=f"{name}{n}": run(thread) for n in range(THREADS)])


def insist(ledger: Ledger, command: c.Command, command_id: str) -> Answer:
    """Ask again under the same id while the database is too busy, as the error says to."""
    for _ in range(TRIES_MAX):
        try:
            return ledger.execute(command, STANDING["admin"], command_id=command_id)
        except Unavailable:
            continue
    raise Unavailable


def spend(ledger: Ledger, notes: Notebook, name: str) -> None:
    """Grant and spend until each is refused three times running."""
    tired = dict.fromkeys(COSTLY, 0)
    for number in range(100_000):
        for kind, command in COSTLY.items():
            if tired[kind] >= 3:
                continue
            try:
                answer = insist(ledger, command, f"{kind}-{name}-{number}")
            except Refusal as refusal:
                tired[kind] += 1
                notes.write(refused=refusal.code, kind=kind, position=ledger.store.head().position)
            else:
                tired[kind] = 0
                notes.write(
                    id=answer.command_id, kind=kind, first=answer.first_position, count=answer.count
                )
        if min(tired.values()) >= 3:
            return


def race(ledger: Ledger, notes: Notebook, gate: str, name: str) -> None:
    """All threads send one command id at once; one of the first program says something else."""

    def run(minutes: int) -> None:
        (command,) = deed("race", 1)
        if minutes:
            command = c.RejectHours(entry="V1-1", reason_code="other")
        try:
            answer = ledger.execute(command, STANDING["admin"], command_id="race")
        except LedgerError as error:
            notes.write(refused=error.code, other=bool(minutes))
        else:
            notes.write(
                id="race", other=bool(minutes), first=answer.first_position, count=answer.count,
                result=answer.result, replayed=answer.replayed,
            )  # fmt: skip

    notes.write(ready=name)
    while not Path(gate).exists():
        time.sleep(0.001)
    at_once([lambda other=int(name == "0" and n == 5): run(other) for n in range(10)])


def at_once(jobs: Sequence[Callable[..., None]]) -> None:
    """Run jobs in threads; an error of one is an error of the program."""
    errors: list[BaseException] = []

    def guarded(job: Callable[..., None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 (raised again by whoever waits)
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def tail(settings: Settings, notes: Notebook, limit: str) -> None:
    """Follow the log until killed."""
    reads = open_reads(settings.read_models)
    tailer = Tailer(open_store(settings), reads, int(limit))
    tailer.start()
    position = -1
    while True:
        with suppress(Unavailable):
            if reads.position != position:
                position = reads.position
                notes.write(position=position)
        time.sleep(0.005)


def seal_on(settings: Settings, notes: Notebook, folder: str) -> None:
    """Seal the log again and again, in segments of other sizes each time, until killed."""
    store = open_store(settings)
    head = store.head().position
    for round_ in itertools.count():
        for until in range(20, head + 1, 20):
            seal(store, Path(folder), until=until, events=30 + round_)
            notes.write(sealed=until)
        for path in Path(folder).glob("*.json"):
            path.unlink()


def main(mode: str, url: str, path: str, *arguments: str) -> None:
    """Run one mode; whatever goes wrong is noted too."""
    notes = Notebook(Path(path))
    try:
        settings = Settings(database_url=url)
        if mode == "tail":
            tail(settings, notes, *arguments)
            return
        if mode == "seal":
            seal_on(settings, notes, *arguments)
            return
        modes: dict[str, Callable[..., None]] = {"load": load, "spend": spend, "race": race}
        ledger = Ledger(settings)
        modes[mode](ledger, notes, *arguments)
        ledger.close()
    except BaseException as error:
        notes.write(error=repr(error))
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
