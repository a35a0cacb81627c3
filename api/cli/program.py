"""What a command of the program is: its help in two lists, its refusals on stderr."""

import errno
from collections.abc import Callable, Sequence
from typing import Any

import click

from api.cli import refusals
from api.cli.session import Session, SharedOption, shared_options
from ledger.domain.errors import LedgerError


class Command(click.Command):
    """A command of the program: its own options first, then those that all have."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.params += shared_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two lists."""
        params = [p for p in self.get_params(ctx) if not isinstance(p, click.Argument)]
        own = [p for p in params if not isinstance(p, SharedOption)]
        shared = [p for p in params if isinstance(p, SharedOption)]
        _write_options(own, "Options", ctx, formatter)
        _write_options(shared, "Options of every command", ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run; a LedgerError becomes words on stderr and an exit code, and so does a full disk."""
        try:
            return super().invoke(ctx)
        except LedgerError as error:
            refusals.show(error, ctx.ensure_object(Session), self)
            ctx.exit(refusals.exit_code(error))
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads has enough
                raise
            raise refusals.no_file(error, ctx.ensure_object(Session)) from error


def _write_options(
    params: Sequence[click.Parameter],
    title: str,
    ctx: click.Context,
    formatter: click.HelpFormatter,
) -> None:
    """Write a list of options under a title."""
    rows = [row for param in params if (row := param.get_help_record(ctx))]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


class Sections(click.Group):
    """Commands listed section by section, each made when it is asked for."""

    def __init__(
        self,
        name: str,
        sections: dict[str, tuple[str, ...]],
        find: Callable[[str], click.Command | None],
        **attrs: Any,
    ) -> None:
        super().__init__(name, params=list(shared_options()), **attrs)
        self.sections = sections
        self.find = find

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the help."""
        del ctx
        return [name for names in self.sections.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name, or None."""
        del ctx
        return self.find(cmd_name)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options that all have."""
        self.format_commands(ctx, formatter)
        _write_options(self.get_params(ctx), "Options of every command", ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands section by section."""
        width = max(map(len, self.list_commands(ctx)))
        for title, names in self.sections.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            rows = [
                (f"{name:<{width}}", command.get_short_help_str(formatter.width - width - 6))
                for name, command in found
                if command
            ]
            with formatter.section(title):
                formatter.write_dl(rows)
