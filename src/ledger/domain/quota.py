"""How often an incentive was granted, per month, per year and ever."""

from datetime import date

from msgspec import Struct, field

from ledger.domain.values import QuotaPeriod


def period_of(on: date, period: QuotaPeriod) -> str:
    """The name of the period a day lies in: `2025-06`, `2025`, or `` for ever."""
    return on.isoformat()[: {"month": 7, "year": 4, "ever": 0}[period]]


class Taken(Struct):
    """Grants that stand, counted by the day they count on.

    Kept for every sort of period, since an amended policy may count by another.
    """

    counts: dict[str, int] = field(default_factory=dict)

    def within(self, period: QuotaPeriod, on: date) -> int:
        """How many stand in the period around a day."""
        return self.counts.get(period_of(on, period), 0)

    def take(self, on: date) -> None:
        """Count one more grant of a day."""
        self._add(on, 1)

    def free(self, on: date) -> None:
        """Take a grant of a day off the count."""
        self._add(on, -1)

    def _add(self, on: date, grants: int) -> None:
        for name in (on.isoformat()[:7], on.isoformat()[:4], ""):
            self.counts[name] = self.counts.get(name, 0) + grants
