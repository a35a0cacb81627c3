"""Keys: who may do what, until when."""

from collections.abc import Iterator
from typing import Unpack

from api.answers import ListedKey
from api.client.asked import Asked
from api.client.door import Door
from api.client.write import Write
from ledger.domain import commands as c


class Keys:
    """Keys of holders.

    `issue` has the `secret` in its result, once and never again: None when the first answer was
    lost. That key is to be revoked, and another one issued.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self.issue = Write(door, c.IssueKey)
        self.revoke = Write(door, c.RevokeKey)

    def list(self, **asked: Unpack[Asked]) -> Iterator[ListedKey]:
        """All keys within one's own scope, in the order of issue."""
        return self._door.pages(ListedKey, "keys", "/v1/keys", **asked)
