"""All routes of the application: what answers to which address, and how each is described."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from fastapi import Request, Response
from msgspec import Struct

from api import metrics, openapi, reading
from api.answers import CloudEvent, LineResult, Problem, Written
from api.health import Readiness
from api.openapi import content, example, header, parameters, refusals, schema_of
from api.queries import Query
from api.reading import View
from api.routes import (
    batch,
    commands,
    explain,
    feed,
    figures,
    funds,
    keys,
    members,
    operations,
    policies,
    trails,
)
from api.routes.commands import Dry
from api.ways import ELSEWHERE, WAYS, Way
from ledger.domain.commands import COMMANDS, Command, IssueKey, LogHours

VIEWS: Final = (
    *members.VIEWS, *funds.VIEWS, *figures.VIEWS, *policies.VIEWS, *trails.VIEWS, *explain.VIEWS,
    *keys.VIEWS,
)  # fmt: skip
#: Structs the document refers to.
KINDS: Final[tuple[type[Struct], ...]] = (
    Problem, Written, LineResult, CloudEvent, operations.Alive, Readiness,
    *COMMANDS.values(), *(view.answer for view in VIEWS),
)  # fmt: skip

Endpoint = Callable[[Request], Awaitable[Response]]


class Route(NamedTuple):
    """One route: address, handler, and its part of the OpenAPI document."""

    method: str
    path: str
    endpoint: Endpoint
    name: str
    operation: dict[str, Any]
    #: Whether its body may be longer than a single command's.
    is_long: bool = False


def _text(source: Any) -> tuple[str, str]:
    """Summary and description from a docstring."""
    told = " ".join((source.__doc__ or "").split())
    return told.partition(". Raises ")[0].rstrip("."), told


def _operation(source: Any, tag: str, described: dict[str, Any]) -> dict[str, Any]:
    summary, description = _text(source)
    return {
        "summary": summary,
        "description": description,
        "tags": [tag],
        "security": [{"key": []}],
        **described,
    }


IDEMPOTENCY: Final = header(
    "Idempotency-Key",
    "Names this write: the same key again gives the first answer. Not needed in a dry run.",
    minLength=1, maxLength=66, pattern=r'^("[A-Za-z0-9._:-]{1,64}"|[A-Za-z0-9._:-]{1,64})$',
)  # fmt: skip


def _written(kind: type[Command], *extra: str) -> dict[str, Any]:
    """The answers to a command."""
    shown = example(Written) | dict.fromkeys(extra, "hl_3f6c0a4d9b7e2158_…")
    schema = {"$ref": openapi.REF.format(name="Written")}
    done = {"description": _text(kind)[0], "content": content(schema, shown)}
    return {"200": {**done, "description": "Nothing had to be written, or a dry run"}, "201": done}


#: What names an entry in a line of a batch.
ALSO_NAMING: Final = ("member", "source", "source_ref")


def _write(way: Way, endpoint: Endpoint, *extra: str) -> Route:
    ids = openapi.path_parameters(way.kind, way.ids)
    shown = example(way.kind, way.ids)
    # An entry is named in the path, so not by its reference as well.
    without = (*way.ids, *(ALSO_NAMING if "entry" in way.ids else ()))
    schema = schema_of(way.kind, without=without)
    body = {"required": bool(schema["required"]), "content": content(schema, shown)}
    described = {
        "parameters": [*ids, IDEMPOTENCY, *parameters(Dry, way.path)],
        "requestBody": body,
        "responses": {**_written(way.kind, *extra), **refusals()},
    }
    return Route(
        "POST", way.path, endpoint, way.op,
        _operation(way.kind, way.path.split("/")[2], described),
    )  # fmt: skip


def _read(view: View) -> Route:
    extra = ("explain",) if "explain" not in view.path and view.path not in UNEXPLAINED else ()
    shown = example(view.answer) | dict.fromkeys(extra, "/v1/explain/members/V0001")
    answer = {
        "description": _text(view.answer)[0],
        "content": content(schema_of(view.answer, *extra), shown),
    }
    described = {
        "parameters": parameters(view.query, view.path),
        "responses": {"200": answer, **refusals()},
    }
    name = view.show.__name__ + "_" + view.show.__module__.rpartition(".")[2]
    return Route(
        "GET", view.path, reading.handler(view), name,
        _operation(view.show, view.path.split("/")[2], described),
    )  # fmt: skip


#: Answers without figures.
UNEXPLAINED: Final = ("/v1/trail/{type}/{id:path}", "/v1/looks", "/v1/keys")


def _batch() -> Route:
    shown = '{"op":"log_hours","member":"V0001", …}\n'
    line = {"$ref": openapi.REF.format(name=LogHours.__name__)}
    result = {"$ref": openapi.REF.format(name="LineResult")}
    media = batch.MEDIA[0]
    described = {
        "parameters": [IDEMPOTENCY, *parameters(batch.BatchQuery, "")],
        "requestBody": {
            "required": True,
            "content": {
                media: {"schema": {"type": "string"}, "itemSchema": line, "example": shown}
            },
        },
        "responses": {
            "200": {
                "description": "A result line for each line",
                "content": {media: {"schema": {"type": "string"}, "itemSchema": result}},
            },
            **refusals(),
        },
    }
    operation = _operation(batch.batch, "batch", described)
    return Route("POST", "/v1/batch", batch.batch, "batch", operation, is_long=True)


def _feed() -> Route:
    event = {"$ref": openapi.REF.format(name="CloudEvent")}
    described = {
        "parameters": [
            *parameters(feed.FeedQuery, ""),
            header(
                "Last-Event-ID",
                "Where a stream of server-sent events was.",
                pattern="^[0-9]{1,16}$",
            ),
        ],
        "responses": {
            "200": {
                "description": "Events in log order",
                "content": {
                    feed.CLOUD_EVENTS: {
                        "schema": {"type": "array", "items": event},
                        "example": [example(CloudEvent)],
                    },
                    feed.LINES: {"schema": {"type": "string"}},
                    feed.STREAM: {"schema": {"type": "string"}},
                },
            },
            **refusals(),
        },
    }
    return Route("GET", "/v1/events", feed.feed, "feed", _operation(feed.feed, "events", described))


def _open(path: str, endpoint: Endpoint, answer: type[Struct] | None) -> Route:
    """A route nobody needs a key for."""
    summary, description = _text(endpoint)
    schema: dict[str, Any] = {"type": "string"}
    media = metrics.MEDIA_TYPE
    if answer is not None:
        schema, media = {"$ref": openapi.REF.format(name=answer.__name__)}, openapi.JSON
    told = {"description": summary, "content": {media: {"schema": schema}}}
    described = {"200": told, **refusals(400, 500, 503)}
    return Route(
        "GET", path, endpoint, endpoint.__name__,
        {"summary": summary, "description": description, "tags": ["operations"],
         "responses": described},
    )  # fmt: skip


def routes() -> list[Route]:
    """Every route but the document's own; the busiest first."""
    return [
        *(_write(way, commands.handler(way)) for way in WAYS),
        _batch(),
        *map(_read, VIEWS),
        _write(Way(ELSEWHERE[IssueKey], IssueKey), keys.issue, "secret"),
        _feed(),
        _open("/livez", operations.livez, operations.Alive),
        _open("/readyz", operations.readyz, Readiness),
        _open("/metrics", operations.show_metrics, None),
    ]


__all__ = ["KINDS", "VIEWS", "Query", "Route", "routes"]
