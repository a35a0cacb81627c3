"""`hourledger trail`: everything that happened to something, event by event."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display, reading
from api.cli.reading import Look
from api.cli.session import session
from ledger.domain import activity, fund, key, member, organisation, policy, project
from ledger.domain.access import Caller
from ledger.domain.errors import Forbidden

if TYPE_CHECKING:
    from projections.trail import Entry, Trail

#: Type of a thing → what finds it within a caller's scope.
FIND: Final[Mapping[str, Callable[..., object]]] = {
    "member": member.find_member,
    "organisation": organisation.find_organisation,
    "project": project.find_project,
    "activity": activity.find_activity,
    "policy": policy.find_policy,
    "fund": fund.find_fund,
    "key": key.find_key,
}


def run(*, entity: str, after: int, limit: int, **asked: Any) -> None:
    """Show the events of something, a page at a time."""
    from projections.trail import trail  # noqa: PLC0415 (not for --help)

    now = session()
    check(now.require_role("auditor"), entity)
    with reading.look(**asked) as look:
        found = trail(look.standing.store, look.standing.lists(), entity, after, limit)
        look.tell(found, lambda: show(look, found))


def check(caller: Caller, entity: str) -> None:
    """What lies outside a caller's scope is not there. Raises NotFound, Forbidden."""
    if not (caller.regions or caller.organisations or caller.funds or caller.sources):
        return
    kind, _, name = entity.partition("/")
    find = FIND.get(kind)
    if find is None:
        raise Forbidden("entity", entity=entity)
    find(session().open().books(), name, caller, at="entity")


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
