"""Money from other logs: whose it is, under which name, and what binds it when it comes home."""

from ledger.domain.events import TransferReceived
from tests.money import OTHER_ORIGIN, arrive, funded, lot, unallocated
from tests.scenario import ORIGIN


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
