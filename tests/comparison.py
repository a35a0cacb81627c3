"""Read models against the recount: every figure both know, and where they part.

`differences` returns what is not equal, as text; of sound read models there is nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from projections import balances, fund_usage, participation, totals, trail
from projections.session import Snapshot
from tests import figures
from tests.exported import Keys, read_line
from tests.figures import ALL, Slice, amount, cube, facts
from tests.recount import Fact, Recount

#: Figure of the totals → what the recount adds up: (commodity, state, sign).
FIGURES: Final[dict[str, list[tuple[str, str, int]]]] = {
    "logged_minutes": [("MIN", "logged", 1)],
    "pending_minutes": [("MIN", "pending", 1)],
    "verified_minutes": [("MIN", "verified", 1)],
    "refused_minutes": [("MIN", "refused", 1)],
    "reversed_minutes": [("MIN", "reversed", 1)],
    "training_logged_minutes": [("TRN", "logged", 1)],
    "training_pending_minutes": [("TRN", "pending", 1)],
    "training_verified_minutes": [("TRN", "verified", 1)],
    "training_refused_minutes": [("TRN", "refused", 1)],
    "training_reversed_minutes": [("TRN", "reversed", 1)],
    "credit_issued": [("CRD", "earned", 1)],
    "credit_redeemed": [("CRD", "redeemed", 1)],
    "fen_received": [("FEN", "received", 1)],
    "fen_unallocated": [("FEN", "unallocated", 1)],
    "fen_allocated": [("FEN", "allocated", 1)],
    "fen_spent": [("FEN", "spent", 1)],
    "fen_returned": [("FEN", "returned", 1)],
    "fen_in_transit": [("FEN", "transit", 1)],
    "fen_transferred": [("FEN", "transferred_out", 1), ("FEN", "transferred_in", -1)],
    "person_times_registered": [("PPL", "registered", 1)],
    "person_times_attended": [("PPL", "attended", 1)],
    "person_times_served": [("PPL", "served", 1)],
    "activities": [("ACT", "held", 1)],
}
GROUPINGS: Final[list[tuple[str, ...]]] = [
    (),
    ("month",),
    ("region", "organisation"),
    ("region:6", "kind", "evidence"),
    ("project", "category"),
    ("region", "organisation", "project", "kind", "category", "evidence", "month"),
]


PLACES: Final[list[tuple[str, ...]]] = [
    (),
    ("region",),
    ("region:6",),
    ("member_kind",),
    ("service_region", "month"),
    ("organisation", "project"),
    ("region", "member_kind"),
    ("category", "evidence"),
]


def differences(recount: Recount, snapshot: Snapshot, on: str) -> list[str]:
    """Everything that is not the same in the read models as recounted; `on`: day for stars."""
    found = [
        *_members(recount, snapshot, on),
        *_policies(recount, snapshot),
        *_totals(recount, snapshot),
        *_participation(recount, snapshot),
        *_heads(recount, snapshot),
        *_funds(recount, snapshot),
        *_sources(recount, snapshot),
        *_trails(recount, snapshot),
    ]
    if snapshot.position != recount.position:
        found.insert(0, f"read at {snapshot.position}, counted to {recount.position}")
    return found


def _unequal(what: str, ours: object, theirs: object) -> Iterator[str]:
    if ours != theirs:
        yield f"{what}: recounted {ours}, read {theirs}"


def _members(recount: Recount, snapshot: Snapshot, on: str) -> Iterator[str]:
    listed = balances.member_balances(snapshot, limit=10_000)
    yield from _unequal("members", figures.members(recount), [row.member for row in listed])
    for row in listed:
        own = figures.balance(recount, row.member)
        ours = (*own.values(), figures.stars(recount, row.region, own["verified"], on))
        theirs = (
            row.pending_minutes, row.verified_minutes, row.training_pending_minutes,
            row.training_verified_minutes, row.credit_earned, row.credit_spent,
            row.credit_available, row.stars,
        )  # fmt: skip
        yield from _unequal(row.member, ours, theirs)
        yield from _unequal(
            f"{row.member} alone", balances.member_balance(snapshot, row.member), row
        )
        heads = ALL.narrowed(member=row.member)
        registered = amount(recount, "HED", "registered", heads) == 1
        yield from _unequal(f"{row.member} registered", registered, row.registered)


def _policies(recount: Recount, snapshot: Snapshot) -> Iterator[str]:
    for policy in recount.policies:
        row = balances.policy_balance(snapshot, policy)
        own = figures.policy(recount, policy)
        given = list(facts(recount, "GRN", "granted", ALL.narrowed(policy=policy)))
        granted = sum(fact.quantity > 0 for fact in given)
        ours = (own["granted"], granted, len(given) - granted, own["redeemed"])
        theirs = (row.grants, row.granted, row.revoked, row.credit_redeemed)
        yield from _unequal(policy, ours, theirs)


def _project_of(keys: Keys) -> str:
    target = keys.get("target", "")
    return target.removeprefix("project/") if target.startswith("project/") else ""


def _group(fact: Fact, by: Sequence[str]) -> tuple[str, ...]:
    """The group of a fact; empty where its event does not say."""
    keys = fact.keys if "project" in fact.keys else fact.keys | {"project": _project_of(fact.keys)}
    return tuple(figures.value_of(fact._replace(keys=keys), key) or "" for key in by)


def _totals(recount: Recount, snapshot: Snapshot) -> Iterator[str]:
    for by in GROUPINGS:
        told = {n: parts for n, parts in FIGURES.items() if not (by and n in totals.WHOLE_ONLY)}
        ours: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for figure, parts in told.items():
            for commodity, state, sign in parts:
                for fact in facts(recount, commodity, state):
                    ours[_group(fact, by)][figure] += sign * fact.quantity
        names = [key.partition(":")[0] for key in by]
        theirs = {
            tuple(str(row[name]) for name in names): {name: row[name] for name in told}
            for row in totals.totals(snapshot, by).rows
        }
        yield from _unequal(f"totals by {by}", _filled(ours), _filled(theirs))


def _filled(rows: Any) -> dict[Any, Any]:
    """Rows in which something is not zero."""
    return {
        key: {name: n for name, n in row.items() if n}
        for key, row in rows.items()
        if any(row.values())
    }


def _places(fact: Fact, by: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The groups of a verified fact: a member of several kinds is in several."""
    keys = fact.keys | {"region": fact.keys["member_region"], "service_region": fact.keys["region"]}
    for kind in fact.keys["member_kinds"] if "member_kind" in by else [""]:
        yield _group(fact._replace(keys=keys | {"member_kind": kind}), by)


