"""`hourledger diff`: which figures are not the same at two moments, and the events behind it."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import replace

from api.cli import display, reading
from api.cli.reading import Look
from api.cli.subjects import SUBJECT, subject_of

if TYPE_CHECKING:
    from projections.differences import Changed, Difference, EventChange
    from projections.standing import Standing
    from projections.subjects import Subject

EVENTS: Final = ("position", "recorded", "topic", "of", "reason", "by", "makes")


def run(
    *, subject: str, by: tuple[str, ...], where: tuple[str, ...], from_known_at: str | None,
    from_as_of: date | None, skip: int, limit: int, **asked: Any,
) -> None:  # fmt: skip
    """Compare a subject at two moments."""
    if from_known_at is None and from_as_of is None:
        raise click.UsageError("Say what to compare with: --from-known-at or --from-as-of.")
    filters = reading.pairs_of("--where", where)
    with reading.look(**asked) as look:
        asked_of = subject_of(look, subject, reading.groups_of(by), filters)
        moment = (from_known_at, from_as_of or asked["as_of"], "from_known_at")
        with look.at(*moment) as before:
            found = compared(look, asked_of, before, skip, limit)
        what = f"What changed of {subject}{reading.spoken(filters)}"
        look.tell(found, lambda: show(what, found, skip))


def compared(
    look: Look, subject: "Subject", before: "Standing", skip: int, limit: int
) -> "Difference":
    """What changed since a moment, with a page of the events as whoever asks may see them."""
    from projections.differences import difference, unnamed  # noqa: PLC0415 (not for --help)

    found = difference(subject, before, look.standing, skip=skip, limit=limit)
    events = look.visibility.shown(look.standing.store, found.events, unnamed)
    return replace(found, events=events)


def show(
    what: str, found: "Difference", skip: int = 0, titles: tuple[str, str] = ("before", "after")
) -> None:
    """The figures that changed, why, and a page of the events."""
    moments = " to ".join(
        f"position {at.position:,}" + (f" as of {at.as_of}" if at.as_of else "")
        for at in (found.before, found.after)
    )
    click.echo(f"{what}, from {moments}:")
    if not found.figures:
        click.echo("  nothing")
        return
    rows = [_figure(figure, *titles) for figure in found.figures]
    display.table(("figure", *titles, "change"), rows)
    if found.causes:
        click.echo("\nBecause of:")
        sorts = [
            {"topic": c.topic, "reason": c.reason_code, "events": c.events, "makes": makes(c)}
            for c in found.causes
        ]
        display.table(("topic", "reason", "events", "makes"), sorts)
        click.echo("\nEvent by event:")
        display.table(EVENTS, map(_event, found.events))
    left = found.events_total - skip - len(found.events)
    if left > 0:
        click.echo(f"There are {left:,} more: --skip {skip + len(found.events)}")


def _figure(found: "Changed", before: str, after: str) -> Mapping[str, object]:
    """A figure that changed, for a person."""
    keys = ", ".join(found.keys.values())
    name = display.plain(found.figure) + (f" of {keys}" if keys else "")
    return {
        "figure": name,
        before: display.spoken(found.figure, found.before),
        after: display.spoken(found.figure, found.after),
        "change": "" if found.change is None else signed(found.figure, found.change),
    }


def _event(found: "EventChange") -> Mapping[str, object]:
    return {
        "position": found.position,
        "recorded": f"{found.recorded:%Y-%m-%d %H:%M:%S}Z",
        "topic": found.topic,
        "of": found.entry or found.stream,
        "reason": found.reason_code,
        "by": found.actor,
        "makes": makes(found),
    }


def makes(found: Any) -> str:
    """What an event or all of a sort change, in a line."""
    return ", ".join(f"{display.plain(n)} {signed(n, c)}" for n, c in found.changes.items())


def signed(name: str, change: int) -> str:
    """By how much a figure changes, for a person, with its sign and unit."""
    return ("+" if change > 0 else "") + display.spoken(name, change)


def page_options() -> list[click.Parameter]:
    """The options that say which of the events to list."""
    return [
        click.Option(["--skip"], type=click.IntRange(min=0), default=0, metavar="NUMBER",
                     help="leave out so many events"),
        reading.limit_option("--limit", "how many events to list at most"),
    ]  # fmt: skip


command = reading.page_command(
    "diff",
    [
        click.Argument(["subject"], metavar="SUBJECT", help=SUBJECT),
        *reading.slice_options("the groupings of totals or participation"),
        *reading.moment_options("from-", "compare with"),
        *page_options(),
    ],
    callback=run,
    help="Show what changed between two moments, and why.",
)
