"""Fund usage: each fen from its receipt to where it is now, and the hours beside it.

Verified minutes belong to a project whole: they stand beside the money of each fund
that paid for the project, and are never added up across funds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import Struct

from ledger.domain.errors import SourceNotFound
from projections.catalogue import find_listed
from projections.folding import Handler
from projections.fund_parts import FIGURES, PARTS, add_up, place_of
from projections.moves import MOVES, Move
from projections.postings import POSTINGS, class_of
from projections.rollups import EVER
from projections.session import Snapshot
from projections.tables import Deltas, Record, Table, integers, text
from projections.totals import project_of, verified_minutes

#: Fen of each receipt in each account, as far as a fund's own events moved them.
USAGE: Final = Table(
    "usage",
    (*text("fund", "account", "category", "receipt", "source_kind", "source_id"), *integers("fen")),
    searched_by=("source_id",),
)
TABLES: Final = (USAGE, PARTS)

MINUTES_IN_HOUR: Final = 60
#: How a part begins that is a project.
OF_PROJECT: Final = "target/project/"

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
        parts = add_up(self._fen)
        self._fen.clear()
        return [(USAGE, rows), (PARTS, parts)]


def _lot_of(move: Move) -> tuple[str, str, str]:
    """The receipt and the source of money that moved; all money moves as lots."""
    assert move.lot is not None
    return move.lot.receipt, move.lot.source_kind, move.lot.source_id


#: A row of the table: what a fund's events did to one account, for one receipt.
#: Fund, account, category, receipt, kind and id of the source, fen.
Line = tuple[str, str, str, str, str, str, int]
#: Place (see `place_of`) → fen.
Sums = Mapping[str, int]


class Parts(NamedTuple):
    """Lines added up by what they are shown by: by (receipt, source kind, source), and so on."""

    receipts: Mapping[tuple[str, str, str], Sums]
    targets: Mapping[str, Sums]
    categories: Mapping[str, int]
    #: Of each target that is a project: its verified minutes.
    minutes: Mapping[str, int]


def fund_usage(snapshot: Snapshot, fund: str) -> FundUsage:
    """Where a fund's money is and what it did. Raises FundNotFound."""
    return _usage(snapshot, fund, _kept(snapshot, fund))


#: Parts of a fund, those that are projects with their verified minutes.
_KEPT: Final = (
    f"SELECT part, source_kind, source_id, COALESCE(verified_minutes, 0), {', '.join(FIGURES)}"
    f" FROM {{g}}fund_parts LEFT JOIN {{g}}totals_projects ON month = {EVER}"
    f" AND substr(part, 1, {len(OF_PROJECT)}) = '{OF_PROJECT}'"
    f" AND project = substr(part, {len(OF_PROJECT) + 1}) WHERE fund = ?"
)
#: Where two of the figures stand.
_ALLOCATED, _SPENT = FIGURES.index("allocated_fen"), FIGURES.index("spent_fen")


def _kept(snapshot: Snapshot, fund: str) -> Parts:
    """The parts of a fund, from the sums of its lines that were kept."""
    receipts: dict[tuple[str, str, str], Sums] = {}
    targets: dict[str, Sums] = {}
    categories: dict[str, int] = {}
    verified: dict[str, int] = {}
    for part, source_kind, source, minutes, *fen in snapshot.rows(_KEPT, fund):
        sort, _, name = part.partition("/")
        if sort == "target":
            targets[name] = {"allocated_fen": fen[_ALLOCATED], "spent_fen": fen[_SPENT]}
            verified[name] = minutes
        elif sort == "receipt":
            receipts[name, source_kind, source] = dict(zip(FIGURES, fen, strict=True))
        else:
            categories[name] = fen[_SPENT]
    return Parts(receipts, targets, categories, verified)


