"""Many commands in one request: a line in, a result line out, in memory that does not grow.

Lines are carried out in chunks, each one transaction under a command id of its own:
the first with a command in it under the key itself, which so names this write and no
other, the next under `<key>/<n>`. The chunks of a batch depend on its lines alone, so
who sends the same again under the same key gets the first answers as far as the batch
had come, and goes on from there. With `on_error=atomic`, and in a dry run, all lines are one
transaction, and there may be only so many of them.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import Request, Response
from msgspec import Meta
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.answers import LineResult
from api.batch_lines import Line, read_lines
from api.bounds import Bounds
from api.errors import BatchTooLarge
from api.intake import pieces
from api.queries import Query, read_query
from api.routes.commands import check_type, name_command
from api.runtime import Runtime, runtime_of
from api.spool import Spool
from ledger.domain.access import Caller, require_role
from ledger.domain.commands import Command
from ledger.domain.errors import Forbidden, InvalidCommand, LedgerError, Refusal
from ledger.store.requests import Answered, OnError, Refused, Result

MEDIA: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
#: Chunks of one batch that may be under way at once.
CHUNKS_AHEAD: Final = 10
#: After these it is not known whether a chunk had its effect.
UNCERTAIN: Final = ("command_in_flight", "unavailable")


_RESULTS: Final = msgspec.json.Encoder()


class BatchQuery(Query, frozen=True, kw_only=True):
    """What becomes of the rest when a line is refused, and whether all is only tried."""

    on_error: Annotated[
        OnError,
        Meta(
            description="atomic: nothing is kept when a line is refused (a bounded number of"
            " lines); stop: what stands before it is kept; continue: all that is not refused"
        ),
    ] = "atomic"
    dry_run: bool = False


async def batch(request: Request) -> Response:
    """Carry out a batch of commands, each line `{"op":"log_hours", …}`."""
    runtime = runtime_of(request)
    caller = await runtime.admit(request)
    query = read_query(request, BatchQuery)
    command_id = name_command(request, caller, needed=not query.dry_run)
    check_type(request, *MEDIA)
    bounds = runtime.bounds
    lines = read_lines(pieces(request, bounds.batch_bytes_max), bounds.line_bytes_max)
    if query.on_error == "atomic" or query.dry_run:
        return await _whole(runtime, caller, command_id, lines, query)
    assert command_id is not None  # needed, as it is no dry run
    work = Work(runtime, caller, command_id, query.on_error)
    await work.carry_out_next(lines)
    return BatchAnswer(work, lines)


# results


def _done(line: Line, answered: Answered, result: Result) -> LineResult:
    return LineResult(
        line=line.number,
        outcome="done",
        position=answered.position,
        replayed=answered.replayed,
        result=result,
    )


def _refused(line: Line, refused: Refused) -> LineResult:
    told: dict[str, Any] = msgspec.structs.asdict(refused)
    return LineResult(line=line.number, outcome="refused", **told)


def _encoded(results: Sequence[LineResult]) -> bytes:
    return _RESULTS.encode_lines(results)


# one transaction


async def _whole(
    runtime: Runtime,
    caller: Caller,
    command_id: str | None,
    lines: AsyncIterator[list[Line]],
    query: BatchQuery,
) -> Response:
    """All lines at once. Raises the Refusal of an atomic batch, BatchTooLarge."""
    kept: list[Line] = []
    async for some in lines:
        for line in some:
            if len(kept) == runtime.bounds.atomic_lines_max:
                raise BatchTooLarge("on_error", lines_max=runtime.bounds.atomic_lines_max)
            if line.refused is not None and query.on_error == "atomic":
                raise _as_refusal(line.refused, line.number)
            kept.append(line)
    chunk = Chunk(kept, command_id, query.on_error, dry_run=query.dry_run)
    results, _ = await _carry_out(runtime, caller, chunk)
    return Response(_encoded(results), 200, media_type=MEDIA[0])


def _as_refusal(refused: Refused, line: int) -> Refusal:
    return InvalidCommand(refused.at, **{**refused.facts, "line": line})


class Chunk(NamedTuple):
    """Lines that are one transaction."""

    lines: Sequence[Line]
    command_id: str | None
    on_error: OnError
    dry_run: bool = False

    @property
    def tried(self) -> list[Line]:
        """The lines that are commands, up to the first that is none where that stops the rest."""
        wrong = (n for n, line in enumerate(self.lines) if line.refused is not None)
        end = next(wrong, None) if self.on_error == "stop" else None
        return [line for line in self.lines[:end] if line.command is not None]


async def _carry_out(
    runtime: Runtime, caller: Caller, chunk: Chunk
) -> tuple[list[LineResult], bool]:
    """Carry out lines in one transaction; their results, and whether the batch goes on.

    Raises the Refusal of an atomic batch with the line it stands in, and what the ledger raises.
    """
    tried = chunk.tried
    commands = [line.command for line in tried if line.command is not None]
    answered = Answered(command_id="", outcomes=[])
    try:
        if commands:
            answered = await runtime.carry_out(
                commands,
                caller,
                chunk.command_id,
                on_error=chunk.on_error,
                dry_run=chunk.dry_run,
            )
            if answered.replayed:
                _check_roles(caller, commands, answered)
    except LedgerError as error:
        if error.index is not None:
            error.facts["line"] = tried[error.index].number
        raise
    outcomes = {line.number: o for line, o in zip(tried, answered.outcomes, strict=False)}
    is_stopping = chunk.on_error == "stop"
    results = _results(chunk.lines, outcomes, answered, is_stopping=is_stopping)
    if not chunk.dry_run:
        _put_receipt(results, await runtime.receipt(answered))
    return results, not is_stopping or all(result.outcome == "done" for result in results)


def _check_roles(caller: Caller, commands: Sequence[Command], answered: Answered) -> None:
    """What was done is told again to whose key may do it. Raises Forbidden."""
    for index, (command, outcome) in enumerate(zip(commands, answered.outcomes, strict=False)):
        if not isinstance(outcome, Refused):
            try:
                require_role(caller, type(command))
            except Forbidden as refusal:
                refusal.index = index
                raise


def _put_receipt(results: list[LineResult], receipt: str) -> None:
    """Put the receipt of all lines on the last that was done."""
    if not receipt:
        return
    done = [n for n, result in enumerate(results) if result.outcome == "done"]
    if done:
        results[done[-1]] = msgspec.structs.replace(results[done[-1]], signed_receipt=receipt)


def _results(
    lines: Sequence[Line],
    outcomes: dict[int, Result | Refused],
    answered: Answered,
    *,
    is_stopping: bool,
) -> list[LineResult]:
    """A result for each line, in order."""
    results, stopped = [], False
    for line in lines:
        outcome = line.refused or outcomes.get(line.number)
        if stopped or outcome is None:
            results.append(LineResult(line=line.number, outcome="skipped"))
        elif isinstance(outcome, Refused):
            results.append(_refused(line, outcome))
            stopped = is_stopping
        else:
            results.append(_done(line, answered, outcome))
    return results


# chunk by chunk


class Begun(NamedTuple):
    """A chunk that was handed over; nothing was, where an earlier one stopped the batch."""

    lines: Sequence[Line]
    task: asyncio.Task[tuple[list[LineResult], bool]] | None
    is_first: bool = False


class Work:
    """A batch under way: where it is, and whether it goes on."""

    def __init__(
        self, runtime: Runtime, caller: Caller, command_id: str, on_error: OnError
    ) -> None:
        self._runtime, self._caller = runtime, caller
        self._command_id, self._on_error = command_id, on_error
        self._chunks = 0
        #: Chunks with a command in them.
        self._named = 0
        self._goes_on = True
        #: Read, and not in a chunk yet.
        self._left: list[Line] = []
        #: Whether the last line has been read.
        self.ended = False
        self.spool = Spool(runtime.bounds.spool_bytes_max)

    @property
    def bounds(self) -> Bounds:
        """What is taken at once."""
        return self._runtime.bounds

    async def carry_out_next(self, lines: AsyncIterator[list[Line]]) -> None:
        """Read a chunk and carry it out. What the ledger raises for all of it is raised.

        Raises ClientDisconnect; what was read of the chunk then is not carried out.
        """
        await self._tell(self._begin(await self._read(lines)))

    async def _read(self, lines: AsyncIterator[list[Line]]) -> list[Line]:
        """The lines of the next chunk."""
        size = self.bounds.chunk_lines
        if len(self._left) < size:
            async for some in lines:
                self._left += some
                if len(self._left) >= size:
                    break
        chunk, self._left = self._left[:size], self._left[size:]
        self.ended = len(chunk) < size
        return chunk

    def _begin(self, lines: Sequence[Line]) -> Begun:
        """Hand a chunk over, in its turn; without waiting for what becomes of it."""
        if not self._goes_on:
            return Begun(lines, None)
        self._chunks += 1
        self._named += any(line.command is not None for line in lines)
        name = f"{self._command_id}/{self._named}" if self._named > 1 else self._command_id
        chunk = Chunk(lines, name, self._on_error)
        work = _carry_out(self._runtime, self._caller, chunk)
        return Begun(lines, asyncio.create_task(work), is_first=self._chunks == 1)

    async def _tell(self, begun: Begun) -> None:
        """Wait for a chunk and write its results. Raises what the first chunk raises."""
        if begun.task is None:
            results = [LineResult(line=line.number, outcome="skipped") for line in begun.lines]
        else:
            try:
                results, goes_on = await begun.task
            except LedgerError as error:
                if begun.is_first:
                    raise
                results, goes_on = [_failed(line, error) for line in begun.lines], False
            self._goes_on = self._goes_on and goes_on
        self.spool.write(_encoded(results))

    async def carry_out_rest(self, lines: AsyncIterator[list[Line]]) -> None:
        """Carry out chunk after chunk, until the lines end or the client is gone.

        Where no line's refusal stops the rest, the next chunks are handed over meanwhile, so that
        they are decided while others are written. One that fails whole may have some behind it.
        """
        room = asyncio.Semaphore(CHUNKS_AHEAD if self._on_error == "continue" else 1)
        begun: asyncio.Queue[Begun | None] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._tell_all(begun, room))
                with suppress(ClientDisconnect):  # it may send the same again
                    while not self.ended:
                        await room.acquire()
                        begun.put_nowait(self._begin(await self._read(lines)))
                begun.put_nowait(None)
        finally:
            self.spool.end()

    async def _tell_all(
        self, begun: "asyncio.Queue[Begun | None]", room: asyncio.Semaphore
    ) -> None:
        """Tell of chunks in their order, as they are done."""
        while (chunk := await begun.get()) is not None:
            await self._tell(chunk)
            room.release()


def _failed(line: Line, error: LedgerError) -> LineResult:
    """A line of a chunk that failed whole, after earlier ones were answered."""
    return LineResult(
        line=line.number,
        outcome="unknown" if error.code in UNCERTAIN else "refused",
        code=error.code,
        message=error.message,
        at=error.at,
        facts=dict(error.facts),
    )


class BatchAnswer(Response):
    """Result lines, sent while lines are still read; a slow reader holds up nothing."""

    media_type = MEDIA[0]

    def __init__(self, work: Work, lines: AsyncIterator[list[Line]]) -> None:
        super().__init__(None, 200)
        del self.headers["content-length"]
        self._work, self._lines = work, lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send results as they come."""
        del scope, receive  # the lines are read by whoever made them
        rest = asyncio.create_task(self._work.carry_out_rest(self._lines))
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            async for piece in self._work.spool.read():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await rest  # before the last piece: an answer that breaks off must look like one
            await send({"type": "http.response.body", "body": b""})
        finally:
            rest.cancel()
