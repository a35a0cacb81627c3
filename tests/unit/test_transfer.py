"""Transfers: sent once, ended once, received once; money keeps its terms and its way home."""

from datetime import date
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.errors import CorruptLog
from ledger.domain.events import (
    FundsAllocated,
    FundsReturned,
    TransferAccepted,
    TransferClaimed,
    TransferDeclined,
    TransferReceived,
    TransferSent,
)
from ledger.domain.transfer import Claim, evolve
from tests.money import (
    OTHER_ORIGIN,
    RECEIVER,
    accept,
    allocate,
    arrive,
    decline,
    funded,
    give_back,
    in_short,
    lot,
    money,
    open_fund,
    other_log,
    receive,
    send,
    terms,
    two_counties,
    unallocated,
)
from tests.scenario import ELSEWHERE, ORIGIN, REGION, TOWN, Scenario, caller, open_project

CLOSE = c.CloseFund(fund="F1", reason_code="purpose_reached")
SUNDAY = date(2025, 6, 15)
STRICT = terms(forbidden=("banquet",))
#: What all events of the first transfer of 600 fen say of it.
WAY: dict[str, Any] = {
    "transfer": "F1-T1", "from_origin": ORIGIN, "from_region": REGION,
    "to_origin": ORIGIN, "to_region": ELSEWHERE, "lots": (lot("F1-R1", 600),),
}  # fmt: skip


def amend(**changes: Any) -> c.AmendFund:
    return c.AmendFund(fund="F1", terms=terms(**changes), consent="letter")


def sent_abroad() -> Scenario:
    """600 of 1,000 fen on their way to the other log."""
    return funded(1000).given(send(600, to_origin=OTHER_ORIGIN))


# Sending


def test_what_is_sent_is_first_in_first_out_and_no_longer_unallocated() -> None:
    ledger = two_counties(400, 600)
    (
        ledger.when(send(500))
        .then_in("fund/F1")
        .then_event(
            TransferSent, **WAY | {"lots": (lot("F1-R1", 400), lot("F1-R2", 100))},
            organisation="O1", region=REGION, terms=None,
        )
        .then_answer(transfer="F1-T1")
    )  # fmt: skip
    assert unallocated(ledger) == {"F1-R2": 500}
    ledger.when(send(100, receipts=("F1-R2",))).then_answer(transfer="F1-T2")


def test_what_is_sent_may_go_to_another_log() -> None:
    funded(1000).when(send(600, to_origin=OTHER_ORIGIN)).then_event(
        TransferSent, from_origin=ORIGIN, to_origin=OTHER_ORIGIN
    )


def test_no_more_is_sent_than_is_unallocated() -> None:
    ledger = funded(1000).given(allocate(300))
    ledger.when(send(701)).then_refused("insufficient_funds", at="fen", available=700)
    ledger.when(send(1, receipts=("F1-R9",))).then_refused("insufficient_funds", at="receipts")


def test_the_terms_say_to_which_regions_money_may_be_sent() -> None:
    ledger = funded(1000).given(amend(regions=(REGION,)))
    ledger.when(send(1)).then_refused("purpose_violation", at="to_region", region=ELSEWHERE)
    ledger.when(send(1, to_region=TOWN)).then_event(TransferSent)
    own = funded().given(receive(100, terms=terms(regions=(REGION,))), receive(50))
    assert in_short(own.when(send(20)).event(TransferSent).lots) == {"F1-R2": 20}
    own.when(send(31)).then_refused("insufficient_funds", at="fen", available=30)


def test_nothing_is_sent_from_a_closed_fund_or_outside_its_window() -> None:
    funded(1000).given(amend(closes_on=SUNDAY)).when(send(1)).then_refused(
        "fund_closed", at="effective_on"
    )
    funded(1000).given(CLOSE).when(send(1)).then_refused("fund_closed", at="fund")


def test_money_travels_with_the_terms_it_was_received_on() -> None:
    ledger = two_counties().given(receive(100, terms=STRICT))
    ledger.when(send(50)).then_event(TransferSent, terms=STRICT)
    ledger.given(accept(), open_project("P9", organisation="O9", region=ELSEWHERE))
    ledger.given(allocate(50, "project/P9", fund="F9"))
    banquet = c.SpendFunds(
        fund="F9", target="project/P9", fen=1, category="banquet",
        payee_kind="supplier", payee="x", document="x",
    )  # fmt: skip
    ledger.when(banquet).then_refused("purpose_violation", at="category")


