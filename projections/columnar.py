"""The posting table joined as VALUES: every table of the read models by one query each.

The same figures as the folds give, over typed columns instead of events one by one, at any
position and with the moves of any day or before. Integers only; a month is taken from the day
itself. Queries read the view `events`: typed columns, and `owner`, the id of the stream.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from string import Formatter
from typing import Final

from ledger.domain.events import TOPICS
from projections.moves import ABSENT, WORLD
from projections.postings import POSTINGS, M, Posting, class_of

#: The id of a stream: what follows its type.
ID: Final = "substr({0}, strpos({0}, '/') + 1)"


def text(value: str | None) -> str:
    """A word of ours as SQL writes it."""
    return "NULL" if value is None else f"'{value}'"


def words(values: Iterable[str]) -> str:
    """Words as SQL lists them."""
    return ", ".join(map(text, values))


def month(day: str) -> str:
    """A day's month as YYYYMM."""
    return f"(year({day}) * 100 + month({day}))"


def until(day: str, as_of: date | None) -> str:
    """Whether a day counts."""
    return "true" if as_of is None else f"{day} <= DATE '{as_of.isoformat()}'"


def _filter(day: str, as_of: date | None) -> str:
    return "" if as_of is None else f" FILTER ({until(day, as_of)})"


# the posting table as VALUES


def _is_routed(row: Posting) -> bool:
    return "?" not in row.source + row.target


#: What is summed: a quantity of the table with the day it counts on.
MEASURES: Final = tuple(
    dict.fromkeys((row.quantity, row.date) for row in POSTINGS if _is_routed(row))
)
DAYS: Final = tuple(dict.fromkeys(row.date for row in POSTINGS))
_LOTS: Final = "list_sum(list_transform(lots, lambda lot: lot.fen))"


def legs(rows: Iterable[Posting]) -> str:
    """Rows of the table as VALUES; one whose commodity the event's kind decides comes twice."""
    values = []
    for row in rows:
        kinds = M.items() if row.commodity == "M" else ((None, row.commodity),)
        for kind, commodity in kinds:
            accounts = (class_of(row.source), class_of(row.target))
            names = (row.topic, kind, commodity, *accounts, row.quantity)
            measure = MEASURES.index((row.quantity, row.date)) if _is_routed(row) else -1
            number = POSTINGS.index(row)
            values.append(f"({', '.join(map(text, names))}, {measure}, '{row.date}', {number})")
    columns = "topic, kind, commodity, out_of, into_, quantity, measure, day, number"
    return f"(VALUES {', '.join(values)}) AS leg({columns})"


def _quantity(measure: int) -> str:
    """A measure of one event."""
    name, _ = MEASURES[measure]
    return "1" if name == "1" else _LOTS if name == "lots.fen" else f'"{name}"'


def cases(subject: str, values: Iterable[tuple[int | str, str]]) -> str:
    """An expression that is one of several, as the subject says."""
    told = " ".join(
        f"WHEN {key if isinstance(key, int) else text(key)} THEN {sql}" for key, sql in values
    )
    return f"CASE {subject} {told} END"


_ON_LEG: Final = "e.topic = leg.topic AND (leg.kind IS NULL OR leg.kind = e.of_kind)"


def flows(
    keys: Mapping[str, str], rows: Iterable[Posting], as_of: date | None, *, monthly: bool = False
) -> str:
    """What flowed, summed up by keys (name → expression over an event) and, if asked, by month.

    First the quantities are summed, then joined with the table: the table is linear. Columns:
    the keys, topic, commodity, out_of, into_, quantity, month.
    """
    rows = list(rows)
    measures = dict.fromkeys(MEASURES.index((row.quantity, row.date)) for row in rows)
    days = dict.fromkeys(row.date for row in rows if monthly)
    sums = ", ".join(
        f"sum({_quantity(n)}){_filter(MEASURES[n][1], as_of)} AS m{n}" for n in measures
    )
    told = ", ".join(
        [f'{sql} AS "{name}"' for name, sql in keys.items()]
        + [f"{month(day)} AS {day}" for day in days]
    )
    topics = words(dict.fromkeys(row.topic for row in rows))
    kept = ", ".join(f'e."{name}"' for name in keys)
    return (
        f"SELECT {kept}, leg.topic, leg.commodity, leg.out_of, leg.into_,"
        f" {cases('leg.day', ((day, f'e.{day}') for day in days)) if monthly else 'NULL'} AS month,"
        f" {cases('leg.measure', ((n, f'e.m{n}') for n in measures))} AS quantity"
        f" FROM (SELECT topic, kind AS of_kind, {told}, {sums} FROM {{e}}events"
        f" WHERE topic IN ({topics}) GROUP BY ALL) AS e JOIN {legs(rows)} ON {_ON_LEG}"
    )


def sides(columns: str, moved: str = "moved") -> str:
    """Both sides of what moved: out of the source, into the target."""
    return (
        f"(SELECT {columns}, out_of AS state, -quantity AS quantity FROM {moved}"
        f" UNION ALL SELECT {columns}, into_ AS state, quantity FROM {moved})"
    )


def of_commodities(*commodities: str) -> list[Posting]:
    """The rows of these commodities that are routed."""
    return [row for row in POSTINGS if row.commodity in commodities and _is_routed(row)]


# accounts by name, for heads and money


def _field(topic: str, name: str) -> str:
    """A name in a template as an expression over an event, `lot` being one of its lots."""
    if name.startswith("lots."):
        return f"lot.{name[5:]}"
    if name not in TOPICS[topic].__struct_fields__:
        return "owner"
    return f"coalesce(\"{name}\", '{ABSENT}')"


def account(topic: str, template: str) -> str:
    """The expression for an account's name."""
    parts, needed = [], ""
    for literal, name, _, _ in Formatter().parse(template):
        parts += [text(literal)] if literal else []
        if name is not None:
            parts.append(_field(topic, name.rstrip("?")))
            needed = name.rstrip("?") if name.endswith("?") else needed
    told = " || ".join(parts)
    return f'CASE WHEN "{needed}" IS NULL THEN {text(WORLD)} ELSE {told} END' if needed else told


def moves(commodity: str, columns: str, as_of: date | None) -> str:
    """All moves of a commodity one by one: `columns` over event and lot, and out_of, into_."""
    rows = [row for row in POSTINGS if row.commodity == commodity]
    (is_lots,) = {row.quantity == "lots.fen" for row in rows}
    lots = ", unnest(e.lots) AS unnested(lot)" if is_lots else ""
    names = [(POSTINGS.index(row), row) for row in rows]
    source = cases("leg.number", ((n, account(row.topic, row.source)) for n, row in names))
    target = cases("leg.number", ((n, account(row.topic, row.target)) for n, row in names))
    (day,) = {row.date for row in rows}
    return (
        f"SELECT {columns}, {source} AS out_of, {target} AS into_,"
        f" {'lot.fen' if is_lots else '1'} AS quantity"
        f" FROM {{e}}events AS e JOIN {legs(rows)} ON e.topic = leg.topic{lots}"
        f" WHERE {until('e.' + day, as_of)}"
    )
