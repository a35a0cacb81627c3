"""A member's entries as the state keeps them: small, since a county has millions.

What repeats from entry to entry (project, kinds, recorder …) is interned and
shared, so that an entry itself takes about a hundred bytes. The cost of every
method depends on how full a day is, which the limits bound, never on how long
the history has become. Quantities are whole minutes and credit-minutes.
"""

from array import array
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterable
from datetime import date
from functools import cache, lru_cache
from typing import Any, Final, Literal, TypedDict, TypeVar, cast

from msgspec import Struct, field
from msgspec.structs import fields

from ledger.domain.decision import Act
from ledger.domain.events import Hours
from ledger.domain.values import CLOCK_TIMES, MINUTE_OF, EntryKind, Evidence, MemberKind

Status = Literal["pending", "verified", "rejected", "voided"]

H = TypeVar("H", bound=Hours)

DAY_MINUTES: Final = 24 * 60
#: How many distinct values are shared at most; beyond that the oldest are made anew.
SHARED_MAX: Final = 1 << 16
#: A live entry is indexed as day << NUMBER_BITS | number, so that order is by day.
NUMBER_BITS: Final = 32
NUMBER_MASK: Final = (1 << NUMBER_BITS) - 1


class Facts(TypedDict):
    """What every event of an entry repeats (H of the vocabulary, but for entry and day)."""

    project: str
    organisation: str
    team: str | None
    region: str
    member_region: str
    member_kinds: tuple[MemberKind, ...]
    kind: EntryKind
    category: str
    evidence: Evidence
    activity: str | None


class Heading(Struct, frozen=True, gc=False):
    """What many entries of many members have in common. Shared: its facts are never changed."""

    facts: Facts
    #: The source system, None for entries that are identified by what they say.
    source: str | None
    #: The holder who recorded it.
    recorder: str


@lru_cache(maxsize=SHARED_MAX)
def heading(  # noqa: PLR0917 (positional is what lru_cache is fast with)
    project: str,
    organisation: str,
    team: str | None,
    region: str,
    member_region: str,
    member_kinds: tuple[MemberKind, ...],
    kind: EntryKind,
    category: str,
    evidence: Evidence,
    activity: str | None,
    source: str | None,
    recorder: str,
) -> Heading:
    """The shared heading of these."""
    facts = Facts(
        project=project,
        organisation=organisation,
        team=team,
        region=region,
        member_region=member_region,
        member_kinds=member_kinds,
        kind=kind,
        category=category,
        evidence=evidence,
        activity=activity,
    )
    return Heading(facts, source, recorder)


@cache
def _own_fields(kind: type[Hours]) -> dict[str, Any]:
    """What an event of an entry says for itself, as it stands in the event it is made from."""
    own = {
        "entry": "", "service_on": date.min, "minutes": 0, "declined": 0, "credit": 0, "before": 0,
        "after": 0, "credit_before": 0, "credit_after": 0, "reason_code": "",
    }  # fmt: skip
    return {f.name: own[f.name] for f in fields(kind) if f.required and f.name in own}


def like(kind: type[H], about: Heading, act: Act) -> H:
    """An event of this kind with all that is alike in entries of one heading in one act.

    To be replaced in it: the day of the act, and whatever the entry says for itself. Many entries
    share the rest, and copying costs a fifth of naming every field.
    """
    key = (kind, id(about))
    made = act.likes.get(key)
    if made is None:
        event = kind(**about.facts, **_own_fields(kind), **act.stamp())
        # The heading is kept with it: an id is another's once its object is gone.
        made = act.likes[key] = (about, event)
    return cast("H", made[1])


class Span(Struct, frozen=True, gc=False):
    """From when to when: minutes since midnight of the day of service, `last` excluded."""

    first: int
    #: Above 1,440 when the end is on the next day.
    last: int


