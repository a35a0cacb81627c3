"""Participation: who is registered, who was active, who is certified, who belongs where.

Distinct people are never a sum of moves. An active member is one with a positive
sum of verified service minutes in the slice asked for, so those minutes are kept by
month, cell and member; a cell is one combination of what one may slice by.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, Final, get_args

from msgspec import Struct

from ledger.domain.values import MemberKind
from projections.catalogue import read_rulebook
from projections.filters import (
    NO_FILTERS,
    Group,
    check_filters,
    groups,
    month_text,
    named,
    where,
)
from projections.folding import Handler
from projections.moves import ABSENT, FLOWS, MOVES, ROUTES, WORLD, month_of
from projections.people import PEOPLE, PRESENCE, counted, presence_of, slices_of
from projections.postings import POSTINGS
from projections.session import Snapshot
from projections.tables import Deltas, Record, Table, integers, text

#: Members in each account of heads; `region` is where the fact was recorded.
HEADS: Final = Table("heads", (*text("account", "region"), *integers("heads")))
#: What one may slice active members by; ids are given in log order. `region`: the member's.
CELLS: Final = Table(
    "cells",
    (
        *integers("id", merge="key"),
        *text(
            "region", "member_kinds", "service_region",
            "organisation", "project", "category", "evidence",
            merge="first",
        ),
    ),
)  # fmt: skip
#: Verified service minutes of each member by month of service and cell.
ACTIVE: Final = Table(
    "active",
    (*integers("month", "cell", merge="key"), *text("member"), *integers("minutes")),
)
TABLES: Final = (HEADS, CELLS, ACTIVE, PEOPLE, PRESENCE)

GROUPINGS: Final = (
    "region", "member_kind", "service_region",
    "organisation", "project", "category", "evidence", "month",
)  # fmt: skip
FILTERS: Final = (*GROUPINGS, "from_month", "to_month")
#: What is true of a member whether active or not.
OF_MEMBERS: Final = ("region", "member_kind")
#: Verifying, correcting and voiding change who is active.
_VERIFYING: Final = ("HoursVerified", "HoursCorrected", "HoursVoided")
_CELL_OF: Final = attrgetter(
    "member_region", "member_kinds", "region", "organisation", "project", "category", "evidence"
)
#: For each route: how it changes verified service minutes.
_VERIFIED: Final = tuple(
    ((route.target == "verified") - (route.source == "verified")) * (route.commodity == "MIN")
    for route in ROUTES
)
PER: Final = 10_000

Cell = tuple[str, tuple[str, ...], str, str, str, str, str]
#: An account of heads, taken apart behind its class, and how many are in it.
Account = tuple[list[str], int]


class Participation(Struct, frozen=True, kw_only=True):
    """Members of each group: registered now, active in the months asked for.

    Rows have the group's keys, `registered`, `active`, `verified_minutes`,
    `active_per_10000_registered`, `inhabitants`, `active_per_10000_inhabitants` (rounded down;
    None where there is nothing to divide by). A member of several kinds counts in each.
    """

    position: int
    as_of: date | None = None
    group_by: tuple[str, ...]
    filters: dict[str, str]
    rows: list[dict[str, Any]]


class Certified(Struct, frozen=True, kw_only=True):
    """Members who hold a credential at a level and tier; no tier is None."""

    credential: str
    level: str
    tier: str | None
    members: int


class Belonging(Struct, frozen=True, kw_only=True):
    """Members of an organisation by residency."""

    organisation: str
    residency: str
    members: int


class ParticipationFold:
    """Heads that moved and minutes that were verified since the last drain."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._cells: dict[Cell, int] = {}
        #: For each cell, the slices it belongs to.
        self._slices: dict[int, list[str]] = {}
        for row in snapshot.rows(f"SELECT {_CELL_COLUMNS} FROM {{g}}cells"):
            cell_id, region, kinds, *rest = row
            self._cells[region, tuple(kinds.split("+")), *rest] = cell_id
            self._slice(row)
        self._fresh: list[Record] = []
        self._heads: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._active: defaultdict[tuple[int, int, str], int] = defaultdict(int)

    def handlers(self) -> Mapping[str, Handler]:
        """Whatever moves heads or verified minutes."""
        heads = {row.topic: self._move for row in POSTINGS if row.commodity == "HED"}
        return heads | dict.fromkeys(_VERIFYING, self._verify)

    def _move(self, _: int, member: str, event: Any) -> None:
        for move in MOVES[type(event).__name__](event, member):
            self._heads[move.source, _region(move.source, event)] -= move.quantity
            self._heads[move.target, _region(move.target, event)] += move.quantity

    def _verify(self, _: int, member: str, event: Any) -> None:
        for route, month, quantity in FLOWS[type(event).__name__](event):
            sign = _VERIFIED[route]
            if sign:
                keys = _CELL_OF(event)
                cell = self._cells.get(keys) or self._new_cell(keys)
                self._active[month, cell, member] += sign * quantity

    def _new_cell(self, keys: Cell) -> int:
        """The next id; whoever folds the same log gives the same ids."""
        cell = self._cells[keys] = len(self._cells) + 1
        region, kinds, *rest = keys
        self._fresh.append((cell, region, "+".join(kinds), *rest))
        self._slice(self._fresh[-1])
        return cell

    def _slice(self, row: Sequence[Any]) -> None:
        self._slices[row[0]] = slices_of(dict(zip(CELLS.names(), row, strict=True)))

    def drain(self) -> Deltas:
        """The deltas gathered so far; gathering begins anew."""
        heads: list[Record] = [(*key, heads) for key, heads in self._heads.items()]
        active: list[Record] = [(*key, minutes) for key, minutes in self._active.items()]
        presence = presence_of(self._active.items(), self._slices)
        present: list[Record] = [
            (slice_, member, of_members[member])
            for slice_, of_members in sorted(presence.items())
            for member in sorted(of_members)
        ]
        deltas: Deltas = [
            (HEADS, heads),
            (CELLS, self._fresh),
            (ACTIVE, active),
            (PRESENCE, present),
        ]
        self._fresh = []
        self._heads.clear()
        self._active.clear()
        return deltas


