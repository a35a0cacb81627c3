"""The events behind a figure, and the moves they make by the posting table."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli import display
from api.cli.quantities import hours, yuan

if TYPE_CHECKING:
    from api.cli.reading import Look
    from ledger.domain.events import Event
    from ledger.store.log import Row
    from projections.moves import Move

Keeps = Callable[["Event", "Move"], bool]

COLUMNS: Final = ("position", "topic", "day", "commodity", "quantity", "source", "target", "stream")
#: Commodity → how its quantity is shown to people.
_SHOWN: Final[Mapping[str, Callable[[int], str]]] = {
    "MIN": lambda n: f"{hours(n)} h", "TRN": lambda n: f"{hours(n)} h",
    "CRD": lambda n: f"{hours(n)} h", "FEN": lambda n: f"{yuan(n)} yuan",
}  # fmt: skip

#: Filters on a move's month, written as `2025-06`.
_MONTHS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "month": str.__eq__, "from_month": str.__ge__, "to_month": str.__le__,
}  # fmt: skip


def keeps_all(_event: "Event", _move: "Move") -> bool:
    """Whatever there is."""
    return True


def moves_of(rows: "Iterable[Row]", keeps: Keeps = keeps_all) -> Iterator[dict[str, Any]]:
    """The moves of these rows that are kept, each with the event that makes it."""
    from ledger.log.codec import decode  # noqa: PLC0415 (not for --help)
    from projections.moves import moves  # noqa: PLC0415

    for row in rows:
        event = decode(row.topic, row.state)
        for move in moves(event, row.originator_id):
            if keeps(event, move):
                yield {
                    "position": row.position, "stream": row.originator_id, "topic": row.topic,
                    "day": move.day.isoformat(), "commodity": move.commodity,
                    "quantity": move.quantity, "source": move.source, "target": move.target,
                }  # fmt: skip


def rows_of(look: "Look", *streams: str) -> "Iterator[Row]":
    """The rows of some streams, as far as the figures go."""
    for row in look.now.open().store.select_streams(streams):
        if row.position <= look.snapshot.position:
            yield row


def rows_for(look: "Look", filters: Mapping[str, str]) -> "Iterator[Row]":
    """The rows that figures with these filters can rest on: of one project, or of the whole log."""
    from ledger.store.tree import CHUNK, rows_between  # noqa: PLC0415 (not for --help)
    from projections.trail import positions_of  # noqa: PLC0415

    store, snapshot = look.now.open().store, look.snapshot
    named = next((n for n in ("project", "organisation") if n in filters), None)
    if named is None:
        return chain.from_iterable(rows_between(store, 0, snapshot.position))
    positions = positions_of(snapshot, f"{named}/{filters[named]}")
    pages = iter(lambda: list(islice(positions, CHUNK)), [])
    return chain.from_iterable(store.select_positions(page) for page in pages)


def keeps_where(filters: Mapping[str, str], **fields: str) -> Keeps:
    """Whether an event's fields and a move's month agree with the filters of a figure.

    `fields`: name of a filter → field of the event, where it is not the same.
    """

    def keeps(event: "Event", move: "Move") -> bool:
        month = f"{move.day:%Y-%m}"
        return all(
            _MONTHS[name](month, wanted)
            if name in _MONTHS
            else _agrees(event, fields.get(name, name), wanted)
            for name, wanted in filters.items()
        )

    return keeps


def _agrees(event: "Event", name: str, wanted: str) -> bool:
    """Whether a field is as wanted: a region by its prefix, one of a list, a target's project."""
    value = getattr(event, name, None)
    if name.endswith("region"):
        return isinstance(value, str) and value.startswith(wanted)
    if name == "project" and value is None:
        return getattr(event, "target", "") == f"project/{wanted}"
    return wanted in value if isinstance(value, tuple) else value == wanted


def show(moves: list[dict[str, Any]], *, more: bool) -> None:
    """Show moves in a table, and say whether there are more."""
    click.echo("\nBehind it, by the posting table:")
    display.table(COLUMNS, [move | {"quantity": _quantity(move)} for move in moves])
    if more:
        click.echo(f"There are more than these {len(moves)}: --explain-limit")


def _quantity(move: Mapping[str, Any]) -> str:
    """A move's quantity in the unit of people."""
    quantity: int = move["quantity"]
    return _SHOWN.get(move["commodity"], str)(quantity)
