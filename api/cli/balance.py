"""`hourledger balance`: what a member or a policy has, or the members of a region."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display, explain, reading
from api.cli.reading import Look
from api.cli.session import session
from api.cli.shapes import Shape
from ledger.domain.errors import Forbidden
from ledger.domain.member import find_member
from ledger.domain.policy import find_policy
from ledger.domain.values import RegionCode, owner_of

if TYPE_CHECKING:
    from msgspec import Struct

    from ledger.store.log import Row

#: Of a balance: what its title says already.
TITLE: Final = ("position", "member", "policy", "name", "region", "kinds")
#: Columns of a list of members.
LISTED: Final = (
    "member", "region", "kinds", "pending_minutes", "verified_minutes",
    "training_verified_minutes", "credit_earned", "credit_spent", "credit_available", "stars",
)  # fmt: skip


def run(*, who: str | None, region: str | None, after: str, limit: int, **asked: Any) -> None:
    """Show one balance, or those of the members of a region."""
    session().require_role("auditor")
    with reading.look(**asked) as look:
        if who is None:
            _list(look, region or "", after, limit)
        elif who.startswith("policy/"):
            _policy(look, who.removeprefix("policy/"))
        else:
            _member(look, who.removeprefix("member/"))


def _list(look: Look, region: str, after: str, limit: int) -> None:
    """The members of a region by number. Raises Forbidden."""
    from projections.balances import member_balances  # noqa: PLC0415 (not for --help)

    if not look.now.caller().sees_region(region):
        raise Forbidden("region", region=region or None)
    found = member_balances(look.snapshot, region=region, after=after, limit=limit)
    if look.now.json:
        display.as_json({"position": look.snapshot.position, "members": found})
        return
    look.title(f"Members of {region}" if region else "Members")
    display.table(LISTED, map(display.fields_of, found))
    if len(found) == limit:
        click.echo(f"There may be more: --after {found[-1].member}")


def _member(look: Look, member: str) -> None:
    """One member's figures. Raises MemberNotFound."""
    from projections.balances import member_balance  # noqa: PLC0415

    caller = look.now.caller()
    if caller.regions:
        find_member(look.now.open().books(), member, caller)
    found = member_balance(look.snapshot, member)

    def show() -> None:
        look.title(f"Member {member} ({', '.join(found.kinds)}) of {found.region}")
        _sheet(found)

    stream = f"member/{member}"
    look.tell(found, show, lambda: explain.moves_of(explain.rows_of(look, stream)))


def _policy(look: Look, policy: str) -> None:
    """One policy's figures. Raises PolicyNotFound."""
    from projections.balances import policy_balance  # noqa: PLC0415

    caller = look.now.caller()
    if caller.regions:
        find_policy(look.now.open().books(), policy, caller)
    found = policy_balance(look.snapshot, policy)

    def show() -> None:
        look.title(f"Policy {policy} ({found.name})")
        _sheet(found)

    keeps = explain.keeps_where({"policy": policy})
    look.tell(found, show, lambda: explain.moves_of(_granted(look, policy), keeps))


def _sheet(found: "Struct") -> None:
    """The figures of a balance below each other."""
    display.sheet({n: v for n, v in display.fields_of(found).items() if n not in TITLE})


def _granted(look: Look, policy: str) -> "Iterator[Row]":
    """The events of the members that were granted a policy: its quota names the grants."""
    from ledger.log.codec import decode  # noqa: PLC0415

    events = (decode(row.topic, row.state) for row in explain.rows_of(look, f"policy/{policy}"))
    grants = [grant for event in events if (grant := getattr(event, "grant", None))]
    return explain.rows_of(look, *dict.fromkeys(f"member/{owner_of(grant)}" for grant in grants))


command = reading.reading_command(
    "balance",
    [
        click.Argument(["who"], required=False, metavar="[MEMBER|policy/POLICY]",
                       help="a member's number or a policy; nothing lists members"),
        click.Option(["--region"], type=Shape(RegionCode), help="list only its members"),
        click.Option(["--after"], default="", metavar="MEMBER", help="list from behind this one"),
        reading.limit_option("--limit", "how many to list at most"),
    ],
    callback=run,
    help="Show what a member or a policy has, or list members.",
)  # fmt: skip
