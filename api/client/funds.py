"""Funds: ring-fenced money from receipt to spending, and the sources it came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from api.client import forms
from api.client.asked import Asked, Between, Line
from api.client.door import Door, segment
from api.client.write import Write
from ledger.domain import commands as c


class Funds:
    """Funds and what is done with their money."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.open = Write(door, c.OpenFund)
        self.amend = Write(door, c.AmendFund)
        self.close = Write(door, c.CloseFund)
        self.receive = Write(door, c.ReceiveFunds)
        self.allocate = Write(door, c.AllocateFunds)
        self.release = Write(door, c.ReleaseFunds)
        self.spend = Write(door, c.SpendFunds)
        self.reverse = Write(door, c.ReverseSpend)
        self.give_back = Write(door, c.ReturnFunds)

    def usage(self, fund: str, **asked: Unpack[Asked]) -> forms.FundUsage:
        """Each fen from receipt to spending, and the verified minutes beside it."""
        return self._door.read(forms.FundUsage, f"/v1/funds/{segment(fund)}/usage", **asked)

    def explain(
        self, fund: str, figure: str = "received_fen", **line: Unpack[Line]
    ) -> Iterator[forms.Leg]:
        """The legs of a figure of the usage: of the whole, or of one of its lines."""
        path = f"/v1/explain/funds/{segment(fund)}"
        return self._door.pages(forms.Leg, "legs", path, figure=figure, **line)

    def diff(self, fund: str, **between: Unpack[Between]) -> forms.Difference:
        """What changed between two moments, and the events that made it so."""
        return self._door.read(forms.Difference, f"/v1/diff/funds/{segment(fund)}", **between)


class Sources:
    """Sources of money: the same figures across funds and regions."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def usage(
        self, source: str, *, source_kind: str | None = None, **asked: Unpack[Asked]
    ) -> forms.SourceUsage:
        """The money of a source, fund by fund; its kind only where an id stands for several."""
        path = f"/v1/sources/{segment(source)}/usage"
        return self._door.read(forms.SourceUsage, path, source_kind=source_kind, **asked)

    def explain(
        self, source: str, figure: str = "received_fen", **asked: Unpack[Asked]
    ) -> Iterator[forms.Leg]:
        """The legs of a figure of the usage, fund by fund."""
        path = f"/v1/explain/sources/{segment(source)}"
        return self._door.pages(forms.Leg, "legs", path, figure=figure, **asked)

    def diff(self, source: str, **between: Unpack[Between]) -> forms.Difference:
        """What changed between two moments, and the events that made it so."""
        return self._door.read(forms.Difference, f"/v1/diff/sources/{segment(source)}", **between)
