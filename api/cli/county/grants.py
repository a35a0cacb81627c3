"""The twelve policies over three dimensions, and who is granted what."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from api.cli.county.draw import between, generator
from api.cli.county.entries import LATE, MIDYEAR, Earned
from api.cli.county.plan import DAYS, HAIYAN, NEW_YEAR, YEAR_END, Chunk
from ledger.domain.commands import (
    AmendPolicy,
    ClosePolicy,
    Command,
    DefinePolicy,
    GrantIncentive,
    ReverseSpend,
    RevokeGrant,
)
from ledger.domain.values import Dimension, QuotaPeriod, Threshold, owner_of

#: The fund that pays for incentives with a price, and what it allocates to each, in fen.
PURSE: Final = "HY-CH25"
BUDGETS: Final = {"HY-Y05": 8_000_000, "HY-Y06": 32_000_000}

#: One active member in so many asks for an incentive; one grant in so many is revoked.
ASKING: Final = 4
REVOKED: Final = 30
CLOSED: Final = "HY-Y03"


class Offer(NamedTuple):
    """A policy: threshold in minutes within so many months, its price in credit-minutes and fen."""

    policy: str
    name: str
    dimension: Dimension
    minutes: int
    months: int
    credit: int
    fen: int
    quota_total: int
    period: QuotaPeriod


_ROWS: Final[tuple[tuple[str, Dimension, int, int, int, int, int, QuotaPeriod], ...]] = (
    ("优先推荐道德模范", "political_courtesy", 100, 36, 0, 0, 5_000, "year"),
    ("列席社区议事会", "political_courtesy", 60, 12, 0, 0, 5_000, "year"),
    ("入党积极分子优先推荐", "political_courtesy", 80, 12, 0, 0, 5_000, "year"),
    ("优秀志愿者表彰", "political_courtesy", 120, 12, 600, 0, 5_000, "year"),
    ("公交免费乘车卡", "economic_incentive", 40, 12, 1_200, 5_000, 1_600, "ever"),
    ("免费健康体检", "economic_incentive", 60, 12, 2_400, 20_000, 1_600, "ever"),
    ("景区免票", "economic_incentive", 20, 12, 600, 0, 5_000, "year"),
    ("积分超市兑换", "economic_incentive", 5, 12, 120, 0, 800, "month"),
    ("图书馆绿色通道", "social_respect", 10, 12, 0, 0, 5_000, "year"),
    ("就医优先服务", "social_respect", 30, 12, 300, 0, 5_000, "year"),
    ("重阳敬老礼遇", "social_respect", 50, 12, 300, 0, 5_000, "year"),
    ("星级志愿者光荣榜", "social_respect", 100, 36, 0, 0, 5_000, "year"),
)
OFFERS: Final = tuple(
    Offer(f"HY-Y{n + 1:02}", name, dimension, hours * 60, months, credit, fen, total, period)
    for n, (name, dimension, hours, months, credit, fen, total, period) in enumerate(_ROWS)
)


def policies() -> Iterator[Chunk]:
    """Define all, and offer one anew in the spring."""
    commands: list[Command] = [_define(offer) for offer in OFFERS]
    parks = OFFERS[6]
    commands.append(
        AmendPolicy(
            policy=parks.policy,
            name=parks.name,
            dimension=parks.dimension,
            region=HAIYAN,
            threshold=Threshold(minutes=parks.minutes, months=parks.months),
            credit_cost=parks.credit,
            quota_member=2,
            quota_total=parks.quota_total,
            quota_period=parks.period,
            opens_on=NEW_YEAR,
            closes_on=YEAR_END,
            effective_on=DAYS[90],
        )
    )
    yield Chunk(HAIYAN, "registry", commands)


def _define(offer: Offer) -> Command:
    return DefinePolicy(
        policy=offer.policy,
        name=offer.name,
        dimension=offer.dimension,
        region=HAIYAN,
        threshold=Threshold(minutes=offer.minutes, months=offer.months),
        credit_cost=offer.credit,
        fen_cost=offer.fen,
        fund=PURSE if offer.fen else None,
        quota_member=1,
        quota_total=offer.quota_total,
        quota_period=offer.period,
        opens_on=NEW_YEAR,
        closes_on=YEAR_END,
        effective_on=NEW_YEAR,
    )


class Desk:
    """Takes requests, grants what a member surely may have, and keeps count of quotas and money."""

    def __init__(self, seed: int) -> None:
        self.rng = generator(seed, "grants")
        #: Grants made of each policy, revoked ones too.
        self.granted: Counter[str] = Counter()
        self.made = 0
        #: Expenses of the purse so far, to know the id of the next.
        self.expenses = 0
        #: An expense whose grant was revoked, to be reversed at the year's end.
        self.to_reverse: str | None = None

    def ask(self, member: str, earned: Earned) -> Iterator[Command]:
        """A member asks in summer, and again at the end of the year."""
        first = self._choose(earned.half, 0, None)
        if first is not None:
            yield from self._grant(f"{member}-G1", first, between(self.rng, MIDYEAR, MIDYEAR + 30))
        spent, number = (0, 1) if first is None else (first.credit, 2)
        second = self._choose(earned.year, spent, first)
        if second is not None:
            yield from self._grant(f"{member}-G{number}", second, between(self.rng, LATE, 364))

    def _choose(self, minutes: int, spent: int, but: Offer | None) -> Offer | None:
        """Of what may be granted, that which was granted least."""
        fitting = [
            offer
            for offer in OFFERS
            if offer is not but
            and minutes >= offer.minutes
            and minutes - spent >= offer.credit
            and self._is_left(offer)
        ]
        return min(fitting, key=lambda offer: self.granted[offer.policy], default=None)

    def _is_left(self, offer: Offer) -> bool:
        """Whether quota and money allow one more, revoked ones counted as if they stood."""
        granted = self.granted[offer.policy]
        affordable = not offer.fen or (granted + 1) * offer.fen <= BUDGETS[offer.policy]
        return granted < offer.quota_total and affordable

    def _grant(self, grant: str, offer: Offer, day: int) -> Iterator[Command]:
        """Grant it; now and then it was a mistake."""
        yield GrantIncentive(
            member=owner_of(grant),
            policy=offer.policy,
            document=f"礼遇申请 {grant}" if offer.fen else None,
            effective_on=DAYS[day],
        )
        self.granted[offer.policy] += 1
        self.made += 1
        self.expenses += bool(offer.fen)
        if self.made % REVOKED == REVOKED // 2 or self._owes_reversal(offer):
            if offer.fen:
                self.to_reverse = f"{PURSE}-E{self.expenses}"
            yield RevokeGrant(
                grant=grant,
                reason_code="issued_in_error",
                effective_on=DAYS[min(day + 3, 364)],
            )

    def _owes_reversal(self, offer: Offer) -> bool:
        """Whether no grant that cost money was revoked yet."""
        return bool(offer.fen) and self.to_reverse is None

    def closing(self) -> Iterator[Chunk]:
        """At the year's end: a mistaken payment comes back, one policy is offered no more."""
        if self.to_reverse is not None:
            reversal = ReverseSpend(
                expense=self.to_reverse, reason_code="grant_revoked", effective_on=YEAR_END
            )
            yield Chunk(HAIYAN, "treasurer", [reversal])
        close = ClosePolicy(policy=CLOSED, reason_code="replaced", effective_on=YEAR_END)
        yield Chunk(HAIYAN, "registry", [close])
