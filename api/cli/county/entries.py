"""One member's year: entries of service and training, and what the offices make of them.

A member's day has three slots whose times never meet, so entries in different slots never
overlap. Most entries are logged and verified; some are declined in part, corrected up or down,
logged for a wrong project and recorded anew, rejected, left pending or taken back. What remains
verified comes to exactly the minutes asked for.
"""

from random import Random
from typing import Final, NamedTuple

from msgspec import Struct, field

from api.cli.county.draw import below
from api.cli.county.places import Held, Place
from api.cli.county.plan import DAYS
from ledger.domain.commands import (
    Command,
    CorrectHours,
    LogHours,
    RejectHours,
    VerifyHours,
    VoidHours,
)

#: Minutes of one entry, on average and at the edges.
ENTRY: Final = 125
ENTRY_MIN: Final = 20
ENTRY_MAX: Final = 240
#: Minutes logged beyond what is verified in the end, at most.
EXCESS: Final = 30

SLOTS: Final = 3 * len(DAYS)
#: Of morning, afternoon, evening: earliest start, minutes since midnight, and the start's play.
#: 420 + 63 + 240 + 30 stays before the afternoon, 780 + 63 + 270 before the evening.
STARTS: Final = (420, 780, 1115)
PLAY: Final = (63, 63, 31)
CLOCK: Final = tuple(f"{m // 60:02}:{m % 60:02}" for m in range(24 * 60))
LAST_DAY: Final = len(DAYS) - 1
MIDYEAR: Final = 181
#: From this day on nothing counts towards the grants of the year's end.
LATE: Final = 354

#: A paper register kept by hand, from which one entry in eight is typed in.
REGISTER: Final = "paper-register"


class Server(NamedTuple):
    """Who serves: how many minutes are verified in the end, how many trainings, where."""

    member: str
    minutes: int
    trainings: int
    #: The first is where most of it is done.
    places: tuple[Place, Place, Place]
    learning: str
    team: str | None


class Earned(NamedTuple):
    """Verified minutes that surely count: up to the middle and up to the end of the year.

    Of each day only the first entry, and only if nothing was ever changed about it: its credit is
    at least its minutes, whatever the day's cap takes from others.
    """

    half: int
    year: int


class Slot(NamedTuple):
    """One entry to be made."""

    number: int
    day: int
    #: Minutes since midnight.
    start: int
    #: Random bits of its own.
    bits: int


class Pages(Struct):
    """The paperwork of a block of members, in the order the offices take it up."""

    logged: list[Command] = field(default_factory=list)
    judged: list[Command] = field(default_factory=list)
    revised: list[Command] = field(default_factory=list)
    relogged: list[Command] = field(default_factory=list)
    rejudged: list[Command] = field(default_factory=list)


def later(day: int, days: int) -> int:
    """Some days later, within the year."""
    return min(day + days, LAST_DAY)


