"""What is done with a fund's money: allocated, released, spent, reversed, returned.

Amounts are fen. All rules raise FundNotFound for a fund, ProjectNotFound or PolicyNotFound for a
target, out of the caller's scope. What gives money back is never refused for its day.
"""

from typing import Final

from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.commands import (
    AllocateFunds,
    Command,
    ReleaseFunds,
    ReturnFunds,
    ReverseSpend,
    SpendFunds,
)
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    ExpenseNotFound,
    Forbidden,
    FundNotFound,
    InsufficientFunds,
    SourceMismatch,
)
from ledger.domain.events import (
    FundsAllocated,
    FundsReleased,
    FundsReturned,
    FundsSpent,
    SpendReversed,
)
from ledger.domain.fund import (
    Expense,
    Fund,
    check_spending,
    find_fund,
    free_lots,
    next_expense,
    spend_lots,
)
from ledger.domain.lots import check_sources, merge, take
from ledger.domain.policy import find_policy
from ledger.domain.project import find_project
from ledger.domain.values import Lot, lots_sum, owner_of


class Place(Struct, frozen=True):
    """Where a target stands in the figures."""

    organisation: str
    region: str


def find_target(books: Books, target: str, fund: Fund, caller: Caller) -> Place:
    """The place of `project/<id>` or `policy/<id>`; a policy counts for the fund's organisation.

    Raises ProjectNotFound, PolicyNotFound.
    """
    noun, _, name = target.partition("/")
    if noun == "project":
        project = find_project(books, name, caller, "target")
        return Place(project.organisation, project.region)
    return Place(fund.organisation, find_policy(books, name, caller, "target").region)


def allocate_funds(command: AllocateFunds, books: Books, act: Act) -> Decision:
    """Allocate unallocated money. Raises FundClosed, PurposeViolation, InsufficientFunds."""
    fund = find_fund(books, command.fund, act.caller)
    place = find_target(books, command.target, fund, act.caller)
    lots = free_lots(
        fund,
        command.fen,
        command.receipts,
        region=place.region,
        on=act.effective_on,
        at="target",
    )
    event = FundsAllocated(
        target=command.target,
        organisation=place.organisation,
        region=place.region,
        lots=lots,
        **act.stamp(),
    )
    answer: dict[str, str | int | bool] = {
        "fund": fund.id, "target": command.target, "fen": command.fen
    }  # fmt: skip
    return Decision(events=[(fund.stream, event)], answer=answer)


def release_funds(command: ReleaseFunds, books: Books, act: Act) -> Decision:
    """Give allocated money back to the fund, first what came first. Raises InsufficientFunds."""
    fund = find_fund(books, command.fund, act.caller)
    place = find_target(books, command.target, fund, act.caller)
    event = FundsReleased(
        target=command.target,
        organisation=place.organisation,
        region=place.region,
        lots=spend_lots(fund, command.target, command.fen),
        **act.stamp(),
    )
    answer: dict[str, str | int | bool] = {
        "fund": fund.id, "target": command.target, "fen": command.fen
    }  # fmt: skip
    return Decision(events=[(fund.stream, event)], answer=answer)


def spend_funds(command: SpendFunds, books: Books, act: Act) -> Decision:
    """Spend what is allocated. Raises FundClosed, PurposeViolation, InsufficientFunds."""
    fund = find_fund(books, command.fund, act.caller)
    place = find_target(books, command.target, fund, act.caller)
    lots = spend_lots(fund, command.target, command.fen)
    check_spending(fund, lots, place.region, command.category, act.effective_on)
    payee, document = act.note("payee", command.payee), act.note("document", command.document)
    event = FundsSpent(
        target=command.target,
        organisation=place.organisation,
        region=place.region,
        lots=lots,
        expense=next_expense(fund),
        category=command.category,
        payee_kind=command.payee_kind,
        payee=payee.digest,
        document=document.digest,
        **act.stamp(),
    )
    return Decision(
        events=[(fund.stream, event)],
        answer={"expense": event.expense, "fen": command.fen},
        notes=[payee, document],
    )


def reverse_spend(command: ReverseSpend, books: Books, act: Act) -> Decision:
    """Take an expense back to its target.

    Raises ExpenseNotFound, InsufficientFunds, InvalidCommand (lots that cannot be).
    """
    try:
        fund = find_fund(books, owner_of(command.expense), act.caller)
    except FundNotFound:
        raise ExpenseNotFound("expense", expense=command.expense) from None
    expense = _find_expense(fund, command.expense)
    check_sources(command.lots)
    lots = merge(command.lots or expense.left.lots)
    _check_left(expense, lots)
    event = SpendReversed(
        target=expense.target,
        organisation=expense.organisation,
        region=expense.region,
        lots=lots,
        expense=command.expense,
        category=expense.category,
        grant=expense.grant,
        reason_code=command.reason_code,
        **act.stamp(),
    )
    return Decision(
        events=[(fund.stream, event)],
        answer={"expense": command.expense, "fen": lots_sum(lots)},
    )


def _find_expense(fund: Fund, expense: str) -> Expense:
    """An expense of which something is left. Raises ExpenseNotFound, InsufficientFunds."""
    found = fund.expenses.get(expense)
    if found is not None:
        return found
    number = expense.removeprefix(f"{fund.id}-E")
    if number.isdecimal() and int(number) <= fund.expenses_made:
        raise InsufficientFunds("expense", available=0)
    raise ExpenseNotFound("expense", expense=expense)


def _check_left(expense: Expense, lots: tuple[Lot, ...]) -> None:
    """Named lots are within what is left of the expense. Raises InsufficientFunds."""
    left = {(lot.receipt, lot.source_kind, lot.source_id): lot.fen for lot in expense.left.lots}
    for lot in lots:
        available = left.get((lot.receipt, lot.source_kind, lot.source_id), 0)
        if lot.fen > available:
            raise InsufficientFunds("lots", available=available)


def return_funds(command: ReturnFunds, books: Books, act: Act) -> Decision:
    """Return unallocated money to its source, first what came first.

    Raises Forbidden (source out of scope), SourceMismatch (only with other sources' money would
    it be enough), InsufficientFunds.
    """
    fund = find_fund(books, command.fund, act.caller)
    if not act.caller.sees_source(command.source_id):
        raise Forbidden("source_id", source_id=command.source_id)
    shelf = fund.stock.by_source.get((command.source_kind, command.source_id))
    available = shelf.fen if shelf else 0
    if shelf is None or command.fen > available:
        if command.fen <= fund.stock.fen:
            raise SourceMismatch("source_id", available=available)
        raise InsufficientFunds("fen", available=available)
    event = FundsReturned(
        organisation=fund.organisation,
        region=fund.region,
        source_kind=command.source_kind,
        source_id=command.source_id,
        lots=take(command.fen, fund.stock.free_lots([shelf])),
        reason_code=command.reason_code,
        **act.stamp(),
    )
    return Decision(
        events=[(fund.stream, event)],
        answer={"fund": fund.id, "source_id": command.source_id, "fen": command.fen},
    )


RULES: Final[dict[type[Command], Rule]] = {
    AllocateFunds: allocate_funds,
    ReleaseFunds: release_funds,
    SpendFunds: spend_funds,
    ReverseSpend: reverse_spend,
    ReturnFunds: return_funds,
}
