"""Figures added up from a recount: sums of facts within a slice, nothing else.

Every function takes a `Slice`: up to a day (`as_of`), up to a position (`known_at`), and only
facts whose keys agree with `where` (a region agrees with its prefixes, a list with each member).
Standard library only, like `recount.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.recount import Fact, Recount

REGIONS = ("region", "member_region")


class Slice(NamedTuple):
    """Which facts are counted."""

    as_of: str = "9999-12-31"
    known_at: int = 2**53
    since: str = "0001-01-01"
    where: tuple[tuple[str, str], ...] = ()

    def has(self, fact: Fact) -> bool:
        """Whether a fact is counted."""
        return (
            fact.position <= self.known_at
            and self.since <= fact.day <= self.as_of
            and all(_agrees(fact, key, wanted) for key, wanted in self.where)
        )

    def narrowed(self, **where: str) -> "Slice":
        """The same slice with more conditions."""
        return self._replace(where=(*self.where, *where.items()))


ALL = Slice()


def _agrees(fact: Fact, key: str, wanted: str) -> bool:
    value = value_of(fact, key)
    if key in REGIONS:
        return str(value).startswith(wanted)
    if isinstance(value, tuple):
        return wanted in value
    return bool(value == wanted)


def value_of(fact: Fact, key: str) -> Any:
    """What a fact is grouped by: `month`, `region:6` (a prefix), or any field of its event."""
    if key == "month":
        return fact.day[:7]
    name, _, digits = key.partition(":")
    value = fact.keys.get(name)
    if isinstance(value, list):
        return tuple(value)
    return value[: int(digits)] if digits and value is not None else value


def facts(recount: Recount, commodity: str, state: str, within: Slice = ALL) -> Iterator[Fact]:
    """The facts of a figure."""
    return (
        f for f in recount.facts if f.commodity == commodity and f.state == state and within.has(f)
    )


def amount(recount: Recount, commodity: str, state: str, within: Slice = ALL) -> int:
    """How much of a commodity stands in a state."""
    return sum(fact.quantity for fact in facts(recount, commodity, state, within))


def cube(
    recount: Recount, commodity: str, state: str, by: Sequence[str], within: Slice = ALL
) -> dict[tuple[Any, ...], int]:
    """The amount for each combination of keys; those that come to nothing are left out."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for fact in facts(recount, commodity, state, within):
        sums[tuple(value_of(fact, key) for key in by)] += fact.quantity
    return {keys: quantity for keys, quantity in sums.items() if quantity}


def distinct_members(recount: Recount, commodity: str = "MIN", within: Slice = ALL) -> set[str]:
    """Members with a positive sum of verified minutes in the slice: people are never summed."""
    sums = cube(recount, commodity, "verified", ["member"], within)
    return {member for (member,), minutes in sums.items() if minutes > 0}


def balance(recount: Recount, member: str, within: Slice = ALL) -> dict[str, int]:
    """One member: service minutes pending and verified, training minutes, credit-minutes."""
    own = within.narrowed(member=member)
    earned, spent = (amount(recount, "CRD", state, own) for state in ("earned", "spent"))
    return {
        "pending": amount(recount, "MIN", "pending", own),
        "verified": amount(recount, "MIN", "verified", own),
        "training_pending": amount(recount, "TRN", "pending", own),
        "training": amount(recount, "TRN", "verified", own),
        "earned": earned,
        "spent": spent,
        "available": earned - spent,
    }


def members(recount: Recount) -> list[str]:
    """Everyone who ever had a stream."""
    return sorted(s.partition("/")[2] for s in recount.streams if s.startswith("member/"))


def policy(recount: Recount, policy_id: str, within: Slice = ALL) -> dict[str, int]:
    """One policy: live grants, credit-minutes redeemed, fen spent on grants and not reversed."""
    own = within.narrowed(policy=policy_id)
    return {
        "granted": amount(recount, "GRN", "granted", own),
        "redeemed": amount(recount, "CRD", "redeemed", own),
        "spent": amount(recount, "FEN", "spent", within.narrowed(target=f"policy/{policy_id}")),
    }


