"""A member's statement: every entry and grant as it stands, from the member's own stream.

As of a day: entries of service until that day, with the credit they had earned by then, and
grants and revocations of that day or before; so it adds up to the balance as of that day.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.account import Member
from ledger.domain.decision import Books
from ledger.domain.entry import Entry
from ledger.domain.errors import MemberNotFound
from ledger.domain.values import EntryKind, Evidence
from ledger.domain.verification import sees
from ledger.log.codec import decode
from projections.moves import moves
from projections.postings import class_of
from projections.standing import Standing


class StatedEntry(Struct, frozen=True, kw_only=True):
    """One entry as it stands, in minutes and credit-minutes."""

    entry: str
    service_on: date
    project: str
    organisation: str
    region: str
    kind: EntryKind
    category: str
    evidence: Evidence
    activity: str | None
    start: str | None
    #: As logged, and what of it is verified now.
    minutes: int
    verified_minutes: int
    credit: int
    #: pending, verified, rejected or voided.
    status: str
    recorder: str
    verifiers: tuple[str, ...]


class StatedGrant(Struct, frozen=True, kw_only=True):
    """One incentive granted: what it cost, and why it was revoked if it was."""

    grant: str
    policy: str
    effective_on: date
    credit: int
    fen: int
    revoked: str | None


class Statement(Struct, frozen=True, kw_only=True):
    """A page of a member's entries in the order of their numbers, and all grants.

    `after` is the number to go on behind, None at the end.
    """

    position: int
    as_of: date | None = None
    member: str
    region: str
    entries: list[StatedEntry]
    grants: list[StatedGrant]
    after: int | None


class _Counted(NamedTuple):
    """What counts of a member until a day: credit by entry, and grants revoked."""

    as_of: date
    credit: Counter[str]
    revoked: set[str]

    @classmethod
    def of(cls, standing: Standing, member: str, as_of: date) -> "_Counted":
        """Read from the member's own stream."""
        found = cls(as_of, Counter(), set())
        for row in standing.rows(f"member/{member}"):
            event: Any = decode(row.topic, row.state)
            if row.topic == "IncentiveRevoked" and event.effective_on <= as_of:
                found.revoked.add(event.grant)
            for move in moves(event, row.originator_id):
                if row.topic.startswith("Hours") and move.day <= as_of:
                    sides = (class_of(move.target), class_of(move.source))
                    sign = (sides[0] == "credit") - (sides[1] == "credit")
                    found.credit[event.entry] += sign * move.quantity
        return found


def statement(
    books: Books,
    standing: Standing,
    member: str,
    caller: Caller,
    *,
    after: int = 0,
    limit: int = 100,
) -> Statement:
    """Up to `limit` entries above the number `after`, of those the caller sees.

    Raises MemberNotFound. `books` stand at the position of `standing`.
    """
    state = books.get(f"member/{member}")
    if not isinstance(state, Member):
        raise MemberNotFound("member", member=member)
    as_of = standing.moment.as_of
    rest = [
        entry
        for entry in state.entries.numbered[after:]
        if sees(caller, entry) and (as_of is None or entry.service_on <= as_of)
    ]
    page = rest[:limit]
    counted = _Counted.of(standing, member, as_of) if as_of else None
    return Statement(
        position=standing.moment.position,
        as_of=as_of,
        member=state.id,
        region=standing.region_of(member),
        entries=[_stated(state.id, entry, counted) for entry in page],
        grants=list(_grants(state, counted)),
        after=page[-1].number if len(rest) > limit else None,
    )


def _stated(member: str, entry: Entry, counted: _Counted | None) -> StatedEntry:
    facts: Any = entry.heading.facts
    name = f"{member}-{entry.number}"
    told = ("project", "organisation", "region", "kind", "category", "evidence", "activity")
    return StatedEntry(
        entry=name,
        service_on=entry.service_on,
        start=entry.start,
        minutes=entry.minutes,
        verified_minutes=entry.verified,
        credit=counted.credit[name] if counted else entry.credit,
        status=entry.status,
        recorder=entry.heading.recorder,
        verifiers=entry.standing.verifiers,
        **{field: facts[field] for field in told},
    )


def _grants(member: Member, counted: _Counted | None) -> Iterable[StatedGrant]:
    for granted in member.grants:
        if counted and granted.effective_on > counted.as_of:
            continue
        is_revoked = counted is None or granted.grant in counted.revoked
        yield StatedGrant(
            grant=granted.grant,
            policy=granted.policy,
            effective_on=granted.effective_on,
            credit=granted.credit,
            fen=granted.fen,
            revoked=member.revoked.get(granted.grant) if is_revoked else None,
        )
