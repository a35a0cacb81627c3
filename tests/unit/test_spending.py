"""Money allocated, released, spent, reversed, returned: first in first out, on its terms."""

from datetime import date
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.events import (
    FundsAllocated,
    FundsReleased,
    FundsReturned,
    FundsSpent,
    SpendReversed,
)
from tests.money import (
    allocate,
    allocated,
    funded,
    give_back,
    in_short,
    lot,
    money,
    receive,
    release,
    reverse,
    spend,
    terms,
    unallocated,
)
from tests.scenario import ELSEWHERE, REGION, TOWN, Scenario, caller, define_policy, open_project

CLOSE = c.CloseFund(fund="F1", reason_code="purpose_reached")
#: The day before today, and the day after.
SUNDAY, TUESDAY = date(2025, 6, 15), date(2025, 6, 17)


def amend(**changes: Any) -> c.AmendFund:
    return c.AmendFund(fund="F1", terms=terms(**changes), consent="letter")


def sources() -> Scenario:
    """Receipts of three sources: 1,000 of CF1, 500 of FC1, 300 of CF1."""
    lottery = receive(500, source_kind="welfare_lottery", source_id="FC1")
    return funded().given(receive(1000), lottery, receive(300))


# Allocating


def test_the_first_receipt_is_allocated_first() -> None:
    ledger = funded(1000, 500)
    (
        ledger.when(allocate(1200))
        .then_in("fund/F1")
        .then_event(
            FundsAllocated, target="project/P001", organisation="O1", region=REGION,
            lots=(lot("F1-R1", 1000), lot("F1-R2", 200)),
        )
        .then_answer(fund="F1", target="project/P001", fen=1200)
    )  # fmt: skip
    assert unallocated(ledger) == {"F1-R2": 300}
    assert allocated(ledger) == [("F1-R1", 1000), ("F1-R2", 200)]


def test_receipts_that_are_named_are_allocated_in_that_order() -> None:
    ledger = funded(1000, 500, 300)
    outcome = ledger.when(allocate(600, receipts=("F1-R3", "F1-R1", "F1-R3")))
    assert in_short(outcome.event(FundsAllocated).lots) == {"F1-R3": 300, "F1-R1": 300}
    assert unallocated(ledger) == {"F1-R1": 700, "F1-R2": 500}


def test_no_more_is_allocated_than_is_unallocated() -> None:
    ledger = funded(1000, 500).given(allocate(600))
    ledger.when(allocate(901)).then_refused("insufficient_funds", at="fen", available=900)
    ledger.when(allocate(401, receipts=("F1-R1",))).then_refused(
        "insufficient_funds", at="fen", available=400
    )
    ledger.when(allocate(1, receipts=("F1-R9",))).then_refused(
        "insufficient_funds", at="receipts", available=0
    )
    ledger.when(allocate(900)).then_event(FundsAllocated)
    ledger.when(allocate(1)).then_refused("insufficient_funds", at="fen", available=0)


def test_a_target_is_there_and_is_seen() -> None:
    ledger = funded(1000).given(open_project("P9", region=ELSEWHERE))
    bound = caller("bound", "treasurer", regions=(REGION,))
    ledger.when(allocate(1, "project/P8")).then_refused("project_not_found", at="target")
    ledger.when(allocate(1, "policy/Y8")).then_refused("policy_not_found", at="target")
    ledger.when(allocate(1, "project/P9"), by=bound).then_refused("project_not_found", at="target")
    ledger.when(allocate(1, "project/P9")).then_event(FundsAllocated, region=ELSEWHERE)


def test_a_policy_counts_for_the_organisation_of_the_fund() -> None:
    ledger = funded(1000).given(define_policy("Y1", region=TOWN))
    ledger.when(allocate(10, "policy/Y1")).then_event(
        FundsAllocated, target="policy/Y1", organisation="O1", region=TOWN
    )


def test_the_terms_of_the_fund_say_where_money_may_go() -> None:
    ledger = funded(1000).given(amend(regions=(TOWN,)))
    ledger.when(allocate(1)).then_refused("purpose_violation", at="target", region=REGION)
    ledger.when(allocate(1, "project/P002")).then_event(FundsAllocated)


