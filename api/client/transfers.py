"""Transfers: money on its way to another region."""

from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Transfers:
    """Transfers between funds, in this log or with another."""

    def __init__(self, door: Door) -> None:
        self.send = Write(door, c.SendTransfer)
        self.accept = Write(door, c.AcceptTransfer)
        self.decline = Write(door, c.DeclineTransfer)
        self.receive = Write(door, c.ReceiveTransfer)
