"""`hourledger participation`: who is registered, active, certified, and who belongs where."""

from collections.abc import Mapping
from typing import Any, Final

import click

from api.cli import display, reading
from api.cli.reading import Look
from api.cli.subjects import check

FIGURES: Final = (
    "registered", "active", "active_per_10000_registered", "inhabitants",
    "active_per_10000_inhabitants", "verified_minutes",
)  # fmt: skip
#: What is counted → the class of account it is counted in.
COUNTED: Final = {"active": "verified", "certified": "certified", "belonging": "belongs"}


def run(*, of: str, by: tuple[str, ...], where: tuple[str, ...], **asked: Any) -> None:
    """Show people: each counted once, however much they did."""
    filters = reading.pairs_of("--where", where)
    if of != "active" and by:
        raise click.UsageError(f"--by is for active members; {of} ones have their own groups.")
    with reading.look(**asked) as look:
        groups = reading.groups_of(by)
        check(look, "participation", filters, groups)
        if of == "active":
            _active(look, groups, filters)
        else:
            _held(look, of, filters)


def _active(look: Look, by: list[str], filters: Mapping[str, str]) -> None:
    """Registered and active members by group."""
    from projections.basis import of_participation  # noqa: PLC0415 (not for --help)
    from projections.participation import participation  # noqa: PLC0415

    found = participation(look.standing.whole(), by, filters)

    def show() -> None:
        look.title("Members" + reading.spoken(filters))
        display.groups(found.rows, FIGURES)

    look.tell(found, show, lambda: of_participation(look.standing, filters))


def _held(look: Look, of: str, filters: Mapping[str, str]) -> None:
    """Members by what they are certified for, or by where they belong."""
    from projections import participation  # noqa: PLC0415
    from projections.basis import of_account  # noqa: PLC0415

    whole, moment = look.standing.whole(), look.standing.moment
    rows = (
        participation.certified(whole, filters)
        if of == "certified"
        else participation.belonging(whole, filters)
    )

    def show() -> None:
        look.title(f"Members {of}" + reading.spoken(filters))
        display.groups([display.fields_of(row) for row in rows], ("members",))

    answer = {"position": moment.position, "as_of": moment.as_of, of: rows}
    account = "/".join([COUNTED[of], *filters.get("organisation", "").split()])
    region = filters.get("region", "")
    look.tell(answer, show, lambda: of_account(look.standing, account, region))


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
