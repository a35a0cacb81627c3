"""All money rules together: random histories lose no fen, and a long history costs no more."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import partial
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain import commands as c
from ledger.domain import events as e
from ledger.domain import rules
from ledger.domain.fund import Fund
from ledger.domain.values import Lot
from tests.money import (
    OTHER_ORIGIN,
    accept,
    allocate,
    arrive,
    decline,
    give_back,
    lot,
    money,
    open_fund,
    receive,
    release,
    reverse,
    send,
    spend,
    terms,
    two_counties,
)
from tests.scenario import (
    ELSEWHERE,
    REGION,
    TOWN,
    TREASURER,
    Scenario,
    define_policy,
    open_project,
)
from tests.steps import steps_of

FUNDS: Final = ("F1", "F2", "F9")
TARGETS: Final = ("project/P001", "project/P002", "project/P9", "policy/Y1")
TERMS: Final = (
    None,
    None,
    terms(forbidden=("banquet",)),
    terms(regions=(TOWN,)),
    terms(regions=(REGION, ELSEWHERE), forbidden=("banquet", "travel")),
    terms(closes_on=date(2025, 6, 15)),
)


class Chance:
    """Draws wishes that mostly make sense to the ledger as it stands."""

    def __init__(self, random: Random, ledger: Scenario) -> None:
        self.random, self.ledger = random, ledger

    def of(self, *values: Any) -> Any:
        return self.random.choice(values)

    def fen(self, available: int) -> int:
        """Up to what there is, at times a little more."""
        return self.random.randint(1, max(available + available // 8, 1))

    def receipts(self, fund: Fund) -> tuple[str, ...]:
        """Nearly always none, else one or two of the fund's."""
        names = ["F1-R9", *fund.stock.receipts]
        named = self.random.choice((0, 0, 0, 1, 2))
        return tuple(self.of(*names) for _ in range(named))

    def command(self) -> c.Command:
        """One wish; what moves money within a fund comes most often."""
        wishes = (
            self.arrival, self.allocation, self.allocation, self.spending, self.spending,
            self.reversal, self.release, self.returning, self.sending, self.ending, self.ending,
            self.foreign, self.amendment,
        )  # fmt: skip
        fund = money(self.ledger, self.of(*FUNDS))
        wish: Callable[[Fund], c.Command] = self.of(*wishes)
        return wish(fund)

    def arrival(self, fund: Fund) -> c.Command:
        return receive(
            self.fen(400), fund.id, source_id=self.of("CF1", "FC1"), terms=self.of(*TERMS)
        )

    def allocation(self, fund: Fund) -> c.Command:
        return allocate(
            self.fen(fund.stock.fen), self.of(*TARGETS), fund=fund.id, receipts=self.receipts(fund)
        )

    def release(self, fund: Fund) -> c.Command:
        target = self.of(*fund.allocated or ["project/P002"])
        queue = fund.allocated.get(target)
        return release(self.fen(queue.fen if queue else 1), target, fund=fund.id)

    def spending(self, fund: Fund) -> c.Command:
        target = self.of(*fund.allocated or ["project/P002"])
        queue = fund.allocated.get(target)
        return spend(
            self.fen(queue.fen if queue else 1),
            fund=fund.id,
            target=target,
            category=self.of("tea", "tea", "banquet"),
        )

    def reversal(self, fund: Fund) -> c.Command:
        name = self.of(*fund.expenses, f"{fund.id}-E1", *fund.expenses)
        left = fund.expenses[name].left.lots if name in fund.expenses else ()
        parts = [lot(each.receipt, self.fen(each.fen), each.source_id) for each in left]
        return reverse(name, *self.of((), parts, parts[:1]))

    def returning(self, fund: Fund) -> c.Command:
        source = self.of(*fund.stock.by_source, ("charity", "CF1"))
        shelf = fund.stock.by_source.get(source)
        return give_back(self.fen(shelf.fen if shelf else 1), fund=fund.id, source_id=source[1])

    def sending(self, fund: Fund) -> c.Command:
        return send(
            self.fen(fund.stock.fen // 2),
            fund=fund.id,
            receipts=self.receipts(fund),
            to_region=self.of(REGION, TOWN, ELSEWHERE),
            to_origin=self.of(None, None, None, OTHER_ORIGIN),
            terms=self.of(None, None, *TERMS),
        )

    def ending(self, fund: Fund) -> c.Command:
        name = self.of(*(t for f in FUNDS for t in money(self.ledger, f).transfers), "F1-T9")
        return self.random.choice(
            [decline(name), accept(name, None), *(accept(name, f) for f in FUNDS)]
        )

    def foreign(self, fund: Fund) -> c.Command:
        part = lot(f"G1-R{self.of(1, 2)}", self.fen(90), self.of("CF1", "CF1", "FC1"))
        transfer = f"G1-T{self.of(1, 2, 3, 4, 5, 6)}"
        return arrive(part, fund=fund.id, transfer=transfer, terms=self.of(*TERMS))

    def amendment(self, fund: Fund) -> c.Command:
        amend = c.AmendFund(fund=fund.id, terms=self.of(terms(), *TERMS[2:]), consent="x")
        close = c.CloseFund(fund=fund.id, reason_code="x")
        return self.random.choice([amend, amend, amend, close])


Account = tuple[str, ...]
#: From which account to which an event moves each of its lots; None = out of the books.
MOVES: Final[dict[type[e.Event], tuple[str, str]]] = {
    e.FundsReceived: ("source", "unallocated"),
    e.FundsAllocated: ("unallocated", "allocated"),
    e.FundsReleased: ("allocated", "unallocated"),
    e.FundsSpent: ("allocated", "spent"),
    e.SpendReversed: ("spent", "allocated"),
    e.FundsReturned: ("unallocated", "returned"),
    e.TransferSent: ("unallocated", "transit"),
    e.TransferDeclined: ("transit", "unallocated"),
    e.TransferAccepted: ("transit", "transferred"),
    e.TransferReceived: ("transferred", "unallocated"),
}
#: What stands outside: money comes from there, so it may be below zero.
OUTSIDE: Final = {"source", "transferred"}


def account(name: str, stream: str, event: Any) -> Account:
    """The account of this name that the event means."""
    if name in {"unallocated", "returned"}:
        return (name, stream)
    if name == "allocated":
        return (name, stream, event.target)
    if name == "spent":
        return (name, stream, event.expense)
    return (name, event.transfer) if name == "transit" else (name,)


def recount(ledger: Scenario) -> Counter[tuple[Account, str]]:
    """Fen by account and receipt, from the events alone; nothing inside falls below zero."""
    balance: Counter[tuple[Account, str]] = Counter()
    for stream, event in ledger.log:
        if type(event) not in MOVES:
            continue
        giver, taker = (account(name, stream, event) for name in MOVES[type(event)])
        moved: tuple[Lot, ...] = event.lots  # type: ignore[attr-defined]
        for each in moved:
            balance[giver, each.receipt] -= each.fen
            balance[taker, each.receipt] += each.fen
            assert balance[giver, each.receipt] >= 0 or giver[0] in OUTSIDE
    return balance


def states(ledger: Scenario) -> Counter[tuple[Account, str]]:
    """The same of the funds' states, as far as money is in the funds."""
    balance: Counter[tuple[Account, str]] = Counter()
    for name in FUNDS:
        fund, stream = money(ledger, name), f"fund/{name}"
        for receipt in fund.stock.receipts.values():
            balance[("unallocated", stream), receipt.id] = receipt.free
        for target, queue in fund.allocated.items():
            for each in queue.lots:
                balance[("allocated", stream, target), each.receipt] += each.fen
        for name_spent, expense in fund.expenses.items():
            for each in expense.left.lots:
                balance[("spent", stream, name_spent), each.receipt] += each.fen
        for sent in (found.sent for found in fund.transfers.values() if not found.ended):
            for each in sent.lots:
                balance[("transit", sent.transfer), each.receipt] += each.fen
    return balance


def check_sums(ledger: Scenario) -> None:
    """Sums kept beside the lots are the sums of the lots, and so are receipts as a whole."""
    held = Counter[tuple[str, str]]()
    for (place, name), sum_fen in states(ledger).items():
        held[place[1].partition("-T")[0].removeprefix("fund/"), name] += sum_fen
    for name in FUNDS:
        fund = money(ledger, name)
        stock = fund.stock
        free = [receipt for receipt in stock.by_rank if receipt.free]
        for shelves in (stock.by_terms.values(), stock.by_source.values()):
            assert sorted(rank for shelf in shelves for rank in shelf.ranks) == [
                receipt.rank for receipt in free
            ]
            assert sum(shelf.fen for shelf in shelves) == stock.fen
        assert stock.fen == sum(receipt.free for receipt in free)
        for queue in (*fund.allocated.values(), *(x.left for x in fund.expenses.values())):
            assert queue.fen == sum(each.fen for each in queue.lots)
        for receipt in stock.by_rank:
            assert receipt.held == held[name, receipt.id]


def beginning() -> Scenario:
    """Three funds with money, a project or policy for each region."""
    return two_counties(500, 300).given(
        open_fund("F2", region=TOWN),
        open_project("P9", organisation="O9", region=ELSEWHERE),
        define_policy("Y1"),
        receive(700, "F9"),
        receive(200, terms=TERMS[2]),
    )


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=True), st.integers(10, 80))
def test_no_fen_is_lost_or_made_and_no_account_falls_below_zero(
    random: Random, commands: int
) -> None:
    ledger = beginning()
    chance = Chance(random, ledger)
    for _ in range(commands):
        ledger.when(chance.command())
    balance = recount(ledger)
    by_receipt: Counter[str] = Counter()
    for (_, receipt), sum_fen in balance.items():
        by_receipt[receipt] += sum_fen
    assert not any(by_receipt.values())
    inside = {"unallocated", "allocated", "spent", "transit"}
    counted = {key: sum_fen for key, sum_fen in balance.items() if key[0][0] in inside and sum_fen}
    assert counted == {key: sum_fen for key, sum_fen in states(ledger).items() if sum_fen}
    check_sums(ledger)
    assert ledger.replayed().states == ledger.books.states


def carry_out(ledger: Scenario, command: c.Command) -> None:
    """Decide and fold, with nothing around it that looks at whole states."""
    for stream, event in rules.decide(command, ledger.books, ledger.act(command, TREASURER)).events:
        ledger.books.apply(stream, event)


def long_fund(events: int) -> Scenario:
    """F1 after so many events: a third each received, allocated, spent; most still there."""
    ledger = two_counties()
    for number in range(1, events // 3 + 1):
        carry_out(ledger, receive(1000, source_id=f"CF{number}"))
        carry_out(ledger, allocate(100))
        carry_out(ledger, spend(50))
    carry_out(ledger, receive(1000, source_id="LAST"))
    return ledger


@pytest.mark.parametrize(
    "command",
    [receive(1), allocate(1), release(1), spend(1), give_back(1, source_id="LAST"), send(1)],
    ids=lambda command: type(command).__name__,
)
def test_a_command_takes_about_as_many_steps_after_ten_events_and_after_ten_thousand(
    command: c.Command,
) -> None:
    # What walks the history would take hundreds of times as many.
    steps = [steps_of(partial(carry_out, long_fund(events), command)) for events in (10, 10_000)]
    assert steps[1] <= 2 * steps[0]
