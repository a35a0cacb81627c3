"""Groups in the air: begun to be written, not answered yet; and the threads that see to them."""

import queue
import threading
from collections.abc import Callable
from functools import partial

from msgspec import Struct, field

from ledger.store.group import Group
from ledger.store.log import Head, HeadMoved, LogStore, Pending, append_pending

#: Waits until a group is written and gives the head after it. Raises as `append_pending`.
Landing = Callable[[], Head]


class Flight(Struct, eq=False):
    """A group that is being written while the next one is decided."""

    group: Group
    pending: Pending
    #: The flight ahead of it, until it lands itself.
    ahead: "Flight | None"
    #: The process it was sent to, which knows where it ends before it has landed.
    sent_to: object | None = None
    landed: threading.Event = field(default_factory=threading.Event)
    #: The head after it, once it has landed.
    head: Head | None = None
    error: BaseException | None = None

    def placed(self) -> Pending:
        """What is pending, behind what the flight ahead has written. HeadMoved where it failed.

        Waits for that flight.
        """
        if self.ahead is None:
            return self.pending
        self.ahead.landed.wait()
        if self.ahead.head is None:
            raise HeadMoved
        return self.pending._replace(head=self.ahead.head)


#: Begins to append what a flight carries. Flights come in their order, and their landings are
#: called in the same order by another thread. Where one fails, those that are behind it fail.
Append = Callable[[LogStore, Flight], Landing]


def append_here(store: LogStore, flight: Flight) -> Landing:
    """Append in this process, when it is the flight's turn."""
    return lambda: append_pending(store, flight.placed())


class Carrier:
    """Sees to flights with two threads: one begins to append them, one waits for their end.

    So a process that appends has the next group before it has answered the last one. Everyone is
    told in the order of the log.
    """

    def __init__(
        self,
        store: LogStore,
        append: Append,
        report: Callable[[Flight], object],
        told: Callable[[], object] = lambda: None,
    ) -> None:
        """`report` is called with flights that failed, by the thread that found out.

        `told` is called after a group's callers were told, by the thread that did.
        """
        self._append = partial(append, store)
        self._report = report
        self._told = told
        self._launched: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._begun: queue.SimpleQueue[tuple[Flight, Landing] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._begin, name="ledger-append", daemon=True),
            threading.Thread(target=self._land, name="ledger-land", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def launch(self, flight: Flight) -> None:
        """Have a flight appended behind those launched before."""
        self._launched.put(flight)

    def close(self) -> None:
        """Finish what was launched, then stop."""
        self._launched.put(None)
        for thread in self._threads:
            thread.join()

    def _begin(self) -> None:
        while (flight := self._launched.get()) is not None:
            self._begun.put((flight, self._landing(flight)))
        self._begun.put(None)

    def _landing(self, flight: Flight) -> Landing:
        try:
            return self._append(flight)
        except BaseException as error:  # noqa: BLE001  told when it is the flight's turn
            return partial(_raise, error)

    def _land(self) -> None:
        while (begun := self._begun.get()) is not None:
            flight, landing = begun
            try:
                flight.head = landing()
                flight.group.tell()
            except BaseException as error:  # noqa: BLE001  judged by the thread that decides
                flight.error = error
            flight.ahead = None
            flight.landed.set()
            self._told()
            if flight.error is not None:
                self._report(flight)


def _raise(error: BaseException) -> Head:
    raise error
