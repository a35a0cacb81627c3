"""`hourledger totals`: minutes, credit, money, person-times and activities by any grouping."""

from typing import Any

from api.cli import display, reading
from api.cli.subjects import check


def run(*, by: tuple[str, ...], where: tuple[str, ...], **asked: Any) -> None:
    """Show the totals of each group, of one slice."""
    from projections.basis import of_totals  # noqa: PLC0415
    from projections.rollups import FIGURES  # noqa: PLC0415
    from projections.totals import totals  # noqa: PLC0415 (not for --help)

    filters = reading.pairs_of("--where", where)
    with reading.look(**asked) as look:
        check(look, "totals", filters)
        found = totals(look.standing.slice(filters), reading.groups_of(by), filters)

        def show() -> None:
            look.title("Totals" + reading.spoken(filters))
            display.groups(found.rows, list(FIGURES))

        look.tell(found, show, lambda: of_totals(look.standing, filters))


command = reading.reading_command(
    "totals",
    reading.slice_options("region:6, organisation, project, kind, category, evidence, month"),
    callback=run,
    help="Sum up hours, money and activities by any grouping.",
)
