"""How the program says no: what, where and why on stderr, and the exit code."""

from typing import Final

import click

from api.cli import display
from api.cli.options import FieldArgument, FieldOption
from api.cli.session import Session
from ledger.domain.errors import InvalidCommand, InvalidSettings, LedgerError, Refusal

#: Done; refused or found wrong; not understood.
DONE, REFUSED, MISUSED = 0, 1, 2

#: Code → what a person can do about it, where the message does not say.
ADVICE: Final[dict[str, str]] = {
    "ledger_not_opened": "hourledger init --origin NAME",
    "command_in_flight": "the same again",
    "unavailable": "the same again",
    "unauthenticated": "hourledger key list shows which keys there are",
    "checkpoint_not_found": "hourledger checkpoint, with LEDGER_SIGNING_KEY_FILE set",
    "header_not_found": "--map HEADER=FIELD for a column that is not read, --default FIELD=VALUE"
    " where none says it",
    "log_forked": "hourledger witness check-fork FILE shows it to anyone",
}

#: Fields that only options of reading commands fill.
MOMENTS: Final = ("known_at", "from_known_at", "published_at", "proof_size")
#: Facts whose name does not say the unit → a name that does.
UNNAMED: Final = {"available": "fen"}


def exit_code(error: LedgerError) -> int:
    """2 for what is not well-formed, 1 for everything that was refused or is wrong."""
    return MISUSED if isinstance(error, InvalidSettings | InvalidCommand) else REFUSED


def show(error: LedgerError, session: Session, command: click.Command | None) -> None:
    """Say on stderr what was refused: as JSON when JSON was asked for."""
    if session.json:
        click.echo(as_json(error), err=True)
        return
    word = "Refused" if isinstance(error, Refusal) else "Failed"
    click.echo(f"{word}: {error.code}. {error.message}", err=True)
    rows = {"at": place(error.at, command)} if error.at else {}
    rows |= {
        name.replace("_", " "): display.with_unit(UNNAMED.get(name, name), fact)
        for name, fact in error.facts.items()
    }
    if error.code in ADVICE:
        # After these it is not known whether the command had its effect.
        again = session.command_id if error.code in ("command_in_flight", "unavailable") else None
        rows["try"] = ADVICE[error.code] + (f", with --command-id {again}" if again else "")
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        click.echo(f"  {name:<{width}}  {text}", err=True)


def no_file(error: OSError, session: Session) -> click.ClickException:
    """What cannot be read or written; an answer that was lost can be asked for again."""
    place = f"{error.filename}: " if error.filename else ""
    sent = session.command_id
    again = f" (for the answer: the same again, with --command-id {sent})" if sent else ""
    return click.ClickException(f"{place}{error.strerror or error}{again}")


def as_json(error: LedgerError) -> str:
    """Code, message, place and facts."""
    told = {"code": error.code, "message": error.message, "at": error.at, "facts": error.facts}
    return display.to_json(told)


def place(at: str, command: click.Command | None) -> str:
    """The option or argument that fills the field `at`, or the field's own name."""
    if at == "group_by":
        return "--by"
    for param in command.params if command else ():
        if isinstance(param, FieldArgument) and param.path == (at,):
            return param.make_metavar(click.Context(command)) if command else at
        if isinstance(param, FieldOption) and ".".join(param.path) == at:
            return param.opts[0]
        if isinstance(param, click.Option) and param.name == at in MOMENTS:
            return param.opts[0]
    return at
