"""The lines of a batch: commands as they come in, and what is none with the reason."""

from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from api.bodies import decode_line, decode_lines
from ledger.domain.commands import Command
from ledger.domain.errors import InvalidCommand
from ledger.store.requests import Refused

#: What may stand around a value in JSON, and be all there is in an empty line.
BLANKS: Final = b" \t\r"


class Line(Struct, frozen=True, gc=False):
    """A line with something in it: a command, or the reason why it is none."""

    number: int
    command: Command | None = None
    refused: Refused | None = None


async def read_lines(pieces: AsyncIterator[bytes], bytes_max: int) -> AsyncIterator[list[Line]]:
    """The lines of a body as they come in, none longer than so many bytes in memory."""
    number, rest, is_overlong = 0, b"", False
    async for piece in pieces:
        *ended, rest = (rest + piece).split(b"\n")
        if ended:
            yield _lines(number, ended, bytes_max, is_overlong=is_overlong)
            number, is_overlong = number + len(ended), False
        if len(rest) > bytes_max:
            is_overlong, rest = True, b""
    if rest.strip(BLANKS) or is_overlong:
        yield _lines(number, [rest], bytes_max, is_overlong=is_overlong)


def _lines(before: int, texts: list[bytes], bytes_max: int, *, is_overlong: bool) -> list[Line]:
    """The lines behind so many others, without the empty ones; the first may be an end."""
    first = before + 1
    if not is_overlong and max(map(len, texts)) <= bytes_max:
        filled = [(n, bare) for n, text in enumerate(texts, first) if (bare := text.strip(BLANKS))]
        commands = decode_lines([text for _, text in filled])
        if commands is not None:
            return [Line(n, command) for (n, _), command in zip(filled, commands, strict=True)]
    return [
        _line(n, text, is_overlong=(is_overlong and n == first) or len(text) > bytes_max)
        for n, text in enumerate(texts, first)
        if text.strip(BLANKS) or (is_overlong and n == first)
    ]


def _line(number: int, text: bytes, *, is_overlong: bool) -> Line:
    if is_overlong:
        return Line(number, None, Refused.by(InvalidCommand("", reason="the line is too long")))
    try:
        return Line(number, decode_line(text))
    except InvalidCommand as refusal:
        return Line(number, None, Refused.by(refusal))
