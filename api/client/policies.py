"""Policies: incentives on offer, and who may have them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Unpack

from api.answers import Verdict
from api.client import forms
from api.client.asked import Asked, Between
from api.client.door import Door, segment
from api.client.write import Write
from ledger.domain import commands as c


class Policies:
    """Incentives on offer."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.define = Write(door, c.DefinePolicy)
        self.amend = Write(door, c.AmendPolicy)
        self.close = Write(door, c.ClosePolicy)

    def balance(self, policy: str, **asked: Unpack[Asked]) -> forms.PolicyBalance:
        """What was granted, and the credit that was spent on it."""
        return self._door.read(
            forms.PolicyBalance, f"/v1/policies/{segment(policy)}/balance", **asked
        )

    def eligibility(
        self, policy: str, member: str, *, on: date | None = None, **asked: Unpack[Asked]
    ) -> Verdict:
        """Whether a member may have it on a day, why not, and how far.

        The day is today, or that of `known_at`, unless one is named. There is no `as_of` here.
        """
        path = f"/v1/policies/{segment(policy)}/eligibility"
        return self._door.read(Verdict, path, member_id=member, on=on, **asked)

    def explain(self, policy: str, **asked: Unpack[Asked]) -> Iterator[forms.Leg]:
        """The legs of the credit that was spent on it."""
        path = f"/v1/explain/policies/{segment(policy)}"
        return self._door.pages(forms.Leg, "legs", path, **asked)

    def diff(self, policy: str, **between: Unpack[Between]) -> forms.Difference:
        """What changed between two moments, and the events that made it so."""
        return self._door.read(forms.Difference, f"/v1/diff/policies/{segment(policy)}", **between)
