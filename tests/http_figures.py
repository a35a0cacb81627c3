"""What the service answers against the recount: every figure over HTTP, and where they part.

`differences` returns what is not equal, as text. The recount knows nothing of the product; the
answers are the JSON that anyone would get.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from tests import figures
from tests.exported import Keys
from tests.figures import ALL, Slice, amount, cube, facts
from tests.recount import Fact, Recount

#: Asks for a path with parameters.
Ask = Callable[..., Keys]
#: Figure of the totals → what the recount adds up: (commodity, state).
SUMS: Final = {
    "logged_minutes": ("MIN", "logged"), "pending_minutes": ("MIN", "pending"),
    "verified_minutes": ("MIN", "verified"), "refused_minutes": ("MIN", "refused"),
    "reversed_minutes": ("MIN", "reversed"), "credit_issued": ("CRD", "earned"),
    "credit_redeemed": ("CRD", "redeemed"), "fen_received": ("FEN", "received"),
    "fen_allocated": ("FEN", "allocated"), "fen_spent": ("FEN", "spent"),
    "fen_returned": ("FEN", "returned"), "person_times_attended": ("PPL", "attended"),
    "activities": ("ACT", "held"),
}  # fmt: skip
GROUPINGS: Final[list[list[str]]] = [
    [], ["month"], ["region:6", "kind"], ["organisation", "evidence"], ["project", "category"],
]  # fmt: skip
PLACES: Final[list[list[str]]] = [[], ["region:6"], ["organisation", "month"], ["member_kind"]]


def differences(recount: Recount, ask: Ask) -> list[str]:
    """Everything that is not the same in the answers as recounted."""
    return [
        *_members(recount, ask),
        *_policies(recount, ask),
        *_totals(recount, ask),
        *_participation(recount, ask),
        *_heads(recount, ask),
        *_funds(recount, ask),
        *_sources(recount, ask),
        *_trails(recount, ask),
    ]


def _unequal(what: str, ours: object, theirs: object) -> Iterator[str]:
    if ours != theirs:
        yield f"{what}: recounted {ours}, answered {theirs}"


def _members(recount: Recount, ask: Ask) -> Iterator[str]:
    listed = ask("/v1/members", limit=1000)["members"]
    told = [row["member"] for row in listed]
    yield from _unequal("members", figures.members(recount), told)
    names = (
        "pending_minutes", "verified_minutes", "training_pending_minutes",
        "training_verified_minutes", "credit_earned", "credit_spent", "credit_available",
    )  # fmt: skip
    for row in listed:
        ours = list(figures.balance(recount, row["member"]).values())
        yield from _unequal(row["member"], ours, [row[name] for name in names])


def _policies(recount: Recount, ask: Ask) -> Iterator[str]:
    for policy in recount.policies:
        row = ask(f"/v1/policies/{policy}/balance")
        own = figures.policy(recount, policy)
        theirs = (row["grants"], row["credit_redeemed"])
        yield from _unequal(policy, (own["granted"], own["redeemed"]), theirs)


def _group(fact: Fact, by: Sequence[str]) -> tuple[str, ...]:
    """The group of a fact; empty where its event does not say."""
    target = fact.keys.get("target", "")
    project = target.removeprefix("project/") if target.startswith("project/") else ""
    keys = {"project": project} | fact.keys
    return tuple(figures.value_of(fact._replace(keys=keys), key) or "" for key in by)


def _named(by: Sequence[str]) -> list[str]:
    return [key.partition(":")[0] for key in by]


def _totals(recount: Recount, ask: Ask) -> Iterator[str]:
    for by in GROUPINGS:
        ours: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(SUMS, 0))
        for figure, (commodity, state) in SUMS.items():
            for fact in facts(recount, commodity, state):
                ours[_group(fact, by)][figure] += fact.quantity
        theirs = {
            tuple(row[name] for name in _named(by)): {figure: row[figure] for figure in SUMS}
            for row in ask("/v1/totals", group_by=by)["rows"]
        }
        yield from _unequal(f"totals by {by}", _filled(ours), _filled(theirs))


def _filled(rows: dict[Any, dict[str, int]]) -> dict[Any, dict[str, int]]:
    """Rows in which something is not zero."""
    return {key: row for key, row in rows.items() if any(row.values())}


def _participation(recount: Recount, ask: Ask) -> Iterator[str]:
    for by in PLACES:
        sums: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for fact in facts(recount, "MIN", "verified"):
            for kind in fact.keys["member_kinds"] if "member_kind" in by else [""]:
                keys = fact.keys | {"region": fact.keys["member_region"], "member_kind": kind}
                sums[_group(fact._replace(keys=keys), by)][fact.keys["member"]] += fact.quantity
        ours = {place: sum(n > 0 for n in members.values()) for place, members in sums.items()}
        rows = ask("/v1/participation", group_by=by)["rows"]
        theirs = {tuple(row[name] for name in _named(by)): row["active"] for row in rows}
        yield from _unequal(f"active by {by}", _positive(ours), _positive(theirs))
    (whole,) = ask("/v1/participation")["rows"]
    yield from _unequal("registered", figures.registered(recount), whole["registered"])


def _positive(counts: dict[Any, int]) -> dict[Any, int]:
    return {place: count for place, count in counts.items() if count}


def _heads(recount: Recount, ask: Ask) -> Iterator[str]:
    certified = {
        (row["credential"], row["level"], row["tier"]): row["members"]
        for row in ask("/v1/participation/certified")["certified"]
    }
    yield from _unequal("certified", figures.certified(recount), certified)
    belonging = {
        (row["organisation"], row["residency"]): row["members"]
        for row in ask("/v1/participation/belonging")["belonging"]
    }
    yield from _unequal("memberships", figures.memberships(recount), belonging)


def _money(recount: Recount, within: Slice) -> dict[str, int]:
    """Fen in each state; what only went between funds of the slice neither came nor went."""
    own = figures.money(recount, within)
    came = cube(recount, "FEN", "transferred_in", ["from_origin", "transfer"], within)
    went = cube(recount, "FEN", "transferred_out", ["from_origin", "transfer"], within)
    inside = sum(min(fen, went.get(transfer, 0)) for transfer, fen in came.items())
    return {
        "received_fen": own["received"] + own["transferred_in"] - inside,
        "unallocated_fen": own["unallocated"],
        "allocated_fen": own["allocated"],
        "spent_fen": own["spent"],
        "in_transit_fen": own["transit"],
        "transferred_fen": own["transferred_out"] - inside,
        "returned_fen": own["returned"],
    }


def _funds(recount: Recount, ask: Ask) -> Iterator[str]:
    for fund in sorted(s.partition("/")[2] for s in recount.streams if s.startswith("fund/")):
        own, row = ALL.narrowed(fund=fund), ask(f"/v1/funds/{fund}/usage")
        ours = _money(recount, own)
        yield from _unequal(fund, ours, {name: row[name] for name in ours})
        usage = figures.fund_usage(recount, fund)
        for receipt in row["receipts"]:
            ours = _money(recount, own.narrowed(receipt=receipt["receipt"]))
            yield from _unequal(f"{fund} {receipt['receipt']}", ours, {n: receipt[n] for n in ours})
        told = sorted(receipt["receipt"] for receipt in row["receipts"])
        yield from _unequal(f"{fund} receipts", list(usage["receipts"]), told)
        spent = {(c["category"],): c["spent_fen"] for c in row["categories"] if c["spent_fen"]}
        yield from _unequal(f"{fund} categories", usage["spent_by_category"], spent)
        minutes = row["verified_minutes"]
        yield from _unequal(f"{fund} minutes", usage["verified_minutes"], minutes)


def _sources(recount: Recount, ask: Ask) -> Iterator[str]:
    for source in sorted({f.keys["source_id"] for f in recount.facts if f.commodity == "FEN"}):
        row = ask(f"/v1/sources/{source}/usage")
        ours = _money(recount, ALL.narrowed(source_id=source))
        yield from _unequal(f"source {source}", ours, {name: row[name] for name in ours})
        # Every figure can list its events: their changes sum up to it.
        legs = ask(f"/v1/explain/sources/{source}", figure="spent_fen", limit=1000)["legs"]
        yield from _unequal(f"legs of {source}", ours["spent_fen"], sum(g["change"] for g in legs))


def _trails(recount: Recount, ask: Ask) -> Iterator[str]:
    for stream, versions in recount.streams.items():
        if stream.startswith(("fund/", "policy/", "activity/")):
            entries = ask(f"/v1/trail/{stream}", limit=1000)["entries"]
            yield from _unequal(f"trail of {stream}", versions, len(entries))
    minutes = amount(recount, "MIN", "verified")
    legs = ask("/v1/explain/totals", figure="verified_minutes", limit=1000)["legs"]
    yield from _unequal("legs of the minutes", minutes, sum(leg["change"] for leg in legs))
