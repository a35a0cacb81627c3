"""`hourledger source`: where the money of one source is, fund by fund, and what it did."""

from typing import TYPE_CHECKING, Any

import click

from api.cli import explain, reading
from api.cli.fund import require_reader, show_money, show_parts
from ledger.domain.errors import Forbidden, SourceNotFound

if TYPE_CHECKING:
    from ledger.domain.events import Event
    from projections.moves import Move


def run(*, source: str, **asked: Any) -> None:
    """Show the money of a source. Raises SourceNotFound."""
    from projections.fund_usage import source_usage  # noqa: PLC0415 (not for --help)

    kind, _, source_id = source.rpartition("/")
    caller = require_reader()
    if caller.regions or caller.organisations or caller.funds:
        raise Forbidden("source", source=source_id)
    if not caller.sees_source(source_id) or (not caller.sources and caller.roles == {"funder"}):
        raise SourceNotFound("source", source=source_id)
    with reading.look(**asked) as look:
        found = source_usage(look.snapshot, source_id)
        if kind and kind not in found.source_kinds:
            raise SourceNotFound("source", source=source)

        def show() -> None:
            look.title(f"Source {source_id} ({', '.join(found.source_kinds)})")
            show_money(found)
            for fund in found.funds:
                click.echo(f"\nIn fund {fund.fund} ({fund.name}) of {fund.organisation}:")
                show_money(fund)
                show_parts(fund)

        def keeps(_: "Event", move: "Move") -> bool:
            return move.lot is not None and move.lot.source_id == source_id

        streams = [f"fund/{fund.fund}" for fund in found.funds]
        look.tell(found, show, lambda: explain.moves_of(explain.rows_of(look, *streams), keeps))


command = reading.reading_command(
    "source",
    [click.Argument(["source"], metavar="[KIND/]SOURCE", help="the source, as charity/C1 or C1")],
    callback=run,
    help="Show where a source's money is, fund by fund.",
)
