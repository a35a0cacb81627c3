"""Sums over everything: totals and participation by any grouping, within any filters."""

from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from api.queries import PastQuery
from api.reading import Look, Shown, View
from ledger.domain.values import (
    ActivityKind,
    Code,
    EntryKind,
    Evidence,
    MemberKind,
    Month,
    RegionCode,
    Word,
)
from projections import participation as people
from projections.participation import Belonging, Certified, Participation, participation
from projections.scope import check_apart, check_listed, check_slice, require_whole
from projections.totals import Totals, totals

#: Groupings: names joined by commas, or given several times; a region by its digits (`region:6`).
GroupBy = Annotated[tuple[str, ...], Meta(examples=[["region:6", "month"]])]


class SliceQuery(PastQuery, frozen=True, kw_only=True):
    """What is summed up. Absent filters limit nothing."""

    region: RegionCode | UnsetType = UNSET
    project: Code | UnsetType = UNSET
    organisation: Code | UnsetType = UNSET
    category: Word | UnsetType = UNSET
    evidence: Evidence | UnsetType = UNSET
    month: Month | UnsetType = UNSET
    from_month: Month | UnsetType = UNSET
    to_month: Month | UnsetType = UNSET


class TotalsSlice(SliceQuery, frozen=True, kw_only=True):
    """A slice of what was done; `region` is the project's."""

    kind: EntryKind | ActivityKind | UnsetType = UNSET


class TotalsQuery(TotalsSlice, frozen=True, kw_only=True):
    """Minutes, credit, money, person-times and activities."""

    group_by: GroupBy = ()


class PeopleSlice(SliceQuery, frozen=True, kw_only=True):
    """A slice of the members; `region` is their own."""

    service_region: RegionCode | UnsetType = UNSET
    member_kind: MemberKind | UnsetType = UNSET


class PeopleQuery(PeopleSlice, frozen=True, kw_only=True):
    """Members registered and active."""

    group_by: GroupBy = ()


class CertifiedQuery(PastQuery, frozen=True, kw_only=True):
    """Members by what they are certified for, in the region where it was recorded."""

    region: RegionCode | UnsetType = UNSET


class BelongingQuery(PastQuery, frozen=True, kw_only=True):
    """Members of organisations by residency."""

    organisation: Code | UnsetType = UNSET


class CertifiedMembers(Struct, frozen=True, kw_only=True):
    """How many members hold what."""

    position: int
    as_of: date | None = None
    certified: list[Certified]


class BelongingMembers(Struct, frozen=True, kw_only=True):
    """How many members belong where."""

    position: int
    as_of: date | None = None
    belonging: list[Belonging]


NOT_FILTERS: Final = (
    "group_by", "min_position", "known_at", "as_of", "figure", "cursor", "limit", "proofs",
    "proof_size", "from_known_at", "from_as_of", "published_at",
)  # fmt: skip


def filters_of(query: Struct, *but: str) -> dict[str, str]:
    """The filters that were given, but for some fields that are none."""
    told: dict[str, Any] = structs.asdict(query)
    return {n: v for n, v in told.items() if n not in (*NOT_FILTERS, *but) and v is not UNSET}


def groups_of(query: TotalsQuery | PeopleQuery) -> list[str]:
    """The groupings that were asked for."""
    return [name for each in query.group_by for name in each.split(",")]


def _explained(what: str, filters: dict[str, str]) -> str:
    """Where figures within these filters are explained."""
    return f"/v1/explain/{what}" + (f"?{urlencode(filters)}" if filters else "")


def _of_account(look: Look, **asked: str) -> str:
    """Where an account is explained, which is for keys without scope; empty for others."""
    return _explained("accounts", asked) if look.caller.is_whole else ""


def show_totals(look: Look, query: TotalsQuery) -> Shown:
    """Sums by any of region, organisation, project, kind, category, evidence and month."""
    filters = filters_of(query)
    check_slice(look.live, look.caller, filters)
    found = totals(look.standing.slice(filters), groups_of(query), filters)
    return Shown(found, _explained("totals", filters))


def show_participation(look: Look, query: PeopleQuery) -> Shown:
    """How many members are registered, and how many were active; each counted once."""
    filters = filters_of(query)
    check_slice(look.live, look.caller, filters)
    check_apart(look.caller, groups_of(query), filters)
    found = participation(look.standing.whole(), groups_of(query), filters)
    return Shown(found, _explained("participation", filters))


def show_certified(look: Look, query: CertifiedQuery) -> Shown:
    """How many members hold each credential, by level and tier."""
    filters = filters_of(query)
    check_slice(look.live, look.caller, filters)
    answer = CertifiedMembers(
        position=look.position,
        as_of=query.as_of,
        certified=people.certified(look.standing.whole(), filters),
    )
    return Shown(answer, _of_account(look, account="certified", **filters))


def show_belonging(look: Look, query: BelongingQuery) -> Shown:
    """How many members belong to each organisation, newcomers and natives."""
    filters = filters_of(query)
    if "organisation" in filters:
        check_listed(
            look.live, look.caller, "organisation", filters["organisation"], "organisation"
        )
    else:
        require_whole(look.caller)
    answer = BelongingMembers(
        position=look.position,
        as_of=query.as_of,
        belonging=people.belonging(look.standing.whole(), filters),
    )
    account = "/".join(["belongs", *filters.values()])
    return Shown(answer, _of_account(look, account=account))


VIEWS = (
    View("/v1/totals", "figures", show_totals, TotalsQuery, Totals),
    View("/v1/participation", "figures", show_participation, PeopleQuery, Participation),
    View(
        "/v1/participation/certified", "figures", show_certified, CertifiedQuery, CertifiedMembers
    ),
    View(
        "/v1/participation/belonging", "figures", show_belonging, BelongingQuery, BelongingMembers
    ),
)
