"""Requests that share a transaction: who decides them, what was decided, what is to be told."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from msgspec import Struct, field

from ledger.domain.errors import Refusal
from ledger.store.log import Head, Pending
from ledger.store.requests import Draft, Request


class Decider(Protocol):
    """What decides: holds the warm states, knows the rules, writes nothing."""

    def decide(self, request: Request, now: datetime) -> Draft:
        """Decide all commands of a request on the states as they are, and move the states on."""

    def follow(self, after: int, until: int) -> None:
        """Take in what another writer wrote behind position `after`, up to `until`."""

    def forget(self, streams: Iterable[str]) -> None:
        """Drop the states of these streams."""

    def forget_all(self) -> None:
        """Drop all states."""

    #: Called before states are dropped that may hold what is still being written.
    before_forgetting: Callable[[], object]

    @property
    def is_full(self) -> bool:
        """Whether more is kept in memory than should be."""

    def trim(self) -> None:
        """Keep memory within bounds, between transactions."""


class Group(Struct):
    """Requests that share a transaction, and what was decided for each."""

    requests: list[Request]
    drafts: list[Draft] = field(default_factory=list)
    #: Events to be written so far.
    count: int = 0
    #: Told after the commit: a refusal may rest on what a neighbour is about to write.
    refused: list[tuple[Request, Refusal]] = field(default_factory=list)
    #: The first of several requests with one command id.
    firsts: dict[str, Request] = field(default_factory=dict)

    def take(self, draft: Draft, head: Head) -> None:
        """Take a request in, placed behind what is to be written after `head`."""
        draft.place(head.position + self.count)
        self.drafts.append(draft)
        if not draft.request.dry_run:
            self.count += len(draft.events)

    @property
    def written(self) -> list[Draft]:
        """The drafts that are to be written."""
        return [draft for draft in self.drafts if not draft.request.dry_run]

    @property
    def streams(self) -> set[str]:
        """The streams whose states hold what this group is to write."""
        return {event.originator_id for draft in self.drafts for event in draft.events}

    def pending(self, head: Head) -> Pending:
        """What is to be written of it after `head`."""
        drafts = self.written
        return Pending(
            head,
            [event for draft in drafts for event in draft.events],
            drafts[-1].now if drafts else None,
            [draft.command_row for draft in drafts],
            [note for draft in drafts for note in draft.notes],
            [digest for draft in drafts for digest in draft.erased],
        )

    def tell(self) -> None:
        """Give each caller its own answer."""
        for draft in self.drafts:
            draft.request.future.set_result(draft.answered)
        for request, refusal in self.refused:
            request.future.set_exception(refusal)
