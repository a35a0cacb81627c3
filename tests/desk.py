"""A writer over a store that fails on command, and what can go wrong in an append."""

import threading
from collections.abc import Callable, Sequence

from ledger.decider import Decider
from ledger.domain.access import operator
from ledger.domain.commands import (
    Command,
    OpenLedger,
    RegisterMember,
)
from ledger.domain.errors import (
    Unavailable,
)
from ledger.log import merkle
from ledger.store.log import Batch, HeadMoved, Row
from ledger.store.requests import Answered, Request
from ledger.store.writer import Writer
from tests.memory_store import MemoryStore

OPERATOR = operator("boss")
Write = Callable[[], None]


def register(member: str) -> RegisterMember:
    return RegisterMember(member=member, region="330424001")


def ask(command_id: str, *commands: Command, **options: object) -> Request:
    return Request(commands=commands, caller=OPERATOR, command_id=command_id, **options)  # type: ignore[arg-type]


class Desk:
    """A store, its writer, and what a test asks of them."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.writer = self.open()
        self.do("open", OpenLedger(origin="t.example"))

    def open(self) -> Writer:
        return Writer(self.store, Decider(self.store))

    def do(self, command_id: str, *commands: Command, **options: object) -> Answered:
        return self.writer.submit(ask(command_id, *commands, **options)).result(timeout=30)

    def streams(self) -> list[str]:
        return [row.originator_id for row in self.store.rows]


# what can go wrong in an append; each is called with the store, the batch and the sound write
def moved_by_another_process(store: MemoryStore, batch: Batch, write: Write) -> None:
    """Another process registers V9 first, so the positions are taken."""
    other = Writer(store, Decider(store))
    other.submit(ask("other", register("V9"))).result(timeout=30)
    other.close()
    write()


def failed_but_persisted(store: MemoryStore, batch: Batch, write: Write) -> None:
    """The line breaks between the commit and its answer."""
    write()
    raise Unavailable


def failed_and_lost(store: MemoryStore, batch: Batch, write: Write) -> None:
    """The line breaks before the commit."""
    raise Unavailable


def moved_for_no_reason(store: MemoryStore, batch: Batch, write: Write) -> None:
    """A clash that leaves nothing to see."""
    raise HeadMoved


class Held:
    """An append that waits, so that what comes meanwhile forms one group."""

    def __init__(self, desk: Desk) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        desk.store.faults = [self._append]
        self._first = desk.writer.submit(ask("held", register("V0")))
        assert self._begun.wait(30)

    def _append(self, store: MemoryStore, batch: Batch, write: Write) -> None:
        self._begun.set()
        assert self._go.wait(30)
        write()

    def let_go(self) -> None:
        self._go.set()
        self._first.result(timeout=30)


def sound(store: MemoryStore, batch: Batch, write: Write) -> None:
    """Nothing goes wrong."""
    write()


def check_log(store: MemoryStore) -> None:
    """The rows are sound, and the head is theirs."""
    assert store.head().frontier == check_rows(store.rows)


def check_rows(rows: Sequence[Row]) -> tuple[bytes, ...]:
    """Positions and versions have no gap, and every row has the hashes of its tree."""
    frontier: list[bytes] = []
    versions: dict[str, int] = {}
    for size, row in enumerate(rows):
        versions[row.originator_id] = versions.get(row.originator_id, 0) + 1
        assert (row.position, row.originator_version) == (size + 1, versions[row.originator_id])
        assert row.hashes == merkle.extend(frontier, size, merkle.leaf_hash(row.line()))
    return tuple(frontier)
