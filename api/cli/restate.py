"""`hourledger restate`: what was published for a period, what is known now, and why it differs."""

import re
from typing import Any, Final

import click

from api.cli import diff, reading
from api.cli.subjects import subject_of

_PERIOD: Final = re.compile(r"([0-9]{4}-[0-9]{2})(?:\.\.([0-9]{4}-[0-9]{2}))?", re.ASCII)


def run(
    *, period: str, published_at: str, of: str, by: tuple[str, ...], where: tuple[str, ...],
    skip: int, limit: int, **asked: Any,
) -> None:  # fmt: skip
    """Compare what was published of a period with what is known of it."""
    from projections.moments import check_published  # noqa: PLC0415 (not for --help)

    filters = reading.pairs_of("--where", where) | months_of(period)
    with reading.look(**asked) as look:
        subject = subject_of(look, of, reading.groups_of(by), filters)
        with look.at(published_at, asked["as_of"], "published_at") as before:
            check_published(before.moment, look.standing.moment)
            found = diff.compared(look, subject, before, skip, limit)
        what = f"Restatement of {of}{reading.spoken(filters)}"
        after = "now" if asked["known_at"] is None else "known then"
        look.tell(found, lambda: diff.show(what, found, skip, ("published", after)))


def months_of(period: str) -> dict[str, str]:
    """`2025-05` or `2025-04..2025-06` as filters. Raises click.UsageError."""
    found = _PERIOD.fullmatch(period)
    if not found:
        raise click.UsageError(f"{period} is no period such as 2025-05 or 2025-04..2025-06.")
    first, last = found.groups()
    return {"from_month": first, "to_month": last} if last else {"month": first}


command = reading.page_command(
    "restate",
    [
        click.Argument(["period"], metavar="PERIOD", help="2025-05, or 2025-04..2025-06"),
        click.Option(["--published-at"], required=True, metavar="POSITION|TIME",
                     help="when it was published: a position, or a time"),
        click.Option(["--of"], type=click.Choice(["totals", "participation"]), default="totals",
                     show_default=True, help="which figures"),
        *reading.slice_options("the groupings of totals or participation"),
        *diff.page_options(),
    ],
    callback=run,
    help="Show what was published of a period, what is known now, and why.",
)  # fmt: skip
