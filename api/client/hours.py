"""Hours: entries of service and training."""

from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Hours:
    """Entries: logged by one, verified by another."""

    def __init__(self, door: Door) -> None:
        self.log = Write(door, c.LogHours)
        self.verify = Write(door, c.VerifyHours)
        self.reject = Write(door, c.RejectHours)
        self.correct = Write(door, c.CorrectHours)
        self.void = Write(door, c.VoidHours)
