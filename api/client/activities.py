"""Activities: what was held, and the person-times it counted."""

from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Activities:
    """Activities of projects."""

    def __init__(self, door: Door) -> None:
        self.hold = Write(door, c.HoldActivity)
        self.withdraw = Write(door, c.WithdrawActivity)
