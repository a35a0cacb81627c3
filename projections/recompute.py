"""Every table of the read models as one query over typed columns of events.

A row here is the row the folds lead to, by the same table of moves; the tests hold them
against each other. Where only a day's moves count, a thing is what the last event until then
says of it, or else the first that is known.
"""

from collections.abc import Callable
from datetime import date
from typing import Final

from ledger.domain.events import TOPICS
from projections.balances import MEMBERS, POLICIES, SUMS
from projections.catalogue import CATALOGUE, LISTED, RULES, RULING
from projections.columnar import (
    ID,
    cases,
    flows,
    legs,
    moves,
    of_commodities,
    sides,
    text,
    until,
    words,
)
from projections.columnar import month as month_of
from projections.derived import DERIVED
from projections.fund_usage import USAGE
from projections.moves import WORLD
from projections.participation import ACTIVE, CELLS, HEADS
from projections.postings import Posting
from projections.totals import DIMENSIONS, TOTALS
from projections.trail import BLOCK, TRAIL

#: Verified minutes with all that they are sliced by, of which two tables are made.
VERIFIED: Final = "verified"
#: The cells that have their ids already: of sealed segments, where sums of these are used.
KNOWN_CELLS: Final = "known_cells"
#: The query for a table's rows, given the last day that counts (None: any day). It says `{e}`
#: before the view of the events it reads, and `{g}` before other tables.
QueryOf = Callable[[date | None], str]

_TARGET_PROJECT: Final = (
    "CASE WHEN starts_with(target, 'project/') THEN substr(target, 9) ELSE '' END"
)
_OWN_PROJECT: Final = "topic IN ('ProjectOpened', 'ProjectClosed')"
_OWN_ORGANISATION: Final = "topic = 'OrganisationRegistered'"
_GRANTS: Final = ("IncentiveGranted", "IncentiveRevoked")
_PLACING: Final = ("MemberRegistered", "MemberMoved", "MemberKindsChanged")
_OF_CELLS: Final = {
    "region": "member_region", "member_kinds": "member_kinds", "service_region": "region",
    "organisation": "organisation", "project": "project",
    "category": "category", "evidence": "evidence",
}  # fmt: skip


def _latest(value: str, as_of: date | None) -> str:
    """What the last event until a day says, or else the first."""
    last = f"arg_max({value}, position) FILTER ({until('effective_on', as_of)})"
    return f"coalesce({last}, arg_min({value}, position))"


def _members(as_of: date | None) -> str:
    rows = [row for row in of_commodities("M", "CRD", "HED") if _is_of_members(row)]
    sums = ", ".join(
        f"coalesce(sum({'-' if sign < 0 else ''}quantity)"
        f" FILTER (commodity = '{commodity}' AND state = '{state}'), 0)::BIGINT AS {name}"
        for name, (commodity, state, sign) in SUMS.items()
    )
    place = _latest(
        "{'region': coalesce(region_after, region), 'kinds': coalesce(kinds_after, kinds)}", as_of
    )
    return (
        f"WITH moved AS ({flows({'stream': 'originator_id'}, rows, as_of)}),"
        f" sums AS (SELECT stream, {sums} FROM {sides('stream, commodity')} GROUP BY stream),"
        f" places AS (SELECT originator_id AS stream, {place} AS place FROM {{e}}events"
        f" WHERE topic IN ({words(_PLACING)}) GROUP BY originator_id)"
        f" SELECT {ID.format('stream')} AS member, place.region AS region, place.kinds AS kinds,"
        f" sums.* EXCLUDE (stream) FROM sums LEFT JOIN places USING (stream)"
    )


def _is_of_members(row: Posting) -> bool:
    """Whether a row's event changes a member's sums; those of organisations are heads only."""
    return row.topic not in ("MemberJoined", "MemberLeft")


def _policies(as_of: date | None) -> str:
    rows = [row for row in of_commodities("CRD") if row.topic in _GRANTS]
    granted, revoked = (f"count(*) FILTER (topic = {text(topic)})::BIGINT" for topic in _GRANTS)
    return (
        f"WITH moved AS ({flows({'policy': 'policy'}, rows, as_of)}),"
        f" redeemed AS (SELECT policy, coalesce(sum(quantity), 0)::BIGINT AS credit_redeemed"
        f" FROM {sides('policy')} WHERE state = 'redeemed' GROUP BY policy)"
        f" SELECT policy, {granted} AS granted, {revoked} AS revoked,"
        f" any_value(credit_redeemed) AS credit_redeemed"
        f" FROM {{e}}events JOIN redeemed USING (policy)"
        f" WHERE topic IN ({words(_GRANTS)}) AND {until('effective_on', as_of)} GROUP BY policy"
    )


