"""All routes of the application: what answers to which address, and how each is described."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from api import metrics, openapi, reading
from api.answers import (
    GIVES,
    CloudEvent,
    Consistency,
    Inclusion,
    LineResult,
    Problem,
    Written,
)
from api.bodies import NOT_IN_BATCH
from api.call import EVENT_STREAM
from api.health import Readiness
from api.openapi import content, example, header, parameters, refusals, schema_of
from api.queries import Query
from api.reading import View
from api.routes import (
    batch,
    commands,
    differences,
    explain,
    feed,
    figures,
    funds,
    keys,
    log,
    members,
    operations,
    policies,
    trails,
)
from api.routes.commands import Dry
from api.ways import BUSIEST, ISSUE_KEY, WAYS, Way
from ledger.domain.commands import COMMANDS, Command, LogHours, op_of

VIEWS: Final = (
    *members.VIEWS, *funds.VIEWS, *figures.VIEWS, *policies.VIEWS, *trails.VIEWS, *explain.VIEWS,
    *differences.VIEWS, *keys.VIEWS,
)  # fmt: skip
#: Structs the document refers to.
KINDS: Final[tuple[type[Struct], ...]] = (
    Problem, Written, LineResult, CloudEvent, operations.Alive, Readiness,
    log.ListedCheckpoints, Inclusion, Consistency,
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
    op = op_of(kind.__name__)
    gives = GIVES[op]
    shown = {name: openapi.example_of(name) for name in gives if (op, name) not in RARE}
    shown |= example(Written) | dict.fromkeys(extra, "hl_3f6c0a4d9b7e2158_…")
    tried = {"first_position": 0, "dry_run": True} | dict.fromkeys(extra)
    schema = {"allOf": [{"$ref": openapi.REF.format(name="Written")}, _given(gives, extra)]}
    told = {"headers": openapi.headers("Idempotency-Replayed")}
    return {
        "200": {**told, "description": "Nothing had to be written, or a dry run",
                "content": content(schema, shown | tried)},
        "201": {**told, "description": _text(kind)[0], "content": content(schema, shown)},
    }  # fmt: skip


#: What an answer gives in some cases only.
RARE: Final = (("log_hours", "already"), ("grant_incentive", "expense"))
#: Types of what an answer gives; text if not named.
GIVEN_TYPES: Final = {"already": "boolean", "fen": "integer", "version": "integer"}


def _given(gives: Sequence[str], extra: Sequence[str]) -> dict[str, Any]:
    """The schema of what one command gives; a secret is null where it was shown before."""
    types: dict[str, Any] = {name: GIVEN_TYPES.get(name, "string") for name in gives}
    types |= {name: ["string", "null"] for name in extra}
    return {"type": "object", "properties": {name: {"type": each} for name, each in types.items()}}


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
    extra = () if view.path.startswith(UNEXPLAINED) else (_link(view.path),)
    shown = example(view.answer) | dict.fromkeys(extra, _explained(view.path))
    pages = ("Link",) if "cursor" in view.query.__struct_fields__ else ()
    answer = {
        "description": _text(view.answer)[0],
        "headers": openapi.headers("Ledger-Position", *pages),
        "content": content(_answered(view, *extra), shown),
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


def _link(path: str) -> str:
    """What leads to the events behind a route's figures: an address, or a template of some."""
    return reading.TEMPLATE if path == "/v1/members" else reading.LINK


def _answered(view: View, *extra: str) -> dict[str, Any]:
    """The schema of a read's answer."""
    schema = schema_of(view.answer, *extra)
    if view.path in EXPLAINED_TO_SOME:
        schema["required"].remove(reading.LINK)
    return schema


def _explained(path: str) -> str:
    """Where the figures of a route are explained, as in its example."""
    if path.startswith("/v1/participation/"):
        return f"/v1/explain/accounts?account={path.rpartition('/')[2]}"
    if path.endswith("/eligibility"):
        return "/v1/explain/members/V0001"
    if path == "/v1/members":
        return "/v1/explain/members/{member}"
    noun = path.split("/")[2]
    name = {"members": "/V0001", "policies": "/Y1", "funds": "/F1", "sources": "/CF1"}.get(noun, "")
    return f"/v1/explain/{noun}{name}"


#: What has no figures, or tells what is behind them already.
UNEXPLAINED: Final = (
    "/v1/explain/", "/v1/diff/", "/v1/restatements/", "/v1/trail/", "/v1/looks", "/v1/keys",
)  # fmt: skip


#: What is explained to keys without scope; in the answers to others the link is absent.
EXPLAINED_TO_SOME: Final = (
    "/v1/policies/{policy}/balance", "/v1/participation/certified", "/v1/participation/belonging",
)  # fmt: skip

#: What became of two lines of a batch.
DONE_LINE: Final = {"line": 1, "outcome": "done", "position": 42, "result": {"entry": "V0001-1"}}
REFUSED_LINE: Final = {
    "line": 2, "outcome": "refused", "code": "member_not_found", "at": "member",
    "message": "No member has this number.", "facts": {"member": "V0002"},
}  # fmt: skip


