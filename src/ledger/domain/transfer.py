"""Transfers: money on its way from a fund to another region, in this log or another.

A transfer stands in its sender's stream, to which its id leads, and ends there once. Who receives
it says in `incoming/<origin>/<transfer>` into which fund, once. Amounts are fen. Ending a transfer
is never refused because the sender is closed or out of its window.
"""

import re
from typing import Any, Final

from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.commands import (
    AcceptTransfer,
    Command,
    DeclineTransfer,
    ReceiveTransfer,
    SendTransfer,
)
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    CorruptLog,
    InvalidCommand,
    PurposeViolation,
    TransferNotFound,
    TransferNotInTransit,
)
from ledger.domain.events import (
    Event,
    TransferAccepted,
    TransferClaimed,
    TransferDeclined,
    TransferReceived,
    TransferSent,
)
from ledger.domain.fund import Fund, check_open, find_fund, free_lots, is_seen
from ledger.domain.lots import check_sources, lot_of, merge
from ledger.domain.organisation import Organisation
from ledger.domain.terms import is_within, restricts, settled_terms
from ledger.domain.values import Lot, Terms, contains, owner_of

#: The most fen of one receipt a fund may hold, so that each lot stays within its bounds.
RECEIPT_FEN_MAX: Final = 10**13
#: A receipt's id: its fund's with a number, after the origin of its log if that is another one.
RECEIPT: Final = re.compile(
    r"([a-z0-9][a-z0-9.-]{0,62}(/[a-z0-9][a-z0-9._-]{0,30}){0,2}/)?"
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}-R[1-9][0-9]{0,8}"
)


class Claim(Struct, frozen=True):
    """A transfer that was received, and the fund it went to."""

    fund: str


def evolve(state: Claim | None, stream: str, event: Event) -> Claim:
    """The claim of an incoming transfer. Raises CorruptLog for a second one."""
    if state is not None or not isinstance(event, TransferClaimed):
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    return Claim(event.fund)


# Sending


def send_transfer(command: SendTransfer, books: Books, act: Act) -> Decision:
    """Send unallocated money to a region.

    Raises FundNotFound, FundClosed, PurposeViolation, InsufficientFunds, InvalidCommand.
    """
    fund = find_fund(books, command.fund, act.caller)
    origin = books.rulebook.origin
    lots = free_lots(
        fund,
        command.fen,
        command.receipts,
        region=command.to_region,
        on=act.effective_on,
        at="to_region",
    )
    event = TransferSent(
        transfer=f"{fund.id}-T{len(fund.transfers) + 1}",
        from_origin=origin,
        from_region=fund.region,
        to_origin=command.to_origin or origin,
        to_region=command.to_region,
        organisation=fund.organisation,
        region=fund.region,
        lots=lots,
        terms=_terms_sent(fund, lots, command.terms),
        **act.stamp(),
    )
    return Decision(events=[(fund.stream, event)], answer={"transfer": event.transfer})


def _terms_sent(fund: Fund, lots: tuple[Lot, ...], given: Terms | None) -> Terms | None:
    """The terms that travel: money does not lose those that bind it here.

    Else it could be set free by sending it to another fund. Raises PurposeViolation,
    InvalidCommand.
    """
    return _narrowed({_binding(fund, lot) for lot in lots}, given, lots)


def _binding(fund: Fund, lot: Lot) -> tuple[Terms, ...]:
    """Terms its receipt came on, and the fund's own where they restrict what it is for."""
    fund_terms = (fund.terms,) if restricts(fund.terms) else ()
    return fund_terms + fund.stock.receipts[lot.receipt].terms


def _narrowed(
    bound: set[tuple[Terms, ...]], given: Terms | None, lots: tuple[Lot, ...]
) -> Terms | None:
    """The terms of all the lots, each bound by one of these sets.

    Given ones lie within all of them, else PurposeViolation. When none are given, it is the
    narrowest; when there is no saying which these are, InvalidCommand.
    """
    if given is not None:
        terms = settled_terms(given)
        if not all(is_within(terms, each) for own in bound for each in own):
            raise PurposeViolation("terms")
        return terms
    own = bound.pop()
    if not bound and not own:
        return None
    narrowest = [one for one in own if all(is_within(one, other) for other in own)]
    if bound or not narrowest:
        raise InvalidCommand("terms", reason="none are the narrowest", receipts=len(lots))
    return narrowest[-1]


# Ending


