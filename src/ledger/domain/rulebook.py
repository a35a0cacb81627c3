"""The rulebook: what holds for the whole log, by region and by date.

Limits, star levels and accrual rules are dated tables. For a region and a day,
the row of the longest region prefix holds; among those the latest
`effective_on` not after the day; among those the one recorded last.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timezone
from typing import Final, Protocol, TypeVar

from msgspec import Struct, field

from ledger.domain.errors import CorruptLog
from ledger.domain.events import (
    AccrualRuleSet,
    Event,
    LedgerOpened,
    LimitsSet,
    RegionProfiled,
    StarLevelsSet,
    TextErased,
)
from ledger.domain.values import Evidence, contains, offset_of

#: Limits where none were set: days a day of service may lie back, minutes a day may have.
BACKDATING_DAYS: Final = 90
DAY_MINUTES_MAX: Final = 960

K = TypeVar("K")
V = TypeVar("V")


class Dated(Protocol):
    """A row of a dated table."""

    @property
    def effective_on(self) -> date:
        """From which day it holds."""

    @property
    def region(self) -> str:
        """In which region, and all it contains."""


D = TypeVar("D", bound=Dated)


class Limits(Struct, frozen=True):
    """How far back a day may lie, and how many minutes a member's day may have."""

    region: str
    effective_on: date
    backdating_days: int
    day_minutes_max: int


DEFAULT_LIMITS: Final = Limits("", date.min, BACKDATING_DAYS, DAY_MINUTES_MAX)


class Memo(dict[K, V]):
    """Answers worked out before: no part of the state, so all memos are equal and none is kept."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Memo)

    __hash__ = None

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (Memo, ())


class Rulebook(Struct, kw_only=True):
    """State of the ledger stream."""

    origin: str
    currency: str
    utc_offset: str
    zone: timezone
    #: In the order recorded, the default first.
    limit_rows: list[Limits] = field(default_factory=lambda: [DEFAULT_LIMITS])
    star_rows: list[StarLevelsSet] = field(default_factory=list)
    #: Accrual rules by id, in the order recorded.
    accruals: dict[str, AccrualRuleSet] = field(default_factory=dict)
    #: The profile of each region that was recorded last.
    profiles: dict[str, RegionProfiled] = field(default_factory=dict)
    limits_memo: Memo[str, tuple[Limits, ...]] = field(default_factory=Memo)
    backdating_memo: Memo[date, int] = field(default_factory=Memo)
    accrual_memo: Memo[tuple[str, str, str], tuple[AccrualRuleSet, ...]] = field(
        default_factory=Memo
    )

    def today(self, now: datetime) -> date:
        """The calendar day of a moment at the ledger's fixed offset."""
        return now.astimezone(self.zone).date()

    def limits(self, region: str, on: date) -> Limits:
        """The limits that hold in a region on a day."""
        rows = self.limits_memo.get(region)
        if rows is None:
            rows = self.limits_memo[region] = ranked(self.limit_rows, region)
        # The first holds nearly always, and this is asked twice for every entry.
        return rows[0] if rows[0].effective_on <= on else in_force(rows, on) or DEFAULT_LIMITS

    def backdating_days_max(self, today: date) -> int:
        """The most days that any limits in force today, or still to come, allow to look back."""
        days = self.backdating_memo.get(today)
        if days is None:
            rows = [self.limits(row.region, today) for row in self.limit_rows]
            rows += [row for row in self.limit_rows if row.effective_on > today]
            days = self.backdating_memo[today] = max(row.backdating_days for row in rows)
        return days

    def stars_for(self, region: str, verified_minutes: int, on: date) -> int:
        """Stars of a member of a region with so many verified service minutes; 0 for none."""
        row = in_force(ranked(self.star_rows, region), on)
        if row is None:
            return 0
        reached = [level.stars for level in row.levels if level.minutes <= verified_minutes]
        return max(reached, default=0)

    def accrual_rule(
        self, region: str, category: str, evidence: Evidence, service_on: date
    ) -> AccrualRuleSet | None:
        """The rule by which service of a day earns credit; None when it earns none."""
        key = (region, category, evidence)
        rows = self.accrual_memo.get(key)
        if rows is None:
            fitting = [
                rule
                for rule in self.accruals.values()
                if (not rule.categories or category in rule.categories)
                and (not rule.evidence or evidence in rule.evidence)
            ]
            rows = self.accrual_memo[key] = ranked(fitting, region)
        return (
            rows[0] if rows and rows[0].effective_on <= service_on else in_force(rows, service_on)
        )


def ranked(rows: Iterable[D], region: str) -> tuple[D, ...]:
    """The rows that concern a region, the one that goes before others first.

    `rows` are in the order recorded; sorting is stable, so the last recorded goes first.
    """
    concerning = [row for row in rows if contains(row.region, region)]
    concerning.reverse()
    concerning.sort(key=lambda row: (len(row.region), row.effective_on), reverse=True)
    return tuple(concerning)


def in_force(rows: Sequence[D], on: date) -> D | None:
    """The first of ranked rows that holds on a day already."""
    for row in rows:
        if row.effective_on <= on:
            return row
    return None


def evolve(state: Rulebook | None, stream: str, event: Event) -> Rulebook:
    """The rulebook after one more event. Raises CorruptLog for an event out of place."""
    if isinstance(event, LedgerOpened) and state is None:
        return Rulebook(
            origin=event.origin,
            currency=event.currency,
            utc_offset=event.utc_offset,
            zone=offset_of(event.utc_offset),
        )
    if state is None:
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    if isinstance(event, LimitsSet):
        _limits_set(state, event)
    elif isinstance(event, AccrualRuleSet):
        state.accruals[event.rule] = event
        state.accrual_memo.clear()
    elif isinstance(event, StarLevelsSet):
        state.star_rows.append(event)
    elif isinstance(event, RegionProfiled):
        state.profiles[event.region] = event
    elif not isinstance(event, TextErased):
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    return state


def _limits_set(state: Rulebook, event: LimitsSet) -> None:
    """Add a row."""
    row = Limits(event.region, event.effective_on, event.backdating_days, event.day_minutes_max)
    state.limit_rows.append(row)
    state.limits_memo.clear()
    state.backdating_memo.clear()
