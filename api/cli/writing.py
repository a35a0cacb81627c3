"""Every command of the ledger as a command of the program: read, execute, say what was done."""

from typing import TYPE_CHECKING, Any

import click

from api.cli import display, options
from api.cli.program import Command
from api.cli.session import Session, session
from api.cli.shapes import Shape
from ledger.domain import commands as c
from ledger.domain.values import Code

if TYPE_CHECKING:
    from ledger.application import Answer
    from ledger.receipts import Receipts


def program_name(op: str) -> str:
    """The program's name of an `op`: `log_hours` → `log-hours`."""
    return op.replace("_", "-")


def ledger_command(kind: type[c.Command], name: str = "", group: str = "") -> Command:
    """The command of the program that carries out `kind`; `group`: the command it stands under."""

    def run(*, dry_run: bool, command_id: str | None, **_: Any) -> None:
        command = options.read(kind, click.get_current_context())
        spelled = f"{group} {name}".lstrip()
        execute(command, session(), dry_run=dry_run, command_id=command_id, name=spelled)

    name = name or program_name(c.op_of(kind.__name__))
    params = [*options.parameters(kind), *writing_options()]
    return Command(name, params=params, callback=run, help=kind.__doc__)


class WritingOption(click.Option):
    """An option of every command that writes."""


def writing_options() -> list[click.Parameter]:
    """The options of every command that writes."""
    return [
        WritingOption(["--dry-run"], is_flag=True, help="all checks, the same answer, no writing"),
        WritingOption(
            ["--command-id"], type=Shape(Code), metavar="ID",
            help="to repeat a command safely: the same id has its effect once; new if absent",
        ),
    ]  # fmt: skip


def execute(
    command: c.Command, run: Session, *, dry_run: bool, command_id: str | None, name: str
) -> None:
    """Carry a command out and say what was done, under its name here. Raises LedgerError."""
    command_id = run.name_command(command_id)
    receipts = None if dry_run else receipts_of(run)
    answer = run.open().execute(command, run.caller(), command_id=command_id, dry_run=dry_run)
    signed = sign_receipt(answer, receipts) if receipts else {}
    tell(name, answer, run, dry_run=dry_run, **signed)


def receipts_of(run: Session) -> "Receipts | None":
    """What signs the receipts of JSON answers, where there is a key. Raises InvalidSettings.

    Looked for before anything is written: a wrong setting must not look like a failed write.
    """
    from ledger.receipts import Receipts  # noqa: PLC0415 (not for --help)
    from ledger.signing import signer_of  # noqa: PLC0415

    signer = signer_of(run.settings()) if run.json else None
    return Receipts(run.open().store, signer) if signer else None


def sign_receipt(answer: "Answer", receipts: "Receipts") -> dict[str, str]:
    """The receipt of what was written, or none: the write stands whatever happens here."""
    try:
        return (
            {"signed_receipt": receipts.of_command(answer.command_id).decode()}
            if answer.count
            else {}
        )
    except Exception as error:  # noqa: BLE001  see above
        click.echo(f"No receipt: {type(error).__name__}.", err=True)
        return {}


def tell(
    name: str, answer: "Answer", run: Session, *, dry_run: bool = False, **more: str | None
) -> None:
    """Say what a command did; `more` are values that stand in no event."""
    if run.json:
        display.as_json(display.fields_of(answer) | {"dry_run": dry_run} | more)
        return
    click.echo(f"{name}: {_deed(answer, dry_run=dry_run)}")
    display.sheet(answer.result | more | {"command_id": answer.command_id})


def _deed(answer: "Answer", *, dry_run: bool) -> str:
    """What became of a command, in half a sentence."""
    events = f"{answer.count} event{'s' * (answer.count != 1)}"
    if dry_run:
        return f"would be done ({events}); nothing was written."
    if not answer.count:
        return "it is so already; nothing was written."
    last = answer.first_position + answer.count - 1
    where = f"position {last}" if answer.count == 1 else f"positions {answer.first_position}–{last}"
    return f"done before, at {where}." if answer.replayed else f"done, at {where}."
