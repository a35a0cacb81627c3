"""Opaque cursors: where a page ended, packed so that clients do not build on it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from fastapi import Request

from ledger.domain.errors import InvalidCommand

T = TypeVar("T")


def pack(where: Any) -> str:
    """A cursor that stands for a place."""
    return urlsafe_b64encode(msgspec.json.encode(where)).decode().rstrip("=")


def unpack(cursor: str, kind: type[T]) -> T:
    """The place a cursor stands for. Raises InvalidCommand for one that was not given out."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidCommand("cursor", reason="not a cursor of this list") from None


def next_link(request: Request, **changes: str) -> str:
    """The `Link` header that leads to the next page of the same question."""
    asked = parse_qsl(request.scope["query_string"].decode("latin-1"))
    kept = [(name, value) for name, value in asked if name not in changes]
    path = quote(request.scope["path"])
    return f'<{path}?{urlencode([*kept, *changes.items()])}>; rel="next"'
