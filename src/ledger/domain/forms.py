"""The forms of values in words: what a value that does not decode should have been, and where.

Bounds and patterns are those of the types; nothing of the value itself is repeated here.
"""

import re
from ast import literal_eval
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin

from msgspec import Meta

from ledger.domain import commands, values

#: A day, in words.
DAY: Final = "a day; write it as 2025-03-01"
#: Types whose name says too little → what they are.
_NOUNS: Final = {"Derived": "id as the ledger gave it", "Transferred": "transfer's id"}
#: What msgspec says, and the place behind it.
_SAID: Final = re.compile(r"(.*?)(?: - at `(?:key in )?\$\.?(.*?)(?:\.?\[\.\.\.\])?`)?$", re.DOTALL)
_PATTERN: Final = "Expected `str` matching regex "
_NO_DAY: Final = "Invalid RFC3339 encoded date"


class Fault(NamedTuple):
    """What is wrong with a value, and in which field."""

    reason: str
    at: str


def fault_of(error: Exception) -> Fault:
    """What could not be decoded, as msgspec says it; patterns and days in words."""
    found = _SAID.fullmatch(str(error))
    assert found is not None  # it matches any text
    reason, at = found[1], found[2] or ""
    if reason.startswith(_PATTERN):
        pattern = literal_eval(reason.removeprefix(_PATTERN))
        reason = f"not {_forms().get(pattern) or in_words('text', Meta(pattern=pattern))}"
    elif reason == _NO_DAY:
        reason = f"not {DAY}"
    return Fault(reason, at)


def in_words(name: str, meta: Meta) -> str:
    """What has the pattern of a type of this name: `a region code such as 330424 (^…$)`."""
    noun = _NOUNS.get(name) or re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    article = "an" if noun[0] in "aeiou" else "a"
    example = f" such as {meta.examples[0]}" if meta.examples else ""
    return f"{article} {noun}{example} ({(meta.pattern or '').replace(values.END, '$')})"


@cache
def named_types() -> list[tuple[str, Any]]:
    """The named value types, such as `MemberId` and `Code`."""
    return [
        (name, alias)
        for module in (values, commands)
        for name, alias in vars(module).items()
        if get_origin(alias) is Annotated
    ]


@cache
def _forms() -> dict[str, str]:
    """Pattern → what has it, in words."""
    return {
        meta.pattern: in_words(name, meta)
        for name, alias in named_types()
        for meta in get_args(alias)[1:]
        if isinstance(meta, Meta) and meta.pattern
    }
