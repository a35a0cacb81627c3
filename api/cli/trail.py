"""`hourledger trail`: everything that happened to something, event by event."""

from typing import TYPE_CHECKING, Any

import click

from api.cli import display, reading
from api.cli.reading import Look
from api.cli.session import session
from ledger.domain.access import Caller
from ledger.domain.errors import Refusal

if TYPE_CHECKING:
    from projections.trail import Entry, Trail


def run(*, entity: str, after: int, limit: int, **asked: Any) -> None:
    """Show the events of something, a page at a time."""
    from projections.trail import trail  # noqa: PLC0415 (not for --help)

    caller = session().require_role("auditor")
    with reading.look(**asked) as look:
        check(look, caller, entity)
        found = trail(
            look.standing.store,
            look.standing.lists(),
            entity,
            after,
            limit,
            visibility=look.visibility,
        )
        look.tell(found, lambda: show(look, found))


def check(look: Look, caller: Caller, entity: str) -> None:
    """What lies outside a caller's scope is not there. Raises NotFound, Forbidden."""
    from projections.visibility import check_trail  # noqa: PLC0415

    kind, _, name = entity.partition("/")
    try:
        check_trail(look.standing.live, look.now.open().books, caller, kind, name)
    except Refusal as refusal:
        refusal.at = "entity"  # what is two fields there is one word here
        raise


def show(look: Look, found: "Trail") -> None:
    """Two lines an event: which, when and by whom; then what it says."""
    look.title(f"Trail of {found.entity}")
    for entry in found.entries:
        when = f"{entry.recorded:%Y-%m-%d %H:%M:%S}Z"
        where = "" if entry.stream == found.entity else f" in {entry.stream}"
        head = f"{entry.position:>7}  {entry.topic} of {entry.effective_on}{where}"
        click.echo(f"{head}, by {entry.actor} ({entry.key}), recorded {when}")
        click.echo(f"         {says(entry)}")
    if found.after is not None:
        click.echo(f"There are more: --after {found.after}")


def says(entry: "Entry") -> str:
    """The fields of an event in a line: before → after where both are told."""
    paired = {f"{name}_{side}" for name in entry.changes for side in ("before", "after")}
    paired |= {"before", "after"} if "minutes" in entry.changes else set()
    parts = [
        f"{display.plain(name)} {display.spoken(name, value)}"
        for name, value in entry.fields.items()
        if name not in paired
    ]
    for name, (before, after) in entry.changes.items():
        change = f"{display.spoken(name, before)} → {display.spoken(name, after)}"
        parts.append(f"{display.plain(name)} {change}")
    return ", ".join(parts)


command = reading.page_command(
    "trail",
    [
        click.Argument(["entity"], metavar="TYPE/ID",
                       help="member/V0001, project/P1, fund/F1, actor/alice, …"),
        click.Option(["--after"], type=click.IntRange(min=0), default=0, metavar="POSITION",
                     help="go on behind this position"),
        reading.limit_option("--limit", "how many events at most"),
    ],
    callback=run,
    help="Show everything that happened to something, by event.",
)  # fmt: skip
