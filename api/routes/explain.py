"""Which events a figure is the sum of: the legs behind it, found again in the log."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Annotated, Final, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from api.cursors import unpack
from api.queries import Cursor, Limit, ReadQuery
from api.reading import Look, Shown, View
from api.routes.figures import PeopleSlice, TotalsSlice, filters_of
from ledger.domain.errors import InvalidCommand
from ledger.domain.values import Code, MemberId, SourceKind, Word
from projections import explain, fund_usage
from projections.explain import Leg
from projections.scope import (
    check_fund,
    check_member,
    check_policy,
    check_slice,
    check_source,
    require_whole,
)

#: Name of a figure as it stands in an answer.
Figure = Annotated[str, Meta(pattern=r"^[a-z_]{1,64}$(?!\n)", examples=["verified_minutes"])]
Account = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._/+-]{1,300}$(?!\n)", examples=["certified/social_worker"]),
]


class Place(NamedTuple):
    """Where a page of legs begins."""

    #: The position legs are counted up to, and how many of them were told.
    until: int
    told: int


#: A leg of a source's money is one of the fund's legs; the figures have the same names.
_ONE_SOURCE: Final = "source_id"


class Explained(Struct, frozen=True, kw_only=True):
    """A page of the legs of a figure. The changes of all of them sum up to it."""

    position: int
    figure: str
    legs: list[Leg]


class Explaining(ReadQuery, frozen=True, kw_only=True):
    """Which page."""

    cursor: Cursor | None = None
    limit: Limit = 100


class MemberFigure(Explaining, frozen=True, kw_only=True):
    """A figure of a member's balance."""

    member: MemberId
    figure: Figure = "verified_minutes"


class PolicyFigure(Explaining, frozen=True, kw_only=True):
    """The credit that was spent on a policy."""

    policy: Code


class FundFigure(Explaining, frozen=True, kw_only=True):
    """A figure of a fund's usage: of the whole, or of one of its lines."""

    fund: Code
    figure: Figure = "received_fen"
    target: Account | UnsetType = UNSET
    category: Word | UnsetType = UNSET
    receipt: Account | UnsetType = UNSET
    source_kind: SourceKind | UnsetType = UNSET
    source_id: Code | UnsetType = UNSET


class SourceFigure(Explaining, frozen=True, kw_only=True):
    """A figure of a source's usage."""

    source: Code
    figure: Figure = "received_fen"


class TotalsFigure(TotalsSlice, frozen=True, kw_only=True):
    """A figure of the totals, within filters."""

    figure: Figure = "verified_minutes"
    cursor: Cursor | None = None
    limit: Limit = 100


class PeopleFigure(PeopleSlice, frozen=True, kw_only=True):
    """A figure of participation, within filters; `active`: the minutes that make active."""

    figure: Figure = "active"
    cursor: Cursor | None = None
    limit: Limit = 100


class AccountFigure(Explaining, frozen=True, kw_only=True):
    """An account of the posting table, or all that begin with these words."""

    account: Account


def _page(
    look: Look, query: Explaining | TotalsFigure | PeopleFigure, figure: str, legs: Iterable[Leg]
) -> Shown:
    """A page of legs. What comes to the log meanwhile does not shift the later pages."""
    until, told = unpack(query.cursor, Place) if query.cursor else Place(look.position, 0)
    if not (0 <= until <= look.position and told >= 0):
        raise InvalidCommand("cursor", reason="not a cursor of this list")
    within = (leg for leg in legs if leg.position <= until)
    found = list(islice(within, told, told + query.limit + 1))
    page = found[: query.limit]
    more = Place(until, told + query.limit) if len(found) > query.limit else None
    return Shown(Explained(position=until, figure=figure, legs=page), "", more)


def show_member(look: Look, query: MemberFigure) -> Shown:
    """The legs of a member's figure."""
    check_member(look.snapshot, look.caller, query.member)
    look.saw(f"member/{query.member}")
    legs = explain.explain_member(look.store, look.snapshot, query.member, query.figure)
    return _page(look, query, query.figure, legs)


def show_policy(look: Look, query: PolicyFigure) -> Shown:
    """The legs of a policy's credit; they name members wherever these are."""
    require_whole(look.caller)
    check_policy(look.snapshot, look.caller, query.policy)
    look.saw(f"policy/{query.policy}")
    legs = explain.explain_policy(look.store, look.snapshot, query.policy)
    return _page(look, query, "credit_redeemed", legs)


def show_fund(look: Look, query: FundFigure) -> Shown:
    """The legs of a fund's figure."""
    check_fund(look.snapshot, look.caller, query.fund)
    look.saw(f"fund/{query.fund}")
    filters = filters_of(query)
    filters.pop("fund")
    return _page(look, query, query.figure, _of_fund(look, query.fund, query.figure, filters))


def _of_fund(look: Look, fund: str, figure: str, filters: Mapping[str, str]) -> Iterable[Leg]:
    return explain.explain_fund(look.store, look.snapshot, fund, figure, filters)


def show_source(look: Look, query: SourceFigure) -> Shown:
    """The legs of a source's figure, fund by fund."""
    check_source(look.caller, query.source)
    funds = fund_usage.source_usage(look.snapshot, query.source).funds
    for fund in funds:
        look.saw(f"fund/{fund.fund}")
    own = {_ONE_SOURCE: query.source}
    parts = [_of_fund(look, fund.fund, query.figure, own) for fund in funds]
    return _page(look, query, query.figure, (leg for part in parts for leg in part))


def show_totals(look: Look, query: TotalsFigure) -> Shown:
    """The legs of a figure of the totals."""
    filters = filters_of(query)
    check_slice(look.snapshot, look.caller, filters)
    look.saw("totals")
    legs = explain.explain_totals(look.store, look.snapshot, query.figure, filters)
    return _page(look, query, query.figure, legs)


def show_participation(look: Look, query: PeopleFigure) -> Shown:
    """The legs of a figure of participation."""
    filters = filters_of(query)
    check_slice(look.snapshot, look.caller, filters)
    look.saw("participation")
    legs = explain.explain_participation(look.store, look.snapshot, query.figure, filters)
    return _page(look, query, query.figure, legs)


def show_account(look: Look, query: AccountFigure) -> Shown:
    """The legs of an account; the whole log is looked through."""
    require_whole(look.caller)
    look.saw(f"account/{query.account}")
    legs = explain.explain_account(look.store, look.snapshot, query.account)
    return _page(look, query, query.account, legs)


VIEWS = (
    View("/v1/explain/members/{member}", "members", show_member, MemberFigure, Explained),
    View("/v1/explain/policies/{policy}", "policies", show_policy, PolicyFigure, Explained),
    View("/v1/explain/funds/{fund}", "funds", show_fund, FundFigure, Explained),
    View("/v1/explain/sources/{source}", "sources", show_source, SourceFigure, Explained),
    View("/v1/explain/totals", "figures", show_totals, TotalsFigure, Explained),
    View("/v1/explain/participation", "figures", show_participation, PeopleFigure, Explained),
    View("/v1/explain/accounts", "figures", show_account, AccountFigure, Explained),
)
