"""A command as a call, with the command's own fields as its parameters."""

from collections.abc import Callable
from typing import Generic, ParamSpec

from api.client.door import Answer, Door
from ledger.domain.commands import Command

P = ParamSpec("P")


class Write(Generic[P]):
    """Carries a command out; its fields are told where it is defined (`ledger.domain.commands`).

    Each way of calling raises ProblemError and UnreachableError.
    """

    def __init__(self, door: Door, kind: Callable[P, Command]) -> None:
        self._door, self._kind = door, kind
        self.__doc__ = kind.__doc__

    def __call__(self, *args: P.args, **fields: P.kwargs) -> Answer:
        """Carry it out, under a key of its own."""
        return self._door.execute(self._kind(*args, **fields))

    def once(self, idempotency_key: str, /, *args: P.args, **fields: P.kwargs) -> Answer:
        """Carry it out unless that was done under this key; the first answer in any case."""
        command = self._kind(*args, **fields)
        return self._door.execute(command, idempotency_key=idempotency_key)

    def dry_run(self, *args: P.args, **fields: P.kwargs) -> Answer:
        """All checks and the same answer, but nothing is written."""
        return self._door.execute(self._kind(*args, **fields), dry_run=True)
