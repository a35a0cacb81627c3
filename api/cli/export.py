"""`hourledger export`: the log as canonical lines, and the root that they hash to."""

import sys
from pathlib import Path
from typing import IO

import click

from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session
from ledger.domain.errors import CorruptLog
from ledger.log import merkle
from ledger.store.tree import frontier_at, root_at, rows_between


def write_lines(now: Session, file: IO[bytes], after: int, until: int) -> bytes:
    """Write the lines and return the root of the first `until`, made from what was written.

    Raises CorruptLog when it is not the root that the stored hashes give.
    """
    store = now.open().store
    frontier, size = frontier_at(store, after), after
    with progress("export", until - after, unit="lines", shown=now.on_terminal) as advance:
        for rows in rows_between(store, after, until):
            lines = [row.line() for row in rows]
            for line in lines:
                merkle.extend(frontier, size, merkle.leaf_hash(line))
                size += 1
            file.write(b"\n".join(lines) + b"\n")
            advance(len(rows))
    root = merkle.root(frontier)
    if root != root_at(store, until):
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