def test_terms_given_to_a_transfer_only_narrow_those_of_its_receipts() -> None:
    ledger = funded().given(receive(100, terms=STRICT))
    narrower = terms(forbidden=("travel", "banquet"))
    ledger.when(send(10, terms=terms())).then_refused("purpose_violation", at="terms")
    ledger.when(send(10, terms=narrower)).then_event(
        TransferSent, terms=terms(forbidden=("banquet", "travel"))
    )
    ledger.when(send(10, terms=terms(purpose="x "))).then_refused(
        "invalid_command", at="terms.purpose"
    )


def test_receipts_of_different_terms_are_sent_apart_or_on_terms_that_suit_all() -> None:
    ledger = funded().given(receive(100, terms=STRICT), receive(100))
    ledger.when(send(150)).then_refused("invalid_command", at="terms")
    ledger.when(send(100, receipts=("F1-R2",))).then_event(TransferSent, terms=None)
    ledger.given(receive(50)).when(send(150, terms=STRICT)).then_event(TransferSent, terms=STRICT)


# Accepting within one log


def test_accepting_moves_the_money_claims_it_and_ends_the_transfer() -> None:
    ledger = two_counties(1000).given(send(600))
    (
        ledger.when(accept(), by=RECEIVER)
        .then_events(TransferReceived, TransferClaimed, TransferAccepted)
        .then_in("fund/F9", f"incoming/{ORIGIN}/F1-T1", "fund/F1")
        .then_event(TransferReceived, **WAY, organisation="O9", region=ELSEWHERE)
        .then_event(TransferClaimed, fund="F9")
        .then_event(TransferAccepted, **WAY, organisation="O1", region=REGION)
        .then_answer(transfer="F1-T1", fund="F9")
    )
    assert unallocated(ledger, "F9") == {"F1-R1": 600}
    assert money(ledger).stock.receipts["F1-R1"].held == 400


@pytest.mark.parametrize("end", [accept(), decline()])
def test_a_transfer_ends_once(end: c.Command) -> None:
    ledger = two_counties(1000).given(send(600), end)
    for again in (accept(), decline()):
        ledger.when(again).then_refused("transfer_not_in_transit", at="transfer")


@pytest.mark.parametrize("transfer", ["F1-T2", "F8-T1", "P001-T1"])
def test_a_transfer_that_was_never_sent_is_not_found(transfer: str) -> None:
    ledger = two_counties(1000).given(send(600))
    for end in (accept(transfer), decline(transfer)):
        ledger.when(end).then_refused("transfer_not_found", at="transfer", transfer=transfer)


def test_a_transfer_within_the_log_is_accepted_into_a_fund() -> None:
    ledger = two_counties(1000).given(send(600))
    ledger.when(accept(fund=None)).then_refused("invalid_command", at="fund")
    ledger.when(accept(fund="F8")).then_refused("fund_not_found", at="fund")


def test_only_a_fund_in_the_region_sent_to_is_the_receiver() -> None:
    ledger = two_counties(1000).given(
        open_fund("F2"), open_fund("F3", region=TOWN), send(100), send(100, to_region=REGION)
    )
    ledger.when(accept(fund="F2")).then_refused("transfer_not_in_transit", at="fund")
    ledger.when(accept("F1-T2", fund="F1")).then_refused("transfer_not_in_transit", at="fund")
    ledger.when(accept("F1-T2", fund="F3")).then_event(TransferReceived, to_region=REGION)


def test_a_closed_fund_receives_nothing_and_the_money_stays_in_transit() -> None:
    ledger = two_counties(1000).given(
        send(600), c.CloseFund(fund="F9", reason_code="purpose_reached")
    )
    ledger.when(accept()).then_refused("fund_closed", at="fund")
    ledger.when(decline()).then_event(TransferDeclined)


@pytest.mark.parametrize("end", [accept(), decline()])
def test_a_transfer_ends_whatever_became_of_its_sender(end: c.Command) -> None:
    ledger = two_counties(1000).given(send(600), amend(closes_on=SUNDAY), CLOSE)
    assert ledger.when(end).events


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ({}, True),
        ({"regions": ("64",)}, True),
        ({"regions": (REGION,)}, False),
        ({"funds": ("F9",)}, True),
        ({"funds": ("F1",)}, False),
        ({"funds": ("F8",)}, False),
        ({"organisations": ("O9",)}, True),
        ({"organisations": ("O1", "O8")}, False),
        ({"regions": (ELSEWHERE,), "funds": ("F9",), "organisations": ("O9",)}, True),
        ({"sources": ("CF1", "CF2")}, True),
        ({"sources": ("CF2",)}, False),
    ],
)
def test_only_the_receiving_side_ends_a_transfer(scope: dict[str, Any], allowed: bool) -> None:
    ledger, by = two_counties(1000).given(send(600), send(100)), caller("T", "treasurer", **scope)
    if allowed:
        ledger.when(accept(), by=by).then_event(TransferReceived)
        ledger.when(decline("F1-T2"), by=by).then_event(TransferDeclined)
    else:
        for end in (accept(), decline()):
            ledger.when(end, by=by).then_refused("transfer_not_found", at="transfer")


