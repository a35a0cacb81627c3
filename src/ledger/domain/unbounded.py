"""Commands without the bounds of their fields, for those that were checked where they came from.

Patterns and bounds are most of what it costs to decode a command, and one that goes on to another
process of ours has met them already. Each kind has a twin here, a subclass of it.
"""

from types import UnionType
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields

from ledger.domain.commands import COMMANDS, Command


def _bare(hint: Any) -> Any:
    """A type without what is annotated to it, or to what it is made of."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bare(inner[0])
    if origin in (Union, UnionType):
        return Union[tuple(map(_bare, inner))]  # noqa: UP007 (made of a list)
    if origin is tuple:
        return tuple[tuple(map(_bare, inner))]  # type: ignore[misc]  # made of a list
    return hint


def _twin(kind: type[Command]) -> type[Command]:
    """The subclass that takes any value of a field's type."""
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    own = [
        (f.name, _bare(hints[f.name]), msgspec.NODEFAULT if f.required else f.default)
        for f in fields(kind)
    ]
    config = kind.__struct_config__
    return cast(
        "type[Command]",
        msgspec.defstruct(
            kind.__name__,
            own,
            bases=(kind,),
            kw_only=True,
            tag=config.tag,
            tag_field=config.tag_field,
        ),
    )


#: Each kind of command → its twin.
UNBOUNDED: Final = {kind: _twin(kind) for kind in COMMANDS.values()}
#: The class of any command, twin or not → its kind.
KIND_OF: Final[dict[type[Command], type[Command]]] = {
    **{kind: kind for kind in UNBOUNDED},
    **{twin: kind for kind, twin in UNBOUNDED.items()},
}
