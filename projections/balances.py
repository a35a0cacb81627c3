"""Balances: what each member and each policy has, in minutes and credit-minutes."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from msgspec import Struct

from ledger.domain.errors import MemberNotFound
from ledger.domain.rulebook import Rulebook
from projections.catalogue import find_listed, read_rulebook
from projections.folding import Handler
from projections.moves import Route, adder
from projections.session import Snapshot
from projections.tables import Deltas, Record, Table, integers, text

#: Column → (commodity, class of account, sign): the sum over the member's own moves.
SUMS: Final = {
    "registered": ("HED", "registered", 1),
    "pending_minutes": ("MIN", "pending", 1),
    "verified_minutes": ("MIN", "verified", 1),
    "refused_minutes": ("MIN", "refused", 1),
    "training_pending_minutes": ("TRN", "pending", 1),
    "training_verified_minutes": ("TRN", "verified", 1),
    "training_refused_minutes": ("TRN", "refused", 1),
    "credit_earned": ("CRD", "issued", -1),
    "credit_spent": ("CRD", "redeemed", 1),
}
MEMBERS: Final = Table(
    "members", (*text("member"), *text("region", "kinds", merge="latest"), *integers(*SUMS))
)
POLICIES: Final = Table(
    "policies", (*text("policy"), *integers("granted", "revoked", "credit_redeemed"))
)
TABLES: Final = (MEMBERS, POLICIES)

_HOURS: Final = (
    "HoursLogged", "HoursVerified", "HoursRejected", "HoursCorrected", "HoursVoided"
)  # fmt: skip
#: Topic → what it adds to `granted`, `revoked`.
_GRANTS: Final = {"IncentiveGranted": (1, 0), "IncentiveRevoked": (0, 1)}
_PLACES: Final = ("MemberRegistered", "MemberMoved", "MemberKindsChanged")


class MemberBalance(Struct, frozen=True, kw_only=True):
    """A member's figures: whole minutes, whole credit-minutes."""

    position: int
    as_of: date | None = None
    member: str
    region: str
    kinds: tuple[str, ...]
    registered: bool
    pending_minutes: int
    verified_minutes: int
    refused_minutes: int
    training_pending_minutes: int
    training_verified_minutes: int
    training_refused_minutes: int
    credit_earned: int
    credit_spent: int
    credit_available: int
    #: By the star levels of the member's region on the day told beside them.
    stars: int
    stars_on: date


class PolicyBalance(Struct, frozen=True, kw_only=True):
    """A policy's figures; `grants` are those that were not revoked."""

    position: int
    as_of: date | None = None
    policy: str
    name: str
    dimension: str
    grants: int
    granted: int
    revoked: int
    credit_redeemed: int


class BalancesFold:
    """What members and policies gained and lost since the last drain."""

    def __init__(self, _: Snapshot) -> None:
        self._begin()

    def _begin(self) -> None:
        self._sums: defaultdict[str, list[int]] = defaultdict(_nothing)
        self._places: dict[str, tuple[str, str]] = {}
        self._policies: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])

    def handlers(self) -> Mapping[str, Handler]:
        """Hours, incentives, and who a member is."""
        return {
            **{topic: self._adding(topic) for topic in (*_HOURS, "MemberDeregistered")},
            **{topic: self._placing(topic) for topic in _PLACES},
            **{topic: self._granting(topic) for topic in _GRANTS},
        }

    def _adding(self, topic: str) -> Handler:
        add_to = adder(topic, _effects)

        def add(_: int, member: str, event: Any) -> None:
            add_to(event, self._sums[member])

        return add

    def _placing(self, topic: str) -> Handler:
        add = self._adding(topic)

        def place(position: int, member: str, event: Any) -> None:
            add(position, member, event)
            region = getattr(event, "region_after", None) or event.region
            kinds = getattr(event, "kinds_after", None) or event.kinds
            self._places[member] = (region, "+".join(kinds))

        return place

    def _granting(self, topic: str) -> Handler:
        add, redeem = self._adding(topic), adder(topic, _redeemed)
        granted, revoked = _GRANTS[topic]

        def grant(position: int, member: str, event: Any) -> None:
            add(position, member, event)
            policy = self._policies[event.policy]
            policy[0] += granted
            policy[1] += revoked
            redeem(event, policy)

        return grant

    def drain(self) -> Deltas:
        """The deltas gathered so far; gathering begins anew."""
        nowhere = (None, None)
        members: list[Record] = [
            (member, *self._places.get(member, nowhere), *sums)
            for member, sums in self._sums.items()
        ]
        policies: list[Record] = [(policy, *sums) for policy, sums in self._policies.items()]
        self._begin()
        return [(MEMBERS, members), (POLICIES, policies)]


