"""`hourledger export`: the log as canonical lines and the root they hash to, or in another form."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import click

from api.cli.placing import is_stdout, put_in_place
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session
from ledger.domain.errors import CorruptLog
from ledger.log import merkle
from ledger.store.tree import frontier_at, root_at, rows_between


class Written(NamedTuple):
    """What was written: a sentence, and the facts in it."""

    sentence: str
    facts: dict[str, Any]


#: Writes the lines with positions above one up to another.
Writer = Callable[[Session, IO[bytes], int, int], Written]
#: Format → module and attribute of its writer. A new format is a line here.
FORMATS: Final[dict[str, str]] = {
    "lines": "api.cli.export:write_lines",
    "hledger": "api.cli.export:write_journal",
    "parquet": "api.cli.export_columns:write_parquet",
    "csv": "api.cli.export_columns:write_csv",
}


def write_lines(now: Session, file: IO[bytes], after: int, until: int) -> Written:
    """Write the lines; their root is made from what was written.

    Raises CorruptLog when it is not the root that the stored hashes give.
    """
    store = now.open().store
    frontier, size = frontier_at(store, after), after
    with progress("export", until - after, unit="lines", shown=now.on_terminal) as advance:
        for rows in rows_between(store, after, until):
            lines = [row.line() for row in rows]
            merkle.extend_all(frontier, size, map(merkle.leaf_hash, lines))
            size += len(lines)
            file.write(b"\n".join(lines) + b"\n")
            advance(len(rows))
    root = merkle.root(frontier)
    if root != root_at(store, until):
        raise CorruptLog("hashes", position=until, error="the lines give another root")
    sentence = f"Lines written: {until - after:,}. Root of the first {until:,}: {root.hex()}"
    return Written(sentence, {"root": root.hex()})


def write_journal(now: Session, file: IO[bytes], after: int, until: int) -> Written:
    """Write what the events move as a journal for hledger. Raises CorruptLog."""
    from projections.hledger import HEAD, transactions  # noqa: PLC0415 (not for --help)

    file.write(HEAD.encode())
    with progress("export", until - after, unit="events", shown=now.on_terminal) as advance:
        for rows in rows_between(now.open().store, after, until):
            file.write("".join(map(transactions, rows)).encode())
            advance(len(rows))
    return Written(f"Journal written: what {until - after:,} events move.", {})


def run(*, file: str, format_name: str, after: int, until: int | None) -> None:
    """Write the log to a file or stdout; what was written is said on stderr, or beside a file."""
    now = session()
    now.require_whole("auditor")
    size = now.open().store.head().position
    if until is not None and after > until:
        raise click.UsageError(f"--until {until} lies before --after {after}.")
    if until is not None and until > size:
        raise click.UsageError(f"--until {until} is beyond the last line, {size}.")
    until = size if until is None else until
    if after > until:
        raise click.UsageError(f"--after {after} is beyond the last line, {until}.")
    module, _, name = FORMATS[format_name].partition(":")
    write: Writer = getattr(import_module(module), name)
    to_stdout = file == "-" or is_stdout(Path(file))
    if to_stdout:
        written = write(now, sys.stdout.buffer, after, until)
    else:
        with put_in_place(Path(file)) as target:
            written = write(now, target, after, until)
    say = now.say_aside if to_stdout else now.say
    say(written.sentence, first=after + 1, last=until, lines=until - after, **written.facts)


_position = click.IntRange(min=0)
command = Command(
    "export",
    params=[
        click.Argument(["file"], default="-", help="where to; - or nothing is stdout"),
        click.Option(["--format", "format_name"], type=click.Choice(list(FORMATS)),
                     default="lines", show_default=True,
                     help="canonical lines, a journal for hledger, columns, an office table"),
        click.Option(["--after"], metavar="POSITION", type=_position, default=0,
                     help="only lines after this position"),
        click.Option(["--until"], metavar="POSITION", type=_position,
                     help="only lines up to this position"),
    ],
    callback=run,
    help="Write the log as canonical lines, and say their root; or in another form.",
)  # fmt: skip
