"""Subjects: whose figures are asked for, so that two moments of the same can be compared.

A subject knows how its figures are answered and what they are sums of.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec import Struct

from projections import balances, basis, fund_usage, participation, totals
from projections.basis import Basis
from projections.filters import NO_FILTERS
from projections.standing import Standing


class Subject(NamedTuple):
    """Figures that are answered together."""

    #: The same for the same figures with the same events; None where the clock has a say as well.
    name: tuple[object, ...] | None
    answer: Callable[[Standing], Struct]
    basis: Callable[[Standing], Basis]
    #: Verified minutes by member, where distinct people are counted.
    people: Callable[[Standing], dict[str, int]] | None = None


def member(member: str) -> Subject:
    """A member's balance; the stars of now are those of today."""
    return Subject(
        None,
        lambda at: balances.member_balance(at.member(member), member),
        lambda at: basis.of_member(at, member),
    )


def policy(policy: str) -> Subject:
    """A policy's balance."""
    return Subject(
        ("policy", policy),
        lambda at: balances.policy_balance(at.policy(policy), policy),
        lambda at: basis.of_policy(at, policy),
    )


def fund(fund: str, *, money_only: bool = False) -> Subject:
    """Where a fund's money is, and what it did; with the events of its money only, if asked."""

    def rests_on(at: Standing) -> Basis:
        found = basis.of_fund(at, fund)
        return basis.money_of(found) if money_only else found

    name = "fund", fund, money_only
    return Subject(name, lambda at: fund_usage.fund_usage(at.fund(fund), fund), rests_on)


def source(source_id: str, source_kind: str | None = None) -> Subject:
    """Where a source's money is, and what it did."""

    def answer(at: Standing) -> fund_usage.SourceUsage:
        return fund_usage.source_usage(at.source(source_id), source_id, source_kind)

    def rests_on(at: Standing) -> Basis:
        funds = [fund.fund for fund in answer(at).funds]
        return basis.of_source(at, source_id, funds, source_kind)

    return Subject(("source", source_id, source_kind), answer, rests_on)


def sums(group_by: Sequence[str] = (), filters: Mapping[str, str] = NO_FILTERS) -> Subject:
    """Totals by any grouping, within filters."""
    return Subject(
        ("totals", *group_by, *sorted(filters.items())),
        lambda at: totals.totals(at.slice(filters), group_by, filters),
        partial(basis.of_totals, filters=filters),
    )


def people(
    group_by: Sequence[str] = (),
    filters: Mapping[str, str] = NO_FILTERS,
    *,
    active_only: bool = False,
) -> Subject:
    """Participation by any grouping, within filters; events of active members only, if asked."""

    def rests_on(at: Standing) -> Basis:
        found = basis.of_participation(at, filters)
        return basis.active_of(found) if active_only else found

    return Subject(
        ("people", active_only, *group_by, *sorted(filters.items())),
        lambda at: participation.participation(at.whole(), group_by, filters),
        rests_on,
        lambda at: participation.minutes_by_member(at.whole(), filters),
    )
