"""The OpenAPI document: what goes in and out of each route, from the structs themselves.

An example of everything is made from the fields of its struct; a test decodes them all.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import NODEFAULT, Meta, Struct, UnsetType
from msgspec.structs import fields

from api import errors
from api.answers import Problem
from api.links import add_links
from api.queries import Query
from api.words import ASKED, WORDS
from ledger.domain.errors import all_errors
from projections import participation, totals
from projections.rollups import FIGURES

REF: Final = "#/components/schemas/{name}"
RESPONSE: Final = "#/components/responses/refused-{status}"
HEADER: Final = "#/components/headers/{name}"
JSON: Final = "application/json"
#: What stands in a field, whatever it is a field of. One county, one summer.
EXAMPLES: Final[Mapping[str, Any]] = {
    "member": "V0001", "member_id": "V0001", "project": "P001", "organisation": "O1", "fund": "F1",
    "policy": "Y1", "activity": "A1", "entry": "V0001-1", "grant": "V0001-G1", "expense": "F1-E1",
    "transfer": "F1-T1", "key": "3f6c0a4d9b7e2158", "note": "2c26b46b" * 8, "rule": "R1",
    "credential": "social_worker", "level": "assistant", "tier": "t1", "category": "elder_care",
    "categories": ["elder_care"], "reason_code": "entered_twice", "holder": "street-office",
    "source": "signin", "source_ref": "2025/17", "source_kind": "charity", "source_id": "CF1",
    "receipt": "F1-R1", "receipts": [], "responsible": "zhou", "to_region": "640522",
    "from_region": "640522", "from_origin": "yongning.example/hours", "start": "09:00",
    "end": "11:30", "service_on": "2025-06-14", "held_on": "2025-06-14", "on": "2025-06-16",
    "effective_on": "2025-06-16", "opens_on": "2025-01-01", "closes_on": "2099-12-31",
    "expires_on": "2099-12-31", "population": 460_000, "backdating_days": 60, "num": 1, "den": 1,
    "day_minutes_max": 600, "registered": 30, "attended": 28, "served": 55, "months": 12,
    "stars": 1, "payee": "海盐轮椅厂", "document": "invoice 7", "consent": "letter of 18 June",
    "roles": ["recorder"], "regions": ["330424"], "type": "member", "id": "V0001",
    "figure": "verified_minutes", "account": "certified/social_worker", "about": "member/V0001",
    "evidence": "manual", "position": 42, "first_position": 42, "count": 1,
    "command_id": "signin-service/2025-06-14-17", "stream": "member/V0001", "topic": "HoursLogged",
    "region": "330424", "kinds": ["volunteer"], "name": "邻里助老", "filters": {}, "group_by": [],
    "message": "The entry has been verified or rejected.", "at": "entry", "facts": {},
    "status": "verified", "recorder": "signin-service", "verifiers": ["street-office"],
    "entity": "member/V0001", "fields": {"minutes": 150}, "changes": {}, "after": 42, "errors": [],
    "target": "project/P001", "commodity": "MIN", "quantity": 150, "change": 150, "reason": "",
    "way": "GET /v1/members/{member}/balance", "request": "0197761d4a7c7a3c", "replayed": False,
    "outcome": "done", "result": {"entry": "V0001-1"}, "line": 1, "dimension": "social_respect",
    "residency": "newcomer", "time": "2025-06-14T01:02:03Z", "specversion": "1.0",
    "recordedtime": "2025-06-14T01:02:03Z", "datacontenttype": "application/json",
    "subject": "member/V0001", "sequence": "0000000000000042", "data": {"minutes": 150},
    "lag_events": 0, "lag_seconds": 0.0, "ready": True, "alive": True, "revoked": False,
    "rows": [{"region": "330424", "month": "2025-06", "verified_minutes": 150}], "version": 1,
    "already": False, "actor": "signin-service", "code": "entry_not_pending",
    "request_id": "0197761d4a7c7a3c",
}  # fmt: skip
#: Fields that may be left out and yet are shown.
ALSO: Final[Mapping[str, Sequence[str]]] = {
    "LogHours": ("start", "end"), "VerifyHours": ("minutes",), "CorrectHours": ("reason_code",),
    "VoidHours": ("reason_code",), "AcceptTransfer": ("fund",), "IssueKey": ("regions",),
}  # fmt: skip
#: Header of answers → what it says. Those of every answer to a key first.
HEADERS: Final[Mapping[str, str]] = {
    "X-Request-Id": "the request's id: the caller's own, or a new one",
    "RateLimit-Policy": 'how often the key may ask: `"default";q=requests;w=seconds`',
    "RateLimit": 'what is left of that: `"default";r=requests;t=seconds`',
    "Ledger-Position": "the position the answer is true at",
    "Link": 'where the next page is, if there is one: `<…>; rel="next"`',
    "Idempotency-Replayed": "`true` when this answer was given before",
    "Retry-After": "seconds after which to ask again",
}
OF_ALL: Final = tuple(HEADERS)[:3]
#: Statuses a route may answer with, besides its own.
REFUSED: Final = (400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 500, 503)


def example(kind: type[Struct], without: Sequence[str] = ()) -> dict[str, Any]:
    """A struct as JSON has it, with something sensible in each field that must be there."""
    also = ALSO.get(kind.__name__, ())
    is_answer = not kind.__struct_config__.forbid_unknown_fields
    return {
        f.encode_name: _value(f.name, f.type)
        for f in fields(kind)
        if f.name not in without
        and (is_answer or f.default is NODEFAULT or f.name in also)
        and (f.default_factory is NODEFAULT or is_answer or f.name in also)
    }


def _value(name: str, type_: Any) -> Any:
    """Something sensible for a field of this name and type."""
    known = EXAMPLES.get(name)
    if known is not None and _fits(known, type_):
        return known
    origin, args = get_origin(type_), get_args(type_)
    if origin in (Union, UnionType):
        return _value(name, next(arg for arg in args if arg not in (NoneType, UnsetType)))
    if origin is Annotated:
        shown = next((m.examples[0] for m in args[1:] if isinstance(m, Meta) and m.examples), None)
        return _value(name, args[0]) if shown is None else shown
    if origin in (tuple, list):
        inner = [arg for arg in args if arg is not Ellipsis]
        return [_value(name.removesuffix("s"), arg) for arg in inner]
    if isinstance(type_, type) and issubclass(type_, Struct):
        return example(type_)
    return args[0] if origin is Literal else _PLAIN.get(type_, dict)()


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return type_ is not Any


_PLAIN: Final[Mapping[Any, Callable[[], Any]]] = {
    int: lambda: 150, str: lambda: "V0001", bool: lambda: False, float: lambda: 0.5,
    date: lambda: "2025-06-14", datetime: lambda: "2025-06-14T01:02:03Z",
}  # fmt: skip


def schema_of(kind: type[Struct], *extra: str, without: Sequence[str] = ()) -> dict[str, Any]:
    """The schema of one struct, with more text fields or without some."""
    _, known = msgspec.json.schema_components([kind], ref_template=REF)
    schema: dict[str, Any] = dict(known[kind.__name__])
    out = {"op", *without}
    schema["description"] = " ".join(schema["description"].split())
    schema["properties"] = {n: p for n, p in _worded(schema).items() if n not in out}
    schema["properties"] |= {name: {"type": "string"} for name in extra}
    schema["required"] = [n for n in schema.get("required", ()) if n not in out] + list(extra)
    return schema


def _row(keys: Sequence[str], figures: Sequence[str]) -> dict[str, Any]:
    """The schema of rows with some of these keys; figures may be unknown, or told of all only."""
    named = {name: {"type": "string"} for name in keys}
    counted = {name: {"type": ["integer", "null"]} for name in figures}
    return {"type": "array", "items": {"type": "object", "properties": named | counted}}


#: Answer → its rows, which have other fields for each grouping.
ROWS: Final[Mapping[str, dict[str, Any]]] = {
    "Totals": _row(totals.GROUPINGS, tuple(FIGURES)),
    "Participation": _row(
        participation.GROUPINGS,
        ("registered", "active", "verified_minutes", "active_per_10000_registered", "inhabitants",
         "active_per_10000_inhabitants"),
    ),
}  # fmt: skip


def _worded(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of a schema; those of what is sent with a phrase each."""
    properties: dict[str, Any] = schema["properties"]
    if schema["title"] in ROWS:
        return {**properties, "rows": ROWS[schema["title"]]}
    if schema.get("additionalProperties") is not False:
        return properties
    return {
        name: {"description": WORDS[name], **told} if name in WORDS else told
        for name, told in properties.items()
    }


