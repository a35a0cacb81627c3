"""The client: one service, one key, a noun for everything that can be said to it."""

from typing import Final, Self

import httpx

from api.client.activities import Activities
from api.client.batch import Batch
from api.client.door import Door, Patience
from api.client.events import Events
from api.client.figures import Figures
from api.client.funds import Funds, Sources
from api.client.grants import Grants
from api.client.hours import Hours
from api.client.keys import Keys
from api.client.log import Log
from api.client.members import Members
from api.client.organisations import Organisations
from api.client.policies import Policies
from api.client.projects import Projects
from api.client.rules import Rules
from api.client.trail import Trail
from api.client.transfers import Transfers

#: Longer than the service itself waits for anything.
TIMEOUT_S: Final = 30.0


class Client:
    """One service, as one key may use it. To be closed, or used as a context.

    Every call raises ProblemError when the service refuses and UnreachableError when no answer
    came in time. Threads may share a client.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        patience: Patience | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Nothing is sent yet. `key` is the secret; `transport` as httpx has them."""
        self.http = httpx.Client(
            base_url=base_url,
            headers={"authorization": f"Bearer {key}"},
            timeout=timeout_s,
            transport=transport,
        )
        door = Door(self.http, patience or Patience())
        self.execute = door.execute
        self.members = Members(door)
        self.organisations = Organisations(door)
        self.projects = Projects(door)
        self.activities = Activities(door)
        self.hours = Hours(door)
        self.policies = Policies(door)
        self.grants = Grants(door)
        self.funds = Funds(door)
        self.sources = Sources(door)
        self.transfers = Transfers(door)
        self.figures = Figures(door)
        self.trail = Trail(door)
        self.events = Events(door)
        self.log = Log(door)
        self.batch = Batch(door)
        self.keys = Keys(door)
        self.rules = Rules(door)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
