"""The second process that appends bulk loads: the same log, whatever becomes of the process."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from ledger import appender as appending
from ledger.appender import Appender
from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import Command, OpenLedger, RegisterMember
from ledger.domain.errors import CorruptLog, Unavailable
from ledger.log.codec import Sealed
from ledger.settings import Settings
from ledger.store.flight import Carrier, Flight
from ledger.store.group import Group
from ledger.store.log import Head, HeadMoved, LogStore, Pending
from tests.batches import after_head, answer, entries
from tests.desk import check_rows

OPERATOR = operator("boss")
DEADLINE_S = 60


@pytest.fixture
def appender(settings: Settings, store: LogStore) -> Iterator[Appender]:
    """A process that stands ready."""
    appender = Appender(settings)
    wait_for(appender)
    yield appender
    appender.close()


def wait_for(appender: Appender) -> None:
    """Until the process has opened the log."""
    deadline = time.monotonic() + DEADLINE_S
    while appender.process_for(appending.EVENTS_MIN) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pending_of(head: Head, events: list[Sealed], command_id: str) -> Pending:
    """What the writer would hand over."""
    row = answer(command_id, head.position + 1, len(events))
    return Pending(head, events, None, [row])


def append(appender: Appender, store: LogStore, pending: Pending) -> Head:
    """Append one group with nothing else in the air."""
    return appender(store, Flight(Group(requests=[]), pending, None))()


def test_the_process_writes_the_very_rows_that_this_one_would(
    appender: Appender, store: LogStore
) -> None:
    head = append(appender, store, pending_of(Head(0, None, ()), entries("V1", 1, 700), "c1"))
    head = append(appender, store, pending_of(head, entries("V2", 1, 600), "c2"))
    assert head.position == 1300
    assert head.frontier == store.head().frontier
    rows = store.select_rows(0, 2000)
    assert [row.originator_version for row in rows] == [*range(1, 701), *range(1, 601)]
    check_rows(rows)
    assert store.glance(["c1", "c2"])[1]["c2"].first_position == 701


def test_another_writer_first_is_told(appender: Appender, store: LogStore) -> None:
    append(appender, store, pending_of(Head(0, None, ()), entries("V1", 1, 500), "c1"))
    with pytest.raises(HeadMoved):
        append(appender, store, pending_of(Head(0, None, ()), entries("V2", 1, 500), "c2"))
    assert store.head().position == 500


def test_what_would_not_read_back_is_not_written(appender: Appender, store: LogStore) -> None:
    wrong = [*entries("V1", 1, 600), Sealed("member/V1", 601, "HoursLogged", b'{"minutes":"x"}')]
    with pytest.raises(Unavailable):  # and then the writer finds out by itself:
        append(appender, store, pending_of(Head(0, None, ()), wrong, "c1"))
    with pytest.raises(CorruptLog):
        append(appender, store, pending_of(Head(0, None, ()), wrong[-1:], "c1"))
    assert store.head().position == 0


def test_a_process_that_is_gone_is_told_and_another_one_started(
    appender: Appender, store: LogStore
) -> None:
    assert appender.process is not None
    appender.process.kill()
    with pytest.raises(Unavailable):
        append(appender, store, pending_of(Head(0, None, ()), entries("V1", 1, 500), "c1"))
    assert store.head().position == 0
    wait_for(appender)
    assert append(
        appender, store, pending_of(Head(0, None, ()), entries("V1", 1, 500), "c1")
    ).position


def test_a_process_that_stands_still_is_ended_in_bounded_time(
    appender: Appender, store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its pipe is full or its answer does not come."""
    monkeypatch.setattr(appending, "ANSWER_WAIT_S", 0.3)
    assert appender.process is not None
    os.kill(appender.process.pid, signal.SIGSTOP)
    with pytest.raises(Unavailable):
        append(appender, store, pending_of(Head(0, None, ()), entries("V1", 1, 5000), "c1"))
    assert store.head().position == 0


class Sent:
    """Groups of `COUNT` events, sent one behind the other without waiting for an answer."""

    COUNT = 500

    def __init__(self, appender: Appender, store: LogStore) -> None:
        self._appender, self._store = appender, store
        self._last: Flight | None = None

    def send(self, member: str, *more: Sealed) -> Callable[[], Head]:
        """Send one group, behind the one sent before; what waits for its answer."""
        head = self._last.pending.after if self._last else self._store.head()
        events = [*entries(member, 1, self.COUNT - len(more)), *more]
        pending = pending_of(head, events, f"c-{member}")
        self._last = Flight(Group(requests=[]), pending, self._last)
        return self._appender(self._store, self._last)


@pytest.fixture
def sent(appender: Appender, store: LogStore) -> Sent:
    return Sent(appender, store)


def test_a_group_is_sent_before_the_one_ahead_is_answered(sent: Sent, store: LogStore) -> None:
    landings = [sent.send(f"V{n}") for n in range(4)]
    assert [landing().position for landing in landings] == [500, 1000, 1500, 2000]
    check_rows(store.select_rows(0, 3000))


