"""Figures: sums over everything, by any grouping, within any limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

from api.client import forms
from api.client.asked import Asked, People, PeopleBetween, Service, ServiceBetween
from api.client.door import Door


class Figures:
    """Totals and participation. Groups are names such as `month`; `region:6` is a prefix."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def totals(self, group_by: Sequence[str] = (), **within: Unpack[Service]) -> forms.Totals:
        """Minutes, credit, money, person-times and activities."""
        return self._door.read(forms.Totals, "/v1/totals", group_by=tuple(group_by), **within)

    def participation(
        self, group_by: Sequence[str] = (), **within: Unpack[People]
    ) -> forms.Participation:
        """How many members are registered and how many were active, each counted once."""
        path = "/v1/participation"
        return self._door.read(forms.Participation, path, group_by=tuple(group_by), **within)

    def certified(
        self, region: str | None = None, **asked: Unpack[Asked]
    ) -> Iterator[forms.Certified]:
        """How many members hold each certificate, by level and tier."""
        path = "/v1/participation/certified"
        return self._door.pages(forms.Certified, "certified", path, region=region, **asked)

    def belonging(
        self, organisation: str | None = None, **asked: Unpack[Asked]
    ) -> Iterator[forms.Belonging]:
        """How many members belong to each organisation, newcomers and natives."""
        path = "/v1/participation/belonging"
        return self._door.pages(
            forms.Belonging, "belonging", path, organisation=organisation, **asked
        )

    def explain_totals(
        self, figure: str = "verified_minutes", **within: Unpack[Service]
    ) -> Iterator[forms.Leg]:
        """The legs of a figure of the totals."""
        return self._door.pages(forms.Leg, "legs", "/v1/explain/totals", figure=figure, **within)

    def explain_participation(
        self, figure: str = "active", **within: Unpack[People]
    ) -> Iterator[forms.Leg]:
        """The legs of a figure of participation."""
        return self._door.pages(
            forms.Leg, "legs", "/v1/explain/participation", figure=figure, **within
        )

    def explain_account(self, account: str, **asked: Unpack[Asked]) -> Iterator[forms.Leg]:
        """The legs of an account of the posting table, or of all that begin with these words."""
        return self._door.pages(forms.Leg, "legs", "/v1/explain/accounts", account=account, **asked)

    def diff_totals(
        self, group_by: Sequence[str] = (), **between: Unpack[ServiceBetween]
    ) -> forms.Difference:
        """What changed of the totals between two moments, and the events that made it so."""
        path = "/v1/diff/totals"
        return self._door.read(forms.Difference, path, group_by=tuple(group_by), **between)

    def diff_participation(
        self, group_by: Sequence[str] = (), **between: Unpack[PeopleBetween]
    ) -> forms.Difference:
        """What changed of participation between two moments, and by which events."""
        path = "/v1/diff/participation"
        return self._door.read(forms.Difference, path, group_by=tuple(group_by), **between)

    def restate_totals(
        self, published_at: int | str, group_by: Sequence[str] = (), **within: Unpack[Service]
    ) -> forms.Difference:
        """What was published of a period (`month`, or from and to), and what is known of it now."""
        asked = {"published_at": published_at, "group_by": tuple(group_by)}
        return self._door.read(forms.Difference, "/v1/restatements/totals", **asked, **within)

    def restate_participation(
        self, published_at: int | str, group_by: Sequence[str] = (), **within: Unpack[People]
    ) -> forms.Difference:
        """The same of members registered and active."""
        asked = {"published_at": published_at, "group_by": tuple(group_by)}
        path = "/v1/restatements/participation"
        return self._door.read(forms.Difference, path, **asked, **within)
