"""Opaque cursors: where a page ended, packed so that clients do not build on it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from fastapi import Request

from ledger.domain.errors import InvalidCommand

T = TypeVar("T")

#: No list has a place further on: what is counted stays exact in JSON.
PLACE_MAX: Final = 2**53 - 1


def pack(where: Any) -> str:
    """A cursor that stands for a place."""
    return urlsafe_b64encode(msgspec.json.encode(where)).decode().rstrip("=")


def unpack(cursor: str, kind: type[T]) -> T:
    """The place a cursor stands for. Raises InvalidCommand for one that was not given out."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place = msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidCommand("cursor", reason="not a cursor of this list") from None
    if not all(map(_is_place, place if isinstance(place, tuple) else (place,))):
        raise InvalidCommand("cursor", reason="not a cursor of this list")
    return place


def _is_place(part: object) -> bool:
    """Whether a list may have such a place, and a database can be asked for it."""
    return 0 <= part <= PLACE_MAX if isinstance(part, int) else "\0" not in str(part)


def next_link(request: Request, **changes: str) -> str:
    """The `Link` header that leads to the next page of the same question."""
    asked = parse_qsl(request.scope["query_string"].decode("latin-1"))
    kept = [(name, value) for name, value in asked if name not in changes]
    path = quote(request.scope["path"])
    return f'<{path}?{urlencode([*kept, *changes.items()])}>; rel="next"'
