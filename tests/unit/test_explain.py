"""Every figure is the sum of its legs, and each leg is in the log."""

from collections.abc import Iterator

import pytest

from ledger.domain.errors import InvalidCommand, MemberNotFound
from projections import balances, explain, fund_usage, participation, totals
from projections.session import Snapshot
from tests import figures
from tests.told import RECOUNT, STORE


def total(legs: Iterator[explain.Leg]) -> int:
    """What the legs sum up to."""
    return sum(leg.change for leg in legs)


@pytest.mark.parametrize("member", figures.members(RECOUNT))
def test_legs_of_a_member_sum_up_to_every_figure(snapshot: Snapshot, member: str) -> None:
    found = balances.member_balance(snapshot, member)
    for figure in (*balances.SUMS, "credit_available"):
        legs = explain.explain_member(STORE, snapshot, member, figure)
        assert total(legs) == int(getattr(found, figure))


@pytest.mark.parametrize(
    "filters",
    [{}, {"project": "P001"}, {"organisation": "O1"}, {"region": "33", "month": "2025-06"}],
    ids=str,
)
def test_legs_of_a_total_sum_up_to_it(snapshot: Snapshot, filters: dict[str, str]) -> None:
    (row,) = totals.totals(snapshot, (), filters).rows
    for figure in row:
        assert total(explain.explain_totals(STORE, snapshot, figure, filters)) == row[figure]


@pytest.mark.parametrize("fund", ["F1", "F2"])
def test_legs_of_a_fund_sum_up_to_every_line(snapshot: Snapshot, fund: str) -> None:
    found = fund_usage.fund_usage(snapshot, fund)

    def explained(figure: str, **filters: str) -> int:
        return total(explain.explain_fund(STORE, snapshot, fund, figure, filters))

    for figure in fund_usage.Money.__struct_fields__:
        assert explained(figure) == getattr(found, figure)
        for part in found.receipts:
            assert explained(figure, receipt=part.receipt) == getattr(part, figure)
        for source in found.sources:
            keys = {"source_kind": source.source_kind, "source_id": source.source_id}
            assert explained(figure, **keys) == getattr(source, figure)
    for target in found.targets:
        assert explained("spent_fen", target=target.target) == target.spent_fen
        assert explained("allocated_fen", target=target.target) == target.allocated_fen
    for category in found.categories:
        assert explained("spent_fen", category=category.category) == category.spent_fen


def test_legs_of_a_policy_sum_up_to_what_it_redeemed(snapshot: Snapshot) -> None:
    for policy in ("Y1", "Y2"):
        expected = balances.policy_balance(snapshot, policy).credit_redeemed
        assert total(explain.explain_policy(STORE, snapshot, policy)) == expected


@pytest.mark.parametrize(
    "filters", [{}, {"project": "P001"}, {"region": "330424101"}, {"member_kind": "party_member"}],
    ids=str,
)  # fmt: skip
def test_legs_of_participation_sum_up_to_it(snapshot: Snapshot, filters: dict[str, str]) -> None:
    (row,) = participation.participation(snapshot, (), filters).rows

    def explained(figure: str) -> int:
        return total(explain.explain_participation(STORE, snapshot, figure, filters))

    assert explained("registered") == row["registered"]
    assert explained("verified_minutes") == row["verified_minutes"]
    legs = list(explain.explain_participation(STORE, snapshot, "active", filters))
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.stream] = sums.get(leg.stream, 0) + leg.change
    assert len([1 for minutes in sums.values() if minutes > 0]) == row["active"]


def test_any_account_of_heads_can_be_explained(snapshot: Snapshot) -> None:
    legs = explain.explain_account(STORE, snapshot, "certified/social_worker/intermediate/t2")
    assert [leg.change for leg in legs] == [1]


def test_unknown_figures_and_lines_are_refused(snapshot: Snapshot) -> None:
    with pytest.raises(InvalidCommand):
        explain.explain_member(STORE, snapshot, "V0001", "wealth")
    with pytest.raises(MemberNotFound):
        explain.explain_member(STORE, snapshot, "V9", "pending_minutes")
    with pytest.raises(InvalidCommand):
        explain.explain_fund(STORE, snapshot, "F1", "spent_fen", {"colour": "red"})
    with pytest.raises(InvalidCommand):
        explain.explain_totals(STORE, snapshot, "wealth")
    with pytest.raises(InvalidCommand):
        explain.explain_participation(STORE, snapshot, "verified_minutes", {"colour": "red"})