def _catalogue(as_of: date | None) -> str:
    kind = cases(
        "topic", ((t, f'"{field}"' if field else "''") for t, (_, field) in LISTED.items())
    )
    told = _latest(
        f"{{'name': name, 'kind': {kind}, 'organisation': coalesce(organisation, ''),"
        " 'region': region}",
        as_of,
    )
    listed = cases("topic", ((topic, text(sort)) for topic, (sort, _) in LISTED.items()))
    return (
        f"SELECT type, owner AS id, told.name, told.kind, told.organisation, told.region"
        f" FROM (SELECT {listed} AS type, owner, {told} AS told FROM {{e}}events"
        f" WHERE topic IN ({words(LISTED)}) GROUP BY ALL)"
    )


def _rules(as_of: date | None) -> str:
    return (
        f"SELECT position, originator_id AS stream, topic, encode(state) AS state FROM {{e}}events"
        " JOIN rules USING (position)"
        f" WHERE topic IN ({words(RULING)})"
        f" AND (topic = 'LedgerOpened' OR {until('effective_on', as_of)})"
    )


def _totals(as_of: date | None) -> str:
    """Hours and credit, activities, and money are summed up apart: each has few measures."""
    keys = {name: name for name in (*DIMENSIONS, "target")}
    flowed = (
        flows(keys, of_commodities(*commodities), as_of, monthly=True)
        for commodities in (("M", "CRD"), ("PPL", "ACT"), ("FEN",))
    )
    given = {name: name for name in DIMENSIONS} | {"project": f"project, {_TARGET_PROJECT}"}
    dimensions = ", ".join(f"coalesce({sql}, '') AS {name}" for name, sql in given.items())
    return (
        f"WITH flowed AS ({' UNION ALL '.join(flowed)}),"
        f" moved AS (SELECT commodity, month, {dimensions},"
        " out_of, into_, quantity FROM flowed WHERE quantity <> 0)"
        f" SELECT commodity, state, month::BIGINT AS month, {', '.join(DIMENSIONS)},"
        f" sum(quantity)::BIGINT AS quantity"
        f" FROM {sides(', '.join(('commodity', 'month', *DIMENSIONS)))} GROUP BY ALL"
    )


def _heads(as_of: date | None) -> str:
    region = (
        f"CASE WHEN state = {text(WORLD)} THEN '' WHEN starts_with(state, 'registered/')"
        " THEN split_part(state, '/', 2) ELSE region END"
    )
    return (
        f"WITH moved AS ({moves('HED', 'region', as_of)})"
        f" SELECT state AS account, {region} AS region, sum(quantity)::BIGINT AS heads"
        f" FROM {sides('region')} GROUP BY ALL"
    )


def _verified(as_of: date | None) -> str:
    """Verified minutes by month, what cells are made of, and member; `first`: the position."""
    rows = [row for row in of_commodities("M") if "verified/" in row.source + row.target]
    cell = ", ".join(f'{sql} AS "cell_{name}"' for name, sql in _OF_CELLS.items())
    quantity = cases("leg.quantity", ((row.quantity, f'"{row.quantity}"') for row in rows))
    return (
        f"SELECT {month_of('service_on')} AS month, {cell}, originator_id AS stream,"
        f" sum(CASE leg.into_ WHEN 'verified' THEN {quantity} ELSE -{quantity} END)"
        f"::BIGINT AS minutes, min(position) AS first FROM {{e}}events AS e JOIN {legs(rows)}"
        f" ON e.topic = leg.topic AND e.kind = leg.kind AND leg.commodity = 'MIN'"
        f" WHERE {quantity} <> 0 AND {until('service_on', as_of)} GROUP BY ALL"
    )


