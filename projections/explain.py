"""Explain: the legs a figure is the sum of, found again in the log itself.

Nothing here reads a figure: events are read, the posting table is applied, and each
leg says by how much it changes the figure asked for. The changes sum up to it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Final

from msgspec import Struct

from ledger.domain.errors import InvalidCommand
from ledger.domain.events import Event
from ledger.domain.values import owner_of
from ledger.log.codec import decode
from ledger.store.log import LogStore, Row
from projections import balances, participation, totals
from projections.catalogue import find_listed
from projections.filters import NO_FILTERS, agrees, check_filters, month_text
from projections.fund_usage import HELD
from projections.moves import MOVES, Move, month_of, moves
from projections.postings import POSTINGS, class_of
from projections.session import Snapshot
from projections.trail import rows_of

#: Rows of the log that are read at a time when no list of positions helps.
PAGE: Final = 5000
#: What a member's figures are, and what is left of credit.
_OF_MEMBER: Final = {**balances.SUMS, "credit_available": ("CRD", "credit", 1)}
#: Distinct people are not a sum: what is shown is the minutes that make them active.
_OF_PARTICIPATION: Final = {
    "registered": ("HED", "registered", 1),
    "active": ("MIN", "verified", 1),
    "verified_minutes": ("MIN", "verified", 1),
}
_KEYS: Final = {row.topic: totals.keys_getter(row.topic) for row in POSTINGS}


class Leg(Struct, frozen=True, kw_only=True):
    """A move of an event, and by how much it changes the figure."""

    position: int
    stream: str
    topic: str
    commodity: str
    source: str
    target: str
    quantity: int
    day: date
    change: int


#: How much a move of an event changes a figure; 0: it has nothing to do with it.
Change = Callable[[Event, Move], int]


def explain_member(store: LogStore, snapshot: Snapshot, member: str, figure: str) -> Iterator[Leg]:
    """The legs of a figure of `member_balance`. Raises InvalidCommand, MemberNotFound."""
    change = _held(*_known(figure, _OF_MEMBER))
    balances.member_balance(snapshot, member)
    return _legs(rows_of(store, snapshot, f"member/{member}"), change)


def explain_policy(store: LogStore, snapshot: Snapshot, policy: str) -> Iterator[Leg]:
    """The legs of the credit a policy redeemed. Raises PolicyNotFound."""
    find_listed(snapshot, "policy", policy, "policy")
    taken = (decode(row.topic, row.state) for row in rows_of(store, snapshot, f"policy/{policy}"))
    members = {owner_of(event.grant) for event in taken if hasattr(event, "grant")}

    def change(event: Event, move: Move) -> int:
        return redeemed(event, move) if getattr(event, "policy", None) == policy else 0

    redeemed = _held("CRD", "redeemed", 1)
    streams = (rows_of(store, snapshot, f"member/{member}") for member in sorted(members))
    return _legs((row for rows in streams for row in rows), change)


def explain_fund(
    store: LogStore,
    snapshot: Snapshot,
    fund: str,
    figure: str,
    filters: Mapping[str, str] = NO_FILTERS,
) -> Iterator[Leg]:
    """The legs of a figure of `fund_usage`: of the whole, or of one of its lines.

    A line is named by `target`, `category`, `receipt`, `source_kind`, `source_id`.
    Raises InvalidCommand, FundNotFound.
    """
    find_listed(snapshot, "fund", fund, "fund")
    change = _of_fund(figure)
    for name in filters:
        if name not in ("target", "category", "receipt", "source_kind", "source_id"):
            raise InvalidCommand(name)

    def of_line(event: Event, move: Move) -> int:
        keys = {name: getattr(move.lot, name, getattr(event, name, "")) for name in filters}
        return change(event, move) if agrees(keys, filters) else 0

    return _legs(rows_of(store, snapshot, f"fund/{fund}"), of_line)


def _of_fund(figure: str) -> Change:
    """How a fund's figure changes: what comes in leaves a source or the world of transfers."""
    if figure == "received_fen":
        return lambda _, m: m.quantity * (class_of(m.source) in ("source", "transferred"))
    if figure == "transferred_fen":
        return lambda _, m: m.quantity * (class_of(m.target) == "transferred")
    states = {name: ("FEN", state, 1) for state, name in HELD.items()}
    return _held(*_known(figure, states))


