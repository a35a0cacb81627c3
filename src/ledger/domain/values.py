"""The values every command and event is made of: codes, ids, quantities, days.

Quantities are integers: minutes, credit-minutes, fen (1/100 yuan). Ids are
short ASCII codes; a name is the only free text and never names a person.

Structures that stand inside events (Lot, Terms, Threshold, StarLevel, GrantInputs)
are read with their bounds from every log ever written: a bound here may be
widened, never narrowed.
"""

import unicodedata
from calendar import monthrange
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from ledger.domain.errors import InvalidCommand

#: Python's `$` also matches before a final newline; this does not (nor does ECMA's).
END = r"$(?!\n)"

#: A member's public number, the only thing known of a person.
MemberId = Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,32}" + END, examples=["V0001"])]
#: A code given by the operator: project, organisation, policy, fund, rule …
Code = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}" + END, examples=["P001"])]
#: A lower-case word of a closed or local vocabulary: category, reason, level …
Word = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}" + END, examples=["elder_care"])]
#: Where a row came from, within a source system.
SourceRef = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:/#-]{1,64}" + END, examples=["2025-03/17"])]
#: GB/T 2260 style code of 2, 4, 6, 9 or 12 digits; a prefix contains the longer ones.
RegionCode = Annotated[
    str,
    Meta(pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})" + END, examples=["330424"]),
]
#: The name of a log: lower-case host-like, with optional path (C2SP origin).
Origin = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,62}(/[a-z0-9][a-z0-9._-]{0,30}){0,2}" + END,
        examples=["haiyan.example/hours"],
    ),
]
#: What is given for a project, organisation, policy or fund to be read by people.
Name = Annotated[str, Meta(min_length=1, max_length=80, examples=["邻里助老"])]
#: Erasable text: only its salted hash goes into an event.
Text = Annotated[str, Meta(min_length=1, max_length=4000, examples=["invoice 2025-118"])]
#: SHA-256 in lower-case hex.
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}" + END)]
#: Local wall time on the day of service; an end not after its start is on the next day.
ClockTime = Annotated[
    str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]" + END, examples=["09:00"])
]
#: A month of the ledger's calendar.
Month = Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])" + END, examples=["2025-06"])]
#: The clock time of each minute of a day, and the other way round.
CLOCK_TIMES: Final = tuple(f"{m // 60:02}:{m % 60:02}" for m in range(24 * 60))
MINUTE_OF: Final = {clock_time: minute for minute, clock_time in enumerate(CLOCK_TIMES)}
#: `project/<id>` or `policy/<id>`: what allocated money is for.
Target = Annotated[
    str,
    Meta(
        pattern=r"^(project|policy)/[A-Za-z0-9][A-Za-z0-9._-]{0,63}" + END,
        examples=["project/P001"],
    ),
]

#: Whole minutes of one entry; 0 where nothing is left of it.
Minutes = Annotated[int, Meta(ge=0, le=1440, examples=[150])]
#: Whole minutes, any sum that stays exact in canonical JSON (below 2^53, RFC 8785).
MinutesSum = Annotated[int, Meta(ge=0, le=2**53 - 1)]
#: Integer 1/100 yuan, at most a hundred billion yuan at once.
Fen = Annotated[int, Meta(ge=1, le=10**13, examples=[1_900_000_00])]
FenOrNone = Annotated[int, Meta(ge=0, le=10**13)]
#: How many: people, grants, inhabitants.
Count = Annotated[int, Meta(ge=0, le=10**10)]
Positive = Annotated[int, Meta(ge=1, le=10**10)]

MemberKind = Literal["party_member", "social_worker", "volunteer"]
MemberKinds = Annotated[tuple[MemberKind, ...], Meta(min_length=1, max_length=3)]
EntryKind = Literal["service", "training"]
ActivityKind = Literal["service", "training", "supervision", "exam"]
Evidence = Literal["system", "manual"]
Residency = Literal["newcomer", "native"]
OrgKind = Literal["agency", "association", "community", "enterprise", "hospital", "school", "team"]
Dimension = Literal["political_courtesy", "economic_incentive", "social_respect"]
QuotaPeriod = Literal["month", "year", "ever"]
PayeeKind = Literal["member", "organisation", "supplier"]
SourceKind = Literal[
    "government_purchase", "welfare_lottery", "charity", "community", "agency", "region"
]
Role = Literal["recorder", "verifier", "granter", "treasurer", "funder", "auditor", "admin"]


class Value(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A structure inside a command or an event; absent fields are omitted."""


class Lot(Value, frozen=True, kw_only=True):
    """A part of one receipt. All money moves as lots."""

    receipt: str
    source_kind: SourceKind
    source_id: Code
    fen: Fen


class Terms(Value, frozen=True, kw_only=True):
    """What money may be used for, where and when; empty lists allow everything."""

    purpose: Name
    regions: tuple[RegionCode, ...] = ()
    allowed: tuple[Word, ...] = ()
    forbidden: tuple[Word, ...] = ()
    opens_on: date
    closes_on: date


class Threshold(Value, frozen=True, kw_only=True):
    """Verified service minutes needed within the last `months` calendar months."""

    minutes: MinutesSum
    months: Annotated[int, Meta(ge=1, le=1200)]


class StarLevel(Value, frozen=True, kw_only=True):
    """Verified service minutes from which a member has this many stars."""

    stars: Annotated[int, Meta(ge=1, le=10)]
    minutes: MinutesSum


class GrantInputs(Value, frozen=True, kw_only=True):
    """What a grant's decision saw, so that it can be judged again."""

    window_from: date
    window_minutes: MinutesSum
    credit_available: int
    member_taken: Count
    policy_taken: Count


def lots_sum(lots: tuple[Lot, ...]) -> int:
    """Fen in all lots together."""
    return sum(lot.fen for lot in lots)


def contains(prefix: str, region: str) -> bool:
    """Whether `region` lies in the region `prefix` (a prefix contains the longer ones)."""
    return region.startswith(prefix)


def offset_of(utc_offset: str) -> timezone:
    """The fixed offset written as `+08:00`."""
    sign = -1 if utc_offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(utc_offset[1:3]), minutes=int(utc_offset[4:6])))


def day_of(moment: datetime, utc_offset: str) -> date:
    """The calendar day of a moment at the ledger's fixed offset."""
    return moment.astimezone(offset_of(utc_offset)).date()


def months_before(day: date, months: int) -> date:
    """The same day `months` calendar months earlier, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if year < 1:
        return date.min
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def check_name(text: str, at: str = "name") -> None:
    """A name is trimmed, on one line, free of control, format and private characters, and NFC.

    Raises InvalidCommand.
    """
    if text != text.strip():
        raise InvalidCommand(at, reason="a blank at an end")
    if any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in text):
        raise InvalidCommand(at, reason="a sign that does not print")
    if not unicodedata.is_normalized("NFC", text):
        raise InvalidCommand(at, reason="not in Unicode's normal form C")


def owner_of(derived: str) -> str:
    """The stream owner of a ledger-assigned id: `V0001` of entry `V0001-3`, `F1` of `F1-E2`."""
    return derived.rpartition("-")[0]
