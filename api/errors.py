"""Every refusal over HTTP: one map from codes to statuses, one form (RFC 9457) for all errors.

What FastAPI and Starlette answer by themselves comes out in the same form.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from api.answers import Place, Problem
from ledger.domain.errors import InvalidCommand, LedgerError

MEDIA_TYPE: Final = "application/problem+json"


# fmt: off
class IdempotencyKeyRequired(LedgerError): """A write needs an Idempotency-Key header."""
class BadRequest(LedgerError): """The request is not understood."""
class RouteNotFound(LedgerError): """There is nothing at this address."""
class MethodNotAllowed(LedgerError): """This method is not for this address."""
class NotAcceptable(LedgerError): """There is no such form of this."""
class RequestTimeout(LedgerError): """The body did not come in time."""
class BodyTooLarge(LedgerError): """The body is larger than is taken at once."""
class BatchTooLarge(LedgerError): """So many lines are not taken in one transaction."""
class UnsupportedMediaType(LedgerError): """The body is not of the content type or coding that is taken here."""
class RateLimited(LedgerError): """The key has asked too often; ask again later."""
class Behind(LedgerError): """The figures are not true at that position yet; ask again."""
class Stopping(LedgerError): """The service is about to stop; ask again."""
class NotReady(LedgerError): """The service cannot do its work now."""
class Internal(LedgerError): """Something went wrong here; whether a write was done is not known."""

#: Code → status. 409: not as things stand; 422: not by the rules, whatever comes; 503: ask again.
STATUS: Final[Mapping[str, int]] = {code: status for status, codes in {
    400: "bad_request idempotency_key_required",
    401: "unauthenticated",
    403: "forbidden four_eyes",
    404: "route_not_found not_found member_not_found organisation_not_found project_not_found"
         " activity_not_found policy_not_found fund_not_found entry_not_found grant_not_found"
         " expense_not_found transfer_not_found credential_not_found membership_not_found"
         " key_not_found note_not_found source_not_found region_not_found checkpoint_not_found"
         " command_not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "command_in_flight already_exists nothing_changes ledger_not_opened project_closed"
         " overlapping_service day_overfull row_conflict entry_not_pending entry_not_verified"
         " credit_spent policy_closed not_eligible insufficient_credit quota_exhausted grant_revoked"
         " insufficient_funds fund_closed source_mismatch transfer_not_in_transit",
    413: "body_too_large batch_too_large",
    415: "unsupported_media_type",
    422: "invalid_command idempotency_mismatch reason_required minutes_out_of_range date_in_future"
         " date_too_old category_not_offered evidence_fixed purpose_violation",
    429: "rate_limited",
    500: "internal not_durable invalid_settings corrupt_log bad_segment",
    503: "unavailable behind stopping not_ready position_moved head_moved",
}.items() for code in codes.split()}
# fmt: on

#: Seconds after which to ask again, by code.
RETRY_AFTER_S: Final[Mapping[str, int]] = {
    "command_in_flight": 1, "unavailable": 1, "behind": 1, "stopping": 2, "position_moved": 1,
    "head_moved": 1, "not_ready": 1,
}  # fmt: skip

#: What the framework's own statuses mean here.
_BY_STATUS: Final[Mapping[int, type[LedgerError]]] = {
    404: RouteNotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    408: RequestTimeout,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
    422: InvalidCommand,
}


def problem_of(error: LedgerError, instance: str = "", request_id: str = "") -> Problem:
    """An error as it is told."""
    facts: dict[str, Any] = dict(error.facts)
    reason = facts.get("reason")
    place = f" [{error.at}]" if error.at else ""
    detail = f"{error.message}{place} {reason}" if reason else str(error)
    return Problem(
        type=f"urn:hourledger:problem:{error.code}",
        title=error.message,
        status=STATUS[error.code],
        detail=detail,
        instance=instance,
        code=error.code,
        at=error.at,
        facts=facts,
        errors=[Place(error.at, str(reason or error.message))] if error.at else [],
        request_id=request_id,
    )


def headers_of(error: LedgerError) -> dict[str, str]:
    """The headers an error is told with."""
    headers = {"content-type": MEDIA_TYPE}
    if error.code == "unauthenticated":
        headers["www-authenticate"] = 'Bearer realm="hourledger"'
    after = error.facts.get("retry_after") or RETRY_AFTER_S.get(error.code)
    if after:
        headers["retry-after"] = str(after)
    return headers


def render(error: LedgerError, request: Request, **headers: str) -> Response:
    """An error as the answer to a request."""
    call = request.scope.get("call")
    if call is not None:
        call.code = error.code
    body = problem_of(error, request.scope["path"], call.request_id if call else "")
    return Response(
        msgspec.json.encode(body), body.status, {**headers_of(error), **headers}, MEDIA_TYPE
    )


def error_of(status: int, detail: str = "") -> LedgerError:
    """What a status that the framework chose means here."""
    kind = _BY_STATUS.get(status) or (BadRequest if status < 500 else Internal)
    return kind("", reason=detail or None)


async def on_ledger_error(request: Request, error: Exception) -> Response:
    """A refusal of the ledger, or of a door."""
    assert isinstance(error, LedgerError)
    return render(error, request)


async def on_http_error(request: Request, error: Exception) -> Response:
    """What Starlette and FastAPI refuse."""
    assert isinstance(error, HTTPException)
    kept = {"allow": _methods_at(request)} if error.status_code == 405 else {}
    detail = "" if error.status_code in _BY_STATUS else str(error.detail)
    if error.status_code == 404:
        detail = "/openapi.json has the routes"
    return render(error_of(error.status_code, detail), request, **kept)


def _methods_at(request: Request) -> str:
    """All methods of an address: the framework knows those of one of its routes."""
    methods = {
        method
        for route in request.app.router.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    }
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def on_invalid(request: Request, error: Exception) -> Response:
    """What FastAPI's own validation refuses."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    at = ".".join(str(part) for part in first["loc"][1:])
    return render(InvalidCommand(at, reason=first["type"]), request)


async def on_gone(request: Request, error: Exception) -> Response:
    """Who asked has gone; nobody reads this."""
    del error
    return render(BadRequest("", reason="the request broke off"), request)


async def on_surprise(request: Request, error: Exception) -> Response:
    """A mistake of ours: nothing of it is told; the log has it."""
    del error
    return render(Internal(), request)


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    LedgerError: on_ledger_error,
    HTTPException: on_http_error,
    RequestValidationError: on_invalid,
    ClientDisconnect: on_gone,
    Exception: on_surprise,
}
