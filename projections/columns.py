"""Typed columns of events: all that the read models group by and sum, taken out of the lines.

One row an event, in the order of positions. A list of words is joined by `+` as in the
posting table, an absent field is null, days are days without any time zone. The columns
follow from the posting table and the events; those that only read models ask for stand here.
"""

from collections.abc import Mapping
from datetime import date
from string import Formatter
from types import UnionType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec.structs import fields

from ledger.domain.events import TOPICS, Lots
from ledger.log.codec import line
from projections.catalogue import RULING
from projections.columnar import words
from projections.postings import POSTINGS, Posting

#: Where an event stands; of the line, not of the event.
PLACE: Final = {
    "position": "BIGINT",
    "originator_id": "VARCHAR",
    "originator_version": "BIGINT",
    "topic": "VARCHAR",
}
#: What is grouped by or told without being moved.
TOLD: Final = (
    "actor", "effective_on", "team", "target",
    "region", "organisation", "project", "kind", "category", "evidence",
    "member_region", "member_kinds",
    "name", "org_kind", "dimension",
)  # fmt: skip
LOTS_TYPE: Final = "STRUCT(receipt VARCHAR, source_kind VARCHAR, source_id VARCHAR, fen BIGINT)[]"


def names_in(row: Posting) -> list[str]:
    """The names a row of the posting table speaks of, as they stand in it."""
    templates = f"{row.source} {row.target} {{{row.quantity}}} {{{row.date}}}"
    return [name.rstrip("?") for _, name, _, _ in Formatter().parse(templates) if name]


def _moved() -> list[str]:
    """The fields of events that the posting table speaks of."""
    return [
        name.partition(".")[0]
        for row in POSTINGS
        for name in names_in(row)
        if name.partition(".")[0] in TOPICS[row.topic].__struct_fields__
    ]


def _sql_type(declared: Any) -> str:
    """The column type of a field's type: a list of words is one word with `+`."""
    if declared == Lots:
        return LOTS_TYPE
    plain = [each for each in get_args(declared) if each is not type(None)]
    if get_origin(declared) in (UnionType, Annotated):
        return _sql_type(plain[0])
    if get_origin(declared) is tuple:
        return "VARCHAR[]"
    if get_origin(declared) is Literal or declared is str:
        return "VARCHAR"
    return {int: "BIGINT", date: "DATE"}[declared]


