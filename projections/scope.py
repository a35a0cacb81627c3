"""What a caller may see of the read models: the roles that read, and what their scope shows.

Whatever lies outside a caller's scope is not found, just like what does not exist: the same
error, after the same queries. A scope of one sort limits what is of that sort (`Caller`).
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from ledger.domain.access import Caller
from ledger.domain.errors import (
    Forbidden,
    FundNotFound,
    MemberNotFound,
    PolicyNotFound,
    SourceNotFound,
)
from ledger.domain.values import Role, contains
from projections.balances import region_of
from projections.catalogue import NOT_FOUND, Listed, find_listed, list_all
from projections.session import Snapshot

#: What is read → who may, besides `admin`. Within their scope.
READERS: Final[Mapping[str, frozenset[Role]]] = {
    "members": frozenset({"recorder", "verifier", "granter", "auditor"}),
    "eligibility": frozenset({"granter", "auditor"}),
    "policies": frozenset({"granter", "auditor"}),
    "funds": frozenset({"treasurer", "funder", "auditor"}),
    "sources": frozenset({"funder", "auditor"}),
    "figures": frozenset({"auditor"}),
    "trail": frozenset({"auditor", "treasurer"}),
    "log": frozenset({"auditor"}),
    "keys": frozenset(),
}


def require_reader(caller: Caller, what: str) -> None:
    """Refuse who has no role that reads this. Raises Forbidden."""
    if not is_reader(caller, what):
        raise Forbidden("key", needs=", ".join(sorted(READERS[what])) or "admin")


def is_reader(caller: Caller, what: str) -> bool:
    """Whether one of the caller's roles reads this."""
    return "admin" in caller.roles or not READERS[what].isdisjoint(caller.roles)


def require_whole(caller: Caller) -> None:
    """What cannot be narrowed to a scope is for those who have none. Raises Forbidden."""
    if not caller.is_whole:
        raise Forbidden("key", needs="a key without scope")


def check_member(snapshot: Snapshot, caller: Caller, member: str, at: str = "member") -> None:
    """Whether a member is there and seen. Raises MemberNotFound."""
    if not caller.sees_region(region_of(snapshot, member, at)):
        raise MemberNotFound(at, member=member)


def check_policy(snapshot: Snapshot, caller: Caller, policy: str, at: str = "policy") -> None:
    """Whether a policy is there and on offer to members the caller sees. Raises PolicyNotFound."""
    region = find_listed(snapshot, "policy", policy, at).region
    if not caller.sees_region(region) and not any(contains(region, r) for r in caller.regions):
        raise PolicyNotFound(at, policy=policy)


def check_fund(snapshot: Snapshot, caller: Caller, fund: str, at: str = "fund") -> None:
    """Whether a fund is there and seen. Raises FundNotFound.

    Who is bound to sources sees the funds that have money of them; a funder is bound to some.
    """
    paid = _is_paid_by(snapshot, fund, caller.sources)
    seen = find_listed(snapshot, "fund", fund, at)
    if not (paid and _is_open_to(caller, seen) and caller.sees_fund(fund)):
        raise FundNotFound(at, fund=fund)


def _is_paid_by(snapshot: Snapshot, fund: str, sources: Collection[str]) -> bool:
    """Whether a fund has money of one of the sources, of any when none is named."""
    if not sources:
        return True
    marks = ", ".join("?" * len(sources))
    sql = f"SELECT 1 FROM {{g}}usage WHERE fund = ? AND source_id IN ({marks}) LIMIT 1"
    return bool(snapshot.rows(sql, fund, *sources))


def _is_open_to(caller: Caller, seen: Listed) -> bool:
    """Whether region and organisation are the caller's; a mere funder is bound to something."""
    is_bound = bool(caller.sources or caller.funds)
    return (
        (is_bound or bool(caller.roles - {"funder"}))
        and caller.sees_region(seen.region)
        and caller.sees_organisation(seen.organisation)
    )


def sees_members(caller: Caller, figure: str) -> None:
    """A funder's view aggregates minutes: it never lists the members behind. Raises Forbidden."""
    if figure in ("verified_minutes", "fen_per_verified_hour") and not is_reader(caller, "figures"):
        raise Forbidden("figure", needs="auditor")


def sees_heads(caller: Caller) -> bool:
    """Whether the caller may see who is registered: members belong to regions alone."""
    return not caller.organisations


def check_source(caller: Caller, source: str, at: str = "source") -> None:
    """A source of money spans funds and regions. Raises SourceNotFound, Forbidden.

    It is for who is bound to it, or to nothing; a funder is bound to its own.
    """
    if caller.regions or caller.organisations or caller.funds:
        raise Forbidden("key", needs="a key without scope but for sources")
    if not caller.sees_source(source) or (not caller.sources and caller.roles == {"funder"}):
        raise SourceNotFound(at, source=source)


def check_listed(snapshot: Snapshot, caller: Caller, listed: str, name: str, at: str) -> None:
    """Whether an organisation or project is there and seen. Raises its NotFound error."""
    seen = find_listed(snapshot, listed, name, at)
    owner = seen.id if listed == "organisation" else seen.organisation
    if not (caller.sees_region(seen.region) and caller.sees_organisation(owner)):
        raise NOT_FOUND[listed](at, **{listed: name})


def _check_listed_as(listed: str) -> Callable[[Snapshot, Caller, str, str], None]:
    return lambda snapshot, caller, name, at: check_listed(snapshot, caller, listed, name, at)


#: Type of a thing → what refuses one that is not there or not seen, at a field.
CHECKS: Final[Mapping[str, Callable[[Snapshot, Caller, str, str], None]]] = {
    "member": check_member,
    "fund": check_fund,
    "policy": check_policy,
    "project": _check_listed_as("project"),
    "organisation": _check_listed_as("organisation"),
}


def check_slice(snapshot: Snapshot, caller: Caller, filters: Mapping[str, str]) -> None:
    """Sums are for whoever sees all that is summed up. Raises Forbidden, NotFound.

    Who has regions asks for one of them, who has organisations for one of those. What else is
    named in the filters must be seen too, or it would be told apart from what does not exist.
    """
    if caller.funds or caller.sources:
        raise Forbidden("key", needs="a key without funds and sources")
    if not caller.sees_region(filters.get("region", "")):
        raise Forbidden("region", region=filters.get("region"))
    if caller.organisations and filters.get("organisation") not in caller.organisations:
        raise Forbidden("organisation", organisation=filters.get("organisation"))
    check_named(snapshot, caller, filters)


def check_named(snapshot: Snapshot, caller: Caller, filters: Mapping[str, str]) -> None:
    """Whether the project and the organisation that filters name are seen. Raises NotFound."""
    for named in ("project", "organisation"):
        if named in filters:
            check_listed(snapshot, caller, named, filters[named], named)


def check_apart(caller: Caller, group_by: Collection[str], filters: Mapping[str, str]) -> None:
    """People told apart by project or organisation name those where they served. Raises Forbidden.

    Members of a region serve elsewhere, too: who has regions asks for what was served in them.
    """
    named = {name for name in ("project", "organisation") if name in group_by} - {*filters}
    within = filters.get("service_region", "")
    if named and "project" not in filters and not caller.sees_region(within):
        raise Forbidden("service_region", service_region=within or None)


def list_seen(snapshot: Snapshot, caller: Caller, listed: str) -> list[Listed]:
    """The organisations or projects a caller sees, by id."""
    return [
        each
        for each in list_all(snapshot, listed)
        if caller.sees_region(each.region)
        and caller.sees_organisation(each.id if listed == "organisation" else each.organisation)
    ]
