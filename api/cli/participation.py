"""`hourledger participation`: who is registered, active, certified, and who belongs where."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display, explain, reading
from api.cli.reading import Look

if TYPE_CHECKING:
    from ledger.domain.events import Event
    from projections.moves import Move

FIGURES: Final = (
    "registered", "active", "active_per_10000_registered", "inhabitants",
    "active_per_10000_inhabitants", "verified_minutes",
)  # fmt: skip
#: What is counted → the class of account it is counted in.
COUNTED: Final = {"active": "verified", "certified": "certified", "belonging": "belongs"}
#: Filters on active members → the field of the event that says it.
FIELDS: Final = {
    "region": "member_region", "service_region": "region", "member_kind": "member_kinds"
}  # fmt: skip


def run(*, of: str, by: tuple[str, ...], where: tuple[str, ...], **asked: Any) -> None:
    """Show people: each counted once, however much they did."""
    filters = reading.pairs_of("--where", where)
    reading.check_region(filters)
    if of != "active" and by:
        raise click.UsageError(f"--by is for active members; {of} ones have their own groups.")
    with reading.look(**asked) as look:
        if of == "active":
            _active(look, reading.groups_of(by), filters)
        else:
            _held(look, of, filters)


def _active(look: Look, by: list[str], filters: Mapping[str, str]) -> None:
    """Registered and active members by group."""
    from projections.participation import participation  # noqa: PLC0415 (not for --help)

    found = participation(look.snapshot, by, filters)

    def show() -> None:
        look.title("Members" + reading.spoken(filters))
        display.groups(found.rows, FIGURES)

    look.tell(found, show, lambda: _behind(look, "active", filters))


def _held(look: Look, of: str, filters: Mapping[str, str]) -> None:
    """Members by what they are certified for, or by where they belong."""
    from projections import participation  # noqa: PLC0415

    rows = (
        participation.certified(look.snapshot, filters)
        if of == "certified"
        else participation.belonging(look.snapshot, filters)
    )

    def show() -> None:
        look.title(f"Members {of}" + reading.spoken(filters))
        display.groups([display.fields_of(row) for row in rows], ("members",))

    answer = {"position": look.snapshot.position, of: rows}
    look.tell(answer, show, lambda: _behind(look, of, filters))


def _behind(look: Look, of: str, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The moves that make members active, certified or belonging."""
    agrees = explain.keeps_where(filters, **(FIELDS if of == "active" else {}))
    account = f"{COUNTED[of]}/"

    def keeps(event: "Event", move: "Move") -> bool:
        touched = move.source.startswith(account) or move.target.startswith(account)
        return touched and move.commodity != "TRN" and agrees(event, move)

    return explain.moves_of(explain.rows_for(look, filters), keeps)


command = reading.reading_command(
    "participation",
    [
        click.Option(["--of"], type=click.Choice(list(COUNTED)), default="active",
                     show_default=True, help="which members"),
        *reading.slice_options("region:6, member_kind, service_region, organisation, project, "
                               "category, evidence, month"),
    ],
    callback=run,
    help="Count members: registered, active, certified, belonging.",
)  # fmt: skip
