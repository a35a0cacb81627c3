"""What a member has: balance, statement, and the members of a region."""

from datetime import date

from msgspec import Struct

from api.cursors import unpack
from api.queries import Cursor, Limit, PastQuery
from api.reading import TEMPLATE, Look, Shown, View
from ledger.domain.errors import Forbidden
from ledger.domain.values import MemberId, RegionCode
from projections.balances import MemberBalance, member_balance, member_balances
from projections.scope import check_member
from projections.statement import Statement, statement


class OfMember(PastQuery, frozen=True, kw_only=True):
    """One member's figures; stars as of a day, today unless one is named."""

    member: MemberId
    on: date | None = None


class OfStatement(PastQuery, frozen=True, kw_only=True):
    """One member's entries, a page at a time."""

    member: MemberId
    cursor: Cursor | None = None
    limit: Limit = 100


class OfRegion(PastQuery, frozen=True, kw_only=True):
    """The members of a region, a page at a time, by number."""

    region: RegionCode | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class Members(Struct, frozen=True, kw_only=True):
    """A page of members, by number."""

    position: int
    as_of: date | None = None
    members: list[MemberBalance]


def explain_url(member: str) -> str:
    """Where a member's figures are explained."""
    return f"/v1/explain/members/{member}"


def show_balance(look: Look, query: OfMember) -> Shown:
    """A member's minutes, credit and stars."""
    check_member(look.live, look.caller, query.member)
    look.saw(f"member/{query.member}")
    found = member_balance(look.standing.member(query.member), query.member, query.on)
    return Shown(found, explain_url(query.member))


def show_statement(look: Look, query: OfStatement) -> Shown:
    """A member's entries and grants, one by one; entries as far as the caller's scope goes."""
    check_member(look.live, look.caller, query.member)
    look.saw(f"member/{query.member}")
    after = unpack(query.cursor, int) if query.cursor else 0
    found = statement(
        look.books, look.standing, query.member, look.caller, after=after, limit=query.limit
    )
    return Shown(found, explain_url(query.member), found.after)


def show_members(look: Look, query: OfRegion) -> Shown:
    """The members of a region with their figures; who has regions names one of them."""
    region = query.region or (look.caller.regions[0] if len(look.caller.regions) == 1 else "")
    if not look.caller.sees_region(region):
        raise Forbidden("region", region=region or None)
    look.saw(f"members/{region}")
    after = unpack(query.cursor, str) if query.cursor else ""
    found = member_balances(
        look.standing.whole(), region=region, after=after, limit=query.limit + 1
    )
    page = found[: query.limit]
    more = page[-1].member if len(found) > query.limit else None
    answer = Members(position=look.position, as_of=query.as_of, members=page)
    return Shown(answer, explain_url("{member}"), more, TEMPLATE)


VIEWS = (
    View("/v1/members/{member}/balance", "members", show_balance, OfMember, MemberBalance),
    View("/v1/members/{member}/statement", "members", show_statement, OfStatement, Statement),
    View("/v1/members", "members", show_members, OfRegion, Members),
)
