"""The reference of the command line, as Markdown, made from the program itself.

`python -m api.cli.reference docs/cli.md` writes it anew behind the marker in
that file; a test compares.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from api.cli.main import SECTIONS, program
from api.cli.options import parameters
from api.cli.session import SharedOption
from api.cli.writing import WritingOption, writing_options
from ledger.domain.commands import RevokeKey

#: What stands behind this line is written by the program.
MARKER: Final = "<!-- made by `python -m api.cli.reference docs/cli.md`; do not edit below -->"


def reference() -> str:
    """The whole reference."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    context = click.Context(program, info_name="hourledger")
    yield from ("## Reference", "", "Options of every command:", "")
    yield from _table([p for p in program.params if isinstance(p, SharedOption)], context)
    yield from ("", "Options of every command that changes the ledger:", "")
    yield from _table([*_day_of_the_act(), *writing_options()], context)
    for title, names in SECTIONS.items():
        yield from ("", f"### {title}")
        for name in names:
            command = program.get_command(context, name)
            if command is not None:
                yield from _entry(command, context)


def _entry(command: click.Command, parent: click.Context) -> Iterator[str]:
    """A command, or each command of a group."""
    context = click.Context(command, info_name=command.name, parent=parent)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _entry(inner, context)
        return
    own = [p for p in command.params if not _is_told_above(p)]
    usage = [p.make_metavar(context) for p in own if isinstance(p, click.Argument)]
    path = context.command_path.removeprefix("hourledger ")
    yield from ("", f"#### `{' '.join((path, *usage))}`", "", command.help or "", "")
    yield from _table(own, context)


def _day_of_the_act() -> list[click.Parameter]:
    """The option that says on which day an act counts."""
    return [p for p in parameters(RevokeKey) if p.name == "effective_on"]


def _is_told_above(param: click.Parameter) -> bool:
    """Whether an option is one of every command, or of every one that writes."""
    return isinstance(param, SharedOption | WritingOption) or param.name == "effective_on"


def _table(params: list[click.Parameter], context: click.Context) -> Iterator[str]:
    """Arguments and options with what they mean."""
    rows = [(param, param.get_help_record(context)) for param in params]
    if not any(record for _, record in rows):
        return
    yield from ("| | |", "|---|---|")
    for param, record in rows:
        if record is None:
            continue
        name, text = (record[0], getattr(param, "help", "") or record[1])
        yield f"| `{name.replace('|', chr(92) + '|')}` | {' '.join(text.split())} |"


def rewritten(document: str) -> str:
    """A document with the reference behind its marker made anew."""
    head, marker, _ = document.partition(MARKER)
    return f"{head.rstrip()}\n\n{MARKER}\n\n{reference()}" if marker else document


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
