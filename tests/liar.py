"""Changes a liar may make to a text: bits, bytes, pieces and lines, at random but repeatable."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

Change = Callable[[bytes, Random], bytes]


def flip(text: bytes, chance: Random) -> bytes:
    """Another bit."""
    at, changed = chance.randrange(len(text)), bytearray(text)
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def replace(text: bytes, chance: Random) -> bytes:
    """Another letter of those that stand there."""
    at = chance.randrange(len(text))
    return text[:at] + bytes([chance.choice(text)]) + text[at + 1 :]


def cut(text: bytes, chance: Random) -> bytes:
    """A piece taken out."""
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randint(1, 40) :]


def put(text: bytes, chance: Random) -> bytes:
    """A piece put in again elsewhere."""
    at, of = chance.randrange(len(text) + 1), chance.randrange(len(text))
    return text[:at] + text[of : of + chance.randint(1, 40)] + text[at:]


def truncate(text: bytes, chance: Random) -> bytes:
    """The end taken away."""
    return text[: chance.randrange(len(text))]


def _on_lines(change: Callable[[list[bytes], Random], None]) -> Change:
    def changed(text: bytes, chance: Random) -> bytes:
        lines = text.splitlines(keepends=True)
        change(lines, chance)
        return b"".join(lines)

    return changed


def _swap(lines: list[bytes], chance: Random) -> None:
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def _drop(lines: list[bytes], chance: Random) -> None:
    del lines[chance.randrange(len(lines))]


def _double(lines: list[bytes], chance: Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))


CHANGES: Final[tuple[Change, ...]] = (
    flip, replace, cut, put, truncate, _on_lines(_swap), _on_lines(_drop), _on_lines(_double),
)  # fmt: skip


def lies(text: bytes, count: int, seed: int) -> Iterator[bytes]:
    """So many changed texts, none of them the true one."""
    chance = Random(seed)
    while count:
        changed = chance.choice(CHANGES)(text, chance)
        if changed != text:
            count -= 1
            yield changed
