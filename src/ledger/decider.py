"""From requests to drafts: the rules applied to warm states, one command after the other."""

from collections.abc import Callable, Iterable
from datetime import date, datetime

from ledger.domain.access import Caller
from ledger.domain.commands import RevokeKey
from ledger.domain.decision import Act, Decision
from ledger.domain.errors import LedgerNotOpened, NoteNotFound, Refusal, Unauthenticated
from ledger.domain.key import Key
from ledger.domain.rules import decide, streams_of
from ledger.log.codec import check_sealed, seal
from ledger.states import States
from ledger.store.log import LogStore
from ledger.store.requests import Answered, Draft, Refused, Request


class Decider:
    """Decides requests on the states of one log. Used by the writer's thread alone."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._states = States(store)
        #: Called before states are dropped that may hold what is still being written.
        self.before_forgetting: Callable[[], object] = lambda: None

    def decide(self, request: Request, now: datetime) -> Draft:
        """Decide all commands of a request. Raises the Refusal that undoes the whole of it."""
        self._states.hint = lambda: {s for c in request.commands for s in streams_of(c)}
        answered = Answered(command_id=request.command_id, outcomes=[])
        draft = Draft(request=request, now=now, answered=answered)
        try:
            self._decide_all(request, draft)
        except Refusal:
            self._forget_draft(draft)
            raise
        if request.dry_run:
            self._forget_draft(draft)
            check_sealed(draft.events)  # as an append would
        return draft

    def _decide_all(self, request: Request, draft: Draft) -> None:
        """Decide one by one; where not all must succeed, note what is refused."""
        today = self._today(draft.now)
        self._check_key(request.caller, today)
        act = Act(
            caller=request.caller,
            command_id=request.command_id,
            now=draft.now,
            today=today,
            effective_on=today,
            seed=request.seed,
        )
        is_shaken = False
        for index, command in enumerate(request.commands):
            act.line, act.effective_on = index, command.effective_on or today
            try:
                if is_shaken:
                    self._check_key(request.caller, today)
                decision = decide(command, self._states, act)
                if decision.erase is not None:
                    self._check_note(decision.erase)
            except Refusal as refusal:
                if request.on_error == "atomic":
                    refusal.index = index
                    raise
                draft.answered.outcomes.append(Refused.by(refusal))
                if request.on_error == "stop":
                    return
            else:
                self._take(decision, draft)
                # It may have been the caller's own: nothing is written behind a revocation.
                is_shaken = is_shaken or isinstance(command, RevokeKey)

    def _check_key(self, caller: Caller, today: date) -> None:
        """Who was let in a moment ago may have lost the key since. Raises Unauthenticated.

        Looked up where the decision is made, so nothing is written behind a revocation. Callers
        without a key of this log (the operator) have none to lose.
        """
        key = self._states.get(f"key/{caller.key}")
        if isinstance(key, Key) and not key.is_valid(today):
            raise Unauthenticated

    def _check_note(self, digest: str) -> None:
        """Raises NoteNotFound for a text that is not there."""
        if self._store.read_note(digest) is None:
            raise NoteNotFound("note", note=digest)

    def _today(self, now: datetime) -> date:
        """Today where the ledger is; before it is opened, by UTC."""
        try:
            return self._states.rulebook.today(now)
        except LedgerNotOpened:
            return now.date()

    def _take(self, decision: Decision, draft: Draft) -> None:
        """Number the events of a decision and move the states on."""
        dry_single = draft.request.dry_run and not draft.request.alone
        for stream, event in decision.events:
            # A dry run of one command shares its group with others: nothing may move.
            version = 0 if dry_single else self._states.apply(stream, event)
            draft.events.append(seal(stream, version, event))
        if decision.notes:
            draft.notes.extend(decision.notes)
        if decision.erase is not None:
            draft.erased.append(decision.erase)
        draft.answered.outcomes.append(decision.answer)

    def _forget_draft(self, draft: Draft) -> None:
        if draft.request.alone:
            self.before_forgetting()
            self.forget(str(event.originator_id) for event in draft.events)

    def follow(self, after: int, until: int) -> None:
        """Take in what another writer wrote between two positions."""
        self._states.follow(after, until)

    def forget(self, streams: Iterable[str]) -> None:
        """Drop the states of these streams."""
        self._states.forget(streams)

    def forget_all(self) -> None:
        """Drop all states."""
        self._states.forget_all()

    @property
    def is_full(self) -> bool:
        """Whether more is kept in memory than should be."""
        return self._states.is_full

    def trim(self) -> None:
        """Keep memory within bounds, between transactions."""
        self._states.trim()
