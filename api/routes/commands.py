"""The routes of all commands: one handler for the table of ways.

What a command may and may not do is the ledger's to say.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from api import bodies, intake
from api.call import call_of
from api.errors import IdempotencyKeyRequired, UnsupportedMediaType
from api.queries import Query, read_query
from api.runtime import runtime_of
from api.ways import Way
from ledger.domain.access import Caller, require_role
from ledger.domain.errors import InvalidCommand
from ledger.store.requests import Answered

#: A key as it is sent, bare or as a quoted string (IETF draft); then the ledger's command id.
IDEMPOTENCY_KEY: Final = re.compile(r'(?P<quote>"?)([A-Za-z0-9._:-]{1,64})(?P=quote)', re.ASCII)
JSON: Final = "application/json"
#: Bodies are taken as they are: what unpacks to more than its size says is not bounded by it.
UNCODED: Final = "identity"
CREATED, OK = 201, 200


class Dry(Query, frozen=True, kw_only=True):
    """What may be asked of a write."""

    #: All checks and the same answer, but nothing is written.
    dry_run: bool = False


def handler(way: Way) -> Callable[[Request], Awaitable[Response]]:
    """What is done with a request to carry out this command."""
    kind, ids = way.kind, frozenset(way.ids)

    async def carry_out(request: Request) -> Response:
        runtime = runtime_of(request)
        caller = await runtime.admit(request)
        require_role(caller, kind)
        dry = read_query(request, Dry)
        command_id = name_command(request, caller, needed=not dry.dry_run)
        command = await read_body(request, kind, request.path_params if ids else {})
        answered = await runtime.carry_out([command], caller, command_id, dry_run=dry.dry_run)
        if dry.dry_run:
            return written(request, answered, dry_run=True)
        return written(request, answered, receipt=await runtime.receipt(answered))

    return carry_out


def name_command(request: Request, caller: Caller, *, needed: bool = True) -> str | None:
    """The command id of a request: the holder's own, so that holders cannot meet.

    Raises IdempotencyKeyRequired, InvalidCommand.
    """
    sent = call_of(request).header(b"idempotency-key")
    if not sent:
        if needed:
            raise IdempotencyKeyRequired("idempotency-key")
        return None
    found = IDEMPOTENCY_KEY.fullmatch(sent)
    if found is None:
        raise InvalidCommand("idempotency-key", reason="1 to 64 of A-Z a-z 0-9 . _ : -")
    return f"{caller.holder}/{found[2]}"


async def read_body(request: Request, kind: type[bodies.T], ids: Mapping[str, str]) -> bodies.T:
    """The command in a request.

    Raises UnsupportedMediaType, InvalidCommand, BodyTooLarge, RequestTimeout.
    """
    bounds = runtime_of(request).bounds
    body = await intake.whole(request, bounds.body_bytes_max, bounds.body_wait_s)
    if body:
        check_type(request, JSON)
    return bodies.decode(kind, body, ids)


def check_type(request: Request, *allowed: str) -> None:
    """Refuse another content type, another charset, or any coding. Raises UnsupportedMediaType."""
    call = call_of(request)
    if call.header(b"content-encoding").lower() not in ("", UNCODED):
        call.add("accept-encoding", UNCODED)  # RFC 9110 section 15.5.16
        raise UnsupportedMediaType("content-encoding", allowed=UNCODED)
    sent = call.header(b"content-type").lower()
    media, _, parameters = sent.partition(";")
    if media.strip() not in allowed or parameters.strip() not in ("", "charset=utf-8"):
        raise UnsupportedMediaType("content-type", allowed=", ".join(allowed))


def written(
    request: Request,
    answered: Answered,
    *,
    dry_run: bool = False,
    receipt: str = "",
    **more: Any,
) -> Response:
    """The answer to one command."""
    (result,) = answered.outcomes
    assert isinstance(result, dict)  # a single command is atomic: refused means raised
    told = {
        "command_id": answered.command_id,
        "position": answered.position,
        "first_position": answered.first_position,
        "count": answered.count,
        "replayed": answered.replayed,
        "dry_run": dry_run,
    }
    if receipt:
        told["signed_receipt"] = receipt
    if answered.replayed:
        call_of(request).add("idempotency-replayed", "true")
    status = CREATED if answered.count and not dry_run else OK
    return Response(msgspec.json.encode({**result, **told, **more}), status, media_type=JSON)
