"""Commands about money with everything filled in, and a county with a fund; as in `scenario`."""

from datetime import date
from typing import Any, Final

from ledger.domain import commands as c
from ledger.domain.fund import Fund
from ledger.domain.values import Lot, Terms
from tests.scenario import (
    ELSEWHERE,
    REGION,
    TOWN,
    Scenario,
    caller,
    county_at_work,
    open_project,
)

#: The log at the other end of transfers.
OTHER_ORIGIN: Final = "guyuan.example/hours"
#: A treasurer of the county at the other end, whose fund is in this log.
RECEIVER = caller("guyuan-finance", "treasurer", regions=(ELSEWHERE,))


def terms(**changes: Any) -> Terms:
    """Anything, anywhere, all through 2025."""
    wish: dict[str, Any] = {
        "purpose": "为老服务",
        "opens_on": date(2025, 1, 1),
        "closes_on": date(2025, 12, 31),
    }
    return Terms(**wish | changes)


def open_fund(fund: str = "F1", **changes: Any) -> c.OpenFund:
    """A fund of O1 in the county, on the terms of `terms`."""
    wish: dict[str, Any] = {
        "name": "为老服务资金",
        "organisation": "O1",
        "region": REGION,
        "terms": terms(),
    }
    return c.OpenFund(fund=fund, **wish | changes)


def receive(fen: int = 1000, fund: str = "F1", **changes: Any) -> c.ReceiveFunds:
    """Money of a charity."""
    wish: dict[str, Any] = {
        "source_kind": "charity",
        "source_id": "CF1",
        "document": "bank slip 2025-118",
    }
    return c.ReceiveFunds(fund=fund, fen=fen, **wish | changes)


def allocate(fen: int, target: str = "project/P001", **changes: Any) -> c.AllocateFunds:
    """Money of F1 for a target."""
    return c.AllocateFunds(**{"fund": "F1", "target": target, "fen": fen, **changes})


def release(fen: int, target: str = "project/P001", **changes: Any) -> c.ReleaseFunds:
    """Money of F1 back from a target."""
    return c.ReleaseFunds(**{"fund": "F1", "target": target, "fen": fen, **changes})


def spend(fen: int, **changes: Any) -> c.SpendFunds:
    """Elder care of P001, paid to a supplier out of F1."""
    wish: dict[str, Any] = {
        "fund": "F1",
        "target": "project/P001",
        "category": "elder_care",
        "payee_kind": "supplier",
        "payee": "海盐轮椅厂",
        "document": "invoice 7",
    }
    return c.SpendFunds(fen=fen, **wish | changes)


def reverse(expense: str = "F1-E1", *lots: Lot, **changes: Any) -> c.ReverseSpend:
    """An expense back, whole or these lots."""
    return c.ReverseSpend(expense=expense, lots=lots, **{"reason_code": "paid_twice", **changes})


def give_back(fen: int, **changes: Any) -> c.ReturnFunds:
    """Money of F1 back to the charity."""
    wish: dict[str, Any] = {
        "fund": "F1",
        "source_kind": "charity",
        "source_id": "CF1",
        "reason_code": "unspent",
    }
    return c.ReturnFunds(fen=fen, **wish | changes)


def send(fen: int, **changes: Any) -> c.SendTransfer:
    """Money of F1 to the county at the other end, in this log."""
    return c.SendTransfer(**{"fund": "F1", "to_region": ELSEWHERE, "fen": fen, **changes})


def accept(transfer: str = "F1-T1", fund: str | None = "F9", **changes: Any) -> c.AcceptTransfer:
    """Accept a transfer of F1 into F9."""
    return c.AcceptTransfer(transfer=transfer, fund=fund, **changes)


def decline(transfer: str = "F1-T1", **changes: Any) -> c.DeclineTransfer:
    """Decline a transfer of F1."""
    return c.DeclineTransfer(transfer=transfer, **{"reason_code": "no_project", **changes})


def arrive(*lots: Lot, **changes: Any) -> c.ReceiveTransfer:
    """Lots of the other log into F1."""
    wish: dict[str, Any] = {
        "fund": "F1",
        "transfer": "G1-T1",
        "from_origin": OTHER_ORIGIN,
        "from_region": ELSEWHERE,
    }
    return c.ReceiveTransfer(lots=lots, **wish | changes)


def lot(receipt: str, fen: int, source_id: str = "CF1", **changes: Any) -> Lot:
    """A part of a receipt, from a charity."""
    wish: dict[str, Any] = {"source_kind": "charity", "source_id": source_id}
    return Lot(receipt=receipt, fen=fen, **wish | changes)


def in_short(lots: tuple[Lot, ...]) -> dict[str, int]:
    """Fen by receipt, in order; each receipt stands once."""
    short = {each.receipt: each.fen for each in lots}
    assert len(short) == len(lots)
    return short


def funded(*fen: int) -> Scenario:
    """The county at work, with P002 in its town and fund F1; a receipt of each of these sums."""
    ledger = county_at_work().given(open_project("P002", region=TOWN), open_fund())
    return ledger.given(*(receive(each) for each in fen))


def two_counties(*fen: int) -> Scenario:
    """As `funded`, and fund F9 of O9 in the county at the other end."""
    return funded(*fen).given(
        c.RegisterOrganisation(
            organisation="O9", name="固原协会", org_kind="association", region=ELSEWHERE
        ),
        open_fund("F9", organisation="O9", region=ELSEWHERE),
    )


def other_log() -> Scenario:
    """A log of the county at the other end, with its fund G1 of 1,000 fen."""
    return Scenario().given(
        c.OpenLedger(origin=OTHER_ORIGIN),
        c.RegisterOrganisation(
            organisation="O9", name="固原协会", org_kind="association", region=ELSEWHERE
        ),
        open_fund("G1", organisation="O9", region=ELSEWHERE),
        receive(1000, "G1"),
    )


def money(ledger: Scenario, fund: str = "F1") -> Fund:
    """The state of a fund."""
    state = ledger.state(f"fund/{fund}")
    assert isinstance(state, Fund)
    return state


def unallocated(ledger: Scenario, fund: str = "F1") -> dict[str, int]:
    """Fen unallocated by receipt, in the order of arrival."""
    stock = money(ledger, fund).stock
    found = in_short(tuple(stock.free_lots(stock.by_terms.values())))
    assert sum(found.values()) == stock.fen
    return found


def allocated(ledger: Scenario, target: str = "project/P001") -> list[tuple[str, int]]:
    """Lots allocated to a target of F1, in the order they will be spent."""
    queue = money(ledger).allocated[target]
    assert queue.fen == sum(each.fen for each in queue.lots)
    return [(each.receipt, each.fen) for each in queue.lots]
