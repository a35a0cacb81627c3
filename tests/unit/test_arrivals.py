"""Money from other logs: whose it is, under which name, and what binds it when it comes home."""

from typing import Any

from msgspec.structs import replace

from ledger.domain import commands as c
from ledger.domain.events import TransferReceived
from tests.money import (
    OTHER_ORIGIN,
    accept,
    allocate,
    arrive,
    funded,
    lot,
    money,
    open_fund,
    receive,
    send,
    spend,
    terms,
    unallocated,
)
from tests.scenario import ORIGIN, REGION, Scenario, caller

NO_CARE = terms(forbidden=("elder_care",))


def test_a_receipt_named_in_two_ways_has_one_source() -> None:
    name = f"{OTHER_ORIGIN}/A-R1"
    ledger, charity = funded(), lot("A-R1", 100, "SA")
    wrong = lot(name, 50, "SB", source_kind="agency")
    ledger.when(arrive(charity, wrong)).then_refused(
        "invalid_command", at="lots", reason="a receipt has one source"
    )
    ledger.when(arrive(charity, lot(name, 50, "SA"))).then_event(
        TransferReceived, lots=(lot(name, 150, "SA"),)
    )


def test_a_log_whose_origin_begins_with_this_ones_is_another_log() -> None:
    below = f"{ORIGIN}/huli"
    ledger = funded().given(
        arrive(lot(f"{below}/G9-R1", 100), from_origin="third.example"),
        arrive(lot("G9-R1", 70), from_origin="huli"),
        arrive(lot("G9-R1", 5), from_origin=below),
    )
    assert unallocated(ledger) == {f"{below}/G9-R1": 105, "huli/G9-R1": 70}
    ledger.when(arrive(lot(f"{ORIGIN}/F1-R1", 1), transfer="G1-T2")).then_refused(
        "invalid_command", at="lots", reason="no such receipt left here"
    )


# What comes home


def away_from(ledger: Scenario) -> Scenario:
    """300 fen of F1 left for another log, and there is a fund F3."""
    return ledger.given(
        open_fund("F3"), send(300, to_origin=OTHER_ORIGIN, to_region=REGION), accept(fund=None)
    )


def came_on(**changes: Any) -> Scenario:
    """What left was received on these terms."""
    return away_from(funded().given(receive(1000, terms=terms(**changes))))


def home(**changes: Any) -> c.ReceiveTransfer:
    return arrive(lot(f"{ORIGIN}/F1-R1", 300), **{"fund": "F3", **changes})


def test_what_comes_home_to_another_fund_is_bound_as_it_was() -> None:
    ledger = came_on(forbidden=("elder_care",))
    ledger.when(home()).then_event(TransferReceived, terms=NO_CARE)
    ledger.given(allocate(300, fund="F3")).when(spend(300, fund="F3")).then_refused(
        "purpose_violation", at="category"
    )


def test_terms_it_comes_home_on_lie_within_those_that_bind_it() -> None:
    narrower = terms(forbidden=("elder_care", "wages"))
    for ledger in (came_on(forbidden=("elder_care",)), amended(forbidden=("elder_care",))):
        ledger.when(home(terms=terms())).then_refused("purpose_violation", at="terms")
        ledger.when(home(terms=narrower)).then_event(TransferReceived, terms=narrower)


def amended(**changes: Any) -> Scenario:
    """What left is bound by the terms of its fund."""
    amend = c.AmendFund(fund="F1", terms=terms(**changes), consent="letter")
    return away_from(funded(1000).given(amend))


def test_what_comes_home_to_its_own_fund_needs_no_terms() -> None:
    came_on(forbidden=("elder_care",)).when(home(fund="F1")).then_event(
        TransferReceived, terms=None
    )


def test_what_comes_with_money_of_others_says_its_terms() -> None:
    ledger = came_on(forbidden=("elder_care",))
    lots = (lot(f"{ORIGIN}/F1-R1", 300), lot("G1-R1", 10))
    ledger.when(arrive(*lots, fund="F3")).then_refused("invalid_command", at="terms")
    ledger.when(arrive(*lots, fund="F3", terms=NO_CARE)).then_event(TransferReceived)


def test_a_log_in_which_it_came_home_on_no_terms_still_reads() -> None:
    ledger = came_on(forbidden=("elder_care",))
    event = ledger.decide(home()).events[0][1]
    ledger.happened("fund/F3", replace(event, terms=None))
    assert money(ledger, "F3").stock.receipts["F1-R1"].terms == ()


def test_what_is_away_of_a_receipt_is_told_to_who_sees_its_fund() -> None:
    ledger = away_from(funded(1000))
    by = caller("bound", "treasurer", funds=("F3",))
    never, more = (lot(f"{ORIGIN}/{name}", 301) for name in ("F9-R1", "F1-R1"))
    for wrong in (never, more):
        refused = ledger.when(arrive(wrong, fund="F3"), by=by).then_refused("invalid_command")
        receipt = wrong.receipt.rpartition("/")[2]
        assert refused.refusal is not None
        assert refused.refusal.facts == {"reason": "no such receipt left here", "receipt": receipt}
    ledger.when(arrive(more, fund="F3")).then_refused("invalid_command", fen_max=300)
    ledger.given(home(), by=by)
