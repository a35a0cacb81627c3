"""Fund usage: each fen from its receipt to where it is now, and the hours beside it.

Verified minutes belong to a project whole: they stand beside the money of each fund
that paid for the project, and are never added up across funds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import Struct

from ledger.domain.errors import SourceNotFound
from projections.catalogue import find_listed
from projections.folding import Handler
from projections.moves import MOVES, Move
from projections.postings import POSTINGS, class_of
from projections.session import Snapshot
from projections.tables import Deltas, Record, Table, integers, text
from projections.totals import project_of, verified_minutes

#: Fen of each receipt in each account, as far as a fund's own events moved them.
USAGE: Final = Table(
    "usage",
    (*text("fund", "account", "category", "receipt", "source_kind", "source_id"), *integers("fen")),
    searched_by=("source_id",),
)
TABLES: Final = (USAGE,)

#: Class of account → figure. What came in and went away is counted apart, see `_filled`.
HELD: Final = {
    "unallocated": "unallocated_fen",
    "allocated": "allocated_fen",
    "spent": "spent_fen",
    "transit": "in_transit_fen",
    "returned": "returned_fen",
}
#: Classes of accounts that name a target.
FOR_TARGETS: Final = ("allocated", "spent")
MINUTES_IN_HOUR: Final = 60

M = TypeVar("M", bound="Money")


class Money(Struct, kw_only=True):
    """Where money is, in fen. What was received is the sum of all that follows it."""

    received_fen: int = 0
    unallocated_fen: int = 0
    allocated_fen: int = 0
    spent_fen: int = 0
    in_transit_fen: int = 0
    #: Transfers that were sent and accepted.
    transferred_fen: int = 0
    returned_fen: int = 0


class SourceMoney(Money, kw_only=True):
    """The money of one source."""

    source_kind: str
    source_id: str


class ReceiptMoney(Money, kw_only=True):
    """The money of one receipt."""

    receipt: str
    source_kind: str
    source_id: str


class TargetMoney(Struct, kw_only=True):
    """What a target has and had, in fen, and the verified service minutes of its project.

    `fen_per_verified_hour` is rounded down, None where nothing was verified.
    """

    target: str
    allocated_fen: int = 0
    spent_fen: int = 0
    verified_minutes: int = 0
    fen_per_verified_hour: int | None = None


class CategoryMoney(Struct, kw_only=True):
    """What was spent on a category, in fen."""

    category: str
    spent_fen: int = 0


class FundUsage(Money, kw_only=True):
    """A fund, or what one source gave to it: sums, and the same by source, receipt and target."""

    position: int
    as_of: date | None = None
    fund: str
    name: str
    organisation: str
    region: str
    #: Of the target projects together; every fund of a project shows all of them.
    verified_minutes: int = 0
    fen_per_verified_hour: int | None = None
    non_additive: tuple[str, ...] = ("verified_minutes", "fen_per_verified_hour")
    sources: list[SourceMoney]
    receipts: list[ReceiptMoney]
    targets: list[TargetMoney]
    categories: list[CategoryMoney]


class SourceUsage(Money, kw_only=True):
    """The money of one source, and each fund it went to."""

    position: int
    as_of: date | None = None
    source_id: str
    source_kinds: tuple[str, ...]
    funds: list[FundUsage]


class FundUsageFold:
    """The lots that moved since the last drain."""

    def __init__(self, _: Snapshot) -> None:
        self._fen: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def handlers(self) -> Mapping[str, Handler]:
        """Whatever moves money."""
        return {row.topic: self._move for row in POSTINGS if row.commodity == "FEN"}

    def _move(self, _: int, fund: str, event: Any) -> None:
        for move in MOVES[type(event).__name__](event, fund):
            for account, sign in ((move.source, -1), (move.target, 1)):
                # Only what is spent has a category; allocated money has none yet.
                category = event.category if class_of(account) == "spent" else ""
                self._fen[fund, account, category, *_lot_of(move)] += sign * move.quantity

    def drain(self) -> Deltas:
        """The deltas gathered so far; gathering begins anew."""
        rows: list[Record] = [(*key, fen) for key, fen in self._fen.items()]
        self._fen.clear()
        return [(USAGE, rows)]


def _lot_of(move: Move) -> tuple[str, str, str]:
    """The receipt and the source of money that moved; all money moves as lots."""
    assert move.lot is not None
    return move.lot.receipt, move.lot.source_kind, move.lot.source_id


class Line(NamedTuple):
    """A row of the table: what a fund's events did to one account, for one receipt."""

    fund: str
    account: str
    category: str
    receipt: str
    source_kind: str
    source_id: str
    fen: int


def _target_of(account: str) -> str:
    """The target of an account `allocated/<fund>/<target>`, empty for others."""
    parts = account.split("/", 2)
    return parts[2] if parts[0] in FOR_TARGETS else ""


