"""Answers on paper: short sentences, tables, hours and yuan with two decimals, or JSON."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import click
import msgspec
from msgspec import Struct

from api.cli.quantities import hours, yuan

#: Columns of a table that is not watched: nothing is cut off in a pipe.
PIPE_WIDTH: Final = 2000

#: Word in a figure's name → how it is shown. Credit is minutes too.
_SHOWN: Final = {"minutes": hours, "credit": hours, "fen": yuan}
_UNIT: Final = {"minutes": "h", "credit": "h", "fen": "yuan"}
#: What a quantity is called where nothing else names it.
_ALONE: Final = {"minutes": "hours", "fen": "money"}
#: What moves a terminal's cursor, but for the end of a line.
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def to_json(answer: Any) -> str:
    """The answer itself, as one line: integers stay integers."""
    try:
        return msgspec.json.encode(answer).decode()
    except UnicodeEncodeError:  # it names a file whose name is not UTF-8
        return json.dumps(msgspec.to_builtins(answer), separators=(",", ":"))


def as_json(answer: Any) -> None:
    """Print the answer itself."""
    click.echo(to_json(answer))


def _quantity(name: str) -> str:
    """Which quantity a figure's name speaks of, empty for none."""
    return next((word for word in _SHOWN if word in name.split("_")), "")


def shown(name: str, value: object) -> str:
    """A value for a person: 150 of `minutes` is `2.50`, 190050 `fen` is `1,900.50`."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        quantity = _quantity(name)
        return _SHOWN[quantity](value) if quantity else f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "–"
    return harmless(str(value))


def harmless(text: str) -> str:
    """A text, as from a file of somebody else, without what moves a terminal's cursor."""
    return _CONTROL.sub("\ufffd", text)


def with_unit(name: str, value: object) -> str:
    """A value as the ledger counts it, and for a person beside it: `150 (2.50 h)`."""
    quantity = _quantity(name) if type(value) is int else ""
    return f"{value} ({shown(name, value)} {_UNIT[quantity]})" if quantity else shown(name, value)


def titled(name: str, value: object = 0) -> str:
    """A figure's name for a person, with its unit: `day_minutes_max` → `day hours max (h)`."""
    # A figure that there is not is one of the same unit.
    quantity = _quantity(name) if value is None or type(value) is int else ""
    if not quantity:
        return plain(name)
    if name.startswith(f"{quantity}_per_"):
        return plain(name.replace(quantity, _UNIT[quantity], 1))
    words = [word for word in name.split("_") if word != quantity or quantity == "credit"]
    return f"{' '.join(words) or _ALONE[quantity]} ({_UNIT[quantity]})"


def fields_of(answer: Struct) -> dict[str, Any]:
    """The fields of an answer by name."""
    return {name: getattr(answer, name) for name in answer.__struct_fields__}


def is_told(name: str, rows: Iterable[Mapping[str, object]]) -> bool:
    """Whether a column says anything: not all of its values are zero or absent."""
    return any(row.get(name) not in (0, None) for row in rows)


def plain(name: str) -> str:
    """A name for a person."""
    return name.replace("_", " ")


def spoken(name: str, value: object) -> str:
    """A value within a sentence: with its unit, a hash by its beginning, a lot as money."""
    if isinstance(value, Mapping):
        return _structure(value)
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return " + ".join(map(_structure, value))
    if isinstance(value, list | tuple):
        return " + ".join(map(str, value)) or "–"
    if isinstance(value, str) and _HASH.fullmatch(value):
        return f"#{value[:8]}…"
    unit = f" {_UNIT[quantity]}" if type(value) is int and (quantity := _quantity(name)) else ""
    return shown(name, value) + unit


def _structure(value: Mapping[str, Any]) -> str:
    """A structure of the log within a sentence."""
    if "receipt" in value:
        source = f"{value['source_kind']}/{value['source_id']}"
        return f"{yuan(value['fen'])} yuan of {value['receipt']} ({source})"
    told = "; ".join(f"{plain(name)} {spoken(name, inner)}" for name, inner in value.items())
    return f"({told})"


def groups(rows: Sequence[Mapping[str, object]], figures: Sequence[str]) -> None:
    """Figures by group: below each other where there is one group, without those that are zero."""
    told = [name for name in figures if is_told(name, rows)]
    keys = [name for name in (rows[0] if rows else ()) if name not in figures]
    if keys:
        table([*keys, *told], rows)
    elif told:
        sheet({name: rows[0][name] for name in told})
    else:
        click.echo("  nothing yet")


def sheet(rows: Mapping[str, object]) -> None:
    """Names and values below each other."""
    names = {name: titled(name, value) for name, value in rows.items()}
    width = max(map(len, names.values()), default=0)
    for name, value in rows.items():
        click.echo(f"  {names[name]:<{width}}  {shown(name, value)}")


def table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Rows of figures under their names; numbers to the right.

    A terminal that is too narrow breaks lines between words, and where that does not do, at its
    edge: half a figure would be another figure.
    """
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 (not for --help)
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    kept = list(rows)
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        values = [row.get(name) for row in kept]
        numbers = any(type(value) is int for value in values)
        sample = next((value for value in values if value is not None), None)
        title = titled(name, sample)
        words = " ".join([title, *(shown(name, value) for value in values)]).split()
        widest = max(map(cell_len, words))
        justify: Literal["left", "right"] = "right" if numbers else "left"
        grid.add_column(title, justify=justify, min_width=widest, overflow="fold")
    for row in kept:
        grid.add_row(*(Text(shown(name, row.get(name))) for name in columns))
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    console.width = max(console.width, sum(3 + (each.min_width or 0) for each in grid.columns))
    with console.capture() as captured:
        console.print(grid, crop=False)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    click.echo("\n".join(line for line in lines if line))
