"""The writer: one queue per log and process, deciding in order, committing in groups.

Callers put requests in; one thread decides them one after the other on warm
states, gives the events their positions and writes a group in one transaction.
A group that appends right after the head it was decided at has seen every event
before it, so there are no conflicts to merge: when another process wrote first,
the group is decided again, the second time under the write lock, so that each
round makes progress. After an error of unknown outcome the command ids tell
what was kept.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Final

from ledger.domain.errors import IdempotencyMismatch, Refusal, Unavailable
from ledger.store.flight import Append, Carrier, Flight, append_here
from ledger.store.group import Decider, Group
from ledger.store.log import (
    CommandRow,
    Exclusive,
    Head,
    HeadMoved,
    LogStore,
    append_pending,
)
from ledger.store.requests import Answered, Request

#: Commands that share a transaction at most.
GROUP_MAX: Final = 2048
#: Large groups in the air at most: one is written, one made ready behind it, one on its way, and
#: one more for the times the database takes longer, as when it folds its write-ahead log.
LARGE_MAX: Final = 4
#: Groups in the air at most: small ones may go along with large ones.
FLIGHTS_MAX: Final = 12
#: Events from which a group may wait behind another.
LARGE_EVENTS: Final = 500
#: How often a group is decided anew when other processes keep writing first.
ROUNDS_MAX: Final = 20
#: Groups in a row before which nobody else has written, and no command was there already, until
#: that is left to the append.
LOOKS_MIN: Final = 100
#: Seconds an outage may last before callers are told.
PATIENCE_S: Final = 6.0
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Writer:
    """Owns the write side of one log in this process. Thread-safe: `submit`, `close`."""

    def __init__(
        self,
        store: LogStore,
        decider: Decider,
        append: Append = append_here,
        told: Callable[[], object] = lambda: None,
    ) -> None:
        """`append` writes the groups that are under way: here, or by a process that does.

        It may raise Unavailable for any trouble of its own: the group is then written in patience.
        `told` is called where callers may have been told, by the thread that did, before it waits.
        """
        self._store = store
        self._decider = decider
        self._told = told
        self._queue: queue.SimpleQueue[Request | Flight | None] = queue.SimpleQueue()
        #: Those not settled yet, the oldest first.
        self._in_air: deque[Flight] = deque()
        self._head: Head | None = None
        self._contended = False
        #: Groups to be looked around for before this writer takes itself for the only one.
        self._looks_due = LOOKS_MIN
        #: When the database went away, as long as nothing was written since.
        self._away_since: float | None = None
        self._held_back: Request | None = None
        self._closed = False
        self._lock = threading.Lock()
        decider.before_forgetting = self._settle_or_fail
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        # A flight that failed wakes the thread that decides when nothing else does.
        self._carrier = Carrier(store, append, self._queue.put, told)
        self._thread.start()

    def submit(self, request: Request) -> "Future[Answered]":
        """Queue a request; its future gives the answer, or raises a LedgerError."""
        with self._lock:
            if self._closed:
                raise Unavailable
            request.future.set_running_or_notify_cancel()  # from here on it cannot be called off
            self._queue.put(request)
        return request.future

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    # the thread that decides

    def _run(self) -> None:
        while (requests := self._next_group()) is not None:
            try:
                self._advance(requests)
            except BaseException as error:  # noqa: BLE001  a caller must never wait for ever
                self._settle()
                self._lose_track()
                self._fail_singly(requests, error)
            self._told()
        self._settle()
        self._told()
        self._carrier.close()

    def _next_group(self) -> list[Request] | None:
        """Wait for a request and take along what else is waiting.

        None when closed, empty when a flight failed and has to be settled.
        """
        first = self._held_back or self._queue.get()
        self._held_back = None
        if first is None or isinstance(first, Flight):
            return None if first is None else []
        group, size = [first], len(first.commands)
        while size < GROUP_MAX and not first.alone:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if isinstance(request, Flight):  # it is settled anyway before this group is written
                continue
            if request is None:  # closed: finish this group first
                self._queue.put(None)
                break
            if request.alone:
                self._held_back = request
                break
            group.append(request)
            size += len(request.commands)
        return group

    def _advance(self, requests: list[Request]) -> None:
        """Write a group; while others wait, in the background, and decide those meanwhile."""
        is_waited_for = self._held_back is not None or not self._queue.empty()
        if not requests or self._contended or not (self._in_air or is_waited_for):
            self._settle()
            self._write(requests)
            return
        if self._decider.is_full:
            self._settle()
            self._decider.trim()
        group = Group(requests=requests)
        try:
            self._decide(group)
            self._told()
            self._make_room(group)
        except HeadMoved:
            self._settle()
            self._undo(group)
            self._write(requests)
        except Unavailable:
            self._settle()
            self._lose_track()
            self._write(requests)
        else:
            self._launch(group)

    def _launch(self, group: Group) -> None:
        """Hand a group to the other thread; from here on its end counts as the head."""
        assert self._head is not None  # it was decided there
        pending = group.pending(self._head)
        if pending.is_empty:
            self._settle()
            self._write(group.requests)  # bare answers have to be sure of the head
            return
        flight = Flight(group, pending, self._in_air[-1] if self._in_air else None)
        self._head = pending.after
        self._in_air.append(flight)
        self._carrier.launch(flight)

    def _make_room(self, group: Group) -> None:
        """Wait until a group may be launched. Small ones go singly, and grow meanwhile.

        Raises HeadMoved when what was decided rests on a flight that failed.
        """
        while not self._has_room(group):
            oldest = self._in_air[0]
            oldest.landed.wait()
            if oldest.error is not None:
                self._settle_or_fail()
            self._in_air.popleft()
            self._away_since = None
            if not self._in_air:
                self._head = oldest.head

    def _has_room(self, group: Group) -> bool:
        """Whether a group may join those in the air."""
        flying = len(self._in_air)
        groups = [group, *(flight.group for flight in self._in_air)]
        large = sum([each.count >= LARGE_EVENTS for each in groups])
        return flying < FLIGHTS_MAX and large <= LARGE_MAX if large else not flying

    def _settle(self) -> bool:
        """Wait until nothing is in the air. False when flights failed and were written anew."""
        flights, self._in_air = self._in_air, deque()
        is_sound = True
        for flight in flights:
            flight.landed.wait()
            if flight.error is None:
                self._head = flight.head
                self._away_since = None
                continue
            if is_sound:  # those behind it failed with it
                self._lose_track()
                if isinstance(flight.error, HeadMoved):
                    self._doubt()
            is_sound = False
            try:
                self._write(flight.group.requests)
            except BaseException as error:  # noqa: BLE001  told to those it concerns
                self._lose_track()
                self._fail_singly(flight.group.requests, error)
        return is_sound

    def _settle_or_fail(self) -> None:
        """Raises HeadMoved when what was decided rests on a flight that failed."""
        if not self._settle():
            raise HeadMoved

    # writing with patience

    def _fail_singly(self, requests: list[Request], error: BaseException) -> None:
        """One request's surprise must not harm its neighbours: each is written alone."""
        waiting = [request for request in requests if not request.future.done()]
        if len(requests) == 1 or isinstance(error, Unavailable):
            for request in waiting:
                _fail(request, error)
            self._told()
            return
        for request in waiting:
            try:
                self._write([request])
            except BaseException as own:  # noqa: BLE001  as above
                self._lose_track()
                _fail(request, own)

    def _write(self, requests: list[Request]) -> None:
        """Decide and write, again when another process wrote first or the line broke."""
        for attempt in range(ROUNDS_MAX):
            group = Group(requests=[r for r in requests if not r.future.done()])
            try:
                self._attempt(group)
            except HeadMoved:
                self._doubt()
                self._undo(group)
            except Unavailable:
                self._lose_track()
                # Who asks late in an outage does not wait as long as who met its beginning.
                self._away_since = self._away_since or time.monotonic()
                if attempt and time.monotonic() > self._away_since + PATIENCE_S:
                    raise
                self._told()
                time.sleep(0.05 * (attempt + 1))
            else:
                self._away_since = None
                group.tell()
                self._told()
                self._decider.trim()
                return
        raise Unavailable

    def _attempt(self, group: Group) -> None:
        """Decide and append, under the write lock while other processes write too."""
        if self._contended:
            with self._store.exclusive() as session:
                before = self._head
                head = self._decide(group)
                after = self._append(group, head, session)
            self._contended = before is None or before.position != head.position
        else:
            after = self._append(group, self._decide(group), self._store)
        self._head = after

    def _decide(self, group: Group) -> Head:
        """Bring the states up to the head and decide each request on them, in order."""
        ids = [request.command_id for request in group.requests if not request.dry_run]
        if any(not flight.group.firsts.keys().isdisjoint(ids) for flight in self._in_air):
            self._settle_or_fail()
        # Alone: a taken position or command id will make the append refuse.
        alone = self._head if not self._looks_due else None
        head, answered = (alone, {}) if alone is not None else self._look(ids)
        now = max(datetime.now(UTC), head.timestamp or EPOCH)
        for request in group.requests:
            if request.dry_run:
                self._draft(group, request, now, head)
            elif (row := answered.get(request.command_id)) is not None:
                request.replay(row)
            elif (first := group.firsts.setdefault(request.command_id, request)) is not request:
                self._follow(request, first)
            else:
                self._draft(group, request, now, head)
        if alone is not None and (group.refused or not group.count):
            self._look_back(group, head)
        return head

    def _look(self, ids: list[str]) -> tuple[Head, dict[str, CommandRow]]:
        """The head, all before it taken in, and which commands are answered already."""
        known = self._head
        position, answered = self._store.glance(ids)
        head = self._catch_up(position)
        if head.position != position and not self._in_air:
            raise HeadMoved  # someone wrote between the two looks, and maybe this very command
        is_first = head is known and not answered
        self._looks_due = max(0, self._looks_due - 1) if is_first else LOOKS_MIN
        return head, answered

    def _look_back(self, group: Group, head: Head) -> None:
        """Be sure of what no append will prove: that the head stood, that the refused are new."""
        ids = [request.command_id for request, _ in group.refused if not request.dry_run]
        position, answered = self._store.glance(ids)
        lowest = self._in_air[0].pending.head.position if self._in_air else head.position
        if not lowest <= position <= head.position:
            raise HeadMoved
        told = [(request, answered.get(request.command_id)) for request, _ in group.refused]
        for request, row in told:
            if row is not None and not request.dry_run:
                request.replay(row)
        group.refused = [each for each in group.refused if not each[0].future.done()]

    def _doubt(self) -> None:
        """Another process wrote first: look before deciding, and the second time under the lock."""
        self._contended = self._looks_due > 0
        self._looks_due = max(LOOKS_MIN, 1)

    def _draft(self, group: Group, request: Request, now: datetime, head: Head) -> None:
        """Decide one request; what refuses it is told to its own caller alone."""
        try:
            draft = self._decider.decide(request, now)
        except Refusal as refusal:
            group.refused.append((request, refusal))
        else:
            group.take(draft, head)

    def _follow(self, request: Request, first: Request) -> None:
        """The same command twice in one group: one effect, one answer."""
        if first.body_hash != request.body_hash:
            request.future.set_exception(IdempotencyMismatch("command_id"))
        else:
            first.future.add_done_callback(request.follow)

    def _append(self, group: Group, head: Head, target: LogStore | Exclusive) -> Head:
        """Write what was decided in one transaction; the head after it."""
        pending = group.pending(head)
        if not pending.is_empty:
            return append_pending(target, pending)
        if target is self._store and self._store.glance(())[0] != head.position:
            # An append proves that nobody wrote meanwhile; a bare answer has to be sure of it too.
            raise HeadMoved
        return head

    def _catch_up(self, position: int) -> Head:
        """The head, at `position` or later; what others wrote since is taken in."""
        known = self._head
        if known is not None and self._in_air:
            if self._in_air[0].pending.head.position <= position <= known.position:
                return known
            self._settle_or_fail()
        if known is None or known.position > position:
            self._decider.forget_all()
            self._head = self._store.head()
        elif known.position < position:
            head, self._head = self._store.head(), None  # until all of it is taken in
            self._decider.follow(known.position, head.position)
            self._head = head
        assert self._head is not None
        return self._head

    def _undo(self, group: Group) -> None:
        """Drop the states that hold what was not written."""
        self._decider.forget(group.streams)

    def _lose_track(self) -> None:
        """After an error of unknown outcome nothing is known of the log."""
        self._head = None
        self._decider.forget_all()


def _fail(request: Request, error: BaseException) -> None:
    """Tell an error, unless the request was told already: with its twin, for one."""
    if not request.future.done():
        request.future.set_exception(error)