def _cells(_: date | None) -> str:
    """Those that KNOWN_CELLS have not, numbered behind them."""
    names = ", ".join(f'"cell_{name}" AS "{name}"' for name in _OF_CELLS)
    same = " AND ".join(f'known."{name}" = found."{name}"' for name in _OF_CELLS)
    return (
        f"SELECT (SELECT coalesce(max(id), 0) FROM {KNOWN_CELLS})"
        f" + row_number() OVER (ORDER BY first) AS id, * EXCLUDE (first) FROM"
        f" (SELECT {names}, min(first) AS first FROM {{g}}verified GROUP BY ALL) AS found"
        f" WHERE NOT EXISTS (SELECT 1 FROM {KNOWN_CELLS} AS known WHERE {same})"
    )


def _active(_: date | None) -> str:
    same = " AND ".join(f'cells."{name}" = "cell_{name}"' for name in _OF_CELLS)
    return (
        f"SELECT month::BIGINT AS month, cells.id AS cell, {ID.format('stream')} AS member, minutes"
        f" FROM {{g}}verified AS verified JOIN {{g}}cells AS cells ON {same}"
    )


def _usage(as_of: date | None) -> str:
    columns = (
        "owner AS fund, category, lot.receipt AS receipt,"
        " lot.source_kind AS source_kind, lot.source_id AS source_id"
    )
    spent = "CASE WHEN starts_with(state, 'spent/') THEN category ELSE '' END"
    kept = "fund, category, receipt, source_kind, source_id"
    return (
        f"WITH moved AS ({moves('FEN', columns, as_of)})"
        f" SELECT fund, state AS account, {spent} AS category, receipt, source_kind, source_id,"
        f" sum(quantity)::BIGINT AS fen FROM {sides(kept)} GROUP BY ALL"
    )


def _spoken(entity: str, name: str, condition: str) -> str:
    """Positions of events that spoke of something: its name is an expression over the event."""
    return (
        f"SELECT '{entity}/' AS entity, {name} AS id, position FROM {{e}}events"
        f" WHERE {condition} AND {name} <> ''"
    )


def _listed(spoken: str) -> str:
    """The positions within blocks, in order, for each thing that was spoken of."""
    return (
        f"SELECT entity || id AS entity, block, offsets FROM"
        f" (SELECT entity, id, position // {BLOCK} AS block,"
        f" list_sort(list((position % {BLOCK})::USMALLINT)) AS offsets"
        f" FROM ({spoken}) GROUP BY entity, id, block)"
    )


def _trail(_: date | None) -> str:
    """Every event is listed, whatever day it counts on; two bytes of it in hexadecimal.

    Few events have a target or are of the stream of what they speak of, so those go by topic.
    """
    with_target = words(t for t, cls in TOPICS.items() if "target" in cls.__struct_fields__)
    spoken = (
        _spoken("project", "project", "true")
        + f" UNION ALL {_spoken('project', _TARGET_PROJECT, f'topic IN ({with_target})')}"
        + f" UNION ALL {_spoken('project', 'owner', _OWN_PROJECT)}",
        _spoken("organisation", "organisation", "true")
        + f" UNION ALL {_spoken('organisation', 'team', 'team <> organisation')}"
        + f" UNION ALL {_spoken('organisation', 'owner', _OWN_ORGANISATION)}",
        _spoken("actor", "actor", "true"),
    )
    return (
        f"WITH listed AS ({' UNION ALL '.join(map(_listed, spoken))}),"
        f" digits AS (SELECT list(printf('%04x', o) ORDER BY o) AS hex FROM range({BLOCK}) AS r(o))"
        " SELECT entity, block,"
        " unhex(array_to_string(list_transform(offsets, lambda o: hex[1 + o]), '')) AS offsets"
        " FROM listed, digits"
    )


def _of_tables(sql: str) -> QueryOf:
    """What is made of other tables is so whatever day counts."""
    return lambda _: sql


#: Table → the query for its rows; those of cells go by what was verified.
QUERIES: Final[dict[str, QueryOf]] = {
    MEMBERS.name: _members,
    POLICIES.name: _policies,
    CATALOGUE.name: _catalogue,
    RULES.name: _rules,
    TOTALS.name: _totals,
    HEADS.name: _heads,
    CELLS.name: _cells,
    ACTIVE.name: _active,
    USAGE.name: _usage,
    TRAIL.name: _trail,
    VERIFIED: _verified,
    **{name: _of_tables(table.sql) for name, table in DERIVED.items()},
}
#: What must be there before a table can be made.
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    CELLS.name: (VERIFIED,),
    ACTIVE.name: (VERIFIED, CELLS.name),
    **{name: table.needs for name, table in DERIVED.items()},
}
