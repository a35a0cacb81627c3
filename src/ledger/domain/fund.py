"""Funds: ring-fenced money with terms; its state, its terms in force, and money that arrives.

What is done with the money stands in `spending` and `transfer`. Amounts are fen.
All rules here raise FundNotFound for a fund out of the caller's scope.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from msgspec import Struct, field

from ledger.domain.access import Caller, require_region
from ledger.domain.commands import AmendFund, CloseFund, Command, OpenFund, ReceiveFunds
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    AlreadyExists,
    CorruptLog,
    Forbidden,
    FundClosed,
    FundNotFound,
    InsufficientFunds,
    NothingChanges,
    PurposeViolation,
    Refusal,
)
from ledger.domain.events import (
    Event,
    FundAmended,
    FundOpened,
    FundsAllocated,
    FundsReceived,
    FundsReleased,
    FundsReturned,
    FundsSpent,
    SpendReversed,
    TransferAccepted,
    TransferDeclined,
    TransferReceived,
    TransferSent,
)
from ledger.domain.events import FundClosed as FundClosedEvent
from ledger.domain.lots import Queue, Shelf, Stock, lot_of, take
from ledger.domain.organisation import find_organisation
from ledger.domain.terms import allows_category, refusal_of, settled_terms
from ledger.domain.values import Lot, Terms, check_name, owner_of


class Expense(Struct, kw_only=True):
    """What was spent at once for a target, and the lots of it that are not reversed."""

    target: str
    organisation: str
    region: str
    category: str
    grant: str | None
    left: Queue


class Transit(Struct):
    """A transfer that left the fund; it ends once, accepted or declined."""

    sent: TransferSent
    ended: bool = False


class Fund(Struct, kw_only=True):
    """A fund as it stands: where every fen is that ever arrived in it."""

    id: str
    name: str
    organisation: str
    region: str
    terms: Terms
    closed: bool = False
    stock: Stock = field(default_factory=Stock)
    #: By target: what is allocated and not spent.
    allocated: dict[str, Queue] = field(default_factory=dict)
    #: By id: expenses of which something is left to reverse.
    expenses: dict[str, Expense] = field(default_factory=dict)
    #: By id: all transfers ever sent.
    transfers: dict[str, Transit] = field(default_factory=dict)
    #: How many there have been; the last number given out.
    receipts_made: int = 0
    expenses_made: int = 0

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return f"fund/{self.id}"


# The fold


def evolve(state: Fund | None, stream: str, event: Event) -> Fund:
    """The fund after one more event. Raises CorruptLog for an event out of place."""
    if state is None:
        if not isinstance(event, FundOpened):
            raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
        return Fund(
            id=stream.removeprefix("fund/"),
            name=event.name,
            organisation=event.organisation,
            region=event.region,
            terms=event.terms,
        )
    try:
        _fold(state, stream, event)
    except KeyError as missing:
        raise CorruptLog("state", stream=stream, missing=str(missing.args[0])) from missing
    return state


def _fold(state: Fund, stream: str, event: Event) -> None:
    """Change the fund by one event. Raises KeyError for a target, an expense it does not have."""
    if isinstance(event, FundAmended):
        state.terms = event.terms
    elif isinstance(event, FundClosedEvent):
        state.closed = True
    elif isinstance(event, FundsAllocated | FundsReleased | FundsSpent | SpendReversed):
        _at_target(state, event)
    else:
        _at_border(state, stream, event)


def _at_target(state: Fund, event: Event) -> None:
    """Move money between the fund, a target and its expenses."""
    if isinstance(event, FundsAllocated):
        state.stock.remove(event.lots)
        state.allocated.setdefault(event.target, Queue()).put(event.lots)
    elif isinstance(event, FundsReleased):
        state.allocated[event.target].remove(event.lots)
        state.stock.put(event.lots)
    elif isinstance(event, FundsSpent):
        state.allocated[event.target].remove(event.lots)
        state.expenses[event.expense] = _expense(event)
        state.expenses_made += 1
    elif isinstance(event, SpendReversed):
        left = state.expenses[event.expense].left
        left.remove(event.lots)
        if not left.fen:
            del state.expenses[event.expense]
        state.allocated[event.target].put_back(event.lots)


def _expense(event: FundsSpent) -> Expense:
    """An expense none of which is reversed."""
    expense = Expense(
        target=event.target,
        organisation=event.organisation,
        region=event.region,
        category=event.category,
        grant=event.grant,
        left=Queue(),
    )
    expense.left.put(event.lots)
    return expense


def _at_border(state: Fund, stream: str, event: Event) -> None:
    """Move money into the fund or out of it. Raises CorruptLog for an event out of place."""
    if isinstance(event, FundsReceived | TransferReceived):
        terms = () if event.terms is None else (event.terms,)
        for lot in event.lots:
            # What this fund received itself comes home on the terms it was given on.
            home = isinstance(event, TransferReceived) and owner_of(lot.receipt) == state.id
            state.stock.arrive(lot, () if home else terms)
        if isinstance(event, FundsReceived):
            state.receipts_made += 1
            state.stock.give(event.lots, 1)
    elif isinstance(event, FundsReturned):
        state.stock.remove(event.lots)
        state.stock.leave(event.lots)
        state.stock.give(event.lots, -1)
    elif isinstance(event, TransferSent):
        state.stock.remove(event.lots)
        state.transfers[event.transfer] = Transit(event)
    elif isinstance(event, TransferAccepted):
        state.transfers[event.transfer].ended = True
        state.stock.leave(event.lots)
    elif isinstance(event, TransferDeclined):
        state.transfers[event.transfer].ended = True
        state.stock.put(event.lots)
    else:
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)


def find_fund(
    books: Books, fund: str, caller: Caller, at: str = "fund", *, paying: Collection[str] = ()
) -> Fund:
    """The fund, closed or not. Raises FundNotFound, also when it is out of the caller's scope.

    `paying`: sources whose money is about to come into it.
    """
    state = books.get(f"fund/{fund}")
    if not isinstance(state, Fund) or not is_seen(state, caller, paying):
        raise FundNotFound(at, fund=fund)
    return state


def is_seen(fund: Fund, caller: Caller, paying: Collection[str] = ()) -> bool:
    """Whether the fund is within the caller's scope; sources limit the funds they paid into."""
    return (
        (caller.sees_one_of(fund.stock.sources) or caller.sees_one_of(paying))
        and caller.sees_fund(fund.id)
        and caller.sees_region(fund.region)
        and caller.sees_organisation(fund.organisation)
    )