def _nothing() -> list[int]:
    return [0] * len(SUMS)


def _effects(_: int, route: Route) -> list[tuple[int, int]]:
    """The columns of SUMS a route changes, as (index, sign)."""
    return [
        (index, sign * side)
        for index, (commodity, account, sign) in enumerate(SUMS.values())
        for side, other in ((-1, route.source), (1, route.target))
        if (commodity, account) == (route.commodity, other)
    ]


def _redeemed(_: int, route: Route) -> list[tuple[int, int]]:
    """How a route changes what a policy redeemed, the third of its columns."""
    sign = (route.target == "redeemed") - (route.source == "redeemed")
    return [(2, sign)] if sign else []


def member_balance(snapshot: Snapshot, member: str, on: date | None = None) -> MemberBalance:
    """A member's figures, with the stars of a day. Raises MemberNotFound.

    Without a day it is the snapshot's `as_of`, else the day of its `moment`, else today.
    """
    return _balance(snapshot, find_member(snapshot, member), read_rulebook(snapshot), on)


def find_member(snapshot: Snapshot, member: str, at: str = "member") -> tuple[Any, ...]:
    """A member's row of the table. Raises MemberNotFound, at the field `at`."""
    rows = snapshot.once(f"{_SELECT} WHERE member = ?", member)
    if not rows:
        raise MemberNotFound(at, member=member)
    found: tuple[Any, ...] = rows[0]
    return found


def region_of(snapshot: Snapshot, member: str, at: str = "member") -> str:
    """The region of a member who is known. Raises MemberNotFound, at the field `at`."""
    return str(find_member(snapshot, member, at)[_REGION])


def member_balances(
    snapshot: Snapshot,
    *,
    region: str = "",
    after: str = "",
    limit: int = 100,
    on: date | None = None,
) -> list[MemberBalance]:
    """Up to `limit` members whose region begins with `region`, by number, after one of them."""
    sql = f"{_SELECT} WHERE member > ? AND region >= ? AND region < ? ORDER BY member LIMIT ?"
    rows = snapshot.rows(sql, after, region, region + ":", limit)
    if not rows:  # as before the first event, where there are no rules either
        return []
    rules = read_rulebook(snapshot)
    return [_balance(snapshot, row, rules, on) for row in rows]


_SELECT: Final = f"SELECT {', '.join(MEMBERS.names())} FROM {{g}}members"
_REGION: Final = MEMBERS.names().index("region")


def _balance(
    snapshot: Snapshot, row: tuple[Any, ...], rules: Rulebook, on: date | None
) -> MemberBalance:
    """A row of the table as an answer."""
    found = dict(zip(MEMBERS.names(), row, strict=True))
    day = on or snapshot.as_of or rules.today(snapshot.moment or datetime.now(UTC))
    return MemberBalance(
        **found
        | {
            "position": snapshot.position,
            "as_of": snapshot.as_of,
            "kinds": tuple(found["kinds"].split("+")),
            "registered": found["registered"] > 0,
            "credit_available": found["credit_earned"] - found["credit_spent"],
            "stars": rules.stars_for(found["region"], found["verified_minutes"], day),
            "stars_on": day,
        }
    )


def policy_balance(snapshot: Snapshot, policy: str) -> PolicyBalance:
    """A policy's figures. Raises PolicyNotFound."""
    listed = find_listed(snapshot, "policy", policy, "policy")
    rows = snapshot.rows(
        "SELECT granted, revoked, credit_redeemed FROM {g}policies WHERE policy = ?", policy
    )
    granted, revoked, redeemed = rows[0] if rows else (0, 0, 0)
    return PolicyBalance(
        position=snapshot.position,
        as_of=snapshot.as_of,
        policy=policy,
        name=listed.name,
        dimension=listed.kind,
        grants=granted - revoked,
        granted=granted,
        revoked=revoked,
        credit_redeemed=redeemed,
    )