def accept_transfer(command: AcceptTransfer, books: Books, act: Act) -> Decision:
    """Accept into a fund, or note that the log it was sent to did.

    Raises TransferNotFound, TransferNotInTransit, InvalidCommand (`fund` missing or out of
    place), FundNotFound, FundClosed (of the receiving fund).
    """
    sender, sent = _find_in_transit(books, command.transfer, act.caller)
    accepted = TransferAccepted(
        **_carried(sent), organisation=sent.organisation, region=sent.region, **act.stamp()
    )
    if sent.to_origin != sent.from_origin:
        if command.fund is not None:
            to = sent.to_origin
            raise InvalidCommand("fund", reason="it arrives in another log", to_origin=to)
        return Decision(events=[(sender.stream, accepted)], answer={"transfer": sent.transfer})
    if command.fund is None:
        to = sent.to_region
        raise InvalidCommand("fund", reason="it arrives in a fund of this log", to_region=to)
    fund = find_fund(books, command.fund, act.caller, paying=_sources(sent.lots))
    if fund.id == sender.id or not contains(sent.to_region, fund.region):
        raise TransferNotInTransit("fund", to_region=sent.to_region)
    received = TransferReceived(
        **_carried(sent), organisation=fund.organisation, region=fund.region, **act.stamp()
    )
    decision = _received(fund, received, "transfer", act)
    decision.events.append((sender.stream, accepted))
    return decision


def decline_transfer(command: DeclineTransfer, books: Books, act: Act) -> Decision:
    """Decline: the money is unallocated again. Raises TransferNotFound, TransferNotInTransit."""
    sender, sent = _find_in_transit(books, command.transfer, act.caller)
    event = TransferDeclined(
        **_carried(sent),
        organisation=sent.organisation,
        region=sent.region,
        reason_code=command.reason_code,
        **act.stamp(),
    )
    return Decision(events=[(sender.stream, event)], answer={"transfer": sent.transfer})


def _find_in_transit(books: Books, transfer: str, caller: Caller) -> tuple[Fund, TransferSent]:
    """The sender and what it sent. Raises TransferNotFound, TransferNotInTransit."""
    sender = books.get(f"fund/{owner_of(transfer)}")
    transit = sender.transfers.get(transfer) if isinstance(sender, Fund) else None
    if (
        not isinstance(sender, Fund)
        or transit is None
        or not _may_end(books, caller, sender, transit.sent)
    ):
        raise TransferNotFound("transfer", transfer=transfer)
    if transit.ended:
        raise TransferNotInTransit("transfer", transfer=transfer)
    return sender, transit.sent


def _may_end(books: Books, caller: Caller, sender: Fund, sent: TransferSent) -> bool:
    """Whether the caller is of the receiving side; of the sending one if that is another log's.

    A caller bound to funds or organisations is of it with one of them in the region sent to, or
    whoever has no regions to be bound to could end every transfer. One bound to sources is where
    money of theirs is sent.
    """
    if sent.to_origin != sent.from_origin:
        return is_seen(sender, caller)
    if not caller.sees_region(sent.to_region) or not caller.sees_one_of(_sources(sent.lots)):
        return False
    if caller.funds:
        own = [books.get(f"fund/{name}") for name in caller.funds if name != sender.id]
        return any(isinstance(fund, Fund) and contains(sent.to_region, fund.region) for fund in own)
    places = [books.get(f"organisation/{name}") for name in caller.organisations]
    return not places or any(
        isinstance(place, Organisation)
        and (contains(sent.to_region, place.region) or contains(place.region, sent.to_region))
        for place in places
    )


def _sources(lots: tuple[Lot, ...]) -> set[str]:
    """Whose money it is."""
    return {lot.source_id for lot in lots}


def _carried(sent: TransferSent) -> dict[str, Any]:
    """What all events of a transfer say of it."""
    names = ("transfer", "from_origin", "from_region", "to_origin", "to_region", "lots", "terms")
    return {name: getattr(sent, name) for name in names}


# Receiving


def receive_transfer(command: ReceiveTransfer, books: Books, act: Act) -> Decision:
    """Receive what another log sent, once.

    Raises FundNotFound, FundClosed, InvalidCommand (own origin, lots that cannot be, no terms
    where several bind), PurposeViolation (terms wider than those), and TransferNotInTransit when
    it was received before, into whatever fund.
    """
    fund = find_fund(books, command.fund, act.caller, paying=_sources(command.lots))
    origin = books.rulebook.origin
    if command.from_origin == origin:
        raise InvalidCommand("from_origin", reason="this log itself", origin=origin)
    if books.get(_incoming(command.from_origin, command.transfer)) is not None:
        raise TransferNotInTransit("transfer", transfer=command.transfer)
    lots = _foreign_lots(command, fund, books, act.caller)
    event = TransferReceived(
        transfer=command.transfer,
        from_origin=command.from_origin,
        from_region=command.from_region,
        to_origin=origin,
        to_region=fund.region,
        organisation=fund.organisation,
        region=fund.region,
        lots=lots,
        terms=_terms_received(fund, lots, command.terms, books),
        **act.stamp(),
    )
    return _received(fund, event, "lots", act)


