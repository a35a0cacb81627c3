"""Evidence: checkpoints and proofs. They hold hashes and nothing else, so any key may ask for them.

Hashes are base64, as in the C2SP texts. What a receipt says can be held against them.
"""

from typing import Final

import msgspec
from fastapi import Request, Response
from msgspec import Struct, field
from starlette.concurrency import run_in_threadpool

from api.answers import Consistency, Inclusion, ListedCheckpoint
from api.queries import Limit, Query, read_query
from api.runtime import Runtime, runtime_of
from ledger.checkpoints import kept_at, last_kept
from ledger.domain.errors import CheckpointNotFound, InvalidCommand
from ledger.domain.values import Count, Positive
from ledger.log.checkpoint import base64_of
from ledger.log.merkle import HASH_BYTES
from ledger.log.tlog_proof import ConsistencyProof, InclusionProof
from ledger.store import tree
from ledger.store.log import KeptCheckpoint, LogStore

JSON: Final = "application/json"
NOTE: Final = "text/plain; charset=utf-8"
HEADERS: Final = {"cache-control": "no-store"}


class CheckpointQuery(Query, frozen=True, kw_only=True):
    """One that was signed at exactly this size; absent: the log as it is now."""

    size: Positive | None = None


class CheckpointsQuery(Query, frozen=True, kw_only=True):
    """Those of the next `limit` sizes above `after`."""

    after: Count = 0
    limit: Limit = 100


class InclusionQuery(Query, frozen=True, kw_only=True):
    """The event at a position, in the tree of a size; absent: of the last checkpoint."""

    position: Positive
    size: Positive | None = None


class ConsistencyQuery(Query, frozen=True, kw_only=True):
    """The tree of one size, and that of a later one; absent: of the last checkpoint."""

    from_: Count = field(name="from")
    to: Positive | None = None


class ListedCheckpoints(Struct, frozen=True, kw_only=True):
    """Checkpoints by size; ask on from the last one's."""

    checkpoints: list[ListedCheckpoint]


async def checkpoint(request: Request) -> Response:
    """The log's size and root, signed (C2SP tlog-checkpoint). A long log is signed in steps.

    Raises CheckpointNotFound where the service has no signing key and none was signed before.
    """
    runtime = runtime_of(request)
    await runtime.admit(request)
    query = read_query(request, CheckpointQuery)
    kept = await (_sign(runtime) if query.size is None else _find(runtime, query.size))
    return Response(kept.note, 200, HEADERS, NOTE)


async def _sign(runtime: Runtime) -> KeptCheckpoint:
    """The checkpoint of now; the last one where there is no key. Waits without a thread."""
    if runtime.checkpoints is None:
        return await run_in_threadpool(last_kept, runtime.ledger.store)
    async with runtime.signing:
        rows_max = runtime.bounds.checkpoint_rows_max
        return await run_in_threadpool(runtime.checkpoints.sign, rows_max=rows_max)


async def _find(runtime: Runtime, size: int) -> KeptCheckpoint:
    kept = await run_in_threadpool(kept_at, runtime.ledger.store, size, _own_key(runtime))
    if kept is None:
        raise CheckpointNotFound("size", size=size)
    return kept


async def checkpoints(request: Request) -> Response:
    """All checkpoints that were signed, by size."""
    runtime = runtime_of(request)
    await runtime.admit(request)
    query = read_query(request, CheckpointsQuery)
    found = await run_in_threadpool(runtime.ledger.store.checkpoints, query.after, query.limit)
    listed = [
        ListedCheckpoint(size=each.size, verifier=each.verifier, note=each.note.decode())
        for each in found
    ]
    return _answer(ListedCheckpoints(checkpoints=listed))


async def inclusion(request: Request) -> Response:
    """The proof that an event is in the log (RFC 6962)."""
    runtime = runtime_of(request)
    await runtime.admit(request)
    query = read_query(request, InclusionQuery)
    return _answer(await run_in_threadpool(_inclusion, runtime, query))


async def consistency(request: Request) -> Response:
    """The proof that the log only grew from one size to another (RFC 6962)."""
    runtime = runtime_of(request)
    await runtime.admit(request)
    query = read_query(request, ConsistencyQuery)
    return _answer(await run_in_threadpool(_consistency, runtime, query))


def _own_key(runtime: Runtime) -> str:
    """The public side of the service's signing key, empty where it has none."""
    return runtime.checkpoints.verifier if runtime.checkpoints else ""


def _inclusion(runtime: Runtime, query: InclusionQuery) -> Inclusion:
    store, own = runtime.ledger.store, _own_key(runtime)
    size = _size(store, own, query.size, "size")
    if query.position > size:
        raise InvalidCommand("position", reason=f"the tree has {size} events")
    hashes = tree.prove_inclusion(store, query.position, size)
    kept, index = kept_at(store, size, own), query.position - 1
    (stored,) = store.select_hashes([query.position])
    return Inclusion(
        position=query.position,
        index=index,
        size=size,
        leaf=base64_of(stored[:HASH_BYTES]),
        root=base64_of(tree.root_at(store, size)),
        hashes=list(map(base64_of, hashes)),
        tlog_proof=InclusionProof(index, hashes, kept.note).text().decode() if kept else None,
    )


def _consistency(runtime: Runtime, query: ConsistencyQuery) -> Consistency:
    store, own = runtime.ledger.store, _own_key(runtime)
    old, new = query.from_, _size(store, own, query.to, "to")
    if old > new:
        raise InvalidCommand("from", reason=f"the later tree has {new} events")
    hashes, kept = tree.prove_consistency(store, old, new), kept_at(store, new, own)
    return Consistency(
        from_=old,
        to=new,
        from_root=base64_of(tree.root_at(store, old)),
        to_root=base64_of(tree.root_at(store, new)),
        hashes=list(map(base64_of, hashes)),
        proof=ConsistencyProof(old, hashes, kept.note).text().decode() if kept else None,
    )


def _size(store: LogStore, own: str, size: int | None, at: str) -> int:
    """The size that is meant. Raises InvalidCommand when the log is not so long."""
    if size is None:
        return last_kept(store, own).size
    head, _ = store.glance(())
    if size > head:
        raise InvalidCommand(at, reason=f"the log has {head} events")
    return size


def _answer(answer: Struct) -> Response:
    return Response(msgspec.json.encode(answer), 200, HEADERS, JSON)
