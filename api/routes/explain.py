"""Which events a figure is the sum of: the legs behind it, found again in the log."""

from datetime import date
from itertools import islice
from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from api.cursors import unpack
from api.queries import Cursor, Limit, PastQuery
from api.reading import Look, Shown, View
from api.routes.figures import PeopleSlice, TotalsSlice, filters_of
from ledger.domain.values import Code, Count, MemberId, RegionCode, SourceKind, Word
from projections import explain, fund_usage
from projections.basis import (
    Basis,
    active_of,
    of_account,
    of_fund,
    of_member,
    of_participation,
    of_policy,
    of_source,
    of_totals,
)
from projections.explain import Leg
from projections.inclusion import ProvedLine, proved_lines
from projections.scope import (
    check_fund,
    check_member,
    check_policy,
    check_slice,
    check_source,
    require_reader,
    require_whole,
    sees_heads,
    sees_members,
)
from projections.standing import Standing

#: Name of a figure as it stands in an answer.
Figure = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,64}$(?!\n)", examples=["verified_minutes"])]
Account = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._/+-]{1,300}$(?!\n)", examples=["certified/social_worker"]),
]


class Place(NamedTuple):
    """Where a page of legs begins."""

    #: The position legs are counted up to, and how many of them were told.
    until: int
    told: int


class Explained(Struct, frozen=True, kw_only=True):
    """A page of the legs of a figure. The changes of all of them sum up to it.

    Of a figure that is computed, `sums` are those it is computed of, and each leg names its own.
    """

    position: int
    as_of: date | None = None
    figure: str
    sums: tuple[str, ...]
    legs: list[Leg]
    #: For each event of the page whose line the caller may see, when asked for.
    proofs: list[ProvedLine] | None = None


class Explaining(PastQuery, frozen=True, kw_only=True):
    """Which page, and whether with proofs that its events are in the log."""

    cursor: Cursor | None = None
    limit: Limit = 100
    proofs: bool = False
    #: The tree the proofs are of: the log's first so many lines; all of them unless told.
    proof_size: Count | None = None


class MemberFigure(Explaining, frozen=True, kw_only=True):
    """A figure of a member's balance, or of an entry or grant of the statement."""

    member: MemberId
    figure: Figure = "verified_minutes"
    entry: Account | UnsetType = UNSET
    grant: Account | UnsetType = UNSET


class PolicyFigure(Explaining, frozen=True, kw_only=True):
    """A figure of a policy's balance."""

    policy: Code
    figure: Figure = "credit_redeemed"


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
    source_kind: SourceKind | None = None
    figure: Figure = "received_fen"


class TotalsFigure(TotalsSlice, frozen=True, kw_only=True):
    """A figure of the totals, within filters."""

    figure: Figure = "verified_minutes"
    cursor: Cursor | None = None
    limit: Limit = 100
    proofs: bool = False
    proof_size: Count | None = None


class PeopleFigure(PeopleSlice, frozen=True, kw_only=True):
    """A figure of participation, within filters; `active`: the minutes that make active."""

    figure: Figure = "active"
    cursor: Cursor | None = None
    limit: Limit = 100
    proofs: bool = False
    proof_size: Count | None = None


class AccountFigure(Explaining, frozen=True, kw_only=True):
    """An account of the posting table, or all that begin with these words."""

    account: Account
    #: Only what was recorded there.
    region: RegionCode | None = None


#: Whatever asks for legs.
_Asked = Explaining | TotalsFigure | PeopleFigure


def _place(look: Look, query: _Asked) -> Place:
    """Where the page begins. Raises InvalidCommand."""
    return unpack(query.cursor, Place) if query.cursor else Place(look.position, 0)


def _standing(look: Look, query: _Asked) -> Standing:
    """The moment of the first page: what came since may say what counts, such as for a fund.

    Raises InvalidCommand.
    """
    return look.paged(_place(look, query).until)


def _page(look: Look, query: _Asked, figure: str, basis: Basis) -> Shown:
    """A page of legs; all pages are of the same moment."""
    until, told = _place(look, query)
    found = list(islice(explain.legs(basis, figure), told, told + query.limit + 1))
    page = found[: query.limit]
    more = Place(until, told + query.limit) if len(found) > query.limit else None
    answer = Explained(
        position=until,
        as_of=query.as_of,
        figure=figure,
        sums=basis.sums_of(figure),
        legs=look.visibility.shown(look.store, page, explain.unnamed),
        proofs=_proofs(look, query, page) if query.proofs else None,
    )
    return Shown(answer, "", more)