class Diary:
    """Writes one member's year into the pages of a block."""

    def __init__(self, pages: Pages, server: Server, rng: Random, held: Held) -> None:
        self.pages = pages
        self.server = server
        self.rng = rng
        self.held = held
        #: Entries logged in the first round, and replacements after them.
        self.entries = 0
        self.replaced = 0

    def write(self) -> Earned:
        """Make all entries; what they surely earned."""
        server, rng = self.server, self.rng
        count = (server.minutes + ENTRY // 2) // ENTRY or min(1, server.minutes)
        extras = server.trainings + (count * 2 + below(rng, 100)) // 100
        rest, done, asides, turn = server.minutes, 0, 0, below(rng, 97)
        seen_day, half, year = -1, 0, 0
        self.entries = total = count + extras
        assert total <= SLOTS
        bits_of = rng.getrandbits
        for n in range(total):
            low = n * SLOTS // total
            bits = bits_of(64)
            day, third = divmod(low + ((bits & 1023) * ((n + 1) * SLOTS // total - low) >> 10), 3)
            slot = Slot(n + 1, day, STARTS[third] + (bits >> 10 & PLAY[third]), bits >> 16)
            if (n * extras + turn) % total < extras:
                self._aside(slot, asides)
                asides += 1
                seen_day = day
                continue
            left = count - done
            minutes = rest // left + (bits >> 16 & 127) - 64
            minutes = max(minutes, ENTRY_MIN, rest - ENTRY_MAX * (left - 1))
            minutes = min(minutes, ENTRY_MAX, rest - ENTRY_MIN * (left - 1))
            rest -= minutes
            if self._serve(slot, minutes, done) and day != seen_day:
                half += minutes if day < MIDYEAR else 0
                year += minutes if day < LATE else 0
            seen_day = day
            done += 1
        return Earned(half, year)

    def _serve(self, slot: Slot, minutes: int, nth: int) -> bool:
        """An entry of which so many minutes stand in the end; whether it is a plain one."""
        bits = slot.bits >> 7
        places = self.server.places
        place = places[nth if nth < 3 else (0, 0, 0, 0, 0, 1, 1, 2)[bits & 7]]
        odd = bits >> 3 & 255
        if odd < 9:
            self._oddly(slot, minutes, place, odd)
            return False
        self.pages.logged.append(self._log(slot, minutes, place))
        self._verify(slot)
        return True

    def _log(
        self, slot: Slot, minutes: int, place: Place, *, timed: bool = False, manual: bool = False
    ) -> LogHours:
        """A row: signed in and out, typed in with its times, or from a register without."""
        bits, day, start = slot.bits >> 18, slot.day, slot.start
        category, activity = place.categories[bits & 1 if len(place.categories) > 1 else 0], None
        found = self.held.get((place.project, day)) if bits & 12 == 0 else None
        if found is not None:
            activity, category = found
        by_hand = manual or bits >> 4 & 3 == 0
        rest, source, ref = 0, None, None
        if by_hand and not timed and bits >> 6 & 1:
            source, ref = REGISTER, f"{day // 7 + 1}/{slot.number}"
        elif by_hand and not timed:
            rest = (bits >> 7 & 1) * 15
        return LogHours(
            effective_on=DAYS[later(day, bits >> 8 & 3) if by_hand else day],
            member=self.server.member,
            project=place.project,
            service_on=DAYS[day],
            minutes=minutes,
            category=category,
            evidence="manual" if by_hand else "system",
            team=self.server.team,
            activity=activity,
            start=None if source else CLOCK[start],
            end=None if source else CLOCK[start + minutes + rest],
            source=source,
            source_ref=ref,
        )

    def _verify(self, slot: Slot, minutes: int | None = None) -> None:
        """Verify an entry some days later, in full or for fewer minutes."""
        self.pages.judged.append(
            VerifyHours(
                effective_on=DAYS[later(slot.day, 4 + (slot.bits >> 30 & 7))],
                entry=f"{self.server.member}-{slot.number}",
                minutes=minutes,
            )
        )

    def _oddly(self, slot: Slot, minutes: int, place: Place, odd: int) -> None:
        """An entry that takes more than two steps to what stands in the end."""
        excess = 1 + (slot.bits >> 33) % EXCESS
        if odd < 4:
            self.pages.logged.append(self._log(slot, minutes + excess, place, timed=True))
            self._verify(slot, minutes)
        elif odd < 6:
            self.pages.logged.append(self._log(slot, minutes + excess, place, timed=True))
            self._verify(slot)
            self._correct(slot, minutes, "signed_out_late")
        elif odd < 7:
            self.pages.logged.append(self._log(slot, minutes, place, timed=True, manual=True))
            self._verify(slot, max(1, minutes - excess))
            self._correct(slot, minutes, "register_misread")
        else:
            self._anew(slot, minutes, place, rejected=odd == 8)

    def _correct(self, slot: Slot, minutes: int, reason_code: str) -> None:
        self.pages.revised.append(
            CorrectHours(
                effective_on=DAYS[later(slot.day, 30)],
                entry=f"{self.server.member}-{slot.number}",
                minutes=minutes,
                reason_code=reason_code,
            )
        )

    def _anew(self, slot: Slot, minutes: int, place: Place, *, rejected: bool) -> None:
        """Logged for a wrong project, rejected or taken back, and recorded anew."""
        places = self.server.places
        wrong = places[1] if place is places[0] else places[0]
        self.pages.logged.append(self._log(slot, minutes, wrong, timed=True))
        entry = f"{self.server.member}-{slot.number}"
        if rejected:
            self.pages.judged.append(
                RejectHours(
                    effective_on=DAYS[later(slot.day, 4)], entry=entry, reason_code="wrong_project"
                )
            )
        else:
            self._verify(slot)
            self._void(slot, "wrong_project")
        self.replaced += 1
        self._replace(slot, minutes, place, entry)

    def _replace(self, slot: Slot, minutes: int, place: Place, entry: str) -> None:
        """Record an entry anew, and verify it."""
        start, on = slot.start, DAYS[later(slot.day, 35)]
        self.pages.relogged.append(
            LogHours(
                effective_on=on,
                member=self.server.member,
                project=place.project,
                service_on=DAYS[slot.day],
                minutes=minutes,
                category=place.categories[0],
                evidence="manual",
                team=self.server.team,
                start=CLOCK[start],
                end=CLOCK[start + minutes],
                replaces=entry,
            )
        )
        number = self.entries + self.replaced
        self.pages.rejudged.append(
            VerifyHours(effective_on=on, entry=f"{self.server.member}-{number}")
        )

    def _void(self, slot: Slot, reason_code: str) -> None:
        self.pages.revised.append(
            VoidHours(
                effective_on=DAYS[later(slot.day, 30)],
                entry=f"{self.server.member}-{slot.number}",
                reason_code=reason_code,
            )
        )

    def _aside(self, slot: Slot, nth: int) -> None:
        """An entry that adds nothing to verified service: training first, then what went wrong."""
        server = self.server
        if nth < server.trainings:
            self._train(slot)
            return
        minutes = 60 + (slot.bits & 127)
        self.pages.logged.append(self._log(slot, minutes, server.places[0], timed=True))
        fate = (slot.bits >> 40) % 7
        if fate < 3:
            self.pages.judged.append(
                RejectHours(
                    effective_on=DAYS[later(slot.day, 5)],
                    entry=f"{server.member}-{slot.number}",
                    reason_code=("not_held", "work_shift", "illegible")[fate],
                )
            )
        elif fate < 5:
            self._verify(slot)
            self._void(slot, "never_happened")
        # else it is still pending

    def _train(self, slot: Slot) -> None:
        """A training, signed in and out; never mixed with service."""
        minutes, start = 60 + (slot.bits & 127), slot.start
        self.pages.logged.append(
            LogHours(
                effective_on=DAYS[slot.day],
                member=self.server.member,
                project=self.server.learning,
                service_on=DAYS[slot.day],
                minutes=minutes,
                category="training",
                evidence="system",
                kind="training",
                start=CLOCK[start],
                end=CLOCK[start + minutes],
            )
        )
        self._verify(slot)
