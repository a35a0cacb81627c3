"""`hourledger demo`: the demonstration county, and its figures beside the published ones."""

import shlex
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.refusals import REFUSED
from api.cli.session import Session, session

if TYPE_CHECKING:
    from api.cli.county.figures import Figures
    from api.cli.county.plan import Plan

#: From here on a second process for the ledger's work is worth its start.
EVENTS_APART: Final = 50_000


class Scale(click.ParamType[Any, str]):
    """A share of the county as an exact decimal."""

    name = "scale"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The plan at that scale."""
        from api.cli.county.plan import plan_of  # noqa: PLC0415 (not for --help)

        try:
            return plan_of(Fraction(Decimal(value)))
        except (InvalidOperation, ValueError, OverflowError):
            self.fail(f"{value} is not a number from 0.001 to 1.", param, ctx)


def run(*, scale: "Plan", seed: int, dry_run: bool) -> None:
    """Make the county, or tell how large it would be; exit 1 when a figure differs."""
    now = session()
    if dry_run:
        expected = {"events_about": scale.events, "seed": seed, "dry_run": True}
        now.say(f"About {scale.events:,} events would be written; nothing was.", **expected)
        return
    from api.cli.county.run import run_demo  # noqa: PLC0415 (not for --help)

    ledger = now.open(create=True, apart=scale.events >= EVENTS_APART)
    reads = now.open_reads()
    with progress("demo", scale.steps, unit="events", shown=now.on_terminal) as advance:
        figures = run_demo(ledger, reads, scale.scale, seed, advance)
    if now.json:
        display.as_json(figures)
    else:
        show(figures, now)
    if not figures.is_equal:
        click.get_current_context().exit(REFUSED)


def show(figures: "Figures", now: Session) -> None:
    """Print the table, whether all is equal, and what to try next."""
    from api.cli.county.figures import HEADING  # noqa: PLC0415 (not for --help)

    click.echo(
        f"Two counties at scale {figures.scale}, seed {figures.seed}: {figures.position:,} events."
    )
    display.table(HEADING, [dict(zip(HEADING, row, strict=True)) for row in figures.table()])
    click.echo("All figures are equal." if figures.is_equal else "Some figures differ.")
    program = shlex.join(["hourledger", *(("--database", now.database) if now.database else ())])
    click.echo("\nTo try next:")
    for step in figures.next_steps:
        click.echo(f"  {step.shows}:\n    {program} {step.arguments}")


command = Command(
    "demo",
    params=[
        click.Option(["--scale"], type=Scale(), default="0.01", show_default=True,
                     help="share of the published size, from 0.001 to 1"),
        click.Option(["--seed"], type=int, default=1, show_default=True,
                     help="what everything but times and ids is drawn from"),
        click.Option(["--dry-run"], is_flag=True, help="only tell how large it would be"),
    ],
    callback=run,
    help="Make the demonstration county, and compare its figures with the published ones.",
)  # fmt: skip