def source_usage(snapshot: Snapshot, source_id: str, source_kind: str | None = None) -> SourceUsage:
    """Where the money of a source is and what it did, fund by fund. Raises SourceNotFound."""
    of_kind = ("source_id = ? AND source_kind = ?", source_id, source_kind)
    lines = _lines(snapshot, *(of_kind if source_kind else ("source_id = ?", source_id)))
    if not lines:
        raise SourceNotFound("source", source=source_id)
    parts = {fund: _parts(snapshot, own) for fund, own in groupby(lines, itemgetter(0))}
    receipts = [each for own in parts.values() for each in own.receipts.items()]
    found = SourceUsage(
        position=snapshot.position,
        as_of=snapshot.as_of,
        source_id=source_id,
        source_kinds=tuple(sorted({kind for (_, kind, _), _ in receipts})),
        funds=[_usage(snapshot, fund, own) for fund, own in parts.items()],
    )
    return _filled(found, _together(sums for _, sums in receipts))


def _lines(snapshot: Snapshot, condition: str, *values: str | None) -> list[Line]:
    columns = ", ".join(USAGE.names())
    return snapshot.rows(
        f"SELECT {columns} FROM {{g}}usage WHERE {condition} ORDER BY fund", *values
    )


def _parts(snapshot: Snapshot, lines: Iterable[Line]) -> Parts:
    """All sums of some lines in one pass: a fund may have some thousands."""
    receipts: defaultdict[tuple[str, str, str], defaultdict[str, int]] = defaultdict(_nothing)
    targets: defaultdict[str, defaultdict[str, int]] = defaultdict(_nothing)
    categories: defaultdict[str, int] = defaultdict(int)
    for _, account, category, receipt, kind, source, fen in lines:
        place, target = place_of(account)
        receipts[receipt, kind, source][place] += fen
        if target:
            targets[target][place] += fen
        if category:
            categories[category] += fen
    projects = {target: project_of(target) for target in targets}
    verified = verified_minutes(snapshot, set(projects.values()) - {""})
    minutes = {target: verified.get(project, 0) for target, project in projects.items()}
    return Parts(receipts, targets, categories, minutes)


def _nothing() -> defaultdict[str, int]:
    return defaultdict(int)


def _together(parts: Iterable[Sums]) -> Sums:
    """The sum of each place."""
    found = _nothing()
    for sums in parts:
        for place, fen in sums.items():
            found[place] += fen
    return found


def _by_source(parts: Parts) -> dict[tuple[str, str], Sums]:
    """The sums of each source, of those of its receipts."""
    found: defaultdict[tuple[str, str], list[Sums]] = defaultdict(list)
    for (_, kind, source), sums in parts.receipts.items():
        found[kind, source].append(sums)
    return {key: _together(each) for key, each in found.items()}


def _usage(snapshot: Snapshot, fund: str, parts: Parts) -> FundUsage:
    """The page of a fund, from parts of it."""
    listed = find_listed(snapshot, "fund", fund, "fund")
    targets = [
        _target(target, own, parts.minutes[target]) for target, own in sorted(parts.targets.items())
    ]
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
            for (kind, source), own in sorted(_by_source(parts).items())
        ],
        receipts=[
            _filled(ReceiptMoney(receipt=receipt, source_kind=kind, source_id=source), own)
            for (receipt, kind, source), own in sorted(parts.receipts.items())
        ],
        targets=targets,
        categories=[
            CategoryMoney(category=category, spent_fen=fen)
            for category, fen in sorted(parts.categories.items())
        ],
    )
    _filled(found, _together(parts.receipts.values()))
    found.fen_per_verified_hour = _per_hour(found.spent_fen, minutes)
    return found


def _target(target: str, sums: Sums, verified: int) -> TargetMoney:
    """A target with its sums."""
    spent = sums.get("spent_fen", 0)
    return TargetMoney(
        target=target,
        allocated_fen=sums.get("allocated_fen", 0),
        spent_fen=spent,
        verified_minutes=verified,
        fen_per_verified_hour=_per_hour(spent, verified),
    )


def _filled(money: M, sums: Sums) -> M:
    """The same money with these sums.

    `transferred/…` sinks below zero where a transfer came in and rises where one was accepted;
    between two funds of one answer it comes to zero, and the money has not left.
    """
    for place, fen in sums.items():
        if place in FIGURES:
            setattr(money, place, fen)
        elif fen < 0:
            money.received_fen -= fen
        else:
            money.transferred_fen += fen
    return money


def _per_hour(fen: int, minutes: int) -> int | None:
    """Fen spent per verified hour, rounded down."""
    return fen * MINUTES_IN_HOUR // minutes if minutes else None