# What may be done with its money


def check_open(fund: Fund) -> None:
    """Refuse to put money into a closed fund, or to use it. Raises FundClosed."""
    if fund.closed:
        raise FundClosed("fund", fund=fund.id)


def check_use(fund: Fund, region: str, on: date, at: str) -> None:
    """The fund itself may be used in a region on a day. Raises FundClosed, PurposeViolation."""
    check_open(fund)
    refusal = refusal_of((fund.terms,), region, on, at)
    if refusal is not None:
        raise refusal


def check_spending(fund: Fund, lots: tuple[Lot, ...], region: str, category: str, on: date) -> None:
    """These lots may be spent in a region, on a category, on a day.

    By the fund's terms and by those of each lot's receipt. Raises FundClosed, PurposeViolation.
    """
    check_use(fund, region, on, "target")
    receipts = [fund.stock.receipts[lot.receipt] for lot in lots]
    for receipt in receipts:
        refusal = refusal_of(receipt.terms, region, on, "target")
        if refusal is not None:
            raise refusal
    own_terms = [each for receipt in receipts for each in receipt.terms]
    if not all(allows_category(each, category) for each in (fund.terms, *own_terms)):
        raise PurposeViolation("category", category=category)


# What there is


def spend_lots(fund: Fund, target: str, fen: int) -> tuple[Lot, ...]:
    """The first `fen` of what is allocated to a target. Raises InsufficientFunds."""
    queue = fund.allocated.get(target)
    available = queue.fen if queue else 0
    if queue is None or fen > available:
        raise InsufficientFunds("fen", target=target, available=available)
    return take(fen, queue.lots)


def next_expense(fund: Fund) -> str:
    """The id of the fund's next expense."""
    return f"{fund.id}-E{fund.expenses_made + 1}"


def free_lots(
    fund: Fund, fen: int, receipts: Sequence[str], *, region: str, on: date, at: str
) -> tuple[Lot, ...]:
    """Unallocated lots that may be used in a region on a day.

    The first that arrived among those whose terms allow it, or of the receipts named, in that
    order. Raises FundClosed, PurposeViolation, InsufficientFunds (available fen).
    """
    check_use(fund, region, on, at)
    if receipts:
        return _named_lots(fund, fen, receipts, region, on)
    shelves, refusals = _allowed_shelves(fund.stock, region, on, at)
    available = sum(shelf.fen for shelf in shelves)
    if fen <= available:
        return take(fen, fund.stock.free_lots(shelves))
    if refusals and not available:
        # A window passes, a purpose stays: the purpose is the better reason where both forbid.
        raise next((r for r in refusals if isinstance(r, PurposeViolation)), refusals[0])
    raise InsufficientFunds("fen", available=available)


