"""Requests that share a transaction: what was decided for each, and what is to be told."""

from msgspec import Struct, field

from ledger.domain.errors import Refusal
from ledger.store.log import Head, Pending
from ledger.store.requests import Draft, Request


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
