"""The ledger as a library: one command in, one durable answer out.

`Ledger` is the library's `Application` over our recorders, mapper and writer.
A use case is a command and its rule, so there is one `execute` and not a method
each.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import uuid_utils
from eventsourcing.application import Application
from eventsourcing.persistence import InfrastructureFactory, Mapper
from eventsourcing.utils import Environment
from msgspec import Struct

from ledger.apart import WriterApart
from ledger.appender import Appender, cores
from ledger.decider import Decider
from ledger.domain.access import Caller
from ledger.domain.commands import Command, IssueKey
from ledger.domain.errors import Forbidden, Unauthenticated
from ledger.domain.key import Key, beyond, key_id
from ledger.domain.rulebook import Rulebook
from ledger.domain.rules import evolve
from ledger.log.codec import EventMapper, NoTranscoder, Recorded
from ledger.settings import Settings
from ledger.states import States
from ledger.store.log import KeySecret, LogStore
from ledger.store.open import factory_for
from ledger.store.requests import Answered, OnError, Request, Result, new_seed
from ledger.store.writer import Writer


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to one command; positions as in `Answered`."""

    command_id: str
    result: Result
    first_position: int
    count: int
    position: int
    replayed: bool


class Ledger(Application[str]):
    """One log: commands in, events kept, answers out. Thread-safe."""

    name = "ledger"

    def __init__(
        self, settings: Settings | None = None, *, create: bool = False, apart: bool = False
    ) -> None:
        """Open the log of these settings. Raises InvalidSettings, NotDurable, Unavailable.

        `apart`: decide and write in a process of its own, where there is more than one core and the
        settings do not forbid it. For those who ask much, and have work of their own meanwhile.
        """
        self.settings = settings or Settings()
        self._create = create
        super().__init__()
        self.store: LogStore = self.recorder  # type: ignore[assignment]
        self._appender = Appender(self.settings)
        #: The writer's process, None where the writer is in this one.
        self.apart: WriterApart | None = None
        if apart and self.settings.writer_process and cores() > 1:
            self.apart = WriterApart(self.settings, self._writer_here)
        self._writer: WriterApart | Writer = self.apart or self._writer_here()

    def _writer_here(self) -> Writer:
        return Writer(self.store, Decider(self.store), self._appender)

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """The factory of the database named in the settings, never an in-memory one."""
        del env  # the library's own variables choose nothing here
        return factory_for(self.settings, create=self._create)

    def construct_mapper(self) -> Mapper[str]:
        """Our strict codec; the library's JSON transcoder is not used."""
        return EventMapper(NoTranscoder())

    # writing

    def execute(
        self,
        command: Command,
        caller: Caller,
        *,
        command_id: str | None = None,
        dry_run: bool = False,
        seed: bytes | None = None,
    ) -> Answer:
        """Do one command, exactly once for one command id.

        Raises the Refusal of the rule that forbids it; Unavailable when the database cannot be
        reached in bounded time (ask again with the same command id).
        """
        answered = self.submit(
            [command], caller, command_id=command_id, dry_run=dry_run, seed=seed
        ).result()
        (result,) = answered.outcomes
        assert isinstance(result, dict)  # a single command is atomic: refused means raised
        return Answer(
            command_id=answered.command_id,
            result=result,
            first_position=answered.first_position,
            count=answered.count,
            position=answered.position,
            replayed=answered.replayed,
        )

    def execute_many(
        self,
        commands: Sequence[Command],
        caller: Caller,
        *,
        command_id: str | None = None,
        on_error: OnError = "atomic",
        dry_run: bool = False,
        seed: bytes | None = None,
    ) -> Answered:
        """Do many commands in one transaction, in order, each with its own outcome.

        `atomic`: the first refusal is raised and nothing is kept. `stop`: what comes before the
        first refusal is kept. `continue`: whatever is not refused is kept.
        """
        return self.submit(
            commands, caller, command_id=command_id, on_error=on_error, dry_run=dry_run, seed=seed
        ).result()

    def submit(
        self,
        commands: Sequence[Command],
        caller: Caller,
        *,
        command_id: str | None = None,
        on_error: OnError = "atomic",
        dry_run: bool = False,
        is_decoded: bool = False,
        seed: bytes | None = None,
    ) -> "Future[Answered]":
        """As `execute_many`, without waiting. Commands that were decoded need no second check.

        Raises InvalidCommand for a command that is none.
        """
        return self._writer.submit(
            Request(
                commands=commands,
                caller=caller,
                command_id=command_id or uuid_utils.uuid7().hex,
                on_error=on_error,
                dry_run=dry_run,
                is_decoded=is_decoded,
                seed=seed or new_seed(),
            )
        )

    # keys

    def issue_key(
        self, command: IssueKey, caller: Caller, *, command_id: str | None = None
    ) -> tuple[Answer, str | None]:
        """Issue a key; its secret is shown this once (None when the answer is a replay).

        Raises what the rule raises, and Forbidden for a holder whose other keys reach further than
        the caller's: or somebody could act in the name of who may do more than they.
        """
        seed, token, salt = os.urandom(16), secrets.token_urlsafe(24), os.urandom(16)
        key = key_id(seed)
        command_id = command_id or uuid_utils.uuid7().hex
        if command_id not in self.store.glance([command_id])[1]:
            self.execute(command, caller, dry_run=True, seed=seed)
            self.check_holder(command.holder, caller)
            # Kept before the event: a key without its event opens nothing.
            self.store.put_key(
                KeySecret(key, command.holder, command.member, salt, _digest(salt, token))
            )
        answer = self.execute(command, caller, command_id=command_id, seed=seed)
        return answer, None if answer.result["key"] != key else f"hl_{key}_{token}"

    def check_holder(self, holder: str, caller: Caller) -> None:
        """A holder's keys lie within the scope of whoever issues another. Raises Forbidden."""
        books = self.books()
        own = (
            books.get(f"key/{kept.key}") for kept in self.store.list_keys() if kept.holder == holder
        )
        if any(isinstance(key, Key) and beyond(caller, key) for key in own):
            raise Forbidden("holder", holder=holder)

    def caller_for(self, secret: str) -> Caller:
        """Who holds this secret. Raises Unauthenticated, whatever is wrong with it."""
        prefix, _, rest = secret.partition("_")
        key, _, token = rest.partition("_")
        kept = self.store.find_key(key) if prefix == "hl" else None
        salt, digest = (kept.salt, kept.digest) if kept else (b"", b"")
        if not hmac.compare_digest(_digest(salt, token), digest) or kept is None:
            raise Unauthenticated
        books = self.books()
        state = books.get(f"key/{key}")
        if not isinstance(state, Key) or not state.is_valid(
            on=books.rulebook.today(datetime.now(UTC))
        ):
            raise Unauthenticated
        return state.caller(members=self.store.members_of_holder(state.holder))

    # reading

    def books(self, until: int | None = None) -> States:
        """The committed states, read afresh; as they were at the position `until`, if given."""
        return States(self.store, until=until)

    @property
    def rulebook(self) -> Rulebook:
        """The ledger's own rules as they stand now. Raises LedgerNotOpened."""
        return self.books().rulebook

    def state_at(self, stream: str, version: int | None = None) -> object:
        """A stream's state after its first `version` events, through the library's repository."""
        return self.repository.get(stream, version=version, projector_func=_project)

    def close(self) -> None:
        """Finish what was submitted and close the database."""
        if hasattr(self, "_writer"):
            self._writer.close()
            self._appender.close()
        super().close()


def _project(state: Any, events: Iterable[Any]) -> Any:
    for recorded in events:
        assert isinstance(recorded, Recorded)
        state = evolve(state, recorded.originator_id, recorded.event)
    return state


def _digest(salt: bytes, token: str) -> bytes:
    """Tokens are random and long, so a plain salted hash is enough (no stretching)."""
    return hashlib.sha256(salt + token.encode()).digest()
