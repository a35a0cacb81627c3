"""Organisations: who organises, and who belongs to them."""

from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Organisations:
    """Organisations and their members."""

    def __init__(self, door: Door) -> None:
        self.register = Write(door, c.RegisterOrganisation)
        self.join = Write(door, c.JoinOrganisation)
        self.leave = Write(door, c.LeaveOrganisation)
