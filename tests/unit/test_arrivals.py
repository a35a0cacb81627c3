"""Money from other logs: whose it is, under which name, and what binds it when it comes home."""

from ledger.domain.events import TransferReceived
from tests.money import OTHER_ORIGIN, arrive, funded, lot


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
