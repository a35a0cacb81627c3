"""The year's money: received, allocated, spent, returned in Haiyan; raised and sent on in Huli.

A fund is played quarter by quarter: what arrives, what each project is given of it, what the
projects pay. Amounts are fen; every document names an invoice, every payee an enterprise.
"""

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Final, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from api.cli.county.draw import below, between, generator
from api.cli.county.grants import BUDGETS, PURSE
from api.cli.county.places import NINGXIA_PROJECTS, PLACES
from api.cli.county.plan import (
    DAYS,
    HAIYAN,
    HULI,
    NEW_YEAR,
    NINGXIA,
    PROJECTS,
    TRANSFERRED,
    WAN,
    YEAR,
    YEAR_END,
    Chunk,
    shares,
)
from ledger.domain.commands import (
    AcceptTransfer,
    AllocateFunds,
    AmendFund,
    CloseFund,
    Command,
    DeclineTransfer,
    OpenFund,
    ReceiveFunds,
    ReleaseFunds,
    ReturnFunds,
    ReverseSpend,
    SendTransfer,
    SpendFunds,
)
from ledger.domain.values import SourceKind, Terms

LOTTERY: Final = "HY-WL25"
PURCHASE: Final = "HY-GP25"
RAISED: Final = "HL-NB25"
ARRIVED: Final = "NX-NB25"

#: What is paid for; grants pay for `incentive`.
CATEGORIES: Final = ("personnel", "materials", "venue", "insurance", "transport", "training")
FORBIDDEN: Final = ("banquets", "buildings", "vehicles")
PAYEES: Final = (
    "海盐同心社会服务有限公司", "武原印务有限公司", "钱江物资供应有限公司", "秦山保险服务部",
    "南北湖场馆运营有限公司", "沈荡客运服务有限公司", "杭州湾职业培训学校",
)  # fmt: skip
#: What was never allocated of the lottery's money goes back, in fen.
RETURNED: Final = 25 * WAN


class Arrival(NamedTuple):
    """Money that arrives in a quarter (0 … 3), for elder care in one town if restricted."""

    quarter: int
    kind: SourceKind
    source: str
    fen: int
    restricted: bool = False


class Purse(Struct, kw_only=True):
    """A fund of Haiyan: what it receives, what of it is kept, and which projects it pays for."""

    fund: str
    name: str
    terms: Terms
    arrivals: tuple[Arrival, ...]
    #: Fen of each quarter's arrivals that are not allocated to projects.
    kept: tuple[int, int, int, int]
    #: Projects (indexes) from … to.
    projects: range
    #: How many there have been.
    receipts: int = 0
    expenses: int = 0
    #: Project (index) → fen allocated and not spent.
    rests: dict[int, int] = field(default_factory=dict)


def terms(purpose: str, *regions: str) -> Terms:
    """For the year, with what may never be paid."""
    return Terms(
        purpose=purpose, regions=regions, forbidden=FORBIDDEN, opens_on=NEW_YEAR, closes_on=YEAR_END
    )


def purses() -> tuple[Purse, ...]:
    """The three funds; together they receive the published 19,000,000 yuan."""
    return (
        Purse(
            fund=PURCHASE,
            name="2025年政府购买社工服务资金",
            terms=terms("政府购买社会工作与志愿服务项目", HAIYAN),
            arrivals=(
                *(Arrival(q, "government_purchase", "HY-CAB", 200 * WAN) for q in range(4)),
                Arrival(0, "government_purchase", "HY-POLITICAL-LEGAL", 150 * WAN),
                Arrival(2, "government_purchase", "HY-POLITICAL-LEGAL", 150 * WAN),
            ),
            kept=(0, 0, 0, 40 * WAN),
            projects=range(70),
        ),
        Purse(
            fund=LOTTERY,
            name="2025年福利彩票公益金项目资金",
            terms=terms("扶老助残救孤济困", HAIYAN),
            arrivals=(
                Arrival(0, "welfare_lottery", "JX-LOTTERY", 120 * WAN),
                Arrival(0, "welfare_lottery", "HY-LOTTERY", 180 * WAN),
                Arrival(2, "welfare_lottery", "HY-LOTTERY", 180 * WAN),
            ),
            kept=(0, 0, RETURNED, 0),
            projects=range(40, PROJECTS),
        ),
        Purse(
            fund=PURSE,
            name="2025年慈善捐赠志愿服务基金",
            terms=terms("志愿服务项目与志愿者礼遇", HAIYAN),
            arrivals=(
                Arrival(0, "charity", "HY-CHARITY-FEDERATION", 100 * WAN),
                Arrival(2, "charity", "HY-CHARITY-FEDERATION", 100 * WAN),
                *(Arrival(n % 4, "charity", f"HY-DONOR-{n + 1}", 24 * WAN) for n in range(4)),
                Arrival(1, "charity", "HY-DONOR-5", 24 * WAN, restricted=True),
            ),
            kept=(sum(BUDGETS.values()), 0, 10 * WAN, 0),
            projects=range(60, PROJECTS),
        ),
    )


