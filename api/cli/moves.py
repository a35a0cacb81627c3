"""The moves behind an answer, by the posting table, and the events that make them."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display
from api.cli.quantities import hours, yuan

if TYPE_CHECKING:
    from projections.basis import Basis

COLUMNS: Final = ("position", "topic", "day", "commodity", "quantity", "source", "target", "stream")
#: Commodity → how its quantity is shown to people.
_SHOWN: Final[Mapping[str, Callable[[int], str]]] = {
    "MIN": lambda n: f"{hours(n)} h", "TRN": lambda n: f"{hours(n)} h",
    "CRD": lambda n: f"{hours(n)} h", "FEN": lambda n: f"{yuan(n)} yuan",
}  # fmt: skip


def moves_of(basis: "Basis") -> Iterator[dict[str, Any]]:
    """The moves that make any of an answer's figures, each with the event that makes it."""
    names = list(basis.changes)
    for row in basis.rows(names, 0):
        for event, move in basis.moves(row):
            changed = (basis.changes[name](row.position, event, move) for name in names)
            if move.commodity and any(changed):
                yield {
                    "position": row.position, "stream": row.originator_id, "topic": row.topic,
                    "day": move.day.isoformat(), "commodity": move.commodity,
                    "quantity": move.quantity, "source": move.source, "target": move.target,
                }  # fmt: skip


def unnamed(move: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what names whom or what it is about."""
    kinds = {name: move[name].partition("/")[0] for name in ("stream", "source", "target")}
    return {**move, **kinds}


def show(moves: list[dict[str, Any]], *, more: bool) -> None:
    """Show moves in a table, and say whether there are more."""
    click.echo("\nBehind it, by the posting table:")
    display.table(COLUMNS, [move | {"quantity": quantity_of(move)} for move in moves])
    if more:
        click.echo(f"There are more than these {len(moves)}: --explain-limit")


def quantity_of(move: Mapping[str, Any]) -> str:
    """A move's quantity in the unit of people."""
    quantity: int = move["quantity"]
    return _SHOWN.get(move["commodity"], str)(quantity)
