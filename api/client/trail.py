"""The trail: what happened to one thing, event by event, and who looked at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack
from urllib.parse import quote

from api.answers import LookAt
from api.client import forms
from api.client.asked import Asked
from api.client.door import Door, segment


class Trail:
    """The audit trail."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def of(self, kind: str, name: str, **asked: Unpack[Asked]) -> Iterator[forms.Entry]:
        """All events of a thing, such as `("fund", "F1")`, with before and after."""
        path = f"/v1/trail/{segment(kind)}/{quote(name)}"
        return self._door.pages(forms.Entry, "entries", path, **asked)

    def looks(self, about: str, **asked: Unpack[Asked]) -> Iterator[LookAt]:
        """Who looked at a member or fund (`member/V0001`, `fund/F1`), the latest first."""
        return self._door.pages(LookAt, "looks", "/v1/looks", about=about, **asked)