#: A donor's wish: the elderly of Xitangqiao.
WISH: Final = terms("西塘桥街道助老", "330424002")
WISHED: Final = 1


class Haiyan:
    """The three funds over the year. Call `opening`, `chunks` and `closing` in this order."""

    def __init__(self, seed: int) -> None:
        self.rng = generator(seed, "money")
        self.purses = purses()

    @property
    def expenses(self) -> int:
        """Expenses so far of the fund that pays for incentives."""
        return next(purse.expenses for purse in self.purses if purse.fund == PURSE)

    def opening(self) -> Iterator[Chunk]:
        """The funds, before policies name one of them."""
        commands = [_open_fund(p.fund, p.name, "HY-CAB", HAIYAN, p.terms) for p in self.purses]
        yield Chunk(HAIYAN, "treasurer", commands)

    def chunks(self) -> Iterator[Chunk]:
        """Four quarters of each fund; the incentives' money besides."""
        for purse in self.purses:
            commands = [c for quarter in range(4) for c in self._quarter(purse, quarter)]
            yield Chunk(HAIYAN, "treasurer", commands)
        budgets: list[Command] = [
            _allocate(PURSE, f"policy/{policy}", fen, 20) for policy, fen in BUDGETS.items()
        ]
        yield Chunk(HAIYAN, "treasurer", budgets)

    def _quarter(self, purse: Purse, quarter: int) -> Iterator[Command]:
        """What arrives, is allocated and is spent in a quarter."""
        arrivals = [a for a in purse.arrivals if a.quarter == quarter]
        for arrival in arrivals:
            purse.receipts += 1
            yield _receive(purse.fund, arrival, 90 * quarter)
            if arrival.restricted:
                purse.rests[WISHED] = arrival.fen
                yield _allocate(purse.fund, _project(WISHED), arrival.fen, 90 * quarter + 5,
                                f"{purse.fund}-R{purse.receipts}")  # fmt: skip
        free = sum(a.fen for a in arrivals if not a.restricted) - purse.kept[quarter]
        for index, fen in zip(purse.projects, self._parts(free, len(purse.projects)), strict=True):
            if fen:
                purse.rests[index] = purse.rests.get(index, 0) + fen
                yield _allocate(purse.fund, _project(index), fen, 90 * quarter + 10)
        for index in sorted(purse.rests):
            yield from self._spend(purse, index, quarter)

    def _parts(self, fen: int, count: int) -> list[int]:
        """Whole hundreds of yuan to each, the rest to the last."""
        weights = [between(self.rng, 60, 140) for _ in range(count)]
        parts = [part // 10_000 * 10_000 for part in shares(fen, weights)]
        parts[-1] += fen - sum(parts)
        return parts

    def _spend(self, purse: Purse, index: int, quarter: int) -> Iterator[Command]:
        """Two bills a quarter; what is left over in the end is a thirtieth at most."""
        for nth, low in enumerate((40, 70)):
            fen = purse.rests[index] * between(self.rng, low, low + 20) // 100
            if not fen:
                continue
            day = 90 * quarter + 20 + 30 * nth
            yield self._pay(purse, index, fen, day)
            if purse.fund == PURCHASE and purse.expenses == 1:
                yield ReverseSpend(
                    expense=f"{PURCHASE}-E1", reason_code="wrong_payee", effective_on=DAYS[day + 2]
                )
                yield self._pay(purse, index, fen, day + 3)
            purse.rests[index] -= fen

    def _pay(self, purse: Purse, index: int, fen: int, day: int) -> Command:
        purse.expenses += 1
        return _pay(purse.fund, _project(index), fen, day, self.rng)

    def closing(self) -> Iterator[Chunk]:
        """At the year's end: the lottery's rest goes back, the donors let the rest be used on.

        Spending is first in first out and leaves little, so what a project gives back is of the
        last receipt, as is what was never allocated: all of it is the county lottery's.
        """
        purse = next(purse for purse in self.purses if purse.fund == LOTTERY)
        commands: list[Command] = [
            ReleaseFunds(fund=LOTTERY, target=_project(index), fen=fen, effective_on=DAYS[355])
            for index, fen in sorted(purse.rests.items())
            if fen
        ]
        commands += [
            ReturnFunds(
                fund=LOTTERY,
                source_kind="welfare_lottery",
                source_id="HY-LOTTERY",
                fen=RETURNED + sum(purse.rests.values()),
                reason_code="unspent",
                effective_on=DAYS[360],
            ),
            CloseFund(fund=LOTTERY, reason_code="completed", effective_on=YEAR_END),
            AmendFund(
                fund=PURSE,
                terms=replace(self.purses[2].terms, closes_on=date(YEAR + 1, 6, 30)),
                consent="捐赠人同意结余资金延期使用至2026年6月30日",
                effective_on=YEAR_END,
            ),
        ]
        yield Chunk(HAIYAN, "treasurer", commands)


def _project(index: int) -> str:
    return f"project/{PLACES[index].project}"


def _open_fund(fund: str, name: str, organisation: str, region: str, wish: Terms) -> Command:
    return OpenFund(
        fund=fund,
        name=name,
        organisation=organisation,
        region=region,
        terms=wish,
        effective_on=NEW_YEAR,
    )


def _receive(fund: str, arrival: Arrival, day: int) -> Command:
    return ReceiveFunds(
        fund=fund,
        source_kind=arrival.kind,
        source_id=arrival.source,
        fen=arrival.fen,
        document=f"进账单 {fund}-{arrival.source}-{day:03}",
        terms=WISH if arrival.restricted else None,
        effective_on=DAYS[day],
    )


def _allocate(fund: str, target: str, fen: int, day: int, *receipts: str) -> Command:
    return AllocateFunds(
        fund=fund, target=target, fen=fen, receipts=receipts, effective_on=DAYS[day]
    )


def _pay(fund: str, target: str, fen: int, day: int, rng: Random) -> Command:
    return SpendFunds(
        fund=fund,
        target=target,
        fen=fen,
        category=CATEGORIES[below(rng, len(CATEGORIES))],
        payee_kind="supplier",
        payee=PAYEES[below(rng, len(PAYEES))],
        document=f"发票 {fund}-{day:03}-{target}",
        effective_on=DAYS[day],
    )


def collection() -> Iterator[Chunk]:
    """What communities and agencies of Huli raised is sent to Ningxia, and declined once."""
    raisers = (
        *(Arrival(0, "community", f"HL-COMMUNITY-{n + 1}", 40 * WAN) for n in range(5)),
        *(Arrival(0, "agency", f"HL-AGENCY-{n + 1}", 50 * WAN) for n in range(3)),
    )
    wish = terms("闽宁同心社会工作协作", HULI, NINGXIA)
    commands = [_open_fund(RAISED, "新老邻里同心募集资金", "HL-SOCIAL", HULI, wish)]
    commands += [_receive(RAISED, arrival, 30) for arrival in raisers]
    commands.append(_send(50 * WAN, 60))
    yield Chunk(HULI, "treasurer", commands)
    decline = DeclineTransfer(
        transfer=f"{RAISED}-T1", reason_code="fund_not_ready", effective_on=DAYS[65]
    )
    arrival_terms = terms("闽宁同心社会工作协作", NINGXIA)
    opened = _open_fund(ARRIVED, "闽宁同心协作资金", "NX-SOCIAL", NINGXIA, arrival_terms)
    yield Chunk(NINGXIA, "treasurer", [decline, opened])
    parts = (150 * WAN, TRANSFERRED - 150 * WAN)
    yield Chunk(HULI, "treasurer", [_send(fen, 80) for fen in parts])


def _send(fen: int, day: int) -> Command:
    return SendTransfer(fund=RAISED, to_region=NINGXIA, fen=fen, effective_on=DAYS[day])


def collected(seed: int) -> Iterator[Chunk]:
    """The money is accepted in Ningxia and pays for service there."""
    rng = generator(seed, "ningxia-money")
    commands: list[Command] = [
        AcceptTransfer(transfer=f"{RAISED}-T{n}", fund=ARRIVED, effective_on=DAYS[85])
        for n in (2, 3)
    ]
    for project, fen in zip(NINGXIA_PROJECTS, (180 * WAN, 150 * WAN), strict=True):
        commands.append(_allocate(ARRIVED, f"project/{project}", fen, 90))
        for month in range(3, 12):
            part = fen * between(rng, 7, 10) // 100
            commands.append(_pay(ARRIVED, f"project/{project}", part, 30 * month + 5, rng))
    yield Chunk(NINGXIA, "treasurer", commands)
