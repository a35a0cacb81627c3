"""What changed between two moments, and the events that made it so."""

from datetime import date
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from api.cursors import unpack
from api.queries import Cursor, KnownAt, Limit, PastQuery
from api.reading import Look, Shown, View
from api.routes.figures import PeopleQuery, TotalsQuery, filters_of, groups_of
from ledger.domain.errors import InvalidCommand
from ledger.domain.values import Code, MemberId, SourceKind
from projections import subjects
from projections.differences import Difference, difference, unnamed
from projections.moments import check_published
from projections.scope import (
    check_apart,
    check_fund,
    check_member,
    check_policy,
    check_slice,
    check_source,
    is_reader,
    require_whole,
    sees_heads,
)
from projections.standing import Standing
from projections.subjects import Subject


class Comparing(PastQuery, frozen=True, kw_only=True):
    """From which moment; it has the later one's position or day where it names none."""

    from_known_at: KnownAt | None = None
    from_as_of: date | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class MemberDiff(Comparing, frozen=True, kw_only=True):
    """One member's figures."""

    member: MemberId


class PolicyDiff(Comparing, frozen=True, kw_only=True):
    """One policy's figures."""

    policy: Code


class FundDiff(Comparing, frozen=True, kw_only=True):
    """One fund's figures."""

    fund: Code


class SourceDiff(Comparing, frozen=True, kw_only=True):
    """One source's figures."""

    source: Code
    source_kind: SourceKind | None = None


class TotalsDiff(TotalsQuery, frozen=True, kw_only=True):
    """Totals by any grouping, within filters."""

    from_known_at: KnownAt | None = None
    from_as_of: date | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class PeopleDiff(PeopleQuery, frozen=True, kw_only=True):
    """Participation by any grouping, within filters."""

    from_known_at: KnownAt | None = None
    from_as_of: date | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class TotalsRestated(TotalsQuery, frozen=True, kw_only=True):
    """Totals of a period (`month`, or `from_month` and `to_month`), as published at a moment."""

    published_at: KnownAt
    cursor: Cursor | None = None
    limit: Limit = 100


class PeopleRestated(PeopleQuery, frozen=True, kw_only=True):
    """Participation in a period, as published at a moment."""

    published_at: KnownAt
    cursor: Cursor | None = None
    limit: Limit = 100


class _Place(NamedTuple):
    """Where a page of events begins: the later position, and how many of them were told."""

    position: int
    told: int


def _before(look: Look, query: Any, after: Standing) -> Standing:
    """The moment to compare with; where only a day is named, at the later one's position.

    Raises InvalidCommand, Behind.
    """
    if isinstance(query, TotalsRestated | PeopleRestated):
        before = look.at(query.published_at, query.as_of, "published_at")
        check_published(before.moment, after.moment)
        return before
    if query.from_known_at is None and query.from_as_of is None:
        raise InvalidCommand("from_known_at", reason="name a moment to compare with")
    day = query.from_as_of or query.as_of
    if query.from_known_at is None:
        return look.on(day, after)
    return look.at(query.from_known_at, day, "from_known_at")


def _page(look: Look, subject: Subject, query: Any) -> Shown:
    """A page of the events that make the difference; all pages are of the same moments."""
    place = unpack(query.cursor, _Place) if query.cursor else _Place(look.position, 0)
    after = look.paged(place.position)
    before = _before(look, query, after)
    found = difference(
        subject, before, after,
        skip=place.told, limit=query.limit, comparisons=look.comparisons,
    )  # fmt: skip
    told = place.told + len(found.events)
    events = look.visibility.shown(look.store, found.events, unnamed)
    more = _Place(place.position, told) if told < found.events_total else None
    return Shown(replace(found, events=events), "", more)


def show_member(look: Look, query: MemberDiff) -> Shown:
    """What changed of a member's figures, and by which events."""
    check_member(look.live, look.caller, query.member)
    look.saw(f"member/{query.member}")
    return _page(look, subjects.member(query.member), query)


def show_policy(look: Look, query: PolicyDiff) -> Shown:
    """What changed of a policy's figures; the events name members wherever these are."""
    require_whole(look.caller)
    check_policy(look.live, look.caller, query.policy)
    look.saw(f"policy/{query.policy}")
    return _page(look, subjects.policy(query.policy), query)


def show_fund(look: Look, query: FundDiff) -> Shown:
    """What changed of a fund's figures, and by which events; those of hours for auditors."""
    check_fund(look.live, look.caller, query.fund)
    look.saw(f"fund/{query.fund}")
    subject = subjects.fund(query.fund, money_only=not is_reader(look.caller, "figures"))
    return _page(look, subject, query)


def show_source(look: Look, query: SourceDiff) -> Shown:
    """What changed of the money of a source, and by which events."""
    check_source(look.caller, query.source)
    look.saw(f"source/{query.source}")
    subject = subjects.source(query.source, query.source_kind)
    return _page(look, subject, query)


def _sums(look: Look, query: TotalsQuery | PeopleQuery) -> Subject:
    """Totals or participation of a slice the caller may see."""
    filters, groups = filters_of(query), groups_of(query)
    check_slice(look.live, look.caller, filters)
    if isinstance(query, PeopleQuery):
        check_apart(look.caller, groups, filters)
        look.saw("participation")
        return subjects.people(groups, filters, active_only=not sees_heads(look.caller))
    look.saw("totals")
    return subjects.sums(groups, filters)


def show_totals(look: Look, query: TotalsDiff) -> Shown:
    """What changed of the totals, and by which events."""
    return _page(look, _sums(look, query), query)


def show_participation(look: Look, query: PeopleDiff) -> Shown:
    """What changed of participation, and by which events."""
    return _page(look, _sums(look, query), query)


def show_totals_restated(look: Look, query: TotalsRestated) -> Shown:
    """What was published of a period, what is known of it now, and each event between, summed."""
    return _restated(look, query)


def show_participation_restated(look: Look, query: PeopleRestated) -> Shown:
    """The same of members registered and active."""
    return _restated(look, query)


def _restated(look: Look, query: TotalsRestated | PeopleRestated) -> Shown:
    """A difference along what is known, of one period. Raises InvalidCommand without a period."""
    if query.month is UNSET and (query.from_month is UNSET or query.to_month is UNSET):
        raise InvalidCommand("month", reason="name a month, or from_month and to_month")
    return _page(look, _sums(look, query), query)


VIEWS = (
    View("/v1/diff/members/{member}", "members", show_member, MemberDiff, Difference),
    View("/v1/diff/policies/{policy}", "policies", show_policy, PolicyDiff, Difference),
    View("/v1/diff/funds/{fund}", "funds", show_fund, FundDiff, Difference),
    View("/v1/diff/sources/{source}", "sources", show_source, SourceDiff, Difference),
    View("/v1/diff/totals", "figures", show_totals, TotalsDiff, Difference),
    View("/v1/diff/participation", "figures", show_participation, PeopleDiff, Difference),
    View("/v1/restatements/totals", "figures", show_totals_restated, TotalsRestated, Difference),
    View(
        "/v1/restatements/participation",
        "figures",
        show_participation_restated,
        PeopleRestated,
        Difference,
    ),
)
