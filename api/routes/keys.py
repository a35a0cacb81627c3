"""Keys: issued with their secret shown this once, and listed without it."""

from typing import Final

from fastapi import Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from api.answers import ListedKey
from api.queries import ReadQuery, read_query
from api.reading import Look, Shown, View
from api.routes.commands import Dry, name_command, read_body, written
from api.runtime import runtime_of
from ledger.domain.access import require_role
from ledger.domain.commands import IssueKey, op_of
from ledger.domain.errors import LedgerError
from ledger.domain.key import Key, beyond
from ledger.store.requests import Answered

OP: Final = op_of(IssueKey.__name__)


class ListedKeys(Struct, frozen=True, kw_only=True):
    """All keys within the caller's own scope, in the order of issue."""

    position: int
    keys: list[ListedKey]


async def issue(request: Request) -> Response:
    """Issue a key; `secret` is in this answer and in no other."""
    runtime = runtime_of(request)
    caller = await runtime.admit(request)
    require_role(caller, IssueKey)
    dry = read_query(request, Dry)
    command_id = name_command(request, caller, needed=not dry.dry_run)
    command = await read_body(request, IssueKey, {})
    if dry.dry_run:
        answered = await runtime.carry_out([command], caller, None, dry_run=True)
        await run_in_threadpool(runtime.ledger.check_holder, command.holder, caller)
        return written(request, answered, dry_run=True)
    try:
        answer, secret = await run_in_threadpool(
            runtime.ledger.issue_key, command, caller, command_id=command_id
        )
    except LedgerError as error:
        runtime.metrics.did(OP, error.code)
        raise
    runtime.metrics.did(OP, "done")
    runtime.keys.forget()
    answered = Answered(
        command_id=answer.command_id,
        outcomes=[answer.result],
        first_position=answer.first_position,
        count=answer.count,
        position=answer.position,
        replayed=answer.replayed,
    )
    receipt = await runtime.receipt(answered)
    return written(request, answered, receipt=receipt, secret=secret)


def show_keys(look: Look, _: ReadQuery) -> Shown:
    """All keys; a scoped admin sees those within that scope."""
    streams = [f"key/{kept.key}" for kept in look.store.list_keys()]
    look.books.load(streams)
    states = map(look.books.get, streams)
    keys = [state for state in states if isinstance(state, Key) and not beyond(look.caller, state)]
    return Shown(ListedKeys(position=look.position, keys=[_listed(key) for key in keys]), "")


def _listed(key: Key) -> ListedKey:
    told = {name: getattr(key, name) for name in ListedKey.__struct_fields__ if name != "key"}
    return ListedKey(key=key.id, **told)


VIEWS = (View("/v1/keys", "keys", show_keys, ReadQuery, ListedKeys),)