def span(start: str | None, end: str | None) -> Span | None:
    """The span of two clock times; an end not after the start is on the next day.

    Not shared: there are a million pairs, and to look for one costs more than to make it.
    """
    if start is None or end is None:
        return None
    first, last = MINUTE_OF[start], MINUTE_OF[end]
    return Span(first, last if last > first else last + DAY_MINUTES)


@lru_cache(maxsize=SHARED_MAX)
def shared_day(day: date) -> date:
    """The one object that stands for a day in all entries."""
    return day


class Standing(Struct, frozen=True, gc=False):
    """What has become of an entry; shared."""

    status: Status
    #: The accrual rule its credit was computed by, kept for corrections.
    rule: str | None = None
    #: Holders who verified or corrected it.
    verifiers: tuple[str, ...] = ()


#: The shared standing of these.
standing = lru_cache(maxsize=SHARED_MAX)(Standing)
PENDING: Final = standing("pending")
REJECTED: Final = standing("rejected")
VOIDED: Final = standing("voided")


class Entry(Struct, gc=False):
    """One stretch of service of one member in one project."""

    number: int
    heading: Heading
    service_on: date
    span: Span | None
    #: As logged.
    minutes: int
    standing: Standing = PENDING
    #: Verified minutes that stand now; 0 while pending and when rejected or voided.
    verified: int = 0
    #: Credit-minutes that stand now.
    credit: int = 0

    @property
    def status(self) -> Status:
        """What has become of it."""
        return self.standing.status

    @property
    def is_live(self) -> bool:
        """Whether it is pending or verified, so that its time is taken."""
        return self.standing.status in ("pending", "verified")

    def overlaps(self, service_on: date, when: Span) -> bool:
        """Whether it has a minute in common with a span of a day, across midnight too."""
        mine = self.span
        if mine is None:
            return False
        shift = (self.service_on - service_on).days * DAY_MINUTES
        return mine.first + shift < when.last and when.first < mine.last + shift

    @property
    def start(self) -> str | None:
        """The clock time it started at, when given."""
        return CLOCK_TIMES[self.span.first] if self.span else None


def month_of(day: date) -> int:
    """Calendar months since the year 0."""
    return day.year * 12 + day.month


def minutes_of(entries: Iterable[Entry]) -> int:
    """Minutes that stand in live entries: pending ones as logged."""
    return sum([entry.verified or entry.minutes for entry in entries])


