"""`hourledger`: the way in, what commands there are, and the exit code."""

import codecs
import gc
import io
import json
import signal
import sys
from functools import cache
from importlib import import_module
from types import FrameType
from typing import Final

import click

from api.cli.program import Sections
from api.cli.writing import ledger_command
from ledger.domain.commands import COMMANDS

#: The commands by what they are about, in the order of the help.
SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Begin": ("demo", "init", "key", "import"),
    "Members": (
        "register-member", "change-member-kinds", "move-member", "deregister-member",
        "record-credential", "withdraw-credential", "join-organisation", "leave-organisation",
    ),
    "Organisations, projects, activities": (
        "register-organisation", "open-project", "close-project", "hold-activity",
        "withdraw-activity",
    ),
    "Hours": ("log-hours", "verify-hours", "reject-hours", "correct-hours", "void-hours"),
    "Incentives": (
        "define-policy", "amend-policy", "close-policy", "grant-incentive", "revoke-grant",
    ),
    "Funds": (
        "open-fund", "amend-fund", "close-fund", "receive-funds", "allocate-funds",
        "release-funds", "spend-funds", "reverse-spend", "return-funds", "send-transfer",
        "accept-transfer", "decline-transfer", "receive-transfer",
    ),
    "Rules": (
        "set-limits", "profile-region", "set-star-levels", "set-accrual-rule", "erase-text",
    ),
    "Figures": (
        "balance", "statement", "totals", "participation", "fund", "source", "trail", "explain",
        "diff", "restate",
    ),
    "The log": ("check", "export", "project", "rebuild", "seal", "serve"),
    "Evidence": ("keygen", "checkpoint", "proof", "receipt", "witness", "bundle"),
}  # fmt: skip

#: Commands that are not generated: name → module and attribute.
WRITTEN: Final[dict[str, str]] = {
    "demo": "api.cli.demo:command",
    "init": "api.cli.init:command",
    "key": "api.cli.key:group",
    "import": "api.cli.import_file:command",
    "balance": "api.cli.balance:command",
    "totals": "api.cli.totals:command",
    "participation": "api.cli.participation:command",
    "fund": "api.cli.fund:command",
    "source": "api.cli.source:command",
    "trail": "api.cli.trail:command",
    "statement": "api.cli.statement:command",
    "explain": "api.cli.explain:command",
    "diff": "api.cli.diff:command",
    "restate": "api.cli.restate:command",
    "check": "api.cli.check:command",
    "export": "api.cli.export:command",
    "bundle": "api.cli.bundle:command",
    "project": "api.cli.project:command",
    "rebuild": "api.cli.rebuild:command",
    "seal": "api.cli.seal:command",
    "serve": "api.cli.serve:command",
    "keygen": "api.cli.keygen:command",
    "checkpoint": "api.cli.checkpoint:command",
    "proof": "api.cli.proof:group",
    "receipt": "api.cli.receipt:group",
    "witness": "api.cli.witness:group",
}

#: Commands of the ledger that have a command of their own here.
ELSEWHERE: Final = {"open_ledger": "init", "issue_key": "key issue", "revoke_key": "key revoke"}


@cache
def find_command(name: str) -> click.Command | None:
    """A command of the program, or None."""
    if name in WRITTEN:
        module, _, attribute = WRITTEN[name].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found
    op = name.replace("-", "_")
    is_here = op in COMMANDS and op not in ELSEWHERE and "_" not in name
    return ledger_command(COMMANDS[op]) if is_here else None


program = Sections(
    "hourledger",
    SECTIONS,
    find_command,
    help="A ledger of service hours, incentives and the money behind them.",
    context_settings={"max_content_width": 100},
    epilog="Exit code: 0 done, 1 refused or found wrong, 2 not understood.",
)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks, as JSON escapes it, so that JSON stays JSON."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


#: What DuckDB makes of a signal that comes while it is at work, whatever its handler raised.
_INTERRUPTED: Final = "Query interrupted"


def _end(number: int, _: FrameType | None) -> None:
    """End as Ctrl-C does, so that what is half made goes; at once for whoever says it twice."""
    signal.signal(number, signal.SIG_DFL)
    sys.exit(128 + number)


def main() -> None:
    """The program."""
    # Bulk work allocates much and hardly anything in circles; looking for those takes an eighth.
    gc.set_threshold(100_000, 50, 100)
    # One thread decides while another writes: the lock changes hands ten times as often.
    sys.setswitchinterval(0.0005)
    # A terminal that has no Chinese gets the escapes, not a traceback.
    codecs.register_error("json_escapes", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="json_escapes")
    signal.signal(signal.SIGTERM, _end)
    try:
        program.main(prog_name="hourledger")
    except RuntimeError as error:
        if str(error) != _INTERRUPTED:
            raise
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            sys.exit(128 + signal.SIGTERM)
        click.echo("\nAborted!", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
