"""Members: the registry of people, known by a public number, and what each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Unpack

from api.client import forms
from api.client.asked import Asked, Between
from api.client.door import Door, segment
from api.client.write import Write
from ledger.domain import commands as c


class Members:
    """People, their certificates and their balances."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.register = Write(door, c.RegisterMember)
        self.change_kinds = Write(door, c.ChangeMemberKinds)
        self.move = Write(door, c.MoveMember)
        self.deregister = Write(door, c.DeregisterMember)
        self.record_credential = Write(door, c.RecordCredential)
        self.withdraw_credential = Write(door, c.WithdrawCredential)

    def balance(
        self, member: str, *, on: date | None = None, **asked: Unpack[Asked]
    ) -> forms.MemberBalance:
        """Minutes, credit and stars; stars as of a day, today unless one is named."""
        return self._door.read(
            forms.MemberBalance, f"/v1/members/{segment(member)}/balance", on=on, **asked
        )

    def statement(
        self, member: str, *, limit: int = 100, **asked: Unpack[Asked]
    ) -> forms.Statement:
        """The first entries, and all grants."""
        path = f"/v1/members/{segment(member)}/statement"
        return self._door.read(forms.Statement, path, limit=limit, **asked)

    def entries(self, member: str, **asked: Unpack[Asked]) -> Iterator[forms.StatedEntry]:
        """All entries, in the order of their numbers."""
        path = f"/v1/members/{segment(member)}/statement"
        return self._door.pages(forms.StatedEntry, "entries", path, **asked)

    def list(
        self, region: str | None = None, **asked: Unpack[Asked]
    ) -> Iterator[forms.MemberBalance]:
        """The members of a region, by number."""
        return self._door.pages(
            forms.MemberBalance, "members", "/v1/members", region=region, **asked
        )

    def explain(
        self, member: str, figure: str = "verified_minutes", **asked: Unpack[Asked]
    ) -> Iterator[forms.Leg]:
        """The legs of a figure of the balance; their changes sum up to it."""
        path = f"/v1/explain/members/{segment(member)}"
        return self._door.pages(forms.Leg, "legs", path, figure=figure, **asked)

    def diff(self, member: str, **between: Unpack[Between]) -> forms.Difference:
        """What changed between two moments, and the events that made it so."""
        return self._door.read(forms.Difference, f"/v1/diff/members/{segment(member)}", **between)
