"""One run of the program: on which ledger, as whom, and how to answer.

The options that every command has stand here; they may be given before or
after the command's name.
"""

import getpass
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from api.cli import display
from api.cli.shapes import Shape
from ledger.domain.access import Caller, operator
from ledger.domain.errors import Forbidden, LedgerError
from ledger.domain.values import Code, Role

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.settings import Settings
    from projections.database import Reads

#: Where a key's secret is looked for, so that it need not stand in a process list.
KEY_VARIABLE: Final = "LEDGER_KEY"
#: Clocks of machines that share a log may differ by so much.
AHEAD_MAX: Final = timedelta(minutes=1)


class Session:
    """What the options of every command said, and the ledger once it is needed."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.holder: str | None = None
        self.secret: str | None = None
        self.json: bool = False
        #: The command id that was sent, to be told when the answer was lost.
        self.command_id: str | None = None
        self._ledger: Ledger | None = None
        self._reads: Reads | None = None

    def settings(self) -> "Settings":
        """The settings, without opening anything. Raises InvalidSettings."""
        from ledger.settings import Settings  # noqa: PLC0415 (heavy: not for --help)

        return Settings(**({"database_url": self.database} if self.database else {}))

    def open(self, *, create: bool = False, apart: bool = False) -> "Ledger":
        """The ledger, opened once. Raises InvalidSettings, NotDurable, Unavailable.

        `apart`: with rules and log in a process of their own, for who has much to write.
        """
        if self._ledger is None:
            from ledger.application import Ledger  # noqa: PLC0415 (heavy: not for --help)

            self._ledger = Ledger(self.settings(), create=create, apart=apart)
            click.get_current_context().find_root().call_on_close(self._ledger.close)
            if not self.json:
                _tell_ahead(self._ledger)
        return self._ledger

    def open_reads(self) -> "Reads":
        """The read models of the ledger, opened once. Raises Unavailable."""
        if self._reads is None:
            from projections.database import open_reads  # noqa: PLC0415

            self._reads = open_reads(self.open().settings.read_models)
            click.get_current_context().find_root().call_on_close(self._reads.close)
        return self._reads

    def caller(self) -> Caller:
        """Who acts: the holder of the key, or the operator at the machine.

        Raises Unauthenticated; click.UsageError when it is not clear who acts.
        """
        if self.secret and self.holder:
            raise click.UsageError(f"--as and --key (or {KEY_VARIABLE}) exclude each other.")
        if self.secret:
            return self.open().caller_for(self.secret)
        holder = self.holder or _os_user()
        # Four eyes are the holder's, by any key or none. Who writes has opened the ledger by now.
        members = self._ledger.store.members_of_holder(holder) if self._ledger else frozenset()
        return operator(holder, members)

    def name_command(self, command_id: str | None) -> str:
        """The id under which a command is sent: the one given, or a fresh UUIDv7."""
        if command_id is None:
            import uuid_utils  # noqa: PLC0415 (not for --help)

            command_id = uuid_utils.uuid7().hex
        self.command_id = command_id
        return command_id

    def require_role(self, role: Role) -> Caller:
        """Who acts, if they have the role or are admin. Raises Forbidden."""
        caller = self.caller()
        if not caller.roles & {role, "admin"}:
            raise Forbidden("key", needs=role)
        return caller

    def require_whole(self, role: Role) -> None:
        """What shows the whole log is for those whose key has no scope. Raises Forbidden."""
        if not self.require_role(role).is_whole:
            raise Forbidden("key", needs="a key without scope")

    def say(self, sentence: str, **facts: object) -> None:
        """Answer with a sentence; with its facts when JSON was asked for."""
        click.echo(display.to_json(facts) if self.json else sentence)

    def say_aside(self, sentence: str, **facts: object) -> None:
        """The same on stderr, where stdout has another use."""
        click.echo(display.to_json(facts) if self.json else sentence, err=True)

    @property
    def on_terminal(self) -> bool:
        """Whether someone watches: progress is shown then, on stderr."""
        return sys.stderr.isatty() and not self.json


def _tell_ahead(ledger: "Ledger") -> None:
    """Say on stderr that one of the two clocks is wrong: this machine's, or who wrote last."""
    with suppress(LedgerError):  # whoever needs the head meets that
        ahead = timedelta(seconds=int(ledger.store.head().ahead_s(datetime.now(UTC))))
        if ahead > AHEAD_MAX:
            click.echo(
                f"Note: the last event is {ahead} ahead of this machine's clock, and so is what"
                " is written now. Is the clock right?",
                err=True,
            )


def _os_user() -> str:
    """The operating system's user, if its name can be a holder's."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number alone, as in a container; KeyError up to Python 3.12
        raise click.UsageError("The system's user has no name; say --as HOLDER.") from None
    try:
        return msgspec.convert(user, Code)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"The user name {user!r} cannot act; say --as HOLDER.") from error


def session() -> Session:
    """The session of the command that runs."""
    return click.get_current_context().ensure_object(Session)


class SharedOption(click.Option):
    """An option of every command; `--help` lists it apart."""


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Put an option into the session; what is said later wins, silence says nothing."""
    if value is not None and value is not False:
        # Named apart from the fields of commands: a key has a holder too.
        setattr(ctx.ensure_object(Session), (param.name or "").removeprefix("session_"), value)


def shared_options() -> Sequence[SharedOption]:
    """The options of every command."""
    keep: dict[str, Any] = {"expose_value": False, "callback": _keep}
    return [
        SharedOption(
            ["--database", "session_database"], metavar="URL", **keep,
            help="sqlite:///FILE or postgresql://…; LEDGER_DATABASE_URL or sqlite:///ledger.db "
            "if absent",
        ),
        SharedOption(
            ["--as", "session_holder"], metavar="HOLDER", type=Shape(Code), **keep,
            help="who acts, as the operator at this machine; the system's user if absent",
        ),
        SharedOption(
            ["--key", "session_secret"], metavar="SECRET", envvar=KEY_VARIABLE, **keep,
            help=f"act with a key's roles and scopes (better: in {KEY_VARIABLE})",
        ),
        SharedOption(["--json", "session_json"], is_flag=True, **keep, help="answer in JSON"),
    ]  # fmt: skip
