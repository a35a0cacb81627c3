"""Commands as options: what `ledger/domain/commands.py` defines, read from a terminal.

The first field of a command is its positional argument; every other one is an
option of the same name. Minutes may also be given in hours and fen in yuan.
A nested structure is one option a field, or JSON as a whole.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from api.cli import shapes
from api.cli.quantities import FEN_PER_YUAN, MINUTES_PER_HOUR
from api.cli.words import WORDS
from ledger.domain.commands import Command

#: Word in a field's name → the word and factor of the unit people write.
PEOPLES: Final = {"minutes": ("hours", MINUTES_PER_HOUR), "fen": ("yuan", FEN_PER_YUAN)}

Path = tuple[str, ...]


class FieldOption(click.Option):
    """An option that fills the field at `path` of a command."""

    def __init__(self, path: Path, spelling: str, **attrs: Any) -> None:
        self.path = path
        super().__init__([f"--{spelling}", spelling.replace("-", "_")], **attrs)


class FieldArgument(click.Argument):
    """The positional argument: the field that names the thing."""

    def __init__(self, path: Path, **attrs: Any) -> None:
        self.path = path
        super().__init__([path[-1]], **attrs)


def spelled(path: Path) -> str:
    """A field's option without dashes: `terms-opens-on`."""
    return "-".join(path).replace("_", "-")


def in_peoples_unit(name: str) -> tuple[str, str, int] | None:
    """`day_minutes_max` → (`day_hours_max`, `hours`, 60); None where no unit is named."""
    for word, (unit, factor) in PEOPLES.items():
        if word in name.split("_"):
            return name.replace(word, unit), unit, factor
    return None


def own_fields(kind: type[Command]) -> list[FieldInfo]:
    """A command's fields without the day of the act, which every command has."""
    return [field for field in fields(kind) if field.name != "effective_on"]


def parameters(kind: type[Command]) -> list[click.Parameter]:
    """All arguments and options of a command, in the order of its fields."""
    first, *others = own_fields(kind)
    params: list[click.Parameter] = [_argument(first)]
    for field in others:
        params += _options((field.name,), field, required=field.required)
    day = next(field for field in fields(kind) if field.name == "effective_on")
    return params + list(_options(("effective_on",), day, required=False))


def _argument(field: FieldInfo) -> click.Parameter:
    """The positional argument of a command."""
    return FieldArgument(
        (field.name,), type=shapes.shape_of(field.type), required=field.required,
        metavar=field.name.upper(), help=_help(field),
    )  # fmt: skip


def _options(path: Path, field: FieldInfo, *, required: bool) -> Iterator[click.Parameter]:
    """The options of one field: one, two where it has a unit, or one each of its fields."""
    type_ = shapes.plain(field.type)
    if shapes.is_struct(type_):
        yield from _nested(path, field, required=required)
    elif type_ is bool:
        yield FieldOption(path, spelled(path), is_flag=True, default=None, help=_help(field))
    elif unit := in_peoples_unit(field.name):
        yield from _measured(path, field, unit)
    else:
        yield FieldOption(
            path, spelled(path), type=shapes.shape_of(type_), required=required,
            multiple=shapes.item_of(type_) is not None, help=_help(field),
        )  # fmt: skip


def _measured(
    path: Path, field: FieldInfo, unit: tuple[str, str, int]
) -> Iterator[click.Parameter]:
    """A quantity in the ledger's unit, and the same in the unit of people."""
    name, word, factor = unit
    theirs = spelled((*path[:-1], name))
    type_ = shapes.plain(field.type)
    help_ = f"{_help(field)} (or --{theirs})"
    yield FieldOption(path, spelled(path), type=shapes.Shape(type_), help=help_)
    scaled = shapes.Scaled(type_, word, factor)
    yield FieldOption(path, theirs, type=scaled, help=f"the same in {word}, exactly")


def _nested(path: Path, field: FieldInfo, *, required: bool) -> Iterator[click.Parameter]:
    """A structure: an option for each of its fields, or all as JSON."""
    struct = shapes.plain(field.type)
    yield FieldOption(path, spelled(path), type=shapes.Json(struct), help=f"{_help(field)}; or:")
    for inner in fields(struct):
        for param in _options((*path, inner.name), inner, required=False):
            if required and inner.required and isinstance(param, FieldOption):
                param.help = f"{param.help}  [required]"
            yield param


def _help(field: FieldInfo) -> str:
    """What the field means, an example, and what holds when it is not given."""
    text = WORDS[field.name]
    if example := shapes.example_of(shapes.plain(field.type)):
        text += f", e.g. {example}"
    if isinstance(field.default, str | int) and not isinstance(field.default, bool):
        text += f"; {field.default} if absent"
    if isinstance(field.default, tuple) and field.default:
        text += f"; {','.join(field.default)} if absent"
    return text


def read(kind: type[Command], ctx: click.Context) -> Command:
    """The command the terminal asked for. Raises click.UsageError with the place."""
    given: dict[str, Any] = {}
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if isinstance(param, FieldArgument | FieldOption) and value not in (None, ()):
            _put(given, param, value, ctx)
    _require(kind, (), given, ctx)
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error), ctx) from error


def _put(
    given: dict[str, Any], param: FieldArgument | FieldOption, value: Any, ctx: click.Context
) -> None:
    """Set the field at the parameter's path; each only once."""
    for name in param.path[:-1]:
        given = given.setdefault(name, {})
        if not isinstance(given, dict):
            raise click.UsageError(f"--{name} is given as JSON and in parts", ctx)
    name = param.path[-1]
    if name in given:
        raise click.UsageError(f"--{spelled(param.path)} is given twice", ctx)
    if param.multiple:
        value = tuple(item for part in value for item in part)
    given[name] = value


def _require(
    struct: type[Struct], path: Path, given: Mapping[str, Any], ctx: click.Context
) -> None:
    """Every required field is there. Raises click.UsageError naming its options."""
    for field in fields(struct):
        here, inner = (*path, field.name), shapes.plain(field.type)
        if field.name in given:
            if shapes.is_struct(inner) and isinstance(given[field.name], dict):
                _require(inner, here, given[field.name], ctx)
        elif field.required:
            raise click.UsageError(f"Missing option {_ways(here, inner)}.", ctx)


def _ways(path: Path, type_: Any) -> str:
    """The options that would fill a field."""
    ways = [spelled(path)]
    if unit := in_peoples_unit(path[-1]):
        ways.append(spelled((*path[:-1], unit[0])))
    if shapes.is_struct(type_):
        ways += [spelled((*path, f.name)) for f in fields(type_) if f.required]
    return " or ".join(f"'--{way}'" for way in ways)
