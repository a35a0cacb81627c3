"""What a person says of a file beyond what stands in it; its rejects carry it along.

A refused row that is mended asks for what it would have asked for in its own file
only if it is read in the same way. So it says, under `_options`, how it was read.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from api.cli.cells import Unit, text_of
from api.cli.headers import FIELDS, OPTIONS_COLUMN, read_mapping
from ledger.domain.errors import InvalidCommand

Names = Mapping[str, Mapping[str, str]]


class Options(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a file is to be read. The names of the fields in JSON are those of the command line."""

    #: Header → field, as in `headers.read_mapping`.
    mapping: Mapping[str, str] = field(default_factory=dict, name="map")
    #: Field → what a blank cell, or the lack of a column, means; written as in a cell.
    defaults: Mapping[str, str] = field(default_factory=dict, name="default")
    #: Field → what a cell says → id or word. An empty id: the name stands for several.
    values: Names = field(default_factory=dict, name="value")
    #: Of bare numbers in duration columns whose header names no unit; hours if None.
    unit: Unit | None = None
    #: As `values`, which go before them: what the ledger calls things. No rejects carry them, for
    #: the ledger knows them.
    names: Names = field(default_factory=dict)

    def check(self) -> "Options":
        """Itself. Raises InvalidCommand for a field that there is none of, and for no text."""
        read_mapping(self.mapping)
        for name in self.values:
            if name not in FIELDS:
                raise InvalidCommand("value", field=name, allowed=", ".join(sorted(FIELDS)))
        try:
            self.text()
        except UnicodeEncodeError:
            raise InvalidCommand("", reason="not UTF-8") from None
        return self

    def over(self, carried: "Options") -> "Options":
        """What rows carry, and what is said now before it."""
        fields = {*carried.values, *self.values}
        return Options(
            mapping={**carried.mapping, **self.mapping},
            defaults={**carried.defaults, **self.defaults},
            values={f: {**carried.values.get(f, {}), **self.values.get(f, {})} for f in fields},
            unit=self.unit or carried.unit,
            names=self.names,
        )

    def text(self) -> str:
        """As rejects carry it; `{}` where nothing was said."""
        return _ENCODER.encode(replace(self, names={})).decode()


_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def meant_by(names: Mapping[str, str]) -> dict[str, str]:
    """`names` of things by their ids → what each name stands for; an empty id: for several.

    An id stands for itself, whatever else is called so.
    """
    ids: dict[str, set[str]] = {}
    for id_ in names:
        ids.setdefault(id_.casefold(), set()).add(id_)
    meant: dict[str, str] = {}
    for id_, name in names.items():
        if ids.get(text_of(name).casefold(), {id_}) == {id_}:
            meant[name] = "" if name in meant else id_
    return meant


def carried(said: Any) -> Options:
    """What stands under `_options`, as JSON has it. Raises InvalidCommand there."""
    if said is None:
        raise InvalidCommand(OPTIONS_COLUMN, reason="it does not say how the row is to be read")
    try:
        return msgspec.convert(said, Options).check()
    except msgspec.ValidationError as error:
        raise InvalidCommand(OPTIONS_COLUMN, reason=f"{error}") from None
    except InvalidCommand as error:
        facts = ", ".join(f"{name} {fact}" for name, fact in error.facts.items())
        raise InvalidCommand(OPTIONS_COLUMN, reason=f"not understood: {facts}") from None


def carried_text(text: str) -> Options:
    """The same of a cell."""
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        said = None
    return carried(said)