def _proofs(look: Look, query: _Asked, page: list[Leg]) -> list[ProvedLine]:
    """A proof for each event of a page. Raises InvalidCommand, Forbidden.

    A proof shows the line, with all that it says: those of money to whoever sees the fund. There
    is none where that names what the caller may not see.
    """
    if not isinstance(query, FundFigure | SourceFigure):
        require_reader(look.caller, "log")
    positions = {leg.position for leg in page}
    shows = look.visibility.sees_line
    return proved_lines(look.store, positions, query.proof_size, "proof_size", shows=shows)


def show_member(look: Look, query: MemberFigure) -> Shown:
    """The legs of a member's figure."""
    check_member(look.live, look.caller, query.member)
    look.saw(f"member/{query.member}")
    basis = of_member(_standing(look, query), query.member, filters_of(query, "member"))
    if query.entry is not UNSET:
        # An entry that is named is seen or it is as if it were not: there is no sum to keep true.
        basis = basis.within(look.visibility.sees)
    return _page(look, query, query.figure, basis)


def show_policy(look: Look, query: PolicyFigure) -> Shown:
    """The legs of a policy's figure; they name members wherever these are."""
    require_whole(look.caller)
    check_policy(look.live, look.caller, query.policy)
    look.saw(f"policy/{query.policy}")
    return _page(look, query, query.figure, of_policy(_standing(look, query), query.policy))


def show_fund(look: Look, query: FundFigure) -> Shown:
    """The legs of a fund's figure."""
    check_fund(look.live, look.caller, query.fund)
    look.saw(f"fund/{query.fund}")
    sees_members(look.caller, query.figure)
    filters = filters_of(query, "fund")
    return _page(look, query, query.figure, of_fund(_standing(look, query), query.fund, filters))


def show_source(look: Look, query: SourceFigure) -> Shown:
    """The legs of a source's figure, over all funds."""
    check_source(look.caller, query.source)
    at = _standing(look, query)
    found = fund_usage.source_usage(at.source(query.source), query.source, query.source_kind)
    for fund in found.funds:
        look.saw(f"fund/{fund.fund}")
    funds = [fund.fund for fund in found.funds]
    basis = of_source(at, query.source, funds, query.source_kind)
    return _page(look, query, query.figure, basis)


def show_totals(look: Look, query: TotalsFigure) -> Shown:
    """The legs of a figure of the totals."""
    filters = filters_of(query)
    check_slice(look.live, look.caller, filters)
    look.saw("totals")
    return _page(look, query, query.figure, of_totals(_standing(look, query), filters))


def show_participation(look: Look, query: PeopleFigure) -> Shown:
    """The legs of a figure of participation."""
    filters = filters_of(query)
    check_slice(look.live, look.caller, filters)
    look.saw("participation")
    basis = of_participation(_standing(look, query), filters)
    if not sees_heads(look.caller):
        basis = active_of(basis)
    return _page(look, query, query.figure, basis)


def show_account(look: Look, query: AccountFigure) -> Shown:
    """The legs of an account; the whole log is looked through."""
    require_whole(look.caller)
    look.saw(f"account/{query.account}")
    basis = of_account(_standing(look, query), query.account, query.region or "")
    return _page(look, query, query.account, basis)


VIEWS = (
    View("/v1/explain/members/{member}", "members", show_member, MemberFigure, Explained),
    View("/v1/explain/policies/{policy}", "policies", show_policy, PolicyFigure, Explained),
    View("/v1/explain/funds/{fund}", "funds", show_fund, FundFigure, Explained),
    View("/v1/explain/sources/{source}", "sources", show_source, SourceFigure, Explained),
    View("/v1/explain/totals", "figures", show_totals, TotalsFigure, Explained),
    View("/v1/explain/participation", "figures", show_participation, PeopleFigure, Explained),
    View("/v1/explain/accounts", "figures", show_account, AccountFigure, Explained),
)
