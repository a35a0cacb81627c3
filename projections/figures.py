"""All figures of a log, a member or a fund, as rows that are the same wherever they are made.

A row is a list: its kind, what it is about, and its quantities (whole minutes, credit-minutes,
fen, people). Quantities of zero are left out. These are what an audit bundle proves.

| Row | |
|---|---|
| `["total", commodity, class, month, *dimensions, quantity]` | what accounts of a class gained |
| `["member", member, {figure: quantity}]` | a member's balance |
| `["active", member, region, month, minutes]` | verified service minutes |
| `["heads", account, region, members]` | registered, certified, belonging |
| `["grants", policy, what, quantity]` | incentives, and the credit spent on them |
| `["fund", fund, {part: {name: {class: fen}}}]` | the money of a fund, hours beside it |
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from ledger.domain.events import STREAM_OF, TOPICS
from projections import balances, fund_parts, fund_usage, totals
from projections.catalogue import list_all
from projections.filters import month_text
from projections.fund_usage import FundUsage
from projections.moves import WORLD
from projections.postings import POSTINGS, POSTINGS_VERSION, M
from projections.session import Snapshot

Figure = list[Any]

#: A member's figures: name, commodity, class of account, sign.
MEMBER: Final = (
    *((name, *how) for name, how in balances.SUMS.items()),
    ("credit_available", "CRD", "credit", 1),
)
#: The posting table as data, with what it takes to read a member's figures off it, and of each
#: topic the type of its streams, the fields it must have and those it may have.
TABLE: Final = {
    "version": POSTINGS_VERSION,
    "M": M,
    "postings": POSTINGS,
    "topics": {
        topic: (
            STREAM_OF[topic],
            [field.name for field in cls.declared.values() if field.required],
            [field.name for field in cls.declared.values() if not field.required],
        )
        for topic, cls in TOPICS.items()
    },
    "member": MEMBER,
}
#: Field of an answer → class of account.
_CLASSES: Final = {"received_fen": "received", "transferred_fen": "transferred"} | {
    field: account for account, field in fund_parts.HELD.items()
}


def all_figures(snapshot: Snapshot) -> Iterator[Figure]:
    """Every figure of the log."""
    for *key, quantity in snapshot.stream(
        f"SELECT {', '.join(totals.TOTALS.names())} FROM {{g}}totals WHERE quantity <> 0"
    ):
        key[2] = month_text(key[2])
        yield ["total", *key, quantity]
    for row in snapshot.stream(f"SELECT {', '.join(balances.MEMBERS.names())} FROM {{g}}members"):
        yield _member(row)
    yield from _heads(snapshot)
    yield from _grants(snapshot)
    for fund in list_all(snapshot, "fund"):
        found = fund_usage.fund_usage(snapshot, fund.id)
        if found.receipts:
            yield fund_figure(found)


def member_figure(snapshot: Snapshot, member: str) -> Figure:
    """A member's figures. Raises MemberNotFound."""
    found = balances.member_balance(snapshot, member)
    names = balances.MEMBERS.names()
    return _member([getattr(found, name) for name in names])


def _member(row: Iterable[Any]) -> Figure:
    """The figures of a row of the table of members."""
    found = dict(zip(balances.MEMBERS.names(), row, strict=True))
    found["credit_available"] = found["credit_earned"] - found["credit_spent"]
    figures = {name: int(found[name]) for name, *_ in MEMBER if found[name]}
    return ["member", found["member"], figures]


def _heads(snapshot: Snapshot) -> Iterator[Figure]:
    """Members by what they are registered, certified or active as."""
    for account, region, heads in snapshot.stream(
        "SELECT account, region, heads FROM {g}heads WHERE heads <> 0 AND account <> ?", WORLD
    ):
        yield ["heads", account, region, heads]
    for member, region, month, minutes in snapshot.stream(
        "SELECT member, region, month, CAST(SUM(minutes) AS BIGINT) FROM {g}active"
        " JOIN {g}cells ON id = cell GROUP BY member, region, month HAVING SUM(minutes) <> 0"
    ):
        yield ["active", member, region, month_text(month), minutes]


def _grants(snapshot: Snapshot) -> Iterator[Figure]:
    """Incentives by policy."""
    named = {"granted": "IncentiveGranted", "revoked": "IncentiveRevoked"}
    for policy, granted, revoked, credit in snapshot.rows(
        "SELECT policy, granted, revoked, credit_redeemed FROM {g}policies"
    ):
        found = {named["granted"]: granted, named["revoked"]: revoked, "credit": credit}
        yield from (
            ["grants", policy, what, quantity] for what, quantity in found.items() if quantity
        )


def fund_figure(found: FundUsage) -> Figure:
    """The money of a fund."""
    parts: defaultdict[str, defaultdict[str, defaultdict[str, int]]]
    parts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for part, name_of in _PARTS.items():
        for row in getattr(found, part):
            own = parts[part][name_of(row)]
            for account, fen in _money(row).items():
                own[account] += fen
    # Of several sources of a receipt, one may lack what another has.
    shown = {
        part: {name: {a: fen for a, fen in own.items() if fen} for name, own in names.items()}
        for part, names in parts.items()
    }
    minutes = {
        totals.project_of(target.target): target.verified_minutes
        for target in found.targets
        if totals.project_of(target.target)
    }
    return ["fund", found.fund, {"all": _money(found), **shown, "verified_minutes": minutes}]


_PARTS: Final[dict[str, Callable[[Any], str]]] = {
    "targets": lambda row: row.target,
    "categories": lambda row: row.category,
    "receipts": lambda row: row.receipt,
    "sources": lambda row: f"{row.source_kind}/{row.source_id}",
}


def _money(answer: Struct) -> dict[str, int]:
    """Fen by class of account, as far as the answer tells."""
    found = {account: getattr(answer, field, 0) for field, account in _CLASSES.items()}
    return {account: fen for account, fen in found.items() if fen}
