"""A member's statement: every entry and grant as it stands, from the member's own stream."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.account import Member
from ledger.domain.decision import Books
from ledger.domain.entry import Entry
from ledger.domain.errors import MemberNotFound
from ledger.domain.values import EntryKind, Evidence
from ledger.domain.verification import sees


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
    member: str
    region: str
    entries: list[StatedEntry]
    grants: list[StatedGrant]
    after: int | None


def statement(
    books: Books, position: int, member: str, caller: Caller, *, after: int = 0, limit: int = 100
) -> Statement:
    """Up to `limit` entries above the number `after`, of those the caller sees.

    Raises MemberNotFound. `books` stand at `position`.
    """
    state = books.get(f"member/{member}")
    if not isinstance(state, Member):
        raise MemberNotFound("member", member=member)
    rest = [entry for entry in state.entries.numbered[after:] if sees(caller, entry)]
    page = rest[:limit]
    return Statement(
        position=position,
        member=state.id,
        region=state.region,
        entries=[_stated(state.id, entry) for entry in page],
        grants=list(_grants(state)),
        after=page[-1].number if len(rest) > limit else None,
    )


def _stated(member: str, entry: Entry) -> StatedEntry:
    facts: Any = entry.heading.facts
    told = ("project", "organisation", "region", "kind", "category", "evidence", "activity")
    return StatedEntry(
        entry=f"{member}-{entry.number}",
        service_on=entry.service_on,
        start=entry.start,
        minutes=entry.minutes,
        verified_minutes=entry.verified,
        credit=entry.credit,
        status=entry.status,
        recorder=entry.heading.recorder,
        verifiers=entry.standing.verifiers,
        **{name: facts[name] for name in told},
    )


def _grants(member: Member) -> Iterable[StatedGrant]:
    for granted in member.grants:
        yield StatedGrant(
            grant=granted.grant,
            policy=granted.policy,
            effective_on=granted.effective_on,
            credit=granted.credit,
            fen=granted.fen,
            revoked=member.revoked.get(granted.grant),
        )
