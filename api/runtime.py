"""What one service has open: the ledger, the figures, who calls, how often, and what is counted."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from api import auth
from api.arrivals import Arrivals
from api.auth import Keys
from api.bounds import Bounds
from api.call import call_of
from api.freshness import Freshness
from api.health import Health
from api.metrics import Metrics
from api.rates import Rates
from ledger.application import Ledger
from ledger.checkpoints import Checkpoints
from ledger.domain.access import Caller
from ledger.domain.commands import Command, IssueKey, RevokeKey
from ledger.domain.errors import LedgerError, Unauthenticated
from ledger.log.signer import Signer
from ledger.receipts import Receipts
from ledger.settings import Settings
from ledger.signing import signer_of
from ledger.store.requests import Answered, OnError, Refused
from ledger.store.tree import origin_of
from projections.comparisons import Comparisons
from projections.database import open_engine, open_reads
from projections.differences import Compared
from projections.looks import Looks
from projections.past import Pasts
from projections.tailer import Tailer

#: Seconds a start may wait for the writer's process; after that it is told to be not ready yet.
START_WAIT_S: Final = 15.0
#: Seconds between looks at a log that grows. Each costs some milliseconds of the time that
#: answers are made in; who waits to read its own write hurries the tailer.
PAUSE_S: Final = 0.25
#: Reads answered at once; more of them wait for a thread.
READERS_MAX: Final = 40

log = logging.getLogger("hourledger.receipts")


class Runtime:
    """Opened when the service starts, closed when it stops."""

    def __init__(
        self,
        settings: Settings,
        bounds: Bounds,
        metrics: Metrics,
        *,
        tailer: bool,
        apart: bool = False,
    ) -> None:
        """Raises InvalidSettings, NotDurable, Unavailable: a service starts whole or not at all."""
        self.bounds = bounds
        self.metrics = metrics
        with contextlib.ExitStack() as stack:
            self.ledger = Ledger(settings, apart=apart)
            stack.callback(self.ledger.close)
            if self.ledger.apart is not None:
                self.ledger.apart.wait_ready(START_WAIT_S)
            signer = _signer_of(self.ledger)
            self.reads = open_reads(settings.read_models)
            stack.callback(self.reads.close)
            self.looks = Looks(open_engine(settings.read_models))
            stack.callback(self.looks.close)
            self.pasts = Pasts(self.ledger.store, sealed=settings.sealed)
            stack.callback(self.pasts.close)
            self.comparisons = Comparisons[Compared]()
            self.tailer = (
                Tailer(self.ledger.store, self.reads, pause_min_s=PAUSE_S) if tailer else None
            )
            if self.tailer is not None:
                self.tailer.start()
                stack.callback(self.tailer.stop)
            #: The threads that reads are answered in.
            self.readers = ThreadPoolExecutor(READERS_MAX, "ledger-reader")
            stack.callback(self.readers.shutdown, cancel_futures=True)
            self._closing = stack.pop_all()
        self.rates = Rates(bounds)
        self.health = Health(self.ledger, self.reads, self.tailer, bounds.lag_s_max)
        # These belong to the event loop that answers.
        self.keys = Keys(self.ledger.caller_for, bounds.key_kept_s)
        self._arrivals = Arrivals(bounds.write_wait_s)
        self.freshness = Freshness(
            lambda: self.reads.position,
            lambda: self.ledger.store.head().position,
            self.tailer.hurry if self.tailer is not None else lambda: None,
        )
        #: What signs checkpoints and receipts, where there is a key.
        self.checkpoints = Checkpoints(self.ledger.store, signer) if signer else None
        self._receipts = Receipts(self.ledger.store, signer) if signer else None
        self.signing = asyncio.Lock()
        #: Set when the service is about to stop, so that endless answers end.
        self.stopping = asyncio.Event()
        #: Streams of server-sent events under way.
        self.streams = 0

    def attach(self) -> None:
        """Let the running loop itself look at the answers of the writer's process."""
        if self.ledger.apart is not None:
            self.ledger.apart.attach(asyncio.get_running_loop())

    def detach(self) -> None:
        """Leave that to a thread again, so that `close` may wait for them. On the loop."""
        if self.ledger.apart is not None:
            self.ledger.apart.detach()

    def close(self) -> None:
        """Finish what was acknowledged, then close."""
        self._closing.close()

    async def admit(self, request: Request) -> Caller:
        """Who calls, counted. Raises Unauthenticated, RateLimited, Unavailable."""
        try:
            caller = await self.keys.caller(auth.secret_of(request))
        except Unauthenticated:
            self.rates.count_stranger(request.client.host if request.client else "")
            raise
        auth.know(request, caller)
        self.rates.count(call_of(request), caller.key)
        return caller

    async def carry_out(
        self,
        commands: Sequence[Command],
        caller: Caller,
        command_id: str | None,
        *,
        on_error: OnError = "atomic",
        dry_run: bool = False,
    ) -> Answered:
        """Hand decoded commands to the ledger and wait, without a thread, in bounded time.

        Raises the Refusal of an atomic request, CommandInFlight, Unavailable.
        """
        try:
            answered = await self._arrivals.wait(
                self.ledger.submit(
                    commands,
                    caller,
                    command_id=command_id,
                    on_error=on_error,
                    dry_run=dry_run,
                    is_decoded=True,
                )
            )
        except LedgerError as error:
            self.metrics.did(_op_of(type(commands[error.index or 0])), error.code)
            raise
        if not dry_run:
            self._count(commands, answered)
        return answered

    async def receipt(self, answered: Answered) -> str:
        """The signed receipt of what was just written; empty where nothing was, or no key is.

        The write stands whatever happens here, so nothing is raised.
        """
        if self._receipts is None or not answered.count:
            return ""
        try:
            if self._receipts.is_at_hand(answered):
                return self._receipts.of_answer(answered).decode()
            return (await run_in_threadpool(self._receipts.of_answer, answered)).decode()
        except Exception as error:  # noqa: BLE001  see above
            log.warning("no receipt", extra={"told": {"error": type(error).__name__}})
            return ""

    def _count(self, commands: Sequence[Command], answered: Answered) -> None:
        done: dict[tuple[type[Command], str], int] = {}
        for command, outcome in zip(commands, answered.outcomes, strict=False):
            became = outcome.code if isinstance(outcome, Refused) else "done"
            done[type(command), became] = done.get((type(command), became), 0) + 1
        for (kind, became), count in done.items():
            self.metrics.did(_op_of(kind), became, count)
            if kind in (IssueKey, RevokeKey) and became == "done":
                self.keys.forget()


def _signer_of(ledger: Ledger) -> Signer | None:
    """The signing key, if there is one. Raises InvalidSettings when it is not of this log."""
    signer = signer_of(ledger.settings)
    if signer is not None and ledger.store.head().position:
        signer.check_origin(origin_of(ledger.store))
    return signer


def _op_of(kind: type[Command]) -> str:
    return str(kind.__struct_config__.tag)


def runtime_of(request: Request) -> Runtime:
    """The runtime of the service a request came to."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def runtime_in(app: FastAPI) -> Runtime:
    """The runtime of a service that has been started."""
    runtime: Runtime = app.state.runtime
    return runtime