def _lines(*each: Any) -> str:
    return "".join(msgspec.json.encode(one).decode() + "\n" for one in each)


def _batch() -> Route:
    shown = _lines({"op": "log_hours"} | example(LogHours))
    kinds = [kind for kind in COMMANDS.values() if kind not in NOT_IN_BATCH]
    line = {
        "oneOf": [{"$ref": openapi.REF.format(name=kind.__name__)} for kind in kinds],
        "discriminator": {"propertyName": "op"},
    }
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
                "headers": openapi.headers(),
                "content": {
                    media: {
                        "schema": {"type": "string"},
                        "itemSchema": result,
                        "example": _lines(DONE_LINE, REFUSED_LINE),
                    }
                },
            },
            **refusals(),
        },
    }
    operation = _operation(batch.batch, "batch", described)
    return Route("POST", "/v1/batch", batch.batch, "batch", operation)


#: A line of the log, shortened.
LOGGED_LINE: Final = {
    "originator_id": "member/V0001", "originator_version": 2, "position": 42,
    "state": {"minutes": 150}, "topic": "HoursLogged",
}  # fmt: skip


def _sent() -> str:
    """An event as it is sent in a stream."""
    data = _lines(example(CloudEvent))
    return f"event: HoursLogged\ndata: {data}id: 42\n\n"


def _feed() -> Route:
    event = {"$ref": openapi.REF.format(name="CloudEvent")}
    described = {
        "parameters": [
            *parameters(feed.FeedQuery, ""),
            header(
                "Last-Event-ID",
                "Where a stream of server-sent events was.",
                pattern="^[0-9]{0,16}$",
            ),
        ],
        "responses": {
            "200": {
                "description": "Events in log order",
                "headers": openapi.headers("Ledger-Position", "Link"),
                "content": {
                    feed.CLOUD_EVENTS: {
                        "schema": {"type": "array", "items": event},
                        "example": [example(CloudEvent)],
                    },
                    feed.LINES: {"schema": {"type": "string"}, "example": _lines(LOGGED_LINE)},
                    EVENT_STREAM: {"schema": {"type": "string"}, "example": _sent()},
                },
            },
            **refusals(),
        },
    }
    return Route("GET", "/v1/events", feed.feed, "feed", _operation(feed.feed, "events", described))


def _evidence(
    path: str, endpoint: Endpoint, query: type[Query], answer: type[Struct] | None
) -> Route:
    """A route of the log's evidence: a struct, or a signed note as text."""
    told = content({"type": "string"}, "haiyan.example/hours\n8\n…", "text/plain")
    if answer is not None:
        told = content({"$ref": openapi.REF.format(name=answer.__name__)}, example(answer))
    described = {
        "parameters": parameters(query, path),
        "responses": {
            "200": {
                "description": _text(endpoint)[0],
                "headers": openapi.headers(),
                "content": told,
            },
            **refusals(),
        },
    }
    name = "log" + path.removeprefix("/v1/log").replace("/", "_")
    return Route("GET", path, endpoint, name, _operation(endpoint, "log", described))


def _open(path: str, endpoint: Endpoint, answer: type[Struct] | None) -> Route:
    """A route nobody needs a key for."""
    summary, description = _text(endpoint)
    shown: Any = "hourledger_log_position 42.0\n"
    schema, media = dict[str, Any](type="string"), metrics.MEDIA_TYPE
    if answer is not None:
        schema, media = {"$ref": openapi.REF.format(name=answer.__name__)}, openapi.JSON
        shown = example(answer)
    told = {"description": summary, "content": content(schema, shown, media)}
    described = {"200": told, **refusals(400, 500, 503)}
    return Route(
        "GET", path, endpoint, endpoint.__name__,
        {"summary": summary, "description": description, "tags": ["operations"],
         "responses": described},
    )  # fmt: skip


def routes() -> list[Route]:
    """Every route but the document's own; the busiest first."""
    return [
        *(_write(way, commands.handler(way)) for way in WAYS[:BUSIEST]),
        _batch(),
        *map(_read, VIEWS),
        *(_write(way, commands.handler(way)) for way in WAYS[BUSIEST:]),
        _write(ISSUE_KEY, keys.issue, "secret"),
        _feed(),
        _evidence("/v1/log/checkpoint", log.checkpoint, log.CheckpointQuery, None),
        _evidence(
            "/v1/log/checkpoints", log.checkpoints, log.CheckpointsQuery, log.ListedCheckpoints
        ),
        _evidence("/v1/log/proof/inclusion", log.inclusion, log.InclusionQuery, Inclusion),
        _evidence("/v1/log/proof/consistency", log.consistency, log.ConsistencyQuery, Consistency),
        _open("/livez", operations.livez, operations.Alive),
        _open("/readyz", operations.readyz, Readiness),
        _open("/metrics", operations.show_metrics, None),
    ]
