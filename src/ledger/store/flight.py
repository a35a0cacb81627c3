"""A group in the air: handed to the thread that appends, not answered yet."""

import threading

from msgspec import Struct, field

from ledger.store.group import Group
from ledger.store.log import Head, HeadMoved, Pending


class Flight(Struct, eq=False):
    """A group that is being written while the next one is decided."""

    group: Group
    pending: Pending
    #: The flight ahead of it, until it lands itself.
    ahead: "Flight | None"
    landed: threading.Event = field(default_factory=threading.Event)
    #: The head after it, once it has landed.
    head: Head | None = None
    error: BaseException | None = None

    def placed(self) -> Pending:
        """What is pending, behind what the flight ahead has written. HeadMoved where it failed."""
        ahead, self.ahead = self.ahead, None
        if ahead is None:
            return self.pending
        if ahead.head is None:
            raise HeadMoved
        return self.pending._replace(head=ahead.head)
