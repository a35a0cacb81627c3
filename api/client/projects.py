"""Projects: what hours are served for."""

from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Projects:
    """Projects of organisations."""

    def __init__(self, door: Door) -> None:
        self.open = Write(door, c.OpenProject)
        self.close = Write(door, c.CloseProject)
