"""Keys: who may act, in which roles, within which scope, until when. Secrets are kept elsewhere."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from ledger.domain.access import Caller
from ledger.domain.commands import Command, IssueKey, RevokeKey
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import (
    AlreadyExists,
    CorruptLog,
    Forbidden,
    InvalidCommand,
    KeyNotFound,
    NothingChanges,
)
from ledger.domain.events import Event, KeyIssued, KeyRevoked
from ledger.domain.member import find_member
from ledger.domain.values import Role, contains


class Key(Struct, kw_only=True):
    """A key as issued; empty scopes show everything of that sort."""

    id: str
    holder: str
    member: str | None
    roles: tuple[Role, ...]
    regions: tuple[str, ...]
    organisations: tuple[str, ...]
    funds: tuple[str, ...]
    sources: tuple[str, ...]
    #: The last day on which it is good.
    expires_on: date
    revoked: bool = False

    def is_valid(self, on: date) -> bool:
        """Whether it opens anything on a day: not revoked, not expired."""
        return not self.revoked and on <= self.expires_on

    def caller(self, members: frozenset[str]) -> Caller:
        """Whoever acts with it; `members` are those named by any key of its holder."""
        return Caller(
            holder=self.holder,
            key=self.id,
            roles=frozenset(self.roles),
            members=members,
            regions=self.regions,
            organisations=self.organisations,
            funds=self.funds,
            sources=self.sources,
            expires_on=self.expires_on,
        )


def key_id(seed: bytes, line: int = 0) -> str:
    """The id of the key a request issues: random as its seed, one for each of its commands."""
    number = b"%d" % line if line else b""
    return hashlib.sha256(seed + b"key" + number).hexdigest()[:16]


def evolve(state: Key | None, stream: str, event: Event) -> Key:
    """The key after one more event. Raises CorruptLog for an event out of place."""
    if state is None and isinstance(event, KeyIssued):
        return Key(
            id=stream.removeprefix("key/"),
            holder=event.holder,
            member=event.member,
            roles=event.roles,
            regions=event.regions,
            organisations=event.organisations,
            funds=event.funds,
            sources=event.sources,
            expires_on=event.expires_on,
        )
    if state is None or not isinstance(event, KeyRevoked):
        raise CorruptLog("topic", topic=type(event).__name__, stream=stream)
    state.revoked = True
    return state


def find_key(books: Books, key: str, caller: Caller, at: str = "key") -> Key:
    """The key, revoked or not. Raises KeyNotFound, also when it exceeds the caller's scope."""
    state = books.get(f"key/{key}")
    if not isinstance(state, Key) or beyond(caller, state):
        raise KeyNotFound(at, key=key)
    return state


def beyond(caller: Caller, wanted: IssueKey | Key) -> str:
    """The first scope of a key that reaches beyond the caller's, "" when none does."""
    within = {
        "regions": not caller.regions
        or (
            bool(wanted.regions)
            and all(any(contains(own, r) for own in caller.regions) for r in wanted.regions)
        ),
        "organisations": _is_part(wanted.organisations, caller.organisations),
        "funds": _is_part(wanted.funds, caller.funds),
        "sources": _is_part(wanted.sources, caller.sources),
    }
    return next((scope for scope, is_within in within.items() if not is_within), "")


def _is_part(wanted: Sequence[str], own: Sequence[str]) -> bool:
    """Whether a scope lies in another; an empty one is everything."""
    return not own or (bool(wanted) and set(wanted) <= set(own))


def issue_key(command: IssueKey, books: Books, act: Act) -> Decision:
    """Issue a key under an id drawn from the act's seed; it says nothing of the holder.

    Raises Forbidden (beyond the caller's own scope), MemberNotFound, InvalidCommand (expired
    already), AlreadyExists (the same act again).
    """
    scope = beyond(act.caller, command)
    if scope:
        raise Forbidden(scope)
    if command.member is not None:
        find_member(books, command.member, act.caller)
    if command.expires_on < act.today:
        today = act.today.isoformat()
        raise InvalidCommand("expires_on", reason="it has expired already", today=today)
    key = key_id(act.seed, act.line)
    stream = f"key/{key}"
    if books.get(stream) is not None:
        raise AlreadyExists("key", key=key)
    event = KeyIssued(
        holder=command.holder,
        member=command.member,
        roles=tuple(sorted(set(command.roles))),
        regions=tuple(sorted(set(command.regions))),
        organisations=tuple(sorted(set(command.organisations))),
        funds=tuple(sorted(set(command.funds))),
        sources=tuple(sorted(set(command.sources))),
        expires_on=command.expires_on,
        **act.stamp(),
    )
    return Decision(events=[(stream, event)], answer={"key": key})


def revoke_key(command: RevokeKey, books: Books, act: Act) -> Decision:
    """Revoke it, once. Raises KeyNotFound, NothingChanges."""
    key = find_key(books, command.key, act.caller)
    if key.revoked:
        raise NothingChanges("key", key=key.id)
    event = KeyRevoked(holder=key.holder, reason_code=command.reason_code, **act.stamp())
    return Decision(events=[(f"key/{key.id}", event)], answer={"key": key.id})


RULES: Final[dict[type[Command], Rule]] = {IssueKey: issue_key, RevokeKey: revoke_key}