def explain_totals(
    store: LogStore, snapshot: Snapshot, figure: str, filters: Mapping[str, str] = NO_FILTERS
) -> Iterator[Leg]:
    """The legs of a figure of `totals` within the filters.

    Raises InvalidCommand, NotFound. Without a project or organisation the whole log is read.
    """
    check_filters(snapshot, filters, totals.FILTERS)
    told = [name for name in totals.FIGURES if not filters or name not in totals.WHOLE_ONLY]
    change = _held(*_known(figure, {name: totals.FIGURES[name] for name in told}))

    def within(event: Event, move: Move) -> int:
        keys = dict(zip(totals.DIMENSIONS, _KEYS[type(event).__name__](event), strict=True))
        keys["month"] = month_text(month_of(move.day))
        return change(event, move) if agrees(keys, filters) else 0

    return _legs(_candidates(store, snapshot, filters), within)


def explain_participation(
    store: LogStore, snapshot: Snapshot, figure: str, filters: Mapping[str, str] = NO_FILTERS
) -> Iterator[Leg]:
    """The legs of `registered`, or of the verified minutes that make members `active`.

    Raises InvalidCommand, NotFound. Without a project or organisation the whole log is read.
    """
    check_filters(snapshot, filters, participation.FILTERS)
    change = _held(*_known(figure, _OF_PARTICIPATION))
    if figure == "registered":
        of_members = {n: v for n, v in filters.items() if n in participation.OF_MEMBERS}
        return _legs(_all_rows(store, snapshot), lambda _, move: _heads(move, of_members))

    def within(event: Event, move: Move) -> int:
        found = change(event, move)
        return found if found and agrees(participation.keys_of(event), filters) else 0

    return _legs(_candidates(store, snapshot, filters), within)


def explain_account(store: LogStore, snapshot: Snapshot, account: str) -> Iterator[Leg]:
    """The legs of an account such as `belongs/O1/native`, or of all below `belongs`.

    The whole log is read.
    """

    def within(name: str) -> bool:
        return name == account or name.startswith(f"{account}/")

    return _legs(
        _all_rows(store, snapshot),
        lambda _, move: move.quantity * (within(move.target) - within(move.source)),
    )


def _heads(move: Move, filters: Mapping[str, str]) -> int:
    """How a move changes the members registered in a region, of a kind."""
    change = 0
    for account, side in ((move.source, -1), (move.target, 1)):
        state, *rest = account.split("/")
        if move.commodity == "HED" and state == "registered":
            region, kinds = rest
            keys = {"region": region, "member_kinds": kinds.split("+")}
            change += side * move.quantity * agrees(keys, filters)
    return change


def _known(figure: str, figures: Mapping[str, tuple[str, str, int]]) -> tuple[str, str, int]:
    """Commodity, state and sign of a figure. Raises InvalidCommand for one there is not."""
    if figure not in figures:
        raise InvalidCommand("figure", allowed=", ".join(sorted(figures)))
    return figures[figure]


def _held(commodity: str, state: str, sign: int) -> Change:
    """How moves change what accounts of a class hold."""

    def change(_: Event, move: Move) -> int:
        if move.commodity != commodity:
            return 0
        side = (class_of(move.target) == state) - (class_of(move.source) == state)
        return sign * side * move.quantity

    return change


def _candidates(store: LogStore, snapshot: Snapshot, filters: Mapping[str, str]) -> Iterator[Row]:
    """The rows that may have to do with the filters: by positions if these help, or all."""
    for entity in ("project", "organisation"):
        if entity in filters:
            return rows_of(store, snapshot, f"{entity}/{filters[entity]}")
    return _all_rows(store, snapshot)


def _all_rows(store: LogStore, snapshot: Snapshot) -> Iterator[Row]:
    """The log as far as the snapshot stands."""
    after = 0
    while after < snapshot.position:
        rows = store.select_rows(after, min(PAGE, snapshot.position - after))
        yield from rows
        after += PAGE


def _legs(rows: Iterable[Row], change: Change) -> Iterator[Leg]:
    """The moves of the rows that change a figure."""
    for row in rows:
        if row.topic not in MOVES:
            continue
        event = decode(row.topic, row.state)
        for move in moves(event, row.originator_id):
            changed = change(event, move)
            if changed:
                yield Leg(
                    position=row.position,
                    stream=row.originator_id,
                    topic=row.topic,
                    commodity=move.commodity,
                    source=move.source,
                    target=move.target,
                    quantity=move.quantity,
                    day=move.day,
                    change=changed,
                )
