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
from api.words import WORDS
from ledger.domain.commands import Command

#: Word in a field's name → the word people use, and the unit it is counted in.
PEOPLES: Final = {"minutes": ("hours", "h"), "fen": ("yuan", "yuan")}

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


def in_peoples_unit(name: str) -> tuple[str, str] | None:
    """`day_minutes_max` → (`day_hours_max`, `h`); None where no unit is named."""
    for word, (theirs, unit) in PEOPLES.items():
        if word in name.split("_"):
            return name.replace(word, theirs), unit
    return None


def own_fields(kind: type[Command]) -> list[FieldInfo]:
    """A command's fields without the day of the act, which every command has."""
    return [field for field in fields(kind) if field.name != "effective_on"]


def parameters(kind: type[Command], *, positional: bool = True) -> list[click.Parameter]:
    """All arguments and options of a command, in the order of its fields."""
    first, *others = own_fields(kind)
    params: list[click.Parameter] = [_argument(first)] if positional else []
    for field in others if positional else (first, *others):
        params += _options((field.name,), field, required=field.required)
    day = next(field for field in fields(kind) if field.name == "effective_on")
    return [*params, *_options((day.name,), day, required=False)]


def _argument(field: FieldInfo) -> click.Parameter:
    """The positional argument of a command."""
    return FieldArgument(
        (field.name,), type=shapes.shape_of(field.type), required=field.required,
        metavar=field.name.upper(), help=_help(field),
    )  # fmt: skip


def _options(path: Path, field: FieldInfo, *, required: bool) -> Iterator[FieldOption]:
    """The options of one field: one, two where it has a unit, or one each of its fields."""
    type_, help_ = shapes.plain(field.type), _help(field) + ("  [required]" if required else "")
    if shapes.is_struct(type_):
        yield from _nested(path, type_, required=required)
    elif type_ is bool:
        yield FieldOption(path, spelled(path), is_flag=True, default=None, help=help_)
    elif theirs := in_peoples_unit(field.name):
        other = spelled((*path[:-1], theirs[0]))
        yield FieldOption(path, spelled(path), type=shapes.Shape(type_), help=help_)
        scaled = shapes.Scaled(type_, theirs[1])
        yield FieldOption(path, other, type=scaled, help=f"instead of --{spelled(path)}, exactly")
    else:
        several, shape = shapes.item_of(type_) is not None, shapes.shape_of(type_)
        yield FieldOption(path, spelled(path), type=shape, multiple=several, help=help_)


def _nested(path: Path, struct: type[Struct], *, required: bool) -> Iterator[FieldOption]:
    """A structure: an option for each of its fields, or all of it as JSON."""
    for inner in fields(struct):
        yield from _options((*path, inner.name), inner, required=required and inner.required)
    help_ = f"instead of --{spelled(path)}-…, all of it at once"
    yield FieldOption(path, spelled(path), type=shapes.Json(struct), help=help_)


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
        raise click.UsageError(f"{error}.", ctx) from error


def _put(
    given: dict[str, Any], param: FieldArgument | FieldOption, value: Any, ctx: click.Context
) -> None:
    """Set the field at the parameter's path; each only once."""
    *outer, name = param.path
    for part in outer:
        given = given.setdefault(part, {})
    if name in given:
        inner = isinstance(given[name], dict)
        other = f"--{spelled(param.path)}" + ("-…" if inner else "")
        raise click.UsageError(f"{param.opts[0]} and {other} exclude each other.", ctx)
    given[name] = tuple(item for part in value for item in part) if param.multiple else value


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