#: Account → fen.
Sums = defaultdict[str, int]


def fund_usage(snapshot: Snapshot, fund: str) -> FundUsage:
    """Where a fund's money is and what it did. Raises FundNotFound."""
    lines = _lines(snapshot, "fund = ?", fund)
    return _usage(snapshot, fund, lines)


def source_usage(snapshot: Snapshot, source_id: str, source_kind: str | None = None) -> SourceUsage:
    """Where the money of a source is and what it did, fund by fund. Raises SourceNotFound."""
    lines = [
        line
        for line in _lines(snapshot, "source_id = ?", source_id)
        if source_kind in (None, line.source_kind)
    ]
    if not lines:
        raise SourceNotFound("source", source=source_id)
    found = SourceUsage(
        position=snapshot.position,
        as_of=snapshot.as_of,
        source_id=source_id,
        source_kinds=tuple(sorted({line.source_kind for line in lines})),
        funds=[
            _usage(snapshot, fund, list(own)) for fund, own in groupby(lines, attrgetter("fund"))
        ],
    )
    return _filled(found, _sums(lines))


def _lines(snapshot: Snapshot, condition: str, value: str) -> list[Line]:
    sql = f"SELECT {', '.join(USAGE.names())} FROM {{g}}usage WHERE {condition} ORDER BY "
    return list(map(Line._make, snapshot.rows(sql + ", ".join(USAGE.names("key")), value)))


def _by(name: str, lines: Iterable[Line]) -> list[tuple[Any, Sums]]:
    """Sums by account of lines with the same attributes (`source_kind source_id`), in order."""
    key_of = attrgetter(*name.split())
    found: defaultdict[Any, Sums] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        found[key_of(line)][line.account] += line.fen
    return sorted(found.items())


def _sums(lines: Iterable[Line]) -> Sums:
    """The sum of each account."""
    sums: Sums = defaultdict(int)
    for line in lines:
        sums[line.account] += line.fen
    return sums


def _usage(snapshot: Snapshot, fund: str, lines: list[Line]) -> FundUsage:
    """The page of a fund, from these of its lines."""
    listed = find_listed(snapshot, "fund", fund, "fund")
    targets = _targets(snapshot, lines)
    minutes = sum(target.verified_minutes for target in targets)
    found = FundUsage(
        position=snapshot.position,
        as_of=snapshot.as_of,
        fund=fund,
        name=listed.name,
        organisation=listed.organisation,
        region=listed.region,
        verified_minutes=minutes,
        sources=[
            _filled(SourceMoney(source_kind=kind, source_id=source), own)
            for (kind, source), own in _by("source_kind source_id", lines)
        ],
        receipts=[
            _filled(ReceiptMoney(receipt=receipt, source_kind=kind, source_id=source), own)
            for (receipt, kind, source), own in _by("receipt source_kind source_id", lines)
        ],
        targets=targets,
        categories=[
            CategoryMoney(category=category, spent_fen=sum(own.values()))
            for category, own in _by("category", [line for line in lines if line.category])
        ],
    )
    _filled(found, _sums(lines))
    found.fen_per_verified_hour = _per_hour(found.spent_fen, minutes)
    return found


def _targets(snapshot: Snapshot, lines: list[Line]) -> list[TargetMoney]:
    """What each target has and had, beside its verified minutes."""
    by_target: defaultdict[str, Sums] = defaultdict(lambda: defaultdict(int))
    for account, fen in _sums(lines).items():
        by_target[_target_of(account)][account] += fen
    by_target.pop("", None)
    minutes = verified_minutes(snapshot, {project_of(target) for target in by_target} - {""})
    found = []
    for target, own in sorted(by_target.items()):
        money = _filled(Money(), own)
        verified = minutes.get(project_of(target), 0)
        found.append(
            TargetMoney(
                target=target,
                allocated_fen=money.allocated_fen,
                spent_fen=money.spent_fen,
                verified_minutes=verified,
                fen_per_verified_hour=_per_hour(money.spent_fen, verified),
            )
        )
    return found


def _filled(money: M, sums: Sums) -> M:
    """The same money with these sums of accounts.

    `transferred/…` sinks below zero where a transfer came in and rises where one was accepted;
    between two funds of one answer it comes to zero, and the money has not left.
    """
    for account, fen in sums.items():
        kind = class_of(account)
        if kind in HELD:
            setattr(money, HELD[kind], getattr(money, HELD[kind]) + fen)
        elif fen < 0:
            money.received_fen -= fen
        else:
            money.transferred_fen += fen
    return money


def _per_hour(fen: int, minutes: int) -> int | None:
    """Fen spent per verified hour, rounded down."""
    return fen * MINUTES_IN_HOUR // minutes if minutes else None
