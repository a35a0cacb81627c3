"""The values of a command as a terminal gives them: text in, what the struct wants out.

Each shape checks one value against the field's own type, so the bounds of
`ledger/domain/values.py` hold here without being written again, and a wrong
value is refused with the option it stands in.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

import click
import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from api.cli import quantities
from ledger.domain import forms

_INTEGER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
#: Types whose example would mislead: they say what is written, not what is meant.
_UNSPECIFIC: Final = ("Code", "Word", "Name", "Text")


def plain(type_: Any) -> Any:
    """The type without `| None`: an option that is not given is not there."""
    if get_origin(type_) in (Union, UnionType):
        return next(arg for arg in get_args(type_) if arg is not NoneType)
    return type_


def base(type_: Any) -> Any:
    """The type without its bounds."""
    return get_args(type_)[0] if get_origin(type_) is Annotated else type_


def metas(type_: Any) -> list[Meta]:
    """The bounds and examples of a type."""
    if get_origin(type_) is not Annotated:
        return []
    return [meta for meta in get_args(type_)[1:] if isinstance(meta, Meta)]


def alias_of(type_: Any) -> str:
    """The name of a value type, such as `MemberId`; empty when it has none."""
    return next((name for name, alias in forms.named_types() if alias == type_), "")


def item_of(type_: Any) -> Any:
    """The element type of a list such as `tuple[Code, ...]`; None when it is no list."""
    return get_args(base(type_))[0] if get_origin(base(type_)) is tuple else None


def is_struct(type_: Any) -> bool:
    """Whether a value is a structure of its own."""
    return isinstance(type_, type) and issubclass(type_, Struct)


def example_of(type_: Any) -> str:
    """An example that tells something, or nothing."""
    if alias_of(type_) in _UNSPECIFIC or base(type_) is int:
        return ""
    return next((str(meta.examples[0]) for meta in metas(type_) if meta.examples), "")


def _label(type_: Any) -> str:
    """What stands for the value in the help: `REGION-CODE`, `YYYY-MM-DD`, `NUMBER`."""
    if base(type_) is date:
        return "YYYY-MM-DD"
    if base(type_) is int:
        return "NUMBER"
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alias_of(type_) or "Text").upper()


def _explain(type_: Any, value: str, error: Exception) -> str:
    """What is wrong with a value, for a person."""
    if base(type_) is date:
        return f"{value!r} is not {forms.DAY}"
    form = next((meta for meta in metas(type_) if meta.pattern), None)
    if form is None:
        return f"{value!r}: {error}"
    return f"{value!r} is not {forms.in_words(alias_of(type_) or 'text', form)}"


class Shape(click.ParamType[Any, str]):
    """One value of the field's type."""

    def __init__(self, type_: Any) -> None:
        self.type = type_
        self.name = _label(type_)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The label of the type."""
        del param, ctx
        return self.name

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, checked. Fails as a usage error."""
        try:
            return msgspec.convert(self._parse(value), self.type)
        except (ValueError, msgspec.ValidationError) as error:
            self.fail(_explain(self.type, value, error), param, ctx)

    def _parse(self, value: str) -> str | int:
        """Text as the plain type. Raises ValueError."""
        if base(self.type) is not int:
            return value
        if not _INTEGER.fullmatch(value):
            raise ValueError("not a whole number")
        return int(value)


class Scaled(Shape):
    """A quantity in the unit of people: hours for minutes, yuan for fen; exact."""

    def __init__(self, type_: Any, unit: str) -> None:
        super().__init__(type_)
        self.unit = unit
        self.name = {"h": "HOURS"}.get(unit, unit.upper())

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The quantity in the ledger's unit. Fails when it is not a whole number of them."""
        try:
            return msgspec.convert(quantities.parse_exact(value, self.unit), self.type)
        except (ValueError, msgspec.ValidationError) as error:
            self.fail(str(error), param, ctx)


class Several(click.ParamType[tuple[Any, ...], str]):
    """Values of one type, separated by commas."""

    def __init__(self, item: click.ParamType[Any, Any]) -> None:
        self.item = item
        self.name = item.name

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The item's label, as often as wanted."""
        return f"{self.item.get_metavar(param, ctx) or self.name},…"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Each part on its own. Fails with the part that is wrong."""
        return tuple(self.item.convert(part, param, ctx) for part in value.split(","))


class Json(click.ParamType[Any, str]):
    """A structure as JSON, strictly as the command defines it."""

    name = "JSON"

    def __init__(self, type_: Any) -> None:
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(type_).decode

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The structure. Fails with the place within it."""
        try:
            return self.decode(value.encode())
        except (msgspec.DecodeError, UnicodeError) as error:
            reason, at = forms.fault_of(error)
            self.fail(f"{reason} (at {at})" if at else reason, param, ctx)


class Pieces(Several):
    """Structures as `name:name=quantity`, separated by commas; or a list of them as JSON."""

    def __init__(self, struct: type[Struct]) -> None:
        super().__init__(_Piece(struct))
        self.json = Json(tuple[struct, ...])  # type: ignore[valid-type]

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """The structures, in the order given."""
        if value.startswith("["):
            return cast("tuple[Any, ...]", self.json.convert(value, param, ctx))
        return super().convert(value, param, ctx)


class _Piece(click.ParamType[Any, str]):
    """`1=100h` is StarLevel(stars=1, minutes=6000); a lot is `F1-R1:charity:C01=1900.50yuan`."""

    def __init__(self, struct: type[Struct]) -> None:
        self.struct = struct
        *self.keys, self.quantity = [field.name for field in fields(struct)]
        self.units = ("h", "min") if self.quantity == "minutes" else ("yuan", "fen")
        self.name = f"{':'.join(self.keys)}={self.units[0]}"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The names of its parts."""
        del param, ctx
        return self.name.upper()

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """One structure. Fails as a usage error."""
        head, equals, amount = value.partition("=")
        names = head.split(":")
        if not equals or len(names) != len(self.keys):
            self.fail(f"{value!r} is not written as {self.name}", param, ctx)
        types = {field.name: field.type for field in fields(self.struct)}
        given = {
            key: shape_of(types[key]).convert(name, param, ctx)
            for key, name in zip(self.keys, names, strict=True)
        }
        try:
            given[self.quantity] = quantities.parse_with_unit(amount, self.units)
            return msgspec.convert(given, self.struct)
        except (ValueError, msgspec.ValidationError) as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def shape_of(type_: Any) -> click.ParamType[Any, Any]:
    """How a field's value is read from the terminal."""
    type_, item = plain(type_), item_of(plain(type_))
    if item is not None:
        return Pieces(item) if is_struct(item) else Several(shape_of(item))
    if get_origin(base(type_)) is Literal:
        return click.Choice(cast("Iterable[str]", get_args(base(type_))))
    return Json(type_) if is_struct(type_) else Shape(type_)
