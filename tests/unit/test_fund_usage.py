"""Where money is and what it did, against a recount."""

import pytest

from ledger.domain.errors import FundNotFound, SourceNotFound
from projections import fund_usage
from projections.session import Snapshot
from tests import figures
from tests.told import RECOUNT


@pytest.mark.parametrize("fund", ["F1", "F2"])
def test_a_fund_has_what_a_recount_gives_it(snapshot: Snapshot, fund: str) -> None:
    found, expected = fund_usage.fund_usage(snapshot, fund), figures.fund_usage(RECOUNT, fund)
    assert money_of(found) == folded(expected["money"])
    receipts = {part.receipt: money_of(part) for part in found.receipts}
    assert receipts == {name: folded(money) for name, money in expected["receipts"].items()}
    spent = {(c.category,): c.spent_fen for c in found.categories if c.spent_fen}
    assert spent == expected["spent_by_category"]
    targets = {(t.target,): t.spent_fen for t in found.targets if t.spent_fen}
    assert targets == expected["spent_by_target"]
    assert found.verified_minutes == expected["verified_minutes"]


def money_of(found: fund_usage.Money) -> dict[str, int]:
    """The figures of a part of a usage page."""
    names = fund_usage.Money.__struct_fields__
    return {name: getattr(found, name) for name in names}


def folded(money: dict[str, int]) -> dict[str, int]:
    """A recount's money under the names of a usage page."""
    return {
        "received_fen": money["received"] + money["transferred_in"],
        "unallocated_fen": money["unallocated"],
        "allocated_fen": money["allocated"],
        "spent_fen": money["spent"],
        "in_transit_fen": money["transit"],
        "transferred_fen": money["transferred_out"],
        "returned_fen": money["returned"],
    }


def test_each_fen_received_is_somewhere(snapshot: Snapshot) -> None:
    found = fund_usage.fund_usage(snapshot, "F1")
    for part in (found, *found.sources, *found.receipts):
        received, *places = money_of(part).values()
        assert received == sum(places) > 0


def test_money_stands_beside_hours_that_are_not_to_be_added(snapshot: Snapshot) -> None:
    found = fund_usage.fund_usage(snapshot, "F1")
    project = next(t for t in found.targets if t.target == "project/P001")
    assert project.verified_minutes == 435
    assert project.fen_per_verified_hour == project.spent_fen * 60 // 435
    policy = next(t for t in found.targets if t.target == "policy/Y2")
    assert (policy.verified_minutes, policy.fen_per_verified_hour) == (0, None)
    assert found.non_additive == ("verified_minutes", "fen_per_verified_hour")


def test_a_source_sees_its_own_money_in_every_fund(snapshot: Snapshot) -> None:
    found = fund_usage.source_usage(snapshot, "FC2025")
    expected = figures.source_usage(RECOUNT, "welfare_lottery", "FC2025")
    assert [part.fund for part in found.funds] == ["F1", "F2"]
    assert found.received_fen == expected["received"] == 100_000
    for name in ("unallocated", "allocated", "spent", "returned"):
        assert getattr(found, f"{name}_fen") == expected[name]
    # What one fund sent and the other received has not left.
    assert found.transferred_fen == expected["transferred_out"] - expected["transferred_in"]


def test_unknown_funds_and_sources_are_named(snapshot: Snapshot) -> None:
    with pytest.raises(FundNotFound):
        fund_usage.fund_usage(snapshot, "F9")
    with pytest.raises(SourceNotFound):
        fund_usage.source_usage(snapshot, "CF9")
    with pytest.raises(SourceNotFound):
        fund_usage.source_usage(snapshot, "FC2025", "charity")
