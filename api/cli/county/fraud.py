"""A fraud as it was reported: hours sold, an incentive obtained with them, and all taken back."""

from collections.abc import Iterator
from typing import Final

from api.cli.county.places import PLACES, TOWNS
from api.cli.county.plan import DAYS, HAIYAN, NEW_YEAR, Chunk
from ledger.domain.commands import (
    DeregisterMember,
    GrantIncentive,
    LogHours,
    RegisterMember,
    VerifyHours,
    VoidHours,
)

BUYER: Final = "HYX9999"
#: Days of the year on which hours were bought, entered by hand within two minutes.
_DAYS: Final = (40, 41)
_ENTRIES: Final = tuple(f"{BUYER}-{n + 1}" for n in range(len(_DAYS)))
_POLICY: Final = "HY-Y08"


def hours_sold() -> Iterator[Chunk]:
    """The credit is spent when it is found out, so the account is left below zero."""
    region = TOWNS[0][0]
    registered = RegisterMember(member=BUYER, region=region, effective_on=NEW_YEAR)
    yield Chunk(HAIYAN, "registry", [registered])
    yield Chunk(HAIYAN, "recorder", [_bought(day) for day in _DAYS])
    verified = [VerifyHours(entry=entry, effective_on=DAYS[50]) for entry in _ENTRIES]
    yield Chunk(HAIYAN, "verifier", [*verified])
    granted = GrantIncentive(member=BUYER, policy=_POLICY, effective_on=DAYS[100])
    yield Chunk(HAIYAN, "granter", [granted])
    voided = [
        VoidHours(entry=entry, reason_code="hours_sold", deficit=True, effective_on=DAYS[150])
        for entry in _ENTRIES
    ]
    yield Chunk(HAIYAN, "reviser", [*voided])
    left = DeregisterMember(member=BUYER, reason_code="fraud", effective_on=DAYS[160])
    yield Chunk(HAIYAN, "registry", [left])


def _bought(day: int) -> LogHours:
    """Five hours a day that nobody served."""
    return LogHours(
        member=BUYER,
        project=PLACES[0].project,
        service_on=DAYS[day],
        minutes=300,
        category="elder_care",
        evidence="manual",
        effective_on=DAYS[day],
    )