def test_what_has_ended_is_not_shown_to_others() -> None:
    ledger = two_counties(1000).given(send(600), decline())
    by = caller("other", "treasurer", regions=(REGION,))
    ledger.when(decline(), by=by).then_refused("transfer_not_found", at="transfer")


# Declining


def test_declining_brings_the_money_back_to_its_old_place() -> None:
    ledger = two_counties(600, 500).given(send(600), receive(50))
    (
        ledger.when(decline(), by=RECEIVER)
        .then_in("fund/F1")
        .then_event(
            TransferDeclined, **WAY, organisation="O1", region=REGION, reason_code="no_project"
        )
        .then_answer(transfer="F1-T1")
    )
    assert list(unallocated(ledger).items()) == [("F1-R1", 600), ("F1-R2", 500), ("F1-R3", 50)]
    assert in_short(ledger.when(allocate(700)).event(FundsAllocated).lots) == {
        "F1-R1": 600, "F1-R2": 100,
    }  # fmt: skip


# Between logs


def test_the_sender_notes_that_the_other_log_accepted_or_declined() -> None:
    sent_abroad().when(accept(fund=None)).then_in("fund/F1").then_event(
        TransferAccepted, to_origin=OTHER_ORIGIN, organisation="O1", region=REGION
    ).then_answer(transfer="F1-T1")
    sent_abroad().when(accept(fund="F1")).then_refused("invalid_command", at="fund")
    ledger = sent_abroad().given(decline())
    assert unallocated(ledger) == {"F1-R1": 1000}


def test_only_the_senders_treasurer_notes_it() -> None:
    for end in (accept(fund=None), decline()):
        sent_abroad().when(end, by=RECEIVER).then_refused("transfer_not_found", at="transfer")
        own = caller("own", "treasurer", funds=("F1",), regions=(REGION,))
        assert sent_abroad().when(end, by=own).events


def test_what_another_log_sent_arrives_under_the_name_of_that_log() -> None:
    ledger = funded(1000)
    foreign = (lot("G1-R1", 30), lot("third.example/X-R2", 20, "CF2"), lot("G1-R1", 10))
    (
        ledger.when(arrive(*foreign, terms=STRICT))
        .then_events(TransferReceived, TransferClaimed)
        .then_in("fund/F1", f"incoming/{OTHER_ORIGIN}/G1-T1")
        .then_event(
            TransferReceived, transfer="G1-T1", from_origin=OTHER_ORIGIN, from_region=ELSEWHERE,
            to_origin=ORIGIN, to_region=REGION, organisation="O1", region=REGION, terms=STRICT,
            lots=(lot(f"{OTHER_ORIGIN}/G1-R1", 40), lot("third.example/X-R2", 20, "CF2")),
        )
        .then_event(TransferClaimed, fund="F1")
        .then_answer(transfer="G1-T1", fund="F1")
    )  # fmt: skip
    assert list(unallocated(ledger).values()) == [1000, 40, 20]
    assert ledger.state(f"incoming/{OTHER_ORIGIN}/G1-T1") == Claim("F1")


def test_a_transfer_is_received_once_into_whatever_fund() -> None:
    ledger = funded().given(open_fund("F2"), arrive(lot("G1-R1", 30)))
    for fund in ("F1", "F2"):
        ledger.when(arrive(lot("G1-R1", 30), fund=fund)).then_refused(
            "transfer_not_in_transit", at="transfer", transfer="G1-T1"
        )
    ledger.when(arrive(lot("G1-R1", 30), from_origin="third.example")).then_event(TransferReceived)


def test_a_log_does_not_receive_from_itself() -> None:
    funded().when(arrive(lot("G1-R1", 30), from_origin=ORIGIN)).then_refused(
        "invalid_command", at="from_origin"
    )


@pytest.mark.parametrize(
    "lots",
    [
        (lot("for Mr Wang", 1),),
        (lot("G1-R0", 1),),
        (lot("UPPER.example/G1-R1", 1),),
        (lot("G1-R1", 1), lot("G1-R1", 1, "CF2")),
        (lot("G1-R1", 10**13), lot("G1-R1", 1)),
    ],
)
def test_foreign_lots_are_parts_of_receipts(lots: Any) -> None:
    funded().when(arrive(*lots)).then_refused("invalid_command", at="lots")


