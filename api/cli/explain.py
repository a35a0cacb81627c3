"""`hourledger explain`: the events a figure is the sum of, and the proofs that they are there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display, reading
from api.cli.diff import signed
from api.cli.moves import COLUMNS, quantity_of
from api.cli.reading import Look
from api.cli.subjects import EXPLAINED, basis_of

if TYPE_CHECKING:
    from projections.explain import Leg
    from projections.inclusion import ProvedLine

#: What a line of an answer is named by.
LINES: Final = (
    "of one line: entry, grant; target, category, receipt, source_kind, source_id; "
    "or the filters of totals and participation"
)


def run(
    *, subject: str, figure: str | None, where: tuple[str, ...], limit: int, proofs: bool,
    proof_size: int | None, **asked: Any,
) -> None:  # fmt: skip
    """List the legs of one figure, with what they come to."""
    from projections.explain import Leg, legs, unnamed  # noqa: PLC0415 (not for --help)
    from projections.inclusion import proved_lines  # noqa: PLC0415

    filters = reading.pairs_of("--where", where)
    figure = figure or subject.removeprefix("account/")
    with reading.look(**asked) as look:
        found = basis_of(look, subject, filters)
        sums: dict[str, int] = dict.fromkeys(found.sums_of(figure), 0)
        page, more = list[Leg](), 0
        for leg in legs(found, figure):
            sums[leg.figure] += leg.change
            if len(page) < limit:
                page.append(leg)
            else:
                more += 1
        visibility, proved = look.visibility, None
        page = visibility.shown(look.standing.store, page, unnamed)
        if proofs:
            store, positions = look.standing.store, {leg.position for leg in page}
            shows = visibility.sees_line
            proved = proved_lines(store, positions, proof_size, "proof_size", shows=shows)
        answer = {
            "position": look.standing.moment.position, "as_of": look.standing.moment.as_of,
            "subject": subject, "filters": filters, "figure": figure, "sums": sums, "legs": page,
            "more": more, "proofs": proved,
        }  # fmt: skip
        what = f"{_named(figure)} of {subject}{reading.spoken(filters)}"
        look.tell(answer, lambda: _show(look, what, answer))


def _show(look: "Look", what: str, answer: Mapping[str, Any]) -> None:
    """The legs in a table, then the sums, then the proofs."""
    look.title(what)
    display.table((*COLUMNS, "change"), map(_told, answer["legs"]))
    if answer["more"]:
        click.echo(f"There are {answer['more']} more: --limit")
    for name, total in answer["sums"].items():
        click.echo(f"Together: {_named(name)} {total_of(name, total, answer['legs'])}")
    if answer["proofs"]:
        _show_proofs(answer["proofs"])


def _named(figure: str) -> str:
    """A figure for a person; an account as it is written, for ids may have underscores."""
    return figure if "/" in figure else display.plain(figure)


def _told(leg: "Leg") -> dict[str, Any]:
    """A leg for a person."""
    told = display.fields_of(leg) | {"day": leg.day.isoformat()}
    told["quantity"] = quantity_of(told)
    return told | {"change": change_of(leg)}


def change_of(leg: "Leg") -> str:
    """By how much a leg changes its figure; an account has the unit of what moves."""
    if leg.figure in _ends(leg):
        sign = "+" if leg.change > 0 else ""
        return sign + quantity_of({"commodity": leg.commodity, "quantity": leg.change})
    return signed(leg.figure, leg.change)


def _ends(leg: "Leg") -> set[str]:
    """The accounts of a leg, and all that these are within."""
    return {
        "/".join(parts[:depth])
        for parts in (leg.source.split("/"), leg.target.split("/"))
        for depth in range(1, len(parts) + 1)
    }


def total_of(name: str, total: int, legs: "Sequence[Leg]") -> str:
    """What the legs come to, in their unit."""
    if legs and name in _ends(legs[0]):
        return quantity_of({"commodity": legs[0].commodity, "quantity": total})
    return display.spoken(name, total)


def _show_proofs(proofs: "list[ProvedLine]") -> None:
    """Each line, and the hashes that lead from it to the root."""
    click.echo(f"\nIn the tree of {proofs[0].size:,} lines with root {proofs[0].root}:")
    for proof in proofs:
        click.echo(f"  {proof.position}  {proof.line}")
        for step in proof.hashes:
            click.echo(f"      {step}")


command = reading.page_command(
    "explain",
    [
        click.Argument(["subject"], metavar="SUBJECT", help=EXPLAINED),
        click.Argument(["figure"], required=False, metavar="[FIGURE]",
                       help="the figure's name, as --json tells it; an account has only one"),
        click.Option(["--where"], multiple=True, metavar="NAME=VALUE", help=LINES),
        reading.limit_option("--limit", "how many legs to list at most"),
        click.Option(["--proofs"], is_flag=True,
                     help="with the line of each event and its inclusion proof (RFC 6962)"),
        click.Option(["--proof-size"], type=click.IntRange(min=1), metavar="SIZE",
                     help="prove in the tree of the first SIZE lines instead of all"),
    ],
    callback=run,
    help="List the events a figure is the sum of, with proofs.",
)  # fmt: skip
