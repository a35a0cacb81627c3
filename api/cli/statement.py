"""`hourledger statement`: a member's entries and grants, one by one, as they stand."""

from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display, reading
from api.cli.reading import Look
from api.cli.session import session
from api.cli.shapes import Shape
from ledger.domain.member import find_member
from ledger.domain.values import MemberId

if TYPE_CHECKING:
    from projections.statement import Statement

ENTRIES: Final = (
    "entry", "service_on", "project", "category", "kind", "evidence", "status", "minutes",
    "verified_minutes", "credit",
)  # fmt: skip
GRANTS: Final = ("grant", "policy", "effective_on", "credit", "fen", "revoked")


def run(*, member: str, after: int, limit: int, **asked: Any) -> None:
    """Show a page of the entries, and all grants. Raises MemberNotFound."""
    from projections.statement import statement  # noqa: PLC0415 (not for --help)

    caller = session().require_role("auditor")
    if caller.regions:
        find_member(session().open().books(), member, caller)
    with reading.look(**asked) as look:
        books = look.now.open().books(look.standing.moment.position)
        found = statement(books, look.standing, member, caller, after=after, limit=limit)
        look.tell(found, lambda: _show(look, found))


def _show(look: Look, found: "Statement") -> None:
    look.title(f"Statement of {found.member} of {found.region}")
    for columns, rows in ((ENTRIES, found.entries), (GRANTS, found.grants)):
        if rows:
            display.table(columns, map(display.fields_of, rows))
    if not found.entries and not found.grants:
        click.echo("  nothing yet")
    if found.after is not None:
        click.echo(f"There are more: --after {found.after}")


command = reading.page_command(
    "statement",
    [
        click.Argument(["member"], type=Shape(MemberId), metavar="MEMBER", help="who"),
        click.Option(["--after"], type=click.IntRange(min=0), default=0, metavar="NUMBER",
                     help="go on behind the entry with this number"),
        reading.limit_option("--limit", "how many entries at most"),
    ],
    callback=run,
    help="Show a member's entries and grants, one by one.",
)  # fmt: skip