def _foreign_lots(
    command: ReceiveTransfer, fund: Fund, books: Books, caller: Caller
) -> tuple[Lot, ...]:
    """Another log's lots under ids that are unique here. Raises InvalidCommand."""
    own_origin = books.rulebook.origin
    named = [
        lot_of(lot, _known_here(lot.receipt, command.from_origin, own_origin), lot.fen)
        for lot in command.lots
    ]
    # By the ids they have here: one receipt may have been named in two ways.
    check_sources(named)
    lots = merge(named)
    # Ids stand in the log for ever, so no free text may pass as one.
    if not all(RECEIPT.fullmatch(lot.receipt) for lot in lots):
        raise InvalidCommand("lots", reason="not the id of a receipt")
    for lot in lots:
        if "/" not in lot.receipt:
            _check_home(lot, fund, books, caller)
    return lots


def _terms_received(
    fund: Fund, lots: tuple[Lot, ...], given: Terms | None, books: Books
) -> Terms | None:
    """The terms it arrives on; what another fund here received is bound as it is in that fund.

    Else it would be set free by a way through another log. In its own fund it is bound already.
    Raises PurposeViolation, InvalidCommand.
    """
    owners = ((lot, books.get(f"fund/{owner_of(lot.receipt)}")) for lot in lots)
    bound = {
        _binding(owner, lot) if "/" not in lot.receipt and isinstance(owner, Fund) else ()
        for lot, owner in owners
        if owner is not fund
    }
    return _narrowed(bound or {()}, given, lots)


def _check_home(lot: Lot, fund: Fund, books: Books, caller: Caller) -> None:
    """No more of an own receipt comes home than is away, or money would be made of nothing.

    What other funds here hold of it is not looked for, so this is the least that must hold. Raises
    InvalidCommand, also for a receipt that never was, and alike to a caller who may not know that.
    """
    owner = books.get(f"fund/{owner_of(lot.receipt)}")
    known = owner.stock.receipts.get(lot.receipt) if isinstance(owner, Fund) else None
    never = InvalidCommand("lots", reason="no such receipt left here", receipt=lot.receipt)
    if not isinstance(owner, Fund) or known is None:
        raise never
    if (known.source_kind, known.source_id) != (lot.source_kind, lot.source_id):
        raise never
    here = fund.stock.receipts.get(lot.receipt)
    held_here = here.held if here is not None and here is not known else 0
    away = known.given - known.held - held_here
    if lot.fen > away:
        if not is_seen(owner, caller):
            raise never
        raise InvalidCommand(
            "lots", reason="more than is away", receipt=lot.receipt, fen_max=max(0, away)
        )


def _known_here(receipt: str, from_origin: str, own_origin: str) -> str:
    """The id of another log's receipt in this one: with its origin, unless it comes home.

    All before the last `/` is the origin: that of another log may begin with this one's.
    """
    origin, _, name = receipt.rpartition("/")
    if origin == own_origin:
        return name
    return receipt if origin else f"{from_origin}/{receipt}"


def _received(fund: Fund, event: TransferReceived, at: str, act: Act) -> Decision:
    """The money is the fund's, the transfer claimed. Raises FundClosed, InvalidCommand."""
    check_open(fund)
    _check_arrival(fund, event.lots, at)
    claimed = TransferClaimed(fund=fund.id, **act.stamp())
    return Decision(
        events=[
            (fund.stream, event),
            (_incoming(event.from_origin, event.transfer), claimed),
        ],
        answer={"transfer": event.transfer, "fund": fund.id},
    )


def _check_arrival(fund: Fund, lots: tuple[Lot, ...], at: str) -> None:
    """Lots fit what the fund knows: a receipt's one source, no more of it than a lot can say."""
    for lot in lots:
        known = fund.stock.receipts.get(lot.receipt)
        held = known.held if known else 0
        if known and (known.source_kind, known.source_id) != (lot.source_kind, lot.source_id):
            facts = {"receipt": lot.receipt, "source_id": known.source_id}
            raise InvalidCommand(at, reason="a receipt has one source", **facts)
        if held + lot.fen > RECEIPT_FEN_MAX:
            most = RECEIPT_FEN_MAX
            raise InvalidCommand(
                at, reason="more than a receipt holds", receipt=lot.receipt, fen_max=most
            )


def _incoming(from_origin: str, transfer: str) -> str:
    """The stream in which a transfer is claimed."""
    return f"incoming/{from_origin}/{transfer}"


RULES: Final[dict[type[Command], Rule]] = {
    SendTransfer: send_transfer,
    AcceptTransfer: accept_transfer,
    DeclineTransfer: decline_transfer,
    ReceiveTransfer: receive_transfer,
}
