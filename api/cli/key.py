"""`hourledger key`: issue, revoke and list the keys that act for their holders."""

from typing import Any, Final

import click

from api.cli import display, options, writing
from api.cli.program import Command, Sections
from api.cli.session import session
from ledger.domain.commands import IssueKey, RevokeKey
from ledger.domain.key import Key, beyond

#: What is listed of a key, and its name in the state; never anything of its secret.
COLUMNS: Final = {
    "key": "id", "holder": "holder", "member": "member", "roles": "roles", "regions": "regions",
    "organisations": "organisations", "funds": "funds", "sources": "sources",
    "expires_on": "expires_on", "revoked": "revoked",
}  # fmt: skip

#: An empty one is everything of that sort.
SCOPES: Final = ("regions", "organisations", "funds", "sources")


def issue(*, dry_run: bool, command_id: str | None, **_: Any) -> None:
    """Issue a key and show its secret, this once."""
    now = session()
    command = options.read(IssueKey, click.get_current_context())
    assert isinstance(command, IssueKey)
    if dry_run:
        now.open().check_holder(command.holder, now.caller())
        writing.execute(command, now, dry_run=True, command_id=command_id, name="key issue")
        return
    command_id = now.name_command(command_id)
    answer, secret = now.open().issue_key(command, now.caller(), command_id=command_id)
    writing.tell("key issue", answer, now, secret=secret)
    if not now.json:
        shown = "The secret is shown this once; keep it safe."
        click.echo(shown if secret else "The secret was shown when the key was issued.", err=True)


def list_keys() -> None:
    """List all keys in the order of issue."""
    now = session()
    caller = now.require_role("admin")
    ledger = now.open()
    books = ledger.books()
    streams = [f"key/{kept.key}" for kept in ledger.store.list_keys()]
    books.load(streams)
    states = map(books.get, streams)
    # A scoped admin sees the keys within that scope, as when revoking one.
    keys = [state for state in states if isinstance(state, Key) and not beyond(caller, state)]
    rows = [{to: getattr(key, name) for to, name in COLUMNS.items()} for key in keys]
    if now.json:
        display.as_json({"keys": rows})
        return
    for row in rows:
        row.update({scope: row[scope] or "all" for scope in SCOPES})
    display.table(list(COLUMNS), rows)


COMMANDS: Final = {
    "issue": Command(
        "issue",
        params=[*options.parameters(IssueKey), *writing.writing_options()],
        callback=issue,
        help="Issue a key to a holder and show its secret; empty scopes allow everything.",
    ),
    "revoke": writing.ledger_command(RevokeKey, "revoke", group="key"),
    "list": Command("list", callback=list_keys, help="List all keys; secrets are not kept."),
}

group = Sections(
    "key", {"Commands": tuple(COMMANDS)}, COMMANDS.get, help="Issue, revoke and list keys."
)
