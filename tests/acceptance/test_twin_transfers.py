"""A transfer is known by its log and its id: another log's may have the same id as one of ours."""

from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.values import Lot
from ledger.settings import Settings
from projections.database import open_reads
from projections.fund_usage import fund_usage
from projections.runner import catch_up
from tests.comparison import differences
from tests.recount import Recount
from tests.scenario import STANDING
from tests.wishes import AWAY, beginning, today


def test_what_left_does_not_hide_what_arrived(settings: Settings) -> None:
    """1,000 fen were sent away as F1-T1, and 700 came from elsewhere as that log's own F1-T1."""
    ledger, reads = Ledger(settings, create=True), open_reads(settings.read_models)
    foreign = Lot(receipt="F1-R1", source_kind="charity", source_id="S1", fen=700)
    for command in (
        *beginning(today()),
        c.SendTransfer(fund="F1", to_region="640122", to_origin=AWAY, fen=1_000),
        c.AcceptTransfer(transfer="F1-T1"),
        c.ReceiveTransfer(fund="F1", transfer="F1-T1", from_origin=AWAY, from_region="640122",
                          lots=(foreign,)),
    ):  # fmt: skip
        who = "verifier" if isinstance(command, c.VerifyHours) else "admin"
        ledger.execute(command, STANDING[who])  # type: ignore[index]
    catch_up(ledger.store, reads)
    recount = Recount(row.line() for row in ledger.store.select_rows(0, 1_000))
    with reads.read() as snapshot:
        usage = fund_usage(snapshot, "F1")
        assert (usage.received_fen, usage.transferred_fen) == (9_700, 1_000)
        assert differences(recount, snapshot, today().isoformat()) == []
    reads.close()
    ledger.close()