@cache
def _components(kinds: frozenset[type[Struct]]) -> dict[str, Any]:
    """The schemas of all structs that are referred to."""
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    known: dict[str, Any] = msgspec.json.schema_components(ordered, ref_template=REF)[1]
    for schema in known.values():
        if "properties" in schema:
            schema["description"] = " ".join(schema["description"].split())
            schema["properties"] = _worded(schema)
    return known


def parameters(kind: type[Query], path: str) -> list[dict[str, Any]]:
    """The parameters of a route, from the struct they are read into."""
    schema = schema_of(kind)
    found = []
    for name, described in schema["properties"].items():
        in_path = f"{{{name}}}" in path or f"{{{name}:path}}" in path
        found.append(
            {
                "name": name,
                "in": "path" if in_path else "query",
                "required": name in schema["required"],
                "description": ASKED.get(name) or WORDS.get(name, ""),  # a test holds each
                "schema": _without_null(described),
            }
        )
    return found


def path_parameters(kind: type[Struct], names: Sequence[str]) -> list[dict[str, Any]]:
    """The fields of a command that stand in its path."""
    described = schema_of(kind)["properties"]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": WORDS[name],
            "schema": _without_null(described[name]),
        }
        for name in names
    ]


def _without_null(described: dict[str, Any]) -> dict[str, Any]:
    """A parameter is left out instead of being null."""
    options = [each for each in described.get("anyOf", ()) if each != {"type": "null"}]
    rest = {name: value for name, value in described.items() if name not in ("anyOf", "default")}
    return rest if not options else {**rest, **options[0]}