def keys_of(event: Any) -> dict[str, Any]:
    """What an event with verified hours is sliced by, under the names of GROUPINGS."""
    keys = dict(zip(CELLS.names("first"), _CELL_OF(event), strict=True))
    return keys | {"month": month_text(month_of(event.service_on))}


_CELL_COLUMNS: Final = ", ".join(CELLS.names())


def _region(account: str, event: Any) -> str:
    """The region a head is counted in: a member's own, else where the event was recorded."""
    kind, _, rest = account.partition("/")
    if kind == "registered":
        return rest.partition("/")[0]
    return "" if kind == WORLD else str(event.region)


def participation(
    snapshot: Snapshot, group_by: Sequence[str] = (), filters: Mapping[str, str] = NO_FILTERS
) -> Participation:
    """Registered and active members by any of GROUPINGS; `region` is the members' own.

    Registered members are those of the group's region and kind, whatever else is asked for.
    Raises InvalidCommand for an unknown grouping or filter, NotFound for an unknown thing.
    """
    by = groups(group_by, GROUPINGS)
    place = [group for group in by if group.name in OF_MEMBERS]
    active = _active(snapshot, by, filters)
    registered = _registered(snapshot, place, filters)
    keys = set(active) | (set(registered) if place == by else set()) | (set() if by else {()})
    profiles = read_rulebook(snapshot).profiles if snapshot.position else {}
    within = filters.get("region", "")
    rows = []
    for key in sorted(keys):
        group = named(by, key)
        count, minutes = active.get(key, (0, 0))
        members = registered.get(tuple([group[each.name] for each in place]) if place else (), 0)
        profile = profiles.get(group.get("region", within))
        inhabitants = profile.population if profile else None
        row = {
            **group,
            "registered": members,
            "active": count,
            "verified_minutes": minutes,
            "active_per_10000_registered": count * PER // members if members > 0 else None,
            "inhabitants": inhabitants,
            "active_per_10000_inhabitants": count * PER // inhabitants if inhabitants else None,
        }
        rows.append(row)
    return Participation(
        position=snapshot.position,
        as_of=snapshot.as_of,
        group_by=tuple(group_by),
        filters=dict(filters),
        rows=rows,
    )


def _active(
    snapshot: Snapshot, by: Sequence[Group], filters: Mapping[str, str]
) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Distinct active members and their verified minutes by group."""
    check_filters(snapshot, filters, FILTERS)
    found = counted(snapshot, by, filters) if snapshot.keeps_sums else None
    if found is not None:
        return found
    if not any(group.name == "member_kind" for group in by):
        return _distinct(snapshot, by, filters)
    found = {}
    for kind in _kinds(filters):
        of_kind = [Group(g.name, f"'{kind}'") if g.name == "member_kind" else g for g in by]
        found |= _distinct(snapshot, of_kind, {**filters, "member_kind": kind})
    return found


def _distinct(
    snapshot: Snapshot, by: Sequence[Group], filters: Mapping[str, str]
) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Members with a positive sum of verified minutes, each once in a group."""
    condition = where(snapshot, filters, FILTERS)
    keys = "".join(f"k{n}, " for n in range(len(by)))
    chosen = "".join(f"{group.sql} AS k{n}, " for n, group in enumerate(by))
    rows = snapshot.rows(
        f"SELECT {keys}COUNT(*), CAST(SUM(verified) AS BIGINT) FROM ("
        f"SELECT {chosen}member, SUM(minutes) AS verified"
        " FROM {g}active JOIN {g}cells ON id = cell"
        f" WHERE {condition.sql} GROUP BY {keys}member HAVING SUM(minutes) > 0"
        ") AS positive" + (f" GROUP BY {keys[:-2]}" if by else ""),
        *condition.params,
    )
    return {tuple(key): (active, minutes or 0) for *key, active, minutes in rows}


