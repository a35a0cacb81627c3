"""What is asked of a route besides its body: ids in the path and parameters behind it, typed.

An unknown parameter, or one given twice, is an error: never an answer to another question.
"""

from datetime import date
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from fastapi import Request
from msgspec import Meta, Struct
from msgspec.structs import fields

from api.bodies import refusal
from ledger.domain.errors import InvalidCommand
from ledger.domain.values import END, Count
from projections.moments import KNOWN_AT

#: How many things a page holds.
Limit = Annotated[int, Meta(ge=1, le=1000, examples=[100])]
#: Where a page begins, as an earlier answer told it.
Cursor = Annotated[str, Meta(min_length=1, max_length=500)]


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a path and its parameters."""


class ReadQuery(Query, frozen=True, kw_only=True):
    """What may be asked of every read."""

    #: The answer must be true at this position or a later one: with the position of a write, at
    #: least that write is seen. Waited for a few seconds, then refused with `behind`.
    min_position: Count = 0


#: A position, or a time that stands for the last position recorded by then.
KnownAt = Annotated[
    str,
    Meta(
        max_length=40,
        examples=["2025-06-30T16:00:00Z"],
        extra_json_schema={"pattern": f"^{KNOWN_AT}{END}"},
    ),
]


class KnownQuery(ReadQuery, frozen=True, kw_only=True):
    """What may be asked of everything that rests on the log: up to where it is known."""

    #: Only what was recorded by then: a position, or an RFC 3339 time that has passed.
    known_at: KnownAt | None = None


class PastQuery(KnownQuery, frozen=True, kw_only=True):
    """What may be asked of every figure: what it is true at, on two axes of time."""

    #: Only what counts on this day or before: service on its day, money on the day of the act.
    as_of: date | None = None


Q = TypeVar("Q", bound=Query)


@cache
def _lists(kind: type[Query]) -> frozenset[str]:
    """Parameters that may be given several times."""
    return frozenset(f.name for f in fields(kind) if _plain(f.type) is tuple)


def _plain(type_: Any) -> Any:
    """What a type is without its bounds and its items."""
    origin = get_origin(type_)
    return _plain(get_args(type_)[0]) if origin is Annotated else origin


@cache
def _unasked(kind: type[Q]) -> Q:
    """What it is when nothing is asked."""
    try:
        return msgspec.convert({}, kind)
    except msgspec.ValidationError as error:
        raise refusal(error) from None


def read_query(request: Request, kind: type[Q]) -> Q:
    """What was asked. Raises InvalidCommand at the parameter that is wrong."""
    if not request.scope["query_string"] and not request.path_params:
        unasked: Q = _unasked(kind)
        return unasked
    # Ids in the path of a command belong to its body.
    known = kind.__struct_encode_fields__
    told: dict[str, Any] = {n: v for n, v in request.path_params.items() if n in known}
    if request.scope["query_string"]:
        _add(request, told, _lists(kind))
    try:
        return msgspec.convert(told, kind, strict=False)
    except (ValueError, RecursionError) as error:
        refused = refusal(error)
        if refused.at not in known:
            refused.facts["allowed"] = ", ".join(n for n in known if n not in request.path_params)
        raise refused from None


def _add(request: Request, told: dict[str, Any], lists: frozenset[str]) -> None:
    for name, value in request.query_params.multi_items():
        if name in lists:
            told.setdefault(name, []).append(value)
        elif name in told:
            raise InvalidCommand(name[:200], reason="given twice")
        else:
            told[name] = value
