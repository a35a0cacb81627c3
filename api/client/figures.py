"""Figures: sums over everything, by any grouping, within any limits."""

from collections.abc import Iterator, Sequence
from typing import Unpack

from api.client.asked import Asked, People, Service
from api.client.door import Door
from projections.explain import Leg
from projections.participation import Belonging, Certified, Participation
from projections.totals import Totals


class Figures:
    """Totals and participation. Groups are names such as `month`; `region:6` is a prefix."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def totals(self, group_by: Sequence[str] = (), **within: Unpack[Service]) -> Totals:
        """Minutes, credit, money, person-times and activities."""
        return self._door.read(Totals, "/v1/totals", group_by=tuple(group_by), **within)

    def participation(
        self, group_by: Sequence[str] = (), **within: Unpack[People]
    ) -> Participation:
        """How many members are registered and how many were active, each counted once."""
        path = "/v1/participation"
        return self._door.read(Participation, path, group_by=tuple(group_by), **within)

    def certified(self, region: str | None = None, **asked: Unpack[Asked]) -> Iterator[Certified]:
        """How many members hold each certificate, by level and tier."""
        path = "/v1/participation/certified"
        return self._door.pages(Certified, "certified", path, region=region, **asked)

    def belonging(
        self, organisation: str | None = None, **asked: Unpack[Asked]
    ) -> Iterator[Belonging]:
        """How many members belong to each organisation, newcomers and natives."""
        path = "/v1/participation/belonging"
        return self._door.pages(Belonging, "belonging", path, organisation=organisation, **asked)

    def explain_totals(
        self, figure: str = "verified_minutes", **within: Unpack[Service]
    ) -> Iterator[Leg]:
        """The legs of a figure of the totals."""
        return self._door.pages(Leg, "legs", "/v1/explain/totals", figure=figure, **within)

    def explain_participation(
        self, figure: str = "active", **within: Unpack[People]
    ) -> Iterator[Leg]:
        """The legs of a figure of participation."""
        return self._door.pages(Leg, "legs", "/v1/explain/participation", figure=figure, **within)

    def explain_account(self, account: str, **asked: Unpack[Asked]) -> Iterator[Leg]:
        """The legs of an account of the posting table, or of all that begin with these words."""
        return self._door.pages(Leg, "legs", "/v1/explain/accounts", account=account, **asked)
