"""Funds: opened with terms, amended with consent, closed once; money arrives as receipts."""

from datetime import date
from typing import Any

import pytest

from ledger.domain.access import Caller
from ledger.domain.commands import AmendFund, CloseFund
from ledger.domain.errors import CorruptLog, FundNotFound
from ledger.domain.events import FundAmended, FundClosed, FundOpened, FundsReceived
from ledger.domain.fund import evolve, find_fund
from tests.money import (
    OTHER_ORIGIN,
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
    unallocated,
)
from tests.money import funded as with_fund
from tests.scenario import ADMIN, ELSEWHERE, REGION, TOWN, TREASURER, caller, county_at_work

CLOSE = CloseFund(fund="F1", reason_code="purpose_reached")
AMEND = AmendFund(fund="F1", terms=terms(forbidden=("banquet",)), consent="letter of 3 June")


def scoped(**scope: Any) -> Caller:
    return caller("bound", "treasurer", **scope)


# Opening


def test_a_fund_opens_with_its_terms_in_order() -> None:
    ledger = county_at_work()
    (
        ledger.when(open_fund(terms=terms(regions=(TOWN, REGION))))
        .then_in("fund/F1")
        .then_event(
            FundOpened, name="为老服务资金", organisation="O1", region=REGION,
            terms=terms(regions=(REGION, TOWN)),
        )
        .then_answer(fund="F1")
    )  # fmt: skip
    found = find_fund(ledger.books, "F1", ADMIN)
    assert (found.id, found.organisation, found.region, found.closed) == (
        "F1", "O1", REGION, False,
    )  # fmt: skip


def test_a_fund_id_is_taken_once() -> None:
    with_fund().when(open_fund()).then_refused("already_exists", at="fund")


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"name": " x"}, "name"),
        ({"terms": terms(purpose="x ")}, "terms.purpose"),
        ({"terms": terms(closes_on=date(2024, 1, 1))}, "terms.closes_on"),
    ],
)
def test_a_fund_is_described_cleanly(changes: dict[str, Any], at: str) -> None:
    county_at_work().when(open_fund(**changes)).then_refused("invalid_command", at=at)


def test_a_fund_belongs_to_an_organisation_that_is_there() -> None:
    county_at_work().when(open_fund(organisation="O8")).then_refused("organisation_not_found")


@pytest.mark.parametrize(
    ("scope", "at"),
    [
        ({"regions": (ELSEWHERE,)}, "region"),
        ({"organisations": ("O2",)}, "organisation"),
        ({"funds": ("F2",)}, "fund"),
    ],
)
def test_nobody_opens_a_fund_outside_their_scope(scope: dict[str, Any], at: str) -> None:
    county_at_work().when(open_fund(), by=scoped(**scope)).then_refused("forbidden", at=at)


def test_a_fund_within_the_scope_is_opened_and_seen() -> None:
    by = scoped(regions=("33",), organisations=("O1",), funds=("F1",))
    ledger = county_at_work().given(open_fund(), by=by)
    ledger.when(receive(), by=by).then_event(FundsReceived)


@pytest.mark.parametrize(
    "scope", [{"regions": (TOWN,)}, {"organisations": ("O2",)}, {"funds": ("F2",)}, None]
)
def test_a_fund_out_of_scope_looks_like_not_there(scope: dict[str, Any] | None) -> None:
    ledger = with_fund(1000).given(allocate(1000), spend(500))
    by = TREASURER if scope is None else scoped(**scope)
    name = "F8" if scope is None else "F1"
    for command in (
        AmendFund(fund=name, terms=terms(), consent="x"),
        CloseFund(fund=name, reason_code="x"),
        receive(fund=name),
        allocate(1, fund=name),
        release(1, fund=name),
        spend(1, fund=name),
        give_back(1, fund=name),
        send(1, fund=name),
    ):
        ledger.when(command, by=by).then_refused("fund_not_found", at="fund", fund=name)
    ledger.when(reverse(f"{name}-E1"), by=by).then_refused("expense_not_found", at="expense")
    with pytest.raises(FundNotFound):
        find_fund(ledger.books, name, by)


# Amending and closing


def test_terms_change_with_the_donors_consent_on_record() -> None:
    ledger = with_fund()
    outcome = ledger.when(AMEND).then_in("fund/F1").then_answer(fund="F1")
    outcome.then_event(FundAmended, terms=terms(forbidden=("banquet",)))
    assert ledger.notes[outcome.event(FundAmended).consent] == "letter of 3 June"
    assert money(ledger).terms == terms(forbidden=("banquet",))


def test_the_same_terms_are_no_amendment() -> None:
    with_fund().given(AMEND).when(AMEND).then_refused("nothing_changes", at="terms")


def test_amended_terms_are_clean() -> None:
    amend = AmendFund(fund="F1", terms=terms(purpose="x "), consent="x")
    with_fund().when(amend).then_refused("invalid_command", at="terms.purpose")