def test_a_receipt_whose_terms_forbid_the_region_is_passed_over() -> None:
    ledger = funded().given(receive(1000, terms=terms(regions=(TOWN,))), receive(500))
    assert in_short(ledger.when(allocate(400)).event(FundsAllocated).lots) == {"F1-R2": 400}
    ledger.when(allocate(101)).then_refused("insufficient_funds", at="fen", available=100)
    outcome = ledger.when(allocate(1100, "project/P002"))
    assert in_short(outcome.event(FundsAllocated).lots) == {"F1-R1": 1000, "F1-R2": 100}


def test_money_that_is_there_but_not_for_this_is_a_matter_of_purpose() -> None:
    ledger = funded().given(receive(1000, terms=terms(regions=(TOWN,))))
    ledger.when(allocate(1)).then_refused("purpose_violation", at="target", region=REGION)
    ledger.when(allocate(1, receipts=("F1-R1",))).then_refused("purpose_violation", at="receipts")


def test_a_receipt_out_of_its_window_is_passed_over() -> None:
    ledger = funded().given(receive(1000, terms=terms(closes_on=SUNDAY)), receive(500))
    assert in_short(ledger.when(allocate(400)).event(FundsAllocated).lots) == {"F1-R2": 400}
    ledger.when(allocate(1, receipts=("F1-R1",))).then_refused("fund_closed", at="effective_on")
    outcome = ledger.when(allocate(700, effective_on=SUNDAY))
    assert in_short(outcome.event(FundsAllocated).lots) == {"F1-R1": 700}


def test_money_that_is_all_out_of_its_window_is_closed() -> None:
    ledger = funded().given(receive(1000, terms=terms(opens_on=TUESDAY)))
    ledger.when(allocate(1)).then_refused("fund_closed", at="effective_on", opens_on="2025-06-17")
    ledger.given(receive(1000, terms=terms(regions=(TOWN,))))
    ledger.when(allocate(1)).then_refused("purpose_violation", at="target")


@pytest.mark.parametrize("window", [{"opens_on": TUESDAY}, {"closes_on": SUNDAY}])
def test_outside_the_window_of_the_fund_nothing_is_allocated_or_spent(window: Any) -> None:
    ledger = funded(1000).given(allocate(500), amend(**window))
    ledger.when(allocate(1)).then_refused("fund_closed", at="effective_on", day="2025-06-16")
    ledger.when(spend(1)).then_refused("fund_closed", at="effective_on", day="2025-06-16")


def test_from_a_closed_fund_nothing_is_allocated_or_spent() -> None:
    ledger = funded(1000).given(allocate(500), CLOSE)
    ledger.when(allocate(1)).then_refused("fund_closed", at="fund")
    ledger.when(spend(1)).then_refused("fund_closed", at="fund")


# Releasing


def test_money_released_goes_back_to_its_old_place() -> None:
    ledger = funded(1000, 500).given(allocate(1200), allocate(300, "project/P002"))
    (
        ledger.when(release(900))
        .then_in("fund/F1")
        .then_event(
            FundsReleased, target="project/P001", organisation="O1", region=REGION,
            lots=(lot("F1-R1", 900),),
        )
        .then_answer(fund="F1", target="project/P001", fen=900)
    )  # fmt: skip
    ledger.given(release(300, "project/P002"))
    assert list(unallocated(ledger).items()) == [("F1-R1", 900), ("F1-R2", 300)]
    assert allocated(ledger) == [("F1-R1", 100), ("F1-R2", 200)]


def test_no_more_is_released_than_is_allocated_to_the_target() -> None:
    ledger = funded(1000).given(allocate(600), allocate(400, "project/P002"))
    ledger.when(release(601)).then_refused("insufficient_funds", at="fen", available=600)
    ledger.given(release(600)).when(release(1)).then_refused("insufficient_funds", available=0)


def test_a_release_names_a_target_that_is_there() -> None:
    funded(1000).when(release(1, "project/P8")).then_refused("project_not_found", at="target")