def header(name: str, description: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    """A header that a route reads."""
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def content(schema: dict[str, Any], shown: Any, media: str = JSON) -> dict[str, Any]:
    """A body of one form, with an example."""
    return {media: {"schema": schema, "example": shown}}


def headers(*names: str) -> dict[str, Any]:
    """Headers of an answer, as references; those of every answer among them."""
    return {name: {"$ref": HEADER.format(name=name)} for name in (*OF_ALL, *names)}


def example_of(name: str) -> Any:
    """What stands in a field of this name."""
    return EXAMPLES.get(name, 150)


def refusals(*statuses: int) -> dict[str, Any]:
    """The refusals of a route: of these statuses, or of any that needs a key."""
    return {str(status): {"$ref": RESPONSE.format(status=status)} for status in statuses or REFUSED}


def _refusals() -> dict[str, Any]:
    """Each status with its codes, as a part that routes refer to."""
    schema = {"$ref": REF.format(name="Problem")}
    codes: dict[int, list[str]] = {}
    for code, status in errors.STATUS.items():
        codes.setdefault(status, []).append(code)
    return {
        f"refused-{status}": {
            "description": ", ".join(codes[status]),
            "headers": headers(*RETRYING.get(status, ())),
            "content": content(schema, _problem(codes[status][0], status), errors.MEDIA_TYPE),
        }
        for status in REFUSED
    }


#: Statuses that tell when to ask again.
RETRYING: Final = dict.fromkeys((409, 429, 503), ("Retry-After",))


def _problem(code: str, status: int) -> dict[str, Any]:
    """What a refusal looks like."""
    title = next((k.__doc__ or "" for k in all_errors() if k.code == code), "")
    told = {"type": f"urn:hourledger:problem:{code}", "title": title, "status": status}
    return example(Problem) | told | {"detail": title, "instance": "/v1/hours", "code": code}


def describe(app: FastAPI, kinds: Sequence[type[Struct]]) -> dict[str, Any]:
    """The whole document; `kinds` are the structs its routes refer to."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    parts = document.setdefault("components", {})
    parts["headers"] = {
        name: {"description": told, "schema": {"type": "string"}} for name, told in HEADERS.items()
    }
    parts["schemas"] = _components(frozenset(kinds)) | parts.get("schemas", {})
    parts["responses"] = _refusals()
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    add_links(document)
    return document