MONEY_STATES = (
    "received", "transferred_in", "unallocated", "allocated", "spent", "transit",
    "transferred_out", "returned",
)  # fmt: skip


def money(recount: Recount, within: Slice) -> dict[str, int]:
    """Fen in each state, of a fund, a source or a receipt, as the slice says."""
    return {state: amount(recount, "FEN", state, within) for state in MONEY_STATES}


def fund_usage(recount: Recount, fund: str, within: Slice = ALL) -> dict[str, Any]:
    """One fund: fen by state, by target, by spending category, by source, by receipt."""
    own = within.narrowed(fund=fund)
    return {
        "money": money(recount, own),
        "allocated_by_target": cube(recount, "FEN", "allocated", ["target"], own),
        "spent_by_target": cube(recount, "FEN", "spent", ["target"], own),
        "spent_by_category": cube(recount, "FEN", "spent", ["category"], own),
        "receipts": {
            receipt: money(recount, own.narrowed(receipt=receipt))
            for receipt in sorted({f.keys["receipt"] for f in _of_fund(recount, own)})
        },
        "verified_minutes": sum(
            project_minutes(recount, target, within) for target in fund_projects(recount, own)
        ),
    }


def _of_fund(recount: Recount, own: Slice) -> Iterator[Fact]:
    return (fact for fact in recount.facts if fact.commodity == "FEN" and own.has(fact))


def fund_projects(recount: Recount, own: Slice) -> list[str]:
    """Projects that money of the slice was ever allocated to."""
    targets = {f.keys["target"] for f in facts(recount, "FEN", "allocated", own)}
    return sorted(t.removeprefix("project/") for t in targets if t.startswith("project/"))


def project_minutes(recount: Recount, project: str, within: Slice = ALL) -> int:
    """Verified service minutes of a project; of several funds' pages, never added across them."""
    return amount(recount, "MIN", "verified", within.narrowed(project=project))


def source_usage(
    recount: Recount, source_kind: str, source_id: str, within: Slice = ALL
) -> dict[str, int]:
    """One source of money, over all funds: fen by state."""
    return money(recount, within.narrowed(source_kind=source_kind, source_id=source_id))


def registered(recount: Recount, within: Slice = ALL) -> int:
    """Members registered, by where and what they were when it was written."""
    return amount(recount, "HED", "registered", within)


def registered_by_kinds(recount: Recount, within: Slice = ALL) -> dict[tuple[Any, ...], int]:
    """Registered members by all they are at once, e.g. `(("party_member", "volunteer"),)`."""
    return cube(recount, "HED", "registered", ["kinds"], within)


def certified(recount: Recount, within: Slice = ALL) -> dict[tuple[Any, ...], int]:
    """Credentials held, by level and tier."""
    return cube(recount, "HED", "certified", ["credential", "level", "tier"], within)


def memberships(recount: Recount, within: Slice = ALL) -> dict[tuple[Any, ...], int]:
    """Members of organisations, by residency."""
    return cube(recount, "HED", "belongs", ["organisation", "residency"], within)


def population(recount: Recount, region: str, within: Slice = ALL) -> int | None:
    """Inhabitants as last profiled within the slice."""
    known = [
        event["population"]
        for position, event in recount.profiles
        if event["region"] == region
        and position <= within.known_at
        and event["effective_on"] <= within.as_of
    ]
    return known[-1] if known else None


def stars(recount: Recount, region: str, minutes: int, on: str) -> int:
    """Stars by the table of the longest region, the latest day, what was recorded last."""
    rows = [
        (len(event["region"]), event["effective_on"], position, event["levels"])
        for position, event in recount.star_levels
        if region.startswith(event["region"]) and event["effective_on"] <= on
    ]
    levels = max(rows)[3] if rows else []
    return max((level["stars"] for level in levels if minutes >= level["minutes"]), default=0)
