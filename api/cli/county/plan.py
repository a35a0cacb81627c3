"""What the demonstration county must come to: the published figures, times the scale.

Haiyan (330424) and Huli (350206) published them; a county in Ningxia (640422) stands at the other
end of a transfer. What is scaled is rounded half up; what a county has once stays whole.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.commands import Command
from ledger.domain.values import Role

SCALE_MIN: Final = Fraction(1, 1000)
SCALE_MAX: Final = Fraction(1)

HAIYAN: Final = "330424"
HULI: Final = "350206"
NINGXIA: Final = "640422"
ORIGIN: Final = "county.example/demo"

#: The year everything happens in: every command names its day, so that no run depends on today.
YEAR: Final = 2025
NEW_YEAR: Final = date(YEAR, 1, 1)
YEAR_END: Final = date(YEAR, 12, 31)
DAYS: Final = tuple(NEW_YEAR + timedelta(days=n) for n in range(365))

#: Fen in 10,000 yuan.
WAN: Final = 1_000_000

#: Published once for the county, whatever the scale.
POLICIES: Final = 12
PROJECTS: Final = 99
RAISED_HAIYAN: Final = 1900 * WAN
NEWCOMERS: Final = 72
NATIVES: Final = 48
TRANSFERRED: Final = 350 * WAN

Office = Literal["registry", "recorder", "verifier", "reviser", "granter", "treasurer"]
ROLES: Final[dict[Office, Role]] = {
    "registry": "admin",
    "recorder": "recorder",
    "verifier": "verifier",
    "reviser": "verifier",
    "granter": "granter",
    "treasurer": "treasurer",
}
#: Whose offices act; the operator's own are for the whole log.
OPERATOR: Final = ""
COUNTIES: Final = {OPERATOR: "operator", HAIYAN: "haiyan", HULI: "huli", NINGXIA: "ningxia"}


class Chunk(NamedTuple):
    """Commands one office of one county carries out together."""

    county: str
    office: Office
    commands: list[Command]

    @property
    def caller(self) -> Caller:
        """Who acts: a holder for each office, so that four eyes are four; in its own county."""
        return Caller(
            holder=f"{COUNTIES[self.county]}-{self.office}",
            key="operator",
            roles=frozenset({ROLES[self.office]}),
            regions=(self.county,) if self.county else (),
        )


def half_up(value: Fraction) -> int:
    """The nearest integer; halves go up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


class Plan(Struct, frozen=True, kw_only=True):
    """The figures of one scale: heads, person-times, whole minutes."""

    scale: Fraction
    registered: int
    active: int
    minutes: int
    served: int
    certified: int
    exam_registered: int
    exam_attended: int
    trained: int
    certified_huli: int
    supervisions: int

    @property
    def events(self) -> int:
        """About how many events it takes."""
        return self.minutes // 60 + self.registered + 8_000

    @property
    def steps(self) -> int:
        """About how far progress goes: each event is written, and then read into the figures."""
        return 2 * self.events


def plan_of(scale: Fraction) -> Plan:
    """The figures at a scale. Raises ValueError when it is not from 0.001 to 1."""
    if not SCALE_MIN <= scale <= SCALE_MAX:
        raise ValueError(f"scale {scale} is not from 0.001 to 1")
    return Plan(
        scale=scale,
        registered=half_up(140_000 * scale),
        active=half_up(72_000 * scale),
        minutes=half_up(11_390_000 * scale) * 60,
        served=half_up(100_000 * scale),
        certified=half_up(2_900 * scale),
        exam_registered=half_up(2_000 * scale),
        # 88 % of the published number, scaled and rounded once.
        exam_attended=half_up(2_000 * Fraction(88, 100) * scale),
        trained=half_up(600 * scale),
        certified_huli=half_up(1_500 * scale),
        supervisions=half_up(500 * scale),
    )


def shares(total: int, weights: Sequence[int]) -> Iterator[int]:
    """Integer parts of a total in proportion to weights; they add up to it exactly."""
    whole, seen, given = sum(weights), 0, 0
    for weight in weights:
        seen += weight
        upto = total * seen // whole
        yield upto - given
        given = upto


def spread(index: int, parts: int, whole: int) -> bool:
    """Whether `index` is one of the `parts` that are spread evenly over 0 … whole − 1."""
    return (index + 1) * parts // whole > index * parts // whole