def test_a_receipt_keeps_its_source_and_its_bounds_over_several_transfers() -> None:
    ledger = funded().given(arrive(lot("G1-R1", 10**13)))
    for later in (lot("G1-R1", 1), lot("G1-R1", 1, "CF2")):
        ledger.when(arrive(later, transfer="G1-T2")).then_refused("invalid_command", at="lots")
    name = f"{OTHER_ORIGIN}/G1-R1"
    ledger.given(allocate(10**13 - 1), give_back(1))
    outcome = ledger.when(arrive(lot("G1-R1", 1), transfer="G1-T2"))
    assert in_short(outcome.event(TransferReceived).lots) == {name: 1}


def test_a_fund_that_is_closed_or_not_seen_receives_nothing() -> None:
    funded().given(CLOSE).when(arrive(lot("G1-R1", 1))).then_refused("fund_closed", at="fund")
    funded().when(arrive(lot("G1-R1", 1)), by=RECEIVER).then_refused("fund_not_found", at="fund")
    late = funded().given(amend(closes_on=SUNDAY))
    late.when(arrive(lot("G1-R1", 1))).then_event(TransferReceived)


def test_the_terms_of_a_transfer_are_clean() -> None:
    funded().when(arrive(lot("G1-R1", 1), terms=terms(purpose="x "))).then_refused(
        "invalid_command", at="terms.purpose"
    )


def test_two_logs_agree_on_one_transfer() -> None:
    there = other_log().given(c.SendTransfer(fund="G1", to_region=REGION, to_origin=ORIGIN, fen=70))
    sent = there.log[-1][1]
    assert isinstance(sent, TransferSent)
    here = funded().given(arrive(*sent.lots, transfer=sent.transfer))
    there.given(c.AcceptTransfer(transfer=sent.transfer))
    assert unallocated(here) == {f"{OTHER_ORIGIN}/G1-R1": 70}
    assert money(there, "G1").stock.receipts["G1-R1"].held == 930
    here.when(give_back(70)).then_event(FundsReturned, source_id="CF1")


# Receipts that come again


def test_money_that_comes_home_takes_its_old_place_on_its_old_terms() -> None:
    ledger = two_counties(1000, 500).given(send(600, terms=STRICT), accept(), allocate(400))
    back = c.SendTransfer(fund="F9", to_region=REGION, fen=200)
    ledger.given(back, c.AcceptTransfer(transfer="F9-T1", fund="F1"))
    assert list(unallocated(ledger).items()) == [("F1-R1", 200), ("F1-R2", 500)]
    receipt = money(ledger).stock.receipts["F1-R1"]
    assert (receipt.terms, receipt.held) == ((), 600)


def test_no_more_of_a_receipt_comes_home_than_is_away() -> None:
    ledger = funded(1000).given(
        open_fund("F2"), send(600, to_origin=OTHER_ORIGIN), accept(fund=None), give_back(100)
    )
    home = f"{ORIGIN}/F1-R1"
    for wrong in (lot(home, 601), lot(home, 1, "CF2"), lot(f"{ORIGIN}/F1-R2", 1),
                  lot(f"{ORIGIN}/F7-R1", 1)):  # fmt: skip
        for fund in ("F1", "F2"):
            ledger.when(arrive(wrong, fund=fund)).then_refused("invalid_command", at="lots")
    ledger.given(arrive(lot(home, 400)), arrive(lot(home, 150), fund="F2", transfer="G1-T2"))
    last = arrive(lot(home, 51), fund="F2", transfer="G1-T3")
    ledger.when(last).then_refused("invalid_command", at="lots", fen_max=50)


def test_a_receipt_that_comes_again_on_other_terms_is_bound_by_both() -> None:
    wide, narrow = STRICT, terms(regions=(ELSEWHERE,))
    ledger = two_counties(1000).given(
        send(100, terms=wide), send(100, terms=narrow), accept(), accept("F1-T2")
    )
    assert unallocated(ledger, "F9") == {"F1-R1": 200}
    assert money(ledger, "F9").stock.receipts["F1-R1"].terms == (wide, narrow)
    onward = c.SendTransfer(fund="F9", to_region=REGION, fen=1)
    ledger.when(onward).then_refused("purpose_violation", at="to_region")
    nearby = c.SendTransfer(fund="F9", to_region=f"{ELSEWHERE}001", fen=1)
    ledger.when(nearby).then_refused("invalid_command", at="terms")


def test_a_claim_stands_alone_in_its_stream() -> None:
    ledger = two_counties(1000).given(send(600), accept())
    claimed = next(found for found in ledger.log if found[0].startswith("incoming/"))
    with pytest.raises(CorruptLog):
        evolve(Claim("F9"), *claimed)
    with pytest.raises(CorruptLog):
        evolve(None, *ledger.log[-1])