def minutes_by_member(snapshot: Snapshot, filters: Mapping[str, str]) -> dict[str, int]:
    """Verified minutes of each member within filters; above zero of those who are active."""
    condition = where(snapshot, filters, FILTERS)
    rows = snapshot.rows(
        "SELECT member, CAST(SUM(minutes) AS BIGINT) FROM {g}active JOIN {g}cells ON id = cell"
        f" WHERE {condition.sql} GROUP BY member",
        *condition.params,
    )
    return dict(rows)


def _kinds(filters: Mapping[str, str]) -> list[str]:
    """The member kinds asked for, all of them unless one is."""
    return [kind for kind in get_args(MemberKind) if filters.get("member_kind", kind) == kind]


def _registered(
    snapshot: Snapshot, place: Sequence[Group], filters: Mapping[str, str]
) -> dict[tuple[Any, ...], int]:
    """Registered members by region and kind, as far as these are grouped by."""
    sums: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    by_kind = any(group.name == "member_kind" for group in place)
    within, wanted = filters.get("region", ""), _kinds(filters)
    for region, own, heads in snapshot.settled(_REGISTERED, _kinds_apart):
        if region.startswith(within):
            kinds = own.intersection(wanted)
            # Of several kinds, but counted once where nobody asks for kinds.
            for kind in kinds if by_kind else [""] if kinds else []:
                sums[_place_of(place, region, kind) if place else ()] += heads
    return sums


def _place_of(place: Sequence[Group], region: str, kind: str) -> tuple[str, ...]:
    """The key of a group of members."""
    return tuple(
        [kind if group.name == "member_kind" else region[: group.digits or None] for group in place]
    )


def _accounts(snapshot: Snapshot, kind: str, region: str = "") -> list[Account]:
    """The accounts of heads of a class, and the members in each."""
    rows = snapshot.rows(
        "SELECT account, CAST(SUM(heads) AS BIGINT) FROM {g}heads"
        " WHERE account >= ? AND account < ? AND region >= ? AND region < ?"
        " GROUP BY account HAVING SUM(heads) <> 0 ORDER BY account",
        f"{kind}/", f"{kind}0", region, f"{region}:",
    )  # fmt: skip
    return _split(rows)


def _split(rows: list[Any]) -> list[Account]:
    """Accounts taken apart, without their class."""
    return [(account.split("/")[1:], heads) for account, heads in rows]


def _kinds_apart(rows: list[Any]) -> list[tuple[str, frozenset[str], int]]:
    """Registered members by region and kinds."""
    return [(region, frozenset(kinds.split("+")), n) for (region, kinds), n in _split(rows)]


#: All registered members, who are told beside whatever is asked for.
_REGISTERED: Final = (
    "SELECT account, CAST(SUM(heads) AS BIGINT) FROM {g}heads"
    " WHERE account >= 'registered/' AND account < 'registered0'"
    " GROUP BY account HAVING SUM(heads) <> 0"
)


def certified(snapshot: Snapshot, filters: Mapping[str, str] = NO_FILTERS) -> list[Certified]:
    """Members by credential, level and tier; `region` filters by where they were certified.

    Raises InvalidCommand for another filter.
    """
    where(snapshot, filters, ("region",))
    return [
        Certified(credential=name, level=level, tier=None if tier == ABSENT else tier, members=n)
        for (name, level, tier), n in _accounts(snapshot, "certified", filters.get("region", ""))
    ]


def belonging(snapshot: Snapshot, filters: Mapping[str, str] = NO_FILTERS) -> list[Belonging]:
    """Members of organisations by residency; filtered by `organisation`.

    Raises InvalidCommand for another filter, OrganisationNotFound.
    """
    where(snapshot, filters, ("organisation",))
    return [
        Belonging(organisation=organisation, residency=residency, members=n)
        for (organisation, residency), n in _accounts(snapshot, "belongs")
        if filters.get("organisation", organisation) == organisation
    ]
