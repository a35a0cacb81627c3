"""The page in front of a bundle, for the auditor who opens it."""

from collections.abc import Sequence
from typing import Final

from api.cli.quantities import hours, yuan
from ledger.log.checkpoint import Checkpoint
from projections.figures import Figure

_PAGE: Final = """# {title}

What {origin} says at line {size:,} of its log, with all it takes to prove or refute it.
With Python 3.11 or newer, and nothing else:

```
python3 -I verify.py --key '{key}'
```

It answers PROVED, or REFUTED with the place. Two things must come from elsewhere than this folder:
the key (the one above came with it), and `verify.py` itself (from a release of hourledger, or with
a SHA-256 that is published). It is 400 lines, to be read before it is believed.

| File | |
|---|---|
{files}
{figures}"""

_OF_ALL: Final = {
    "checkpoint": "size and root of the log, signed (C2SP tlog-checkpoint)",
    "lines.jsonl": "canonical JSON, a line an event",
    "postings.json": "the posting table: which event moves how much from where to where",
    "figures.jsonl": "the figures: minutes, credit-minutes, fen (1/100 yuan), people",
    "bundle.json": "whose lines these are, and the operator's public key",
    "verify.py": "recomputes all of it",
}
_OF_LOG: Final = {"leaves": "the hash of each line, so that a changed one can be named"}
_OF_STREAM: Final = {
    "proofs.json": "each line's inclusion proof (RFC 6962)",
    "statement": "signed: how many lines the stream has at the checkpoint, so none is left out",
}
_NOTES: Final = {"notes.jsonl": "the free texts of the lines with their salts, but for erased ones"}
_UNITS: Final = {"minutes": hours, "credit": hours, "fen": yuan}


def text(
    found: Checkpoint, key: str, stream: str, told: Sequence[Figure], *, with_notes: bool
) -> str:
    """The page of a bundle of a stream, or of the whole log; with its texts or without."""
    kind, _, owner = stream.partition("/")
    title = (
        f"{kind.capitalize()} {owner} of {found.origin}" if stream else f"The log {found.origin}"
    )
    files = _OF_ALL | (_OF_STREAM if stream else _OF_LOG) | (_NOTES if with_notes else {})
    return _PAGE.format(
        title=title,
        origin=found.origin,
        size=found.size,
        key=key,
        files="".join(f"| `{name}` | {what} |\n" for name, what in sorted(files.items())),
        figures=_figures(kind, told[0]) if stream and told else "",
    )


def _figures(kind: str, told: Figure) -> str:
    """What the figures say, for a person."""
    if kind == "member":
        rows = [(name.replace("_", " "), _shown(name, value)) for name, value in told[2].items()]
        return _table("A member's figures", rows)
    page = dict(told[2])
    verified = page.pop("verified_minutes")
    parts = [
        _table(f"{part} (yuan)", [(name, _money(fen)) for name, fen in own.items()])
        for part, own in {"The fund": {"in all": page.pop("all")}, **page}.items()
    ]
    stated = [(f"project/{name}", f"{hours(minutes)} h") for name, minutes in verified.items()]
    return "\n".join([*parts, _table("Verified hours, stated by the operator", stated)])


def _shown(name: str, value: int) -> str:
    unit = next((unit for unit in _UNITS if unit in name), "")
    return f"{_UNITS[unit](value)} h" if unit else str(value)


def _money(fen: dict[str, int]) -> str:
    return ", ".join(f"{name} {yuan(value)}" for name, value in fen.items()) or "nothing"


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return f"\n| {title} | |\n|---|---|\n{lines}" if rows else ""
