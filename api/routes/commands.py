"""The routes of all commands: one table, one handler.

A path names fields of its command in braces; they are taken from there and may not
stand in the body. What a command may and may not do is the ledger's to say.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import Request, Response

from api import bodies
from api.call import call_of
from api.errors import IdempotencyKeyRequired, RequestTimeout, UnsupportedMediaType
from api.queries import Query, read_query
from api.runtime import Runtime, runtime_of
from ledger.domain import commands as c
from ledger.domain.access import Caller, require_role
from ledger.domain.errors import InvalidCommand
from ledger.store.requests import Answered

#: A key as it is sent, bare or as a quoted string (IETF draft); then the ledger's command id.
IDEMPOTENCY_KEY: Final = re.compile(r'(?P<quote>"?)([A-Za-z0-9._:-]{1,64})(?P=quote)', re.ASCII)
JSON: Final = "application/json"
CREATED, OK = 201, 200


class Way(NamedTuple):
    """One route: where a command is posted to."""

    path: str
    kind: type[c.Command]

    @property
    def ids(self) -> tuple[str, ...]:
        """The fields of the command that stand in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def op(self) -> str:
        """The command's name."""
        return c.op_of(self.kind.__name__)


#: The busiest first: routes are looked through in this order.
WAYS: Final = (
    Way("/v1/hours", c.LogHours),
    Way("/v1/hours/{entry}/verify", c.VerifyHours),
    Way("/v1/hours/{entry}/reject", c.RejectHours),
    Way("/v1/hours/{entry}/correct", c.CorrectHours),
    Way("/v1/hours/{entry}/void", c.VoidHours),
    Way("/v1/members", c.RegisterMember),
    Way("/v1/members/{member}/kinds", c.ChangeMemberKinds),
    Way("/v1/members/{member}/move", c.MoveMember),
    Way("/v1/members/{member}/deregister", c.DeregisterMember),
    Way("/v1/members/{member}/credentials", c.RecordCredential),
    Way("/v1/members/{member}/credentials/{credential}/withdraw", c.WithdrawCredential),
    Way("/v1/grants", c.GrantIncentive),
    Way("/v1/grants/{grant}/revoke", c.RevokeGrant),
    Way("/v1/organisations", c.RegisterOrganisation),
    Way("/v1/organisations/{organisation}/members", c.JoinOrganisation),
    Way("/v1/organisations/{organisation}/members/{member}/leave", c.LeaveOrganisation),
    Way("/v1/projects", c.OpenProject),
    Way("/v1/projects/{project}/close", c.CloseProject),
    Way("/v1/activities", c.HoldActivity),
    Way("/v1/activities/{activity}/withdraw", c.WithdrawActivity),
    Way("/v1/policies", c.DefinePolicy),
    Way("/v1/policies/{policy}/amend", c.AmendPolicy),
    Way("/v1/policies/{policy}/close", c.ClosePolicy),
    Way("/v1/funds", c.OpenFund),
    Way("/v1/funds/{fund}/amend", c.AmendFund),
    Way("/v1/funds/{fund}/close", c.CloseFund),
    Way("/v1/funds/{fund}/receipts", c.ReceiveFunds),
    Way("/v1/funds/{fund}/allocations", c.AllocateFunds),
    Way("/v1/funds/{fund}/releases", c.ReleaseFunds),
    Way("/v1/funds/{fund}/expenses", c.SpendFunds),
    Way("/v1/funds/{fund}/returns", c.ReturnFunds),
    Way("/v1/funds/{fund}/transfers", c.SendTransfer),
    Way("/v1/funds/{fund}/arrivals", c.ReceiveTransfer),
    Way("/v1/expenses/{expense}/reverse", c.ReverseSpend),
    Way("/v1/transfers/{transfer}/accept", c.AcceptTransfer),
    Way("/v1/transfers/{transfer}/decline", c.DeclineTransfer),
    Way("/v1/limits", c.SetLimits),
    Way("/v1/regions", c.ProfileRegion),
    Way("/v1/star-levels", c.SetStarLevels),
    Way("/v1/accrual-rules", c.SetAccrualRule),
    Way("/v1/notes/{note}/erase", c.EraseText),
    Way("/v1/keys/{key}/revoke", c.RevokeKey),
)  # fmt: skip

#: Commands with a handler of their own, or none: a key is needed before anything is asked here.
ELSEWHERE: Final = {c.IssueKey: "/v1/keys", c.OpenLedger: ""}


class Dry(Query, frozen=True, kw_only=True):
    """What may be asked of a write."""

    #: All checks and the same answer, but nothing is written.
    dry_run: bool = False


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a command: `count` events from `first_position`, true at `position`.

    Beside these stand the ids and figures the command gave. Without events, and in a dry run,
    `first_position` is 0. `replayed`: the command was carried out before, with this answer.
    `receipt`: that the events stand there, signed; absent where the service has no signing key.
    """

    command_id: str
    position: int
    first_position: int
    count: int
    replayed: bool
    dry_run: bool
    receipt: str = ""


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
    """The command in a request. Raises UnsupportedMediaType, InvalidCommand, RequestTimeout."""
    try:
        async with asyncio.timeout(runtime_of(request).bounds.body_wait_s):
            body = await request.body()
    except TimeoutError:
        raise RequestTimeout from None
    if body:
        check_type(request, JSON)
    return bodies.decode(kind, body, ids)


def check_type(request: Request, *allowed: str) -> None:
    """Refuse another content type, or another charset. Raises UnsupportedMediaType."""
    sent = call_of(request).header(b"content-type").lower()
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
        told["receipt"] = receipt
    if answered.replayed:
        call_of(request).add("idempotency-replayed", "true")
    status = CREATED if answered.count and not dry_run else OK
    return Response(msgspec.json.encode({**result, **told, **more}), status, media_type=JSON)


__all__ = ["ELSEWHERE", "WAYS", "Runtime", "Way", "Written", "handler", "written"]