# Spending


def test_within_a_target_what_came_first_is_spent_first() -> None:
    ledger = funded(1000, 500).given(
        allocate(100, receipts=("F1-R2",)), allocate(200), allocate(50, receipts=("F1-R2",))
    )
    outcome = ledger.when(spend(320)).then_in("fund/F1")
    outcome.then_event(
        FundsSpent, target="project/P001", organisation="O1", region=REGION, expense="F1-E1",
        category="elder_care", payee_kind="supplier", grant=None,
        lots=(lot("F1-R2", 120), lot("F1-R1", 200)),
    ).then_answer(expense="F1-E1", fen=320)  # fmt: skip
    assert allocated(ledger) == [("F1-R2", 30)]
    ledger.when(spend(30)).then_answer(expense="F1-E2", fen=30)


def test_payee_and_document_of_an_expense_are_kept_outside_the_log() -> None:
    ledger = funded(1000).given(allocate(1000))
    spent = ledger.when(spend(10)).event(FundsSpent)
    assert (ledger.notes[spent.payee], ledger.notes[spent.document]) == ("海盐轮椅厂", "invoice 7")
    assert spent.payee != ledger.when(spend(10)).event(FundsSpent).payee


def test_no_more_is_spent_than_is_allocated_to_the_target() -> None:
    ledger = funded(1000).given(allocate(600))
    ledger.when(spend(601)).then_refused("insufficient_funds", at="fen", available=600)
    ledger.when(spend(1, target="project/P002")).then_refused("insufficient_funds", available=0)
    ledger.when(spend(1, target="project/P8")).then_refused("project_not_found", at="target")


@pytest.mark.parametrize(
    "lists", [{"allowed": ("transport",)}, {"forbidden": ("banquet", "elder_care")}]
)
def test_the_terms_say_what_money_may_be_spent_on(lists: Any) -> None:
    by_fund = funded(1000).given(allocate(1000), amend(**lists))
    by_receipt = funded().given(receive(1000, terms=terms(**lists)), allocate(1000))
    for ledger in (by_fund, by_receipt):
        ledger.when(spend(1)).then_refused(
            "purpose_violation", at="category", category="elder_care"
        )
        ledger.when(spend(1, category="transport")).then_event(FundsSpent)


def test_one_lot_that_forbids_the_category_refuses_the_whole() -> None:
    strict = terms(forbidden=("elder_care",))
    ledger = funded().given(receive(100), receive(100, terms=strict), allocate(200))
    ledger.when(spend(101)).then_refused("purpose_violation", at="category")
    ledger.when(spend(100)).then_event(FundsSpent)


def test_terms_amended_after_allocation_hold_for_spending() -> None:
    ledger = funded(1000).given(allocate(1000), amend(regions=(TOWN,)))
    ledger.when(spend(1)).then_refused("purpose_violation", at="target", region=REGION)


def test_a_lot_out_of_its_receipts_window_is_not_spent() -> None:
    ledger = funded().given(receive(1000, terms=terms(closes_on=SUNDAY)))
    ledger.given(allocate(1000, effective_on=SUNDAY))
    ledger.when(spend(1)).then_refused("fund_closed", at="effective_on", closes_on="2025-06-15")
    ledger.when(spend(1, effective_on=SUNDAY)).then_event(FundsSpent)


# Reversing


def test_an_expense_is_reversed_whole_to_its_target() -> None:
    ledger = funded(1000, 500).given(allocate(1200), spend(1100))
    (
        ledger.when(reverse())
        .then_in("fund/F1")
        .then_event(
            SpendReversed, target="project/P001", organisation="O1", region=REGION,
            expense="F1-E1", category="elder_care", grant=None, reason_code="paid_twice",
            lots=(lot("F1-R1", 1000), lot("F1-R2", 100)),
        )
        .then_answer(expense="F1-E1", fen=1100)
    )  # fmt: skip
    assert allocated(ledger) == [("F1-R1", 1000), ("F1-R2", 100), ("F1-R2", 100)]
    ledger.when(spend(1150)).then_event(FundsSpent, lots=(lot("F1-R1", 1000), lot("F1-R2", 150)))


