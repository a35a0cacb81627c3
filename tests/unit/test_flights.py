"""Groups are numbered by a process before those ahead of them are written: what fails, and how.

The process is the real one's code in a thread, over a store that fails on command.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from typing import Any

import pytest

from ledger import appender as appending
from ledger.appender import Appender
from ledger.appending import Answer, Asked, Numberer, answer_to, serve
from ledger.decider import Decider
from ledger.domain.commands import MoveMember, OpenLedger
from ledger.frames import read_frame, write_frame
from ledger.settings import Settings
from ledger.store import writer as writing
from ledger.store.log import Batch, Head, Pending, append_pending
from ledger.store.writer import Writer
from tests.batches import entries
from tests.desk import (
    Desk,
    Held,
    Write,
    ask,
    check_log,
    failed_and_lost,
    failed_but_persisted,
    moved_by_another_process,
    moved_for_no_reason,
    register,
    sound,
)
from tests.memory_store import MemoryStore


class InThreads:
    """The appending process in threads of this one, over a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        source, stdin = os.pipe()
        stdout, output = os.pipe()
        self.stdin, self.stdout = FileIO(stdin, "w"), FileIO(stdout, "r")
        self._ended = threading.Event()
        arguments = (store, os.fdopen(source, "rb"), os.fdopen(output, "wb"))
        threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def _run(self, store: MemoryStore, source: Any, output: Any) -> None:
        try:
            with output, suppress(SystemExit):
                read_frame(source)  # the settings
                write_frame(output, b"")
                serve(store, source, output)
        finally:
            self._ended.set()

    def kill(self) -> None:
        """Nothing here stands still."""

    def wait(self, timeout: float) -> None:
        assert self._ended.wait(timeout)


def moved_by_exactly_as_many(store: MemoryStore, batch: Batch, write: Write) -> None:
    """Another process writes as many events as the group has, so what is behind it would fit."""
    other = Writer(store, Decider(store))
    other.submit(ask("other", register("V9"), register("V10"))).result(timeout=30)
    other.close()
    write()


def killed_before_the_commit(store: MemoryStore, batch: Batch, write: Write) -> None:
    """The process is gone, and what it was about to write with it."""
    sys.exit()


def killed_after_the_commit(store: MemoryStore, batch: Batch, write: Write) -> None:
    """The process is gone before it could answer."""
    write()
    sys.exit()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A writer whose groups of two events and more are appended by such a process."""
    monkeypatch.setattr(writing, "PATIENCE_S", 0.5)
    monkeypatch.setattr(writing, "LARGE_EVENTS", 2)
    monkeypatch.setattr(appending, "EVENTS_MIN", 2)
    monkeypatch.setattr(appending, "EVENTS_MIN_READY", 2)
    desk = Desk.__new__(Desk)
    desk.store = MemoryStore()
    monkeypatch.setattr(appending, "start", lambda: InThreads(desk.store))
    monkeypatch.setattr(appending, "cores", lambda: 2)
    appender = Appender(Settings(database_url="sqlite:///unused.db"))
    desk.writer = Writer(desk.store, Decider(desk.store), appender)
    desk.do("open", OpenLedger(origin="t.example"))
    while appender.process_for(2) is None:
        pass
    yield desk
    desk.writer.close()
    appender.close()


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [moved_for_no_reason],
        [moved_by_another_process],
        [moved_by_exactly_as_many],
        [sound, moved_by_exactly_as_many],
        [failed_but_persisted],
        [failed_and_lost],
        [sound, failed_but_persisted, sound, failed_and_lost],
        [killed_before_the_commit],
        [killed_after_the_commit],
        [sound, sound, killed_before_the_commit],
        [sound, sound, killed_after_the_commit],
    ],
    ids=lambda value: "+".join(f.__name__ for f in value) or "none",
)
def test_groups_in_the_air_are_each_kept_once_whole_and_in_order(
    desk: Desk, faults: list[Callable[..., None]]
) -> None:
    """Each batch needs what the one before it wrote; small ones come in between."""
    gate = threading.Event()

    def waits(store: MemoryStore, batch: Batch, write: Write) -> None:
        assert gate.wait(30)
        write()

    held = Held(desk)
    desk.store.faults = [waits, *faults]
    waiting = [desk.writer.submit(ask("b0", register("W0"), register("W1")))]
    waiting += [
        desk.writer.submit(
            ask(f"b{n}", register(f"V{n}"), MoveMember(member=f"V{n - 1}", region=f"33042{n:04}"))
        )
        for n in range(1, 7)
    ]
    single = desk.writer.submit(ask("s1", register("S1")))
    last = desk.writer.submit(ask("b7", register("V7"), register("W7")))
    held.let_go()
    deadline = time.monotonic() + 30
    while len(desk.writer._in_air) < writing.LARGE_MAX:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    gate.set()
    answers = [future.result(timeout=30) for future in [*waiting, single, last]]
    assert not any(answer.replayed for answer in answers if not faults)
    firsts = [answer.first_position for answer in answers]
    assert firsts == sorted(firsts)
    for n, answer in enumerate(answers[1:7], start=1):
        rows = desk.store.rows[answer.first_position - 1 : answer.position]
        assert [row.originator_id for row in rows] == [f"member/V{n}", f"member/V{n - 1}"]
    others = {"member/V9", "member/V10"} & set(desk.streams())
    assert len(desk.store.rows) == 1 + 1 + 8 * 2 + 1 + len(others)
    check_log(desk.store)


def test_only_a_request_that_brings_its_head_begins_anew() -> None:
    """What stands behind a request that was not written is refused, however well it would fit."""
    store = MemoryStore()
    numberer = Numberer(store)

    def ask_for(member: str, position: int, *, follows: bool) -> Answer:
        pending = Pending(Head(position, None, ()), entries(member, 1, 3))
        return answer_to(store, numberer.ready(Asked(pending, follows)))

    def position(answer: Answer) -> int | None:
        return answer.head.position if answer.head else None

    assert ask_for("V0", 0, follows=True) == Answer(is_moved=True)
    assert position(ask_for("V1", 0, follows=False)) == 3
    store.faults = [moved_for_no_reason]
    assert ask_for("V2", 3, follows=True) == Answer(is_moved=True)
    append_pending(store, Pending(store.head(), entries("V9", 1, 3)))
    assert ask_for("V3", 6, follows=True) == Answer(is_moved=True)
    assert position(ask_for("V3", 6, follows=True)) is None
    append_pending(store, Pending(store.head(), entries("V8", 1, 3)))
    pending = Pending(store.head(), entries("V4", 1, 3))
    assert position(answer_to(store, numberer.ready(Asked(pending)))) == 12
    assert position(ask_for("V5", 11, follows=True)) is None  # not where the last one ended
    check_log(store)