def _typed(names: tuple[str, ...]) -> dict[str, str]:
    """Each column with its type, which is the same in all events that have it."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for topic, cls in TOPICS.items():
        for field in fields(cls):
            # Rules are read whole; what they call `evidence` is a list.
            if field.name in found and topic not in RULING:
                found[field.name].add(_sql_type(field.type))
    assert all(len(types) == 1 for types in found.values()), found
    return {name: types.pop() for name, types in found.items()}


#: Field of events → type as it stands in the line.
FIELDS: Final[dict[str, str]] = _typed(tuple(dict.fromkeys((*_moved(), *TOLD))))
#: What the columns are: another form is another fingerprint, and an older segment is not read.
COLUMNS: Final[tuple[str, ...]] = (*PLACE, *FIELDS)

#: Topics of which most events are. Lines of these are taken apart by themselves, without the
#: columns they never have: that takes a third less time.
FREQUENT: Final = ("HoursLogged", "HoursVerified")
#: The fields that their events have.
FREQUENT_FIELDS: Final = {
    name: declared
    for name, declared in FIELDS.items()
    if any(name in TOPICS[topic].__struct_fields__ for topic in FREQUENT)
}

#: The line's structure, as DuckDB reads JSON: what is not named here is passed over.
_STRUCTURE: Final = msgspec.json.encode(
    PLACE
    | {
        "state": {
            name: [{"receipt": "VARCHAR", "source_kind": "VARCHAR", "source_id": "VARCHAR",
                    "fen": "BIGINT"}]
            if declared == LOTS_TYPE
            else ["VARCHAR"] if declared == "VARCHAR[]" else "VARCHAR" if declared == "DATE"
            else declared
            for name, declared in FIELDS.items()
        }
    }
).decode()  # fmt: skip

#: A line of nothing, without the two zeros that are its numbers.
_FRAME: Final = line(0, "", 0, "", b"").decode().replace("0", "")
_FRONT: Final = _FRAME.index(',"topic"')
_PLACES: Final = (
    "length(originator_id) + length(originator_version::VARCHAR) + length(position::VARCHAR)"
)
#: The state as it stands in the line, between what its place takes in front and behind.
_STATE: Final = (
    f"substr(line, {_FRONT + 1} + {_PLACES},"
    f" length(line) - {len(_FRAME)} - length(topic) - ({_PLACES}))"
)
#: The line of a row that has its state.
LINE: Final = (
    """'{"originator_id":"' || originator_id || '","originator_version":' || originator_version"""
    """ || ',"position":' || position || ',"state":' || state || ',"topic":"' || topic || '"}'"""
)


_RULING: Final = words(RULING)
#: What is one word elsewhere is a list in a rule.
_OTHER_IN_RULES: Final = frozenset(
    field.name
    for topic in RULING
    for field in fields(TOPICS[topic])
    if FIELDS.get(field.name, "VARCHAR[]") != "VARCHAR[]" and get_origin(field.type) is tuple
)


def _column(name: str, declared: str) -> str:
    """A field as its column has it; the event is `told`."""
    if declared == "DATE":
        return f'CAST(told."{name}" AS DATE) AS "{name}"'
    if declared == "VARCHAR[]":
        return f"""array_to_string(told."{name}", '+') AS "{name}\""""
    if name in _OTHER_IN_RULES:
        return f'CASE WHEN topic NOT IN ({_RULING}) THEN told."{name}" END AS "{name}"'
    return f'told."{name}"'


_PLACED: Final = ", ".join(PLACE)


def _told_columns(fields: Mapping[str, str]) -> str:
    """Fields as their columns have them."""
    return ", ".join(_column(name, declared) for name, declared in fields.items())


def whole(lines: str) -> str:
    """The query for all columns of a file of lines, and the `state`; of rules it is `rule` too."""
    place = ", ".join(f"read.{name} AS {name}" for name in PLACE)
    csv = (
        f"read_csv('{lines}', columns = {{'line': 'VARCHAR'}}, auto_detect = false,"
        " header = false, delim = '\x1f', quote = '', escape = '', new_line = '\\n')"
    )
    return (
        f"SELECT {_PLACED}, {_told_columns(FIELDS)},"
        f" CASE WHEN topic IN ({_RULING}) THEN state END AS rule, state FROM ("
        f" SELECT {_PLACED}, told, {_STATE} AS state FROM ("
        f"  SELECT {place}, read.state AS told, line FROM ("
        f"   SELECT line, from_json(line, '{_STRUCTURE}') AS read FROM {csv})))"
    )


def typed(lines: str, told: Mapping[str, str] = FIELDS) -> str:
    """The query for the typed columns alone, which takes a third less time.

    `told`: the fields to take out of the events, with their types; those of FREQUENT have few.
    """
    fields = ", ".join(f'"{name}" {declared}' for name, declared in told.items())
    columns = ", ".join(f"'{name}': '{declared}'" for name, declared in PLACE.items())
    return (
        f"SELECT {_PLACED}, {_told_columns(told)} FROM (SELECT {_PLACED}, state AS told FROM"
        f" read_json('{lines}', format = 'newline_delimited', ignore_errors = false,"
        f" columns = {{{columns}, 'state': 'STRUCT({fields})'}}))"
    )


#: No events at all, in their columns.
NOTHING: Final = (
    "SELECT "
    + ", ".join(
        f'NULL::{"VARCHAR" if declared == "VARCHAR[]" else declared} AS "{name}"'
        for name, declared in (PLACE | FIELDS).items()
    )
    + " LIMIT 0"
)