def _participation(recount: Recount, snapshot: Snapshot) -> Iterator[str]:
    for by in PLACES:
        sums: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for fact in facts(recount, "MIN", "verified"):
            for place in _places(fact, by):
                sums[place][fact.keys["member"]] += fact.quantity
        ours = {
            place: (sum(n > 0 for n in members.values()), sum(n for n in members.values() if n > 0))
            for place, members in sums.items()
            if any(n > 0 for n in members.values())
        }
        names = [key.partition(":")[0] for key in by]
        rows = participation.participation(snapshot, by).rows
        theirs = {
            tuple(row[name] for name in names): (row["active"], row["verified_minutes"])
            for row in rows
            if row["active"]
        }
        yield from _unequal(f"active by {by}", ours, theirs)
        for row in rows:
            yield from _unequal(
                f"heads by {by} {row}", _registered(recount, by, row), row["registered"]
            )


def _registered(recount: Recount, by: Sequence[str], row: Keys) -> int:
    """Members registered now with the region and the kind of a row, where it has any."""
    places = [key for key in by if key.startswith("region")]
    return sum(
        fact.quantity
        for fact in facts(recount, "HED", "registered")
        if all(figures.value_of(fact, place) == row["region"] for place in places)
        and row.get("member_kind", fact.keys["kinds"][0]) in fact.keys["kinds"]
    )


