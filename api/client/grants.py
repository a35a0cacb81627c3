"""Grants: incentives given to members against their rules."""

from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Grants:
    """Grants of incentives."""

    def __init__(self, door: Door) -> None:
        self.grant = Write(door, c.GrantIncentive)
        self.revoke = Write(door, c.RevokeGrant)
