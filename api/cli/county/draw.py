"""Drawing from the seed, alike on every machine and with every Python: integers only."""

import hashlib
from random import Random


def generator(seed: int, *names: str | int) -> Random:
    """A generator of its own for each name, so that what is drawn for one moves no other."""
    text = "/".join(map(str, (seed, *names)))
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))  # noqa: S311 (repeatable, not secret)


def below(rng: Random, bound: int) -> int:
    """A number from 0 to bound − 1."""
    return rng.getrandbits(32) * bound >> 32


def between(rng: Random, low: int, high: int) -> int:
    """A number from low to high, both included."""
    return low + below(rng, high - low + 1)