class Entries(Struct):
    """All entries of a member, and the ways to find them."""

    #: Entry n stands at n − 1.
    numbered: list[Entry] = field(default_factory=list)
    #: Live entries in order of their day, see NUMBER_BITS.
    live: "array[int]" = field(default_factory=lambda: array("q"))
    #: Source → its reference → the entry that has this identity now.
    referred: dict[str, dict[str, Entry]] = field(default_factory=dict)
    #: Rejected and voided entries without a reference, by project, day and start.
    freed: dict[tuple[str, date, str | None], Entry] = field(default_factory=dict)
    #: Number of an entry → id of the one it replaces, and number of that → of the one in its place.
    replacing: dict[int, str] = field(default_factory=dict)
    replaced: dict[int, int] = field(default_factory=dict)
    #: Whether any entry ever went on past midnight.
    has_nights: bool = False
    #: Months since year 0 → verified service minutes of that month.
    months: dict[int, int] = field(default_factory=dict)

    def add(self, entry: Entry, source_ref: str | None) -> None:
        """Take a new entry in; it takes its identity over from one that is no longer live."""
        self.numbered.append(entry)
        key = entry.service_on.toordinal() << NUMBER_BITS | entry.number
        live = self.live
        if not live or key > live[-1]:
            live.append(key)
        else:
            live.insert(bisect_left(live, key), key)
        if entry.span is not None and entry.span.last > DAY_MINUTES:
            self.has_nights = True
        source = entry.heading.source
        if source is not None and source_ref is not None:
            self.referred.setdefault(source, {})[source_ref] = entry
        elif self.freed:
            self.freed.pop((entry.heading.facts["project"], entry.service_on, entry.start), None)

    def end(self, entry: Entry, how: Standing) -> None:
        """Let a live entry be rejected or voided: its time is free again."""
        key = entry.service_on.toordinal() << NUMBER_BITS | entry.number
        del self.live[bisect_left(self.live, key)]
        if entry.heading.source is None:
            self.freed[entry.heading.facts["project"], entry.service_on, entry.start] = entry
        entry.standing, entry.verified, entry.credit = how, 0, 0

    def count(self, service_on: date, minutes: int) -> None:
        """Add verified service minutes (negative to take away) to a day's month."""
        month = month_of(service_on)
        self.months[month] = self.months.get(month, 0) + minutes

    def find(self, digits: str) -> Entry | None:
        """The entry with the number at the end of its id."""
        number = int(digits) if digits.isdecimal() else 0
        return self.numbered[number - 1] if 0 < number <= len(self.numbered) else None

    def replace(self, entry: Entry, named: str) -> None:
        """Let an entry stand in place of the one with this id."""
        self.replacing[entry.number] = named
        self.replaced[int(named.rpartition("-")[2])] = entry.number

    def replacement_of(self, entry: Entry) -> Entry | None:
        """The last entry that was put in place of another."""
        number = self.replaced.get(entry.number)
        return None if number is None else self.numbered[number - 1]

    def find_referred(self, source: str, source_ref: str) -> Entry | None:
        """The entry known by a reference of a source system."""
        rows = self.referred.get(source)
        return rows.get(source_ref) if rows is not None else None

    def find_unreferred(self, project: str, service_on: date, start: str | None) -> Entry | None:
        """The entry without a reference that project, day and start identify."""
        for entry in self.live_on(service_on):
            about = entry.heading
            if about.source is None and about.facts["project"] == project and entry.start == start:
                return entry
        return self.freed.get((project, service_on, start)) if self.freed else None

    def live_on(self, service_on: date) -> list[Entry]:
        """The live entries of a day."""
        day = service_on.toordinal()
        return self.live_between(day, day)

    def live_around(self, service_on: date, when: Span | None) -> list[Entry]:
        """The live entries that may share a day, or time, with a span of a day."""
        first = last = service_on.toordinal()
        if when is not None:
            first -= self.has_nights
            last += when.last > DAY_MINUTES
        return self.live_between(first, last)

    def live_between(self, first: int, last: int) -> list[Entry]:
        """The live entries of these days (ordinals), both included, in order of day."""
        live, low = self.live, first << NUMBER_BITS
        # Hours mostly come in the order they were done, and then nothing is this late yet.
        if not live or live[-1] < low:
            return []
        high, numbered, found = (last + 1) << NUMBER_BITS, self.numbered, []
        for at in range(bisect_left(live, low), len(live)):
            key = live[at]
            if key >= high:
                break
            found.append(numbered[(key & NUMBER_MASK) - 1])
        return found

    def verified_between(self, first: date, last: date) -> int:
        """Verified service minutes of these days, both included.

        Whole months by their sums, less what lies beyond the two edges.
        """
        low, high = month_of(first), month_of(last)
        months = self.months
        if high - low < len(months):
            whole = sum([months.get(month, 0) for month in range(low, high + 1)])
        else:
            whole = sum([minutes for month, minutes in months.items() if low <= month <= high])
        since, until = first.toordinal(), last.toordinal()
        month_end = until - last.day + monthrange(last.year, last.month)[1]
        return (
            whole
            - self._verified_service(since - first.day + 1, since - 1)
            - self._verified_service(until + 1, month_end)
        )

    def _verified_service(self, first: int, last: int) -> int:
        """Verified service minutes of these days (ordinals), entry by entry."""
        entries = self.live_between(first, last)
        return sum([e.verified for e in entries if e.heading.facts["kind"] == "service"])
