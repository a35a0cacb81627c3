"""Bodies to commands: strict, typed, bounded. What is not well-formed is `invalid_command`.

Ids that stand in the path are put in front of the body's own fields before it is
decoded, so that a command is decoded once and whole, and a field given in both
places is a name that stands twice.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar, Union

import msgspec
from msgspec import Struct

from ledger.domain.commands import COMMANDS, Command, IssueKey, OpenLedger
from ledger.domain.errors import InvalidCommand
from ledger.domain.forms import fault_of

T = TypeVar("T", bound=Struct)

#: Commands that a line of a batch cannot be: a secret is shown once, a log opened beforehand.
NOT_IN_BATCH: Final = (IssueKey, OpenLedger)
#: What a line may be, in a batch as in a file of lines that is imported.
LINE: Final[Any] = Union[tuple(k for k in COMMANDS.values() if k not in NOT_IN_BATCH)]  # noqa: UP007 (made of a list)
_LINES: Final = msgspec.json.Decoder(LINE)
#: A string, and whether it is a name.
_STRING: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"\s*(:?)', re.DOTALL)
_NAMES: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MISSING: Final = re.compile(r"(?:missing required|contains unknown) field `(.*?)`", re.DOTALL)
REASON_MAX: Final = 200


@cache
def _decoder(kind: type[T]) -> "msgspec.json.Decoder[T]":
    return msgspec.json.Decoder(kind)


def decode(kind: type[T], body: bytes, ids: Mapping[str, str]) -> T:
    """The command of a body and of the ids in the path; no body is an empty one.

    Raises InvalidCommand at the field that is wrong.
    """
    try:
        whole = _joined(body, ids) if ids or not body else body
        command: T = _decoder(kind).decode(whole)
    except (ValueError, RecursionError) as error:
        raise refusal(error) from None
    check_names(whole)
    return command


def decode_line(line: bytes) -> Command:
    """The command of a line of a batch, which says its `op`. Raises InvalidCommand."""
    try:
        command: Command = _LINES.decode(line)
    except (ValueError, RecursionError) as error:
        raise refusal(error) from None
    check_names(line)
    return command


def decode_lines(lines: Sequence[bytes]) -> list[Command] | None:
    """The commands of lines that are plainly well-formed, all at once; None if one may not be.

    A line that begins and ends with a brace, and the next one too, cannot have half of a value: no
    brace opens right behind one that closes. So as many values as lines are one a line. Without
    escapes, and without space between a name and its colon, as many `":` as distinct names are
    names that stand once.
    """
    whole = b"\n".join(lines)
    if _is_odd(whole) or not all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        return None
    try:
        commands: list[Command] = _LINES.decode_lines(whole)
        names = sum(map(len, _NAMES.decode_lines(whole)))
    except (ValueError, RecursionError):
        return None
    is_plain = len(commands) == len(lines) and names == whole.count(b'":')
    return commands if is_plain else None


def _joined(body: bytes, ids: Mapping[str, str]) -> bytes:
    """The body's object with the ids in front. Raises InvalidCommand when it is no object."""
    rest = body.strip(b" \t\r\n") or b"{}"
    if rest[:1] != b"{":
        raise InvalidCommand("", reason="the body is not a JSON object")
    own = msgspec.json.encode(ids)
    rest = rest[1:].lstrip(b" \t\r\n")
    comma = b"" if rest[:1] == b"}" or not ids else b","
    return own[:-1] + comma + rest


def check_names(text: bytes) -> None:
    """Refuse an object with a name that stands twice. The text is well-formed JSON.

    Raises InvalidCommand. Lists of like objects repeat names lawfully, and escapes write the same
    name in several ways: only then is the text read once more.
    """
    if not _is_odd(text) and _count_names(text) == text.count(b'":'):
        return
    names = [name for name, colon in _STRING.findall(text) if colon]
    if len(set(names)) == len(names) and not any(b"\\" in name for name in names):
        return
    try:
        json.loads(text, object_pairs_hook=_once)
    except RecursionError as error:
        raise refusal(error) from None


def _is_odd(text: bytes) -> bool:
    """Whether it has what names may hide behind: escapes, or space before a colon.

    A search for each is faster than an expression for all.
    """
    return b"\\" in text or b" :" in text or b"\t:" in text or b"\r:" in text or b"\n:" in text


def _count_names(text: bytes) -> int:
    """The distinct names of the outermost object; -1 where it is none."""
    try:
        return len(_NAMES.decode(text))
    except (ValueError, RecursionError):
        return -1


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise InvalidCommand(printable(name[:REASON_MAX]), reason="the name stands twice")
        seen.add(name)


def refusal(error: Exception) -> InvalidCommand:
    """What could not be decoded, as a refusal with its place."""
    if isinstance(error, RecursionError):
        return InvalidCommand("", reason="nested too deep")
    if isinstance(error, UnicodeError):
        return InvalidCommand("", reason="not UTF-8")
    reason, at = fault_of(error)
    missing = _MISSING.search(reason)
    if missing:
        at = ".".join(part for part in (at, missing[1]) if part)
    return InvalidCommand(printable(at[:REASON_MAX]), reason=printable(reason[:REASON_MAX]))


def printable(text: str) -> str:
    """A text that may quote what was sent, without what does not belong on a screen."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