def _allowed_shelves(
    stock: Stock, region: str, on: date, at: str
) -> tuple[list[Shelf], list[Refusal]]:
    """Shelves of unallocated money whose terms allow its use, and why the others do not."""
    shelves, refusals = [], []
    for terms, shelf in stock.by_terms.items():
        refusal = refusal_of(terms, region, on, at)
        if refusal is None:
            shelves.append(shelf)
        else:
            refusals.append(refusal)
    return shelves, refusals


def _named_lots(
    fund: Fund, fen: int, names: Sequence[str], region: str, on: date
) -> tuple[Lot, ...]:
    """The first `fen` of named receipts; one that may not be used refuses the whole."""
    receipts = [fund.stock.receipts.get(name) for name in dict.fromkeys(names)]
    known = [receipt for receipt in receipts if receipt is not None]
    for receipt in known:
        refusal = refusal_of(receipt.terms, region, on, "receipts")
        if refusal is not None:
            raise refusal
    available = sum(receipt.free for receipt in known)
    if len(known) < len(receipts):
        raise InsufficientFunds("receipts", available=available)
    if fen > available:
        raise InsufficientFunds("fen", available=available)
    return take(fen, (lot_of(r, r.id, r.free) for r in known if r.free))


# The rules


def open_fund(command: OpenFund, books: Books, act: Act) -> Decision:
    """Open it. Raises Forbidden, OrganisationNotFound, AlreadyExists, InvalidCommand."""
    require_region(act.caller, command.region)
    if not act.caller.sees_fund(command.fund):
        raise Forbidden("fund", fund=command.fund)
    if not act.caller.sees_organisation(command.organisation):
        raise Forbidden("organisation", organisation=command.organisation)
    find_organisation(books, command.organisation, act.caller)
    check_name(command.name)
    stream = f"fund/{command.fund}"
    if books.get(stream) is not None:
        raise AlreadyExists("fund", fund=command.fund)
    event = FundOpened(
        name=command.name,
        organisation=command.organisation,
        region=command.region,
        terms=settled_terms(command.terms),
        **act.stamp(),
    )
    return Decision(events=[(stream, event)], answer={"fund": command.fund})


def amend_fund(command: AmendFund, books: Books, act: Act) -> Decision:
    """Change its terms with consent. Raises FundClosed, NothingChanges, InvalidCommand."""
    fund = find_fund(books, command.fund, act.caller)
    check_open(fund)
    terms = settled_terms(command.terms)
    if terms == fund.terms:
        raise NothingChanges("terms")
    consent = act.note("consent", command.consent)
    event = FundAmended(terms=terms, consent=consent.digest, **act.stamp())
    return Decision(events=[(fund.stream, event)], answer={"fund": fund.id}, notes=[consent])


def close_fund(command: CloseFund, books: Books, act: Act) -> Decision:
    """Close it, once, whatever it still holds: that can be released and returned. FundClosed."""
    fund = find_fund(books, command.fund, act.caller)
    check_open(fund)
    event = FundClosedEvent(reason_code=command.reason_code, **act.stamp())
    return Decision(events=[(fund.stream, event)], answer={"fund": fund.id})


def receive_funds(command: ReceiveFunds, books: Books, act: Act) -> Decision:
    """Record an arrival. Raises FundClosed, Forbidden (source out of scope), InvalidCommand."""
    if not act.caller.sees_source(command.source_id):
        raise Forbidden("source_id", source_id=command.source_id)
    fund = find_fund(books, command.fund, act.caller, paying=(command.source_id,))
    check_open(fund)
    receipt = f"{fund.id}-R{fund.receipts_made + 1}"
    lot = Lot(
        receipt=receipt,
        source_kind=command.source_kind,
        source_id=command.source_id,
        fen=command.fen,
    )
    document = act.note("document", command.document)
    event = FundsReceived(
        organisation=fund.organisation,
        region=fund.region,
        lots=(lot,),
        document=document.digest,
        terms=None if command.terms is None else settled_terms(command.terms),
        **act.stamp(),
    )
    return Decision(
        events=[(fund.stream, event)],
        answer={"receipt": receipt, "fen": command.fen},
        notes=[document],
    )


RULES: Final[dict[type[Command], Rule]] = {
    OpenFund: open_fund,
    AmendFund: amend_fund,
    CloseFund: close_fund,
    ReceiveFunds: receive_funds,
}
