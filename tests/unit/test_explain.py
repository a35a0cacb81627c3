"""Every figure is the sum of its legs, and each leg is in the log."""

from collections.abc import Iterator, Mapping

import pytest

from ledger.domain.errors import InvalidCommand, MemberNotFound
from projections import balances, basis, fund_usage, participation, totals
from projections.basis import Basis
from projections.explain import Leg, legs
from projections.filters import NO_FILTERS
from projections.moments import Moment
from projections.past import Pasts
from projections.session import Snapshot
from projections.standing import Standing
from tests import figures
from tests.told import RECOUNT, STORE


@pytest.fixture
def now(snapshot: Snapshot) -> Iterator[Standing]:
    """Everything as it stands at the end of the story."""
    with Standing(STORE, snapshot, Pasts(STORE), Moment(snapshot.position)) as standing:
        yield standing


def total(found: Basis, figure: str) -> int:
    """What the legs sum up to."""
    return sum(leg.change for leg in legs(found, figure))


@pytest.mark.parametrize("member", figures.members(RECOUNT))
def test_legs_of_a_member_sum_up_to_every_figure(now: Standing, member: str) -> None:
    found = balances.member_balance(now.live, member)
    explained = basis.of_member(now, member)
    for figure in (*balances.SUMS, "credit_available"):
        assert total(explained, figure) == int(getattr(found, figure))


@pytest.mark.parametrize(
    "filters",
    [{}, {"project": "P001"}, {"organisation": "O1"}, {"region": "33", "month": "2025-06"}],
    ids=str,
)
def test_legs_of_a_total_sum_up_to_it(now: Standing, filters: dict[str, str]) -> None:
    (row,) = totals.totals(now.live, (), filters).rows
    explained = basis.of_totals(now, filters)
    for figure in row:
        assert total(explained, figure) == row[figure]


@pytest.mark.parametrize("fund", ["F1", "F2"])
def test_legs_of_a_fund_sum_up_to_every_line(now: Standing, fund: str) -> None:
    found = fund_usage.fund_usage(now.live, fund)

    def explained(figure: str, **filters: str) -> int:
        return total(basis.of_fund(now, fund, filters), figure)

    for figure in fund_usage.Money.__struct_fields__:
        assert explained(figure) == getattr(found, figure)
        for part in found.receipts:
            assert explained(figure, receipt=part.receipt) == getattr(part, figure)
        for source in found.sources:
            keys = {"source_kind": source.source_kind, "source_id": source.source_id}
            assert explained(figure, **keys) == getattr(source, figure)
    for target in found.targets:
        for figure in ("spent_fen", "allocated_fen", "verified_minutes"):
            assert explained(figure, target=target.target) == getattr(target, figure)
    for category in found.categories:
        assert explained("spent_fen", category=category.category) == category.spent_fen
    assert explained("verified_minutes") == found.verified_minutes


def test_what_went_from_fund_to_fund_is_neither_received_nor_transferred(now: Standing) -> None:
    """For each source the legs, like the figures, leave out what stays within the answer."""
    for source in sorted({f.keys["source_id"] for f in RECOUNT.facts if f.commodity == "FEN"}):
        found = fund_usage.source_usage(now.live, source)
        explained = basis.of_source(now, source, [fund.fund for fund in found.funds])
        for figure in fund_usage.Money.__struct_fields__:
            assert total(explained, figure) == getattr(found, figure), (source, figure)
        for fund in found.funds:
            part = basis.of_fund(now, fund.fund, {"source_id": source})
            assert total(part, "verified_minutes") == fund.verified_minutes


def test_legs_of_a_policy_sum_up_to_every_figure(now: Standing) -> None:
    for policy in ("Y1", "Y2"):
        found = balances.policy_balance(now.live, policy)
        for figure in ("grants", "granted", "revoked", "credit_redeemed"):
            assert total(basis.of_policy(now, policy), figure) == getattr(found, figure)


@pytest.mark.parametrize(
    "filters", [{}, {"project": "P001"}, {"region": "330424101"}, {"member_kind": "party_member"},
                {"region": "330424"}],
    ids=str,
)  # fmt: skip
def test_legs_of_participation_sum_up_to_it(now: Standing, filters: dict[str, str]) -> None:
    (row,) = participation.participation(now.live, (), filters).rows
    explained = basis.of_participation(now, filters)
    for figure in ("registered", "verified_minutes"):
        assert total(explained, figure) == row[figure]
    assert total(explained, "inhabitants") == (row["inhabitants"] or 0)
    sums: dict[str, int] = {}
    for leg in legs(explained, "active"):
        sums[leg.stream] = sums.get(leg.stream, 0) + leg.change
    assert len([1 for minutes in sums.values() if minutes > 0]) == row["active"]


def test_a_figure_that_is_computed_leads_to_the_sums_behind_it(now: Standing) -> None:
    def named(found: Basis, figure: str) -> Mapping[str, int]:
        told: dict[str, int] = {}
        for leg in legs(found, figure):
            told[leg.figure] = told.get(leg.figure, 0) + leg.change
        return told

    usage = fund_usage.fund_usage(now.live, "F1")
    assert named(basis.of_fund(now, "F1"), "fen_per_verified_hour") == {
        "spent_fen": usage.spent_fen, "verified_minutes": usage.verified_minutes,
    }  # fmt: skip
    member = balances.member_balance(now.live, "V0001")
    assert named(basis.of_member(now, "V0001"), "stars") == {
        "verified_minutes": member.verified_minutes
    }
    (row,) = participation.participation(now.live).rows
    assert named(basis.of_participation(now), "active_per_10000_registered") == {
        "verified_minutes": row["verified_minutes"], "registered": row["registered"],
    }  # fmt: skip


def test_any_account_of_heads_can_be_explained(now: Standing) -> None:
    account = "certified/social_worker/intermediate/t2"
    found: list[Leg] = list(legs(basis.of_account(now, account), account))
    assert [leg.change for leg in found] == [1]
    assert total(basis.of_account(now, account, "64"), account) == 0


def refused(found: Basis, figure: str) -> None:
    with pytest.raises(InvalidCommand):
        legs(found, figure)


def test_unknown_figures_and_lines_are_refused(now: Standing) -> None:
    refused(basis.of_member(now, "V0001"), "wealth")
    refused(basis.of_totals(now, NO_FILTERS), "wealth")
    refused(basis.of_totals(now, {"month": "2025-06"}), "fen_unallocated")
    with pytest.raises(MemberNotFound):
        basis.of_member(now, "V9")
    with pytest.raises(InvalidCommand):
        basis.of_member(now, "V0001", {"colour": "red"})
    with pytest.raises(InvalidCommand):
        basis.of_fund(now, "F1", {"colour": "red"})
    with pytest.raises(InvalidCommand):
        basis.of_participation(now, {"colour": "red"})