def test_lots_of_an_expense_are_reversed_by_name_and_then_the_rest() -> None:
    ledger = funded(1000, 500).given(allocate(1200), spend(1100))
    ledger.when(reverse("F1-E1", lot("F1-R2", 60), lot("F1-R2", 30))).then_answer(
        expense="F1-E1", fen=90
    )
    ledger.when(reverse()).then_event(SpendReversed, lots=(lot("F1-R1", 1000), lot("F1-R2", 10)))


def test_no_more_is_reversed_than_is_left_of_the_expense() -> None:
    ledger = funded(1000, 500).given(allocate(1200), spend(1100))
    for named, available in (
        (lot("F1-R2", 101), 100), (lot("F1-R3", 1), 0), (lot("F1-R1", 1, "CF2"), 0),
    ):  # fmt: skip
        ledger.when(reverse("F1-E1", named)).then_refused(
            "insufficient_funds", at="lots", available=available
        )
    ledger.when(reverse("F1-E1", lot("F1-R2", 60), lot("F1-R2", 60))).then_refused(
        "insufficient_funds", at="lots", available=100
    )
    ledger.given(reverse()).when(reverse()).then_refused(
        "insufficient_funds", at="expense", available=0
    )


def test_lots_of_one_receipt_that_name_two_sources_reverse_nothing() -> None:
    ledger = funded(1000).given(allocate(1000), spend(1000))
    own, other = lot("F1-R1", 10), lot("F1-R1", 10, "ZZ", source_kind="agency")
    for lots in ((other, own), (own, other)):
        ledger.when(reverse("F1-E1", *lots)).then_refused(
            "invalid_command", at="lots", reason="a receipt has one source"
        )


@pytest.mark.parametrize("expense", ["F1-E2", "F1-R1", "F8-E1", "V0001-1"])
def test_an_expense_that_was_never_made_is_not_found(expense: str) -> None:
    ledger = funded(1000).given(allocate(1000), spend(500))
    ledger.when(reverse(expense)).then_refused("expense_not_found", at="expense", expense=expense)


# Returning


def test_a_source_gets_back_its_own_money_only() -> None:
    ledger = sources()
    (
        ledger.when(give_back(1100))
        .then_in("fund/F1")
        .then_event(
            FundsReturned, organisation="O1", region=REGION, source_kind="charity",
            source_id="CF1", reason_code="unspent", lots=(lot("F1-R1", 1000), lot("F1-R3", 100)),
        )
        .then_answer(fund="F1", source_id="CF1", fen=1100)
    )  # fmt: skip
    assert unallocated(ledger) == {"F1-R2": 500, "F1-R3": 200}
    assert money(ledger).stock.receipts["F1-R1"].held == 0


def test_other_sources_money_does_not_make_up_for_it() -> None:
    ledger = sources().given(allocate(700))
    ledger.when(give_back(601)).then_refused("source_mismatch", at="source_id", available=600)
    ledger.when(give_back(1101)).then_refused("insufficient_funds", at="fen", available=600)
    ledger.when(give_back(600)).then_event(FundsReturned)
    ledger.when(give_back(1)).then_refused("source_mismatch", available=0)


def test_a_source_is_its_kind_and_its_id() -> None:
    sources().when(give_back(1, source_kind="agency")).then_refused("source_mismatch", available=0)
    funded().when(give_back(1)).then_refused("insufficient_funds", available=0)


def test_a_treasurer_of_some_sources_returns_to_no_other() -> None:
    by = caller("bound", "treasurer", sources=("FC1",))
    sources().when(give_back(1), by=by).then_refused("forbidden", at="source_id")


def test_giving_back_is_never_refused_for_the_day_or_the_closing() -> None:
    ledger = funded(1000, 500).given(allocate(1200), spend(1000))
    ledger.given(amend(closes_on=SUNDAY), CLOSE)
    ledger.given(reverse(), release(1200), give_back(1500))
    assert money(ledger).stock.fen == 0
