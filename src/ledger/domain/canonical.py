"""Structures whose fields stand in the order of their names, as canonical JSON has them (RFC 8785).

So an encoder has nothing to sort, which saves it a third of its time, and a decoder finds each
field where it looks first.
"""

from typing import Any, cast

from msgspec import Struct, StructMeta
from msgspec.structs import FieldInfo, fields


class ByName(StructMeta):
    """Makes structures that have all fields of those they are derived from, ordered by name.

    A structure keeps the place of a field it inherits, so nothing is inherited: what is derived
    from an event is, when the program runs, none of its kind.
    """

    #: The fields as they were written down.
    declared: dict[str, FieldInfo]

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any
    ) -> "ByName":
        """Make one. Only fields are taken over from the bases."""
        derived = super().__new__(mcls, name, bases, namespace, **config)
        declared: dict[str, FieldInfo] = {}
        for base in bases:
            declared |= getattr(base, "declared", {})
        declared |= {field.name: field for field in fields(cast("type[Struct]", derived))}
        if not declared:
            return derived
        made = {
            "declared": declared,
            "__module__": namespace["__module__"],
            "__doc__": namespace.get("__doc__"),
            "__annotations__": {name: declared[name].type for name in sorted(declared)},
            **{name: field.default for name, field in declared.items() if not field.required},
        }
        return super().__new__(mcls, name, (Canonical,), made, **config)


class Canonical(
    Struct,
    metaclass=ByName,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """What has no fields yet; absent ones are omitted."""
