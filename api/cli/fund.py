"""`hourledger fund`: where each fen of a fund is, and what it did."""

from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display, reading
from api.cli.session import session
from api.cli.shapes import Shape
from ledger.domain.access import Caller
from ledger.domain.errors import Forbidden
from ledger.domain.values import Code

if TYPE_CHECKING:
    from projections.fund_usage import FundUsage, Money

#: Where money can be; what was received is the sum of the rest.
MONEY: Final = (
    "received_fen", "unallocated_fen", "allocated_fen", "spent_fen", "in_transit_fen",
    "transferred_fen", "returned_fen",
)  # fmt: skip
#: Hours of a project stand beside each fund that paid for it, so they are not to be added up.
BESIDE: Final = ("verified_minutes", "fen_per_verified_hour")


def run(*, fund: str, **asked: Any) -> None:
    """Show a fund: its money, by source, receipt, target and category. Raises FundNotFound."""
    from projections.basis import money_of, of_fund  # noqa: PLC0415
    from projections.fund_usage import fund_usage  # noqa: PLC0415 (not for --help)
    from projections.scope import check_fund  # noqa: PLC0415

    caller = require_reader()
    with reading.look(**asked) as look:
        check_fund(look.standing.live, caller, fund)
        found = fund_usage(look.standing.fund(fund), fund)

        def show() -> None:
            look.title(f"Fund {fund} ({found.name}) of {found.organisation}")
            show_money(found)
            show_parts(found)

        look.tell(found, show, lambda: money_of(of_fund(look.standing, fund)))


def require_reader() -> Caller:
    """Who asks for figures of money: an auditor or a funder. Raises Forbidden."""
    caller = session().caller()
    if not caller.roles & {"auditor", "funder", "admin"}:
        raise Forbidden("key", needs="auditor, funder")
    return caller


def show_money(found: "Money") -> None:
    """Where the money is; hours beside it."""
    told = display.fields_of(found)
    display.sheet({name: told[name] for name in (*MONEY, *BESIDE) if name in told})
    if told.get("verified_minutes"):
        click.echo("  (The hours of a project stand beside each fund that paid for it: no sums.)")


def show_parts(found: "FundUsage") -> None:
    """The same money by source, receipt, target and category."""
    for title in ("sources", "receipts", "targets", "categories"):
        rows = [display.fields_of(row) for row in getattr(found, title)]
        if rows:
            click.echo(f"\n{title.capitalize()}:")
            told = [name for name in rows[0] if display.is_told(name, rows)]
            # Names first, then figures.
            display.table(sorted(told, key=lambda name: name.endswith(("fen", *BESIDE))), rows)


command = reading.reading_command(
    "fund",
    [click.Argument(["fund"], type=Shape(Code), metavar="FUND", help="the fund's id")],
    callback=run,
    help="Show where each fen of a fund is, beside its hours.",
)