def test_another_writer_between_two_sent_groups_fails_both_even_if_positions_fit(
    sent: Sent, store: LogStore
) -> None:
    """The other one writes exactly as many events as the first group has."""
    with store.exclusive() as session:
        landings = [sent.send("V1"), sent.send("V2")]
        session.append(after_head(store, entries("V9", 1, Sent.COUNT), "other"))
    for landing in landings:
        with pytest.raises(HeadMoved):
            landing()
    assert {row.originator_id for row in store.select_rows(0, 3000)} == {"member/V9"}


def test_a_group_that_fails_fails_those_already_sent_behind_it_and_no_others(
    sent: Sent, appender: Appender, store: LogStore
) -> None:
    unreadable = Sealed("member/V2", Sent.COUNT, "HoursLogged", b'{"minutes":"x"}')
    landings = [sent.send("V1"), sent.send("V2", unreadable), sent.send("V3"), sent.send("V4")]
    head = landings[0]()
    with pytest.raises(Unavailable):
        landings[1]()
    for landing in landings[2:]:
        with pytest.raises(HeadMoved):
            landing()
    assert store.head().position == head.position == Sent.COUNT
    append(appender, store, pending_of(head, entries("V3", 1, 600), "c3"))
    check_rows(store.select_rows(0, 3000))


def test_a_process_killed_with_groups_in_the_air_leaves_whole_groups_or_nothing(
    sent: Sent, appender: Appender, store: LogStore
) -> None:
    assert appender.process is not None
    with store.exclusive():
        landings = [sent.send("V1"), sent.send("V2"), sent.send("V3")]
        appender.process.kill()
    for landing in landings:
        with pytest.raises(Unavailable):
            landing()
    assert store.head().position == 0
    wait_for(appender)
    assert append(appender, store, pending_of(store.head(), entries("V1", 1, 500), "c1")).position


def test_small_groups_between_large_ones_keep_their_order(
    appender: Appender, store: LogStore
) -> None:
    """Small ones are written by this process, in their turn."""
    failed: list[Flight] = []
    carrier = Carrier(store, appender, failed.append)
    flight: Flight | None = None
    flights = []
    for n, count in enumerate([600, 3, 600, 700, 1, 2, 500]):
        head = flight.pending.after if flight else store.head()
        pending = pending_of(head, entries(f"V{n}", 1, count), f"c{n}")
        flight = Flight(Group(requests=[]), pending, flight)
        flights.append(flight)
        carrier.launch(flight)
    carrier.close()
    assert failed == []
    assert [f.sent_to is not None for f in flights] == [True, False, True, True, False, False, True]
    assert flights[-1].head is not None
    assert flights[-1].head.frontier == check_rows(store.select_rows(0, 3000))


def test_a_system_that_does_not_tell_which_cores_are_ours_is_asked_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert appending.cores() == os.cpu_count()


def test_without_a_process_this_one_appends(
    settings: Settings, store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    appender = Appender(settings)
    head = Head(0, None, ())
    for n in range(appending.STARTS_MAX + 2):
        head = append(appender, store, pending_of(head, entries(f"V{n}", 1, 500), f"c{n}"))
    assert store.head().position == head.position == 500 * (appending.STARTS_MAX + 2)


def registrations(block: int) -> list[Command]:
    """A batch that a process appends."""
    return [RegisterMember(member=f"V{block:02}{n:04}", region="330424") for n in range(600)]


def test_a_ledger_that_is_closed_finishes_what_is_in_the_air(
    settings: Settings, store: LogStore
) -> None:
    with Ledger(settings) as ledger:
        ledger.execute(OpenLedger(origin="t.example"), OPERATOR)
        blocks = itertools.count()
        deadline = time.monotonic() + DEADLINE_S
        while ledger._appender.process is None or not ledger._appender.process.is_ready:
            ahead = [ledger.submit(registrations(next(blocks)), OPERATOR) for _ in range(2)]
            ahead[-1].result(timeout=DEADLINE_S)
            assert time.monotonic() < deadline
        sent = [ledger.submit(registrations(next(blocks)), OPERATOR) for _ in range(5)]
    assert [future.result(timeout=0).count for future in sent] == [600] * 5
    rows = store.select_rows(0, 100_000)
    assert len(rows) == 1 + 600 * next(blocks)
    check_rows(rows)


def test_bulk_loads_are_kept_once_while_their_process_is_killed_again_and_again(
    settings: Settings, store: LogStore
) -> None:
    """Each batch needs the one before it, and is acknowledged whole."""
    with Ledger(settings) as ledger:
        ledger.execute(OpenLedger(origin="t.example"), OPERATOR)
        sent = []
        for block in range(14):
            sent.append(ledger.submit(registrations(block), OPERATOR, command_id=f"b{block}"))
            process = ledger._appender.process
            if block % 3 == 2 and process is not None:
                sent[-2].result(timeout=DEADLINE_S)
                process.kill()
        answers = [future.result(timeout=DEADLINE_S) for future in sent]
    assert [a.first_position for a in answers] == [2 + 600 * n for n in range(14)]
    rows = store.select_rows(0, 10_000)
    assert len(rows) == 1 + 14 * 600
    check_rows(rows)
