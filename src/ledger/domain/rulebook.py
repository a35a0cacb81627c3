"""The rulebook: what holds for the whole log, by region and by date.

Limits, star levels and accrual rules are dated tables. For a region and a day,
the row of the longest region prefix holds; among those the latest
`effective_on` not after the day; among those the one recorded last.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timezone
from itertools import pairwise
from typing import Final, Protocol, TypeVar

from msgspec import Struct, field, structs

from ledger.domain.access import Caller
from ledger.domain.commands import (
    Command,
    EraseText,
    OpenLedger,
    ProfileRegion,
    SetAccrualRule,
    SetLimits,
    SetStarLevels,
)
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    AlreadyExists,
    CorruptLog,
    Forbidden,
    InvalidCommand,
    LedgerNotOpened,
)
from ledger.domain.events import (
    AccrualRuleSet,
    Event,
    LedgerOpened,
    LimitsSet,
    RegionProfiled,
    StarLevelsSet,
    TextErased,
)
from ledger.domain.values import Evidence, check_name, contains, day_of, offset_of

#: Limits where none were set: days a day of service may lie back, minutes a day may have.
BACKDATING_DAYS: Final = 90
DAY_MINUTES_MAX: Final = 960
#: More than this is a slip of the pen; it also keeps dates within the calendar.
BACKDATING_DAYS_MAX: Final = 36_525
#: The posting table that figures of this log are made with.
POSTINGS_VERSION: Final = 1

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
    #: Largest number of days any limits in force, or still to come, allow to look back.
    backdating_days_max: int = BACKDATING_DAYS
    limits_memo: Memo[str, tuple[Limits, ...]] = field(default_factory=Memo)
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
    """Add a row, and see anew how far back any region may look from now on."""
    row = Limits(event.region, event.effective_on, event.backdating_days, event.day_minutes_max)
    state.limit_rows.append(row)
    state.limits_memo.clear()
    today = state.today(event.timestamp)
    current = {row.region: state.limits(row.region, today) for row in state.limit_rows}
    coming = [row for row in state.limit_rows if row.effective_on > today]
    state.backdating_days_max = max(row.backdating_days for row in (*current.values(), *coming))


def open_ledger(command: OpenLedger, books: Books, act: Act) -> Decision:
    """Open the log, once. Raises AlreadyExists."""
    try:
        opened = books.rulebook
    except LedgerNotOpened:
        # The day there, which nobody could know before the offset was named.
        day = command.effective_on or day_of(act.now, command.utc_offset)
        act = structs.replace(act, effective_on=day)
        event = LedgerOpened(
            origin=command.origin,
            utc_offset=command.utc_offset,
            currency=command.currency,
            postings_version=POSTINGS_VERSION,
            **act.stamp(),
        )
        return Decision(
            events=[(f"ledger/{command.origin}", event)], answer={"origin": command.origin}
        )
    raise AlreadyExists("origin", origin=opened.origin)


def set_limits(command: SetLimits, books: Books, act: Act) -> Decision:
    """Set a region's limits from a day on. Raises Forbidden, InvalidCommand."""
    check_region(act.caller, command.region)
    if command.backdating_days > BACKDATING_DAYS_MAX:
        most = BACKDATING_DAYS_MAX
        raise InvalidCommand("backdating_days", reason="too far back", days_max=most)
    event = LimitsSet(
        region=command.region,
        backdating_days=command.backdating_days,
        day_minutes_max=command.day_minutes_max,
        **act.stamp(),
    )
    return _entered(books, event, region=command.region)


def profile_region(command: ProfileRegion, books: Books, act: Act) -> Decision:
    """Record a region's name and inhabitants. Raises Forbidden, InvalidCommand (unclean name)."""
    check_region(act.caller, command.region)
    for at, text in (("name", command.name), ("source", command.source)):
        check_name(text, at)
    event = RegionProfiled(
        region=command.region,
        name=command.name,
        population=command.population,
        source=command.source,
        **act.stamp(),
    )
    return _entered(books, event, region=command.region)


def set_star_levels(command: SetStarLevels, books: Books, act: Act) -> Decision:
    """Set a region's star levels from a day on: more stars for more minutes.

    Raises Forbidden, InvalidCommand when stars or minutes do not rise from level to level.
    """
    check_region(act.caller, command.region)
    for a, b in pairwise(command.levels):
        if b.stars <= a.stars or b.minutes <= a.minutes:
            raise InvalidCommand("levels", reason="not ascending", stars=b.stars, minutes=b.minutes)
    event = StarLevelsSet(region=command.region, levels=command.levels, **act.stamp())
    return _entered(books, event, region=command.region)


def set_accrual_rule(command: SetAccrualRule, books: Books, act: Act) -> Decision:
    """Say what verified minutes earn from a day on. Raises Forbidden, AlreadyExists.

    Verified hours keep their rule by its id, so an id names one rule for ever; a change is a
    new rule with a later day.
    """
    check_region(act.caller, command.region)
    if command.rule in books.rulebook.accruals:
        raise AlreadyExists("rule", rule=command.rule)
    event = AccrualRuleSet(
        rule=command.rule,
        region=command.region,
        categories=tuple(sorted(set(command.categories))),
        evidence=tuple(sorted(set(command.evidence))),
        num=command.num,
        den=command.den,
        entry_max=command.entry_max,
        day_max=command.day_max,
        **act.stamp(),
    )
    return _entered(books, event, rule=command.rule)


def erase_text(command: EraseText, books: Books, act: Act) -> Decision:
    """Erase a kept text; that there is one, the application checks. Raises Forbidden.

    A hash does not say whose text it is, so a key with a scope may erase none.
    """
    scoped = act.caller
    if scoped.regions or scoped.organisations or scoped.funds or scoped.sources:
        raise Forbidden("note")
    decision = _entered(books, TextErased(note=command.note, **act.stamp()), note=command.note)
    decision.erase = command.note
    return decision


def check_region(caller: Caller, region: str) -> None:
    """Refuse, with `forbidden`, to set up anything in a region outside the caller's scope."""
    if not caller.sees_region(region):
        raise Forbidden("region", region=region)


def _entered(books: Books, event: Event, **answer: str) -> Decision:
    """One more event in the ledger stream."""
    return Decision(events=[(f"ledger/{books.rulebook.origin}", event)], answer={**answer})


RULES: Final[dict[type[Command], Rule]] = {
    OpenLedger: open_ledger,
    SetLimits: set_limits,
    ProfileRegion: profile_region,
    SetStarLevels: set_star_levels,
    SetAccrualRule: set_accrual_rule,
    EraseText: erase_text,
}
