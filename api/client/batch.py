"""Batches: as many commands as there are, in memory that does not grow, resumable anywhere.

The commands are sent in pieces, each a request under a key of its own, `<key>:<n>`. A piece is
repeated until it is answered; what of it was done before is not done again, and gives the first
results. So the same commands under the same key go on wherever a batch was cut, whoever was cut.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import httpx
import msgspec

from api.answers import LineResult
from api.client.door import Door
from api.client.errors import ServiceError, UnreachableError, problem_in
from ledger.domain.commands import Command
from ledger.store.requests import OnError

NDJSON: Final = {"content-type": "application/x-ndjson"}
#: Commands in a request: a multiple of what the service writes at once.
PIECE_LINES: Final = 5_000


class Batch:
    """Many commands at once."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def send(
        self,
        commands: Iterable[Command],
        *,
        idempotency_key: str,
        on_error: OnError = "continue",
        after_line: int = 0,
    ) -> Iterator[LineResult]:
        """A result for each command, in order; `line` counts from 1. Sent as results are asked for.

        `continue`: whatever is not refused is kept. `stop`: what comes before the first refusal.
        `atomic`: all or nothing, in one transaction (so not too many; the refusal is raised).
        `after_line`: the results up to this line are known already; go on behind it, with the same
        commands and key. Raises ProblemError, UnreachableError: then the same may be sent again.
        """
        stops, first = on_error == "stop", 0
        is_stopped = False
        for number, piece in enumerate(_pieces(commands, on_error), start=1):
            results: list[LineResult] = []
            if is_stopped:
                results = [LineResult(line=n + 1, outcome="skipped") for n in range(len(piece))]
            elif stops or first + len(piece) > after_line:  # where it stopped is not known here
                key = f"{idempotency_key}:{number}"
                results = self._results(piece, {"on_error": on_error}, key)
            is_stopped = is_stopped or (stops and results[-1].outcome != "done")
            for result in results:
                if first + result.line > after_line:
                    yield msgspec.structs.replace(result, line=first + result.line)
            first += len(piece)

    def try_out(self, commands: Iterable[Command]) -> list[LineResult]:
        """What would become of commands, in one go; nothing is written. Raises as `send`."""
        return self._results(commands, {"on_error": "continue", "dry_run": "true"}, "")

    def _results(
        self, commands: Iterable[Command], how: dict[str, str], key: str
    ) -> list[LineResult]:
        body = b"".join(msgspec.json.encode(command) + b"\n" for command in commands)
        headers = NDJSON | ({"idempotency-key": key} if key else {})
        request = self._door.http.build_request(
            "POST", "/v1/batch", params=how, content=body, headers=headers
        )
        return _lines(self._door.ask(request, _failure_in))


def _pieces(commands: Iterable[Command], on_error: OnError) -> Iterator[list[Command]]:
    """The commands of each request: all of them where they are one transaction."""
    lines, size = iter(commands), None if on_error == "atomic" else PIECE_LINES
    while piece := list(islice(lines, size)):
        yield piece


def _lines(answer: httpx.Response) -> list[LineResult]:
    return msgspec.json.decode(
        b"[" + b",".join(answer.content.splitlines()) + b"]", type=list[LineResult]
    )


def _failure_in(answer: httpx.Response) -> ServiceError | None:
    """A problem, or a line of which the service does not know what became: to be sent again."""
    failure = problem_in(answer)
    if failure is None and any(result.outcome == "unknown" for result in _lines(answer)):
        return UnreachableError("the service lost its database within the batch")
    return failure
