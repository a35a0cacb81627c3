"""Rows of a file sent to the ledger so that each has its effect once, however often they come.

Every command has a name: the hash of it and of all commands before it in the file,
never of the clock. The same file asks under the same names, and so does one that was
added to at its end.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple, Protocol

import msgspec

from api.cli.tables import Row
from ledger.domain.access import Caller
from ledger.domain.commands import Command, LogHours
from ledger.domain.errors import Refusal
from ledger.store.requests import Answered, OnError, Outcome, Refused

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Executes(Protocol):
    """What an import needs of a ledger."""

    def submit(
        self,
        commands: Sequence[Command],
        caller: Caller,
        *,
        command_id: str | None = None,
        on_error: OnError = "atomic",
        dry_run: bool = False,
        is_decoded: bool = False,
    ) -> "Future[Answered]":
        """Do commands in order, each with its own outcome; submitted in order, done in order."""


class Told(NamedTuple):
    """What the ledger said of a command; `before`: an earlier run was told so already."""

    outcome: Outcome
    before: bool


class Sender:
    """Sends the rows of one file, in its order."""

    def __init__(self, ledger: Executes, caller: Caller, *, dry_run: bool) -> None:
        self._ledger, self._caller, self._dry_run = ledger, caller, dry_run
        self._chain = hashlib.sha256()

    def send(self, rows: Sequence[Row]) -> Callable[[], list[Told]]:
        """Hand the commands of rows over; what is returned waits, and tells what became of each.

        It raises the ledger's errors, but no Refusal. Hours are known to the ledger by what they
        say, so they go in one transaction and it does no harm when a file begins with other rows.
        Nothing but its name knows a receipt of money again, so every other command goes under its
        own.
        """
        commands = [row.command for row in rows if row.command is not None]
        if not commands:
            return list
        if self._dry_run:
            dry = self._submit(commands)
            return lambda: self._told(dry.result())
        names = [self._name(command) for command in commands]
        if all(isinstance(command, LogHours) for command in commands):
            return self._send_hours(commands, f"{names[0]}{names[-1]}")
        for row, name in zip(rows, names, strict=True):
            # Hours are known whoever sends them; all else is refused to another by its name.
            own = self._of_holder(name) if isinstance(row.command, LogHours) else name
            row.name = row.name or f"import-{own[:40]}"
        asked = [
            self._submit([command], row.name, "atomic")
            for row, command in zip(rows, commands, strict=True)
        ]
        return lambda: [_single(future) for future in asked]

    def _name(self, command: Command) -> str:
        self._chain.update(_ENCODER.encode(command) + b"\n")
        return self._chain.hexdigest()

    def _of_holder(self, name: str) -> str:
        """A name that no other holder has for the same."""
        return hashlib.sha256(f"{name}\n{self._caller.holder}".encode()).hexdigest()

    def _send_hours(self, commands: Sequence[Command], seed: str) -> Callable[[], list[Told]]:
        """Many rows of hours in one transaction.

        What an earlier run was refused is asked again, under a name of its own, as often as
        there were such runs: members and projects may have been registered meanwhile.
        """
        digest = self._of_holder(seed)
        first = self._submit(commands, f"import-{digest[:40]}.0")

        def wait() -> list[Told]:
            answered = first.result()
            told = self._told(answered)
            again, attempt = _refused_before(answered, range(len(commands))), 0
            while again:
                attempt += 1
                asked = [commands[index] for index in again]
                answered = self._submit(asked, f"import-{digest[:40]}.{attempt}").result()
                for index, answer in zip(again, self._told(answered), strict=True):
                    told[index] = answer
                again = _refused_before(answered, again)
            return told

        return wait

    def _submit(
        self, commands: Sequence[Command], name: str | None = None, on_error: OnError = "continue"
    ) -> "Future[Answered]":
        return self._ledger.submit(
            commands,
            self._caller,
            command_id=name,
            on_error=on_error,
            dry_run=self._dry_run,
            is_decoded=True,
        )

    def _told(self, answered: Answered) -> list[Told]:
        return [Told(outcome, answered.replayed) for outcome in answered.outcomes]


def _refused_before(answered: Answered, indexes: Sequence[int]) -> list[int]:
    """Which of these commands an earlier run was refused."""
    if not answered.replayed:
        return []
    outcomes = zip(indexes, answered.outcomes, strict=True)
    return [index for index, outcome in outcomes if isinstance(outcome, Refused)]


def _single(future: "Future[Answered]") -> Told:
    """The outcome of a command that was sent alone."""
    try:
        answered = future.result()
    except Refusal as refusal:
        return Told(Refused.by(refusal), before=False)
    return Told(answered.outcomes[0], answered.replayed)
