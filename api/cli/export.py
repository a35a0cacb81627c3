"""`hourledger export`: the log as canonical lines, and the root that they hash to."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import click

from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session
from ledger.domain.errors import CorruptLog
from ledger.log import merkle
from ledger.store.log import LogStore, Row

#: Rows read at once.
CHUNK: Final = 5_000


def rows_between(store: LogStore, after: int, until: int) -> Iterator[list[Row]]:
    """The rows with positions above `after` up to `until`, some thousands at a time."""
    while after < until:
        rows = store.select_rows(after, min(CHUNK, until - after))
        if not rows:
            raise CorruptLog("position", position=after + 1, error="missing")
        yield rows
        after = rows[-1].position


def stored_frontier(store: LogStore, size: int) -> list[bytes]:
    """The perfect subtrees of the first `size` rows, from the hashes stored with them."""
    rows = store.select_positions(merkle.frontier_rows(size))
    return [row.hashes[-merkle.HASH_BYTES :] for row in rows]


def write_lines(now: Session, file: IO[bytes], after: int, until: int) -> bytes:
    """Write the lines and return the root of the first `until`, made from what was written.

    Raises CorruptLog when it is not the root that the stored hashes give.
    """
    store = now.open().store
    frontier, size = stored_frontier(store, after), after
    with progress("export", until - after, unit="lines", shown=now.on_terminal) as advance:
        for rows in rows_between(store, after, until):
            lines = [row.line() for row in rows]
            for line in lines:
                merkle.extend(frontier, size, merkle.leaf_hash(line))
                size += 1
            file.write(b"\n".join(lines) + b"\n")
            advance(len(rows))
    root = merkle.root(frontier)
    if root != merkle.root(stored_frontier(store, until)):
        raise CorruptLog("hashes", position=until, error="the lines give another root")
    return root


def run(*, file: str, after: int, until: int | None) -> None:
    """Write the lines to a file or stdout; the root goes to stderr, or to stdout beside a file."""
    now = session()
    now.require_whole("auditor")
    size = now.open().store.head().position
    until = size if until is None else min(until, size)
    if after > until:
        raise click.UsageError(f"--after {after} is beyond the last line, {until}.")
    if file == "-":
        root = write_lines(now, sys.stdout.buffer, after, until)
    else:
        with Path(file).open("wb") as target:
            root = write_lines(now, target, after, until)
    say = now.say_aside if file == "-" else now.say
    sentence = f"Lines written: {until - after:,}. Root of the first {until:,}: {root.hex()}"
    say(sentence, first=after + 1, last=until, lines=until - after, root=root.hex())


_position = click.IntRange(min=0)
command = Command(
    "export",
    params=[
        click.Argument(["file"], default="-", help="where to; - or nothing is stdout"),
        click.Option(
            ["--after"],
            metavar="POSITION",
            type=_position,
            default=0,
            help="only lines after this position",
        ),
        click.Option(
            ["--until"], metavar="POSITION", type=_position, help="only lines up to this position"
        ),
    ],
    callback=run,
    help="Write the log as canonical lines, and say their root.",
)
