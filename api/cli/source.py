"""`hourledger source`: where the money of one source is, fund by fund, and what it did."""

from typing import Any

import click

from api.cli import reading
from api.cli.fund import require_reader, show_money, show_parts


def run(*, source: str, **asked: Any) -> None:
    """Show the money of a source. Raises Forbidden, SourceNotFound."""
    from projections.basis import of_source  # noqa: PLC0415
    from projections.fund_usage import source_usage  # noqa: PLC0415 (not for --help)
    from projections.scope import check_source  # noqa: PLC0415

    kind, _, source_id = source.rpartition("/")
    check_source(require_reader(), source_id)
    with reading.look(**asked) as look:
        found = source_usage(look.standing.source(source_id), source_id, kind or None)

        def show() -> None:
            look.title(f"Source {source_id} ({', '.join(found.source_kinds)})")
            show_money(found)
            for fund in found.funds:
                click.echo(f"\nIn fund {fund.fund} ({fund.name}) of {fund.organisation}:")
                show_money(fund)
                show_parts(fund)

        funds = [fund.fund for fund in found.funds]
        look.tell(found, show, lambda: of_source(look.standing, source_id, funds, kind or None))


command = reading.reading_command(
    "source",
    [click.Argument(["source"], metavar="[KIND/]SOURCE", help="the source, as charity/C1 or C1")],
    callback=run,
    help="Show where a source's money is, fund by fund.",
)
