"""Explain: the legs a figure is the sum of, found again in the log itself.

Nothing here reads a figure: events are read, the posting table is applied, and each leg says by
how much it changes the sum asked for. The changes add up to it.
"""

from collections.abc import Iterator
from datetime import date

from msgspec import Struct
from msgspec.structs import replace

from projections.basis import Basis
from projections.postings import class_of


class Leg(Struct, frozen=True, kw_only=True):
    """A move of an event, and by how much it changes a sum.

    Where an event counts by itself (a grant among grants), it moves 1 of no commodity. Outside the
    reader's scope nothing is told of its stream but the type, and of accounts but the classes.
    """

    position: int
    stream: str
    topic: str
    commodity: str
    source: str
    target: str
    quantity: int
    day: date
    #: The sum: the figure asked for, or one that it is computed of.
    figure: str
    change: int


def unnamed(leg: Leg) -> Leg:
    """The same leg without what names whom or what it is about."""
    return replace(
        leg,
        stream=leg.stream.partition("/")[0],
        source=class_of(leg.source),
        target=class_of(leg.target),
    )


def legs(basis: Basis, figure: str) -> Iterator[Leg]:
    """The legs of a figure in log order; of one that is computed, those of the sums behind it.

    Raises InvalidCommand for a figure the answer does not have.
    """
    return _legs(basis, basis.sums_of(figure))


def _legs(basis: Basis, sums: tuple[str, ...]) -> Iterator[Leg]:
    for row in basis.rows(sums, 0):
        for event, move in basis.moves(row):
            for name in sums:
                changed = basis.changes[name](row.position, event, move)
                if changed:
                    yield Leg(
                        position=row.position,
                        stream=row.originator_id,
                        topic=row.topic,
                        commodity=move.commodity,
                        source=move.source,
                        target=move.target,
                        quantity=move.quantity,
                        day=move.day,
                        figure=name,
                        change=changed,
                    )
