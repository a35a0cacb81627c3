"""`hourledger balance`: what a member or a policy has, or the members of a region."""

from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display, reading
from api.cli.reading import Look
from api.cli.session import session
from api.cli.shapes import Shape
from ledger.domain.errors import Forbidden
from ledger.domain.member import find_member
from ledger.domain.policy import find_policy
from ledger.domain.values import RegionCode

if TYPE_CHECKING:
    from msgspec import Struct

#: Of a balance: what its title says already.
TITLE: Final = ("position", "as_of", "member", "policy", "name", "region", "kinds")
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
    found = member_balances(look.standing.whole(), region=region, after=after, limit=limit)
    if look.now.json:
        moment = look.standing.moment
        display.as_json({"position": moment.position, "as_of": moment.as_of, "members": found})
        return
    look.title(f"Members of {region}" if region else "Members")
    display.table(LISTED, map(display.fields_of, found))
    if len(found) == limit:
        click.echo(f"There may be more: --after {found[-1].member}")


def _member(look: Look, member: str) -> None:
    """One member's figures. Raises MemberNotFound."""
    from projections.balances import member_balance  # noqa: PLC0415
    from projections.basis import of_member  # noqa: PLC0415

    caller = look.now.caller()
    if caller.regions:
        find_member(look.now.open().books(), member, caller)
    found = member_balance(look.standing.member(member), member)

    def show() -> None:
        look.title(f"Member {member} ({', '.join(found.kinds)}) of {found.region}")
        _sheet(found)

    look.tell(found, show, lambda: of_member(look.standing, member))


def _policy(look: Look, policy: str) -> None:
    """One policy's figures. Raises PolicyNotFound."""
    from projections.balances import policy_balance  # noqa: PLC0415
    from projections.basis import of_policy  # noqa: PLC0415

    caller = look.now.caller()
    if caller.regions:
        find_policy(look.now.open().books(), policy, caller)
    found = policy_balance(look.standing.policy(policy), policy)

    def show() -> None:
        look.title(f"Policy {policy} ({found.name})")
        _sheet(found)

    look.tell(found, show, lambda: of_policy(look.standing, policy))


def _sheet(found: "Struct") -> None:
    """The figures of a balance below each other."""
    display.sheet({n: v for n, v in display.fields_of(found).items() if n not in TITLE})


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