def _heads(recount: Recount, snapshot: Snapshot) -> Iterator[str]:
    certified = {
        (row.credential, row.level, row.tier): row.members
        for row in participation.certified(snapshot)
    }
    yield from _unequal("certified", figures.certified(recount), certified)
    belonging = {
        (row.organisation, row.residency): row.members for row in participation.belonging(snapshot)
    }
    yield from _unequal("memberships", figures.memberships(recount), belonging)


def _money(recount: Recount, within: Slice) -> tuple[int, ...]:
    """Received, unallocated, allocated, spent, in transit, transferred, returned.

    What only went from one fund of the slice to another was neither received nor transferred.
    """
    own = figures.money(recount, within)
    came = cube(recount, "FEN", "transferred_in", ["from_origin", "transfer"], within)
    went = cube(recount, "FEN", "transferred_out", ["from_origin", "transfer"], within)
    inside = sum(min(fen, went.get(transfer, 0)) for transfer, fen in came.items())
    return (
        own["received"] + own["transferred_in"] - inside,
        *(own[state] for state in ("unallocated", "allocated", "spent", "transit")),
        own["transferred_out"] - inside,
        own["returned"],
    )


def _read_money(money: fund_usage.Money) -> tuple[int, ...]:
    return (
        money.received_fen, money.unallocated_fen, money.allocated_fen, money.spent_fen,
        money.in_transit_fen, money.transferred_fen, money.returned_fen,
    )  # fmt: skip


def _funds(recount: Recount, snapshot: Snapshot) -> Iterator[str]:
    for fund in sorted(s.partition("/")[2] for s in recount.streams if s.startswith("fund/")):
        own, row = ALL.narrowed(fund=fund), fund_usage.fund_usage(snapshot, fund)
        yield from _unequal(fund, _money(recount, own), _read_money(row))
        usage = figures.fund_usage(recount, fund)
        for receipt in row.receipts:
            ours = _money(recount, own.narrowed(receipt=receipt.receipt))
            yield from _unequal(f"{fund} {receipt.receipt}", ours, _read_money(receipt))
        receipts = sorted(receipt.receipt for receipt in row.receipts)
        yield from _unequal(f"{fund} receipts", list(usage["receipts"]), receipts)
        for source in row.sources:
            within = own.narrowed(source_kind=source.source_kind, source_id=source.source_id)
            yield from _unequal(f"{fund} {source}", _money(recount, within), _read_money(source))
        for name in ("allocated", "spent"):
            theirs = {(t.target,): getattr(t, f"{name}_fen") for t in row.targets}
            theirs = {target: fen for target, fen in theirs.items() if fen}
            yield from _unequal(f"{fund} {name}", usage[f"{name}_by_target"], theirs)
        spent = {(c.category,): c.spent_fen for c in row.categories if c.spent_fen}
        yield from _unequal(f"{fund} categories", usage["spent_by_category"], spent)
        yield from _unequal(f"{fund} minutes", usage["verified_minutes"], row.verified_minutes)


def _sources(recount: Recount, snapshot: Snapshot) -> Iterator[str]:
    for source in sorted({f.keys["source_id"] for f in recount.facts if f.commodity == "FEN"}):
        row = fund_usage.source_usage(snapshot, source)
        ours = _money(recount, ALL.narrowed(source_id=source))
        yield from _unequal(f"source {source}", ours, _read_money(row))


def _trails(recount: Recount, snapshot: Snapshot) -> Iterator[str]:
    """Positions that speak of each project, organisation and actor."""
    spoken: dict[str, list[int]] = defaultdict(list)
    for position, line in enumerate(recount.lines, start=1):
        row = read_line(line)
        state, stream = row["state"], row["originator_id"]
        named = {f"actor/{state['actor']}", f"project/{_project_of(state)}"}
        named |= {f"{kind}/{state.get(kind, '')}" for kind in ("project", "organisation")}
        named |= {f"organisation/{state.get('team', '')}"}
        named |= {stream} if stream.startswith(("project/", "organisation/")) else set()
        for entity in named:
            spoken[entity].append(position)
    for entity, ours in spoken.items():
        if not entity.endswith("/"):
            yield from _unequal(entity, ours, list(trail.positions_of(snapshot, entity)))