def test_a_fund_closes_once_and_stays_as_it_is() -> None:
    ledger = with_fund(1000).given(allocate(300))
    ledger.when(CLOSE).then_in("fund/F1").then_event(
        FundClosed, reason_code="purpose_reached"
    ).then_answer(fund="F1")
    ledger.when(CLOSE).then_refused("fund_closed", at="fund")
    ledger.when(AMEND).then_refused("fund_closed", at="fund")
    assert unallocated(ledger) == {"F1-R1": 700}


# Receiving


def test_a_receipt_is_one_lot_with_a_number_of_its_fund() -> None:
    ledger = with_fund()
    outcome = ledger.when(receive(1000)).then_in("fund/F1")
    outcome.then_event(
        FundsReceived, organisation="O1", region=REGION, lots=(lot("F1-R1", 1000),), terms=None
    ).then_answer(receipt="F1-R1", fen=1000)
    assert ledger.notes[outcome.event(FundsReceived).document] == "bank slip 2025-118"
    ledger.when(receive(500, source_kind="welfare_lottery", source_id="FC1")).then_event(
        FundsReceived, lots=(lot("F1-R2", 500, "FC1", source_kind="welfare_lottery"),)
    )
    assert unallocated(ledger) == {"F1-R1": 1000, "F1-R2": 500}


def test_numbers_of_receipts_are_each_funds_own() -> None:
    with_fund(1, 2).given(open_fund("F2")).when(receive(fund="F2")).then_answer(
        receipt="F2-R1", fen=1000
    )


def test_a_receipt_may_have_terms_of_its_own() -> None:
    own = terms(allowed=("transport", "elder_care"))
    settled = terms(allowed=("elder_care", "transport"))
    with_fund().when(receive(terms=own)).then_event(FundsReceived, terms=settled)
    with_fund().when(receive(terms=terms(purpose="x "))).then_refused(
        "invalid_command", at="terms.purpose"
    )


def test_money_arrives_before_and_after_the_window_but_not_once_closed() -> None:
    early = with_fund().given(
        AmendFund(fund="F1", terms=terms(opens_on=date(2025, 12, 1)), consent="x")
    )
    early.when(receive()).then_event(FundsReceived)
    early.given(CLOSE).when(receive()).then_refused("fund_closed", at="fund")


def test_a_treasurer_of_some_sources_receives_from_no_other() -> None:
    by = scoped(sources=("FC1",))
    with_fund().when(receive(), by=by).then_refused("forbidden", at="source_id")
    with_fund().when(receive(source_id="FC1"), by=by).then_event(FundsReceived)


def test_a_treasurer_of_some_sources_sees_the_funds_they_paid_into() -> None:
    by, ledger = scoped(sources=("FC1",)), with_fund(1000)
    for wish in (allocate(10), spend(10), release(10), send(10), AMEND, CLOSE):
        ledger.when(wish, by=by).then_refused("fund_not_found", at="fund", fund="F1")
    ledger.given(send(10, to_origin=OTHER_ORIGIN))
    ledger.when(decline(), by=by).then_refused("transfer_not_found", at="transfer")
    ledger.given(receive(1, source_id="FC1"), by=by).given(allocate(10), send(10), by=by)
    ledger.given(decline(), by=by)


def test_a_treasurer_of_some_sources_receives_transfers_of_theirs() -> None:
    by, ledger = scoped(sources=("FC1",)), with_fund(1000)
    ledger.when(arrive(lot("G1-R1", 5)), by=by).then_refused("fund_not_found", at="fund")
    ledger.given(arrive(lot("G1-R1", 5, "FC1")), by=by).given(send(5), by=by)


def test_a_treasurer_of_some_sources_opens_funds() -> None:
    with_fund().given(
        open_fund("F2"), receive(1, "F2", source_id="FC1"), by=scoped(sources=("FC1",))
    )


# The fold


def test_a_fund_replayed_from_its_events_is_the_same() -> None:
    ledger = with_fund(1000, 500).given(
        AMEND, allocate(1200), spend(700), reverse("F1-E1", lot("F1-R1", 50)), send(100),
        decline(), send(50), release(10), give_back(5), CLOSE,
    )  # fmt: skip
    assert ledger.replayed().states["fund/F1"] == ledger.state("fund/F1")


def test_a_fund_stream_begins_with_its_opening() -> None:
    ledger = with_fund(1000)
    (stream, opened), (_, received) = ledger.log[-2:]
    with pytest.raises(CorruptLog):
        evolve(None, stream, received)
    with pytest.raises(CorruptLog):
        evolve(money(ledger), stream, opened)


def test_an_event_about_money_that_is_not_there_is_refused() -> None:
    ledger = with_fund(1000).given(allocate(1000), spend(500), reverse("F1-E1"), spend(1))
    events = [event for stream, event in ledger.log if stream == "fund/F1"]
    for event in events[2:]:
        fresh = evolve(None, "fund/F1", events[0])
        with pytest.raises(CorruptLog):
            evolve(fresh, "fund/F1", event)
