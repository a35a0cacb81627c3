"""`hourledger init`: create the database and open the log."""

from typing import Any

import click

from api.cli import options, writing
from api.cli.program import Command
from api.cli.session import session
from ledger.domain.commands import OpenLedger
from ledger.domain.errors import AlreadyExists, LedgerNotOpened


def run(*, dry_run: bool, command_id: str | None, **_: Any) -> None:
    """Open the log; when this very log is open already, say so and be content."""
    now = session()
    command = options.read(OpenLedger, click.get_current_context())
    assert isinstance(command, OpenLedger)
    ledger = now.open(create=True)
    try:
        rulebook = ledger.rulebook
    except LedgerNotOpened:
        writing.execute(command, now, dry_run=dry_run, command_id=command_id, name="init")
        return
    if rulebook.origin != command.origin:
        raise AlreadyExists("origin", origin=rulebook.origin)
    now.say(f"{command.origin} is open already.", origin=command.origin, opened=True)


params = [*options.parameters(OpenLedger, positional=False), *writing.writing_options()]
command = Command("init", params=params, callback=run, help="Create the database, open the log.")
