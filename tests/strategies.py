"""Hypothesis strategies: any event of the vocabulary, and its place in a log.

Events are drawn from their annotations, so a new topic or field is covered the day it is added.
Text is any text that UTF-8 can write, integers are what RFC 8785 can write.
"""

from datetime import UTC, date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields

from ledger.domain.events import TOPICS, Event
from ledger.domain.values import END

#: RFC 8785 writes integers exactly up to here.
INTEGER_MAX = 2**53 - 1

integers = st.integers(min_value=-INTEGER_MAX, max_value=INTEGER_MAX)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
moments = st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC))
days = st.dates(min_value=date(1, 1, 1))
#: Parts of stream names as commands bound them: ASCII, nothing to escape.
codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
stream_names = st.builds("{}/{}".format, st.sampled_from(["member", "fund", "policy"]), codes)

BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts, int: integers, bool: st.booleans(), datetime: moments, date: days,
}  # fmt: skip


@cache
def of_type(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation as events use them."""
    if annotation in BY_TYPE:
        return BY_TYPE[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return within(arguments[0], arguments[1])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin in {Union, UnionType}:
        return st.one_of([of_type(a) for a in arguments if a is not NoneType])
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return structs(annotation)
    raise NotImplementedError(annotation)


def within(plain: Any, bounds: Meta) -> st.SearchStrategy[Any]:
    """Values of a bounded type: integers, texts and codes of `values.py`."""
    if plain is int:
        low = -INTEGER_MAX if bounds.ge is None else int(bounds.ge)
        high = INTEGER_MAX if bounds.le is None else min(int(bounds.le), INTEGER_MAX)
        return st.integers(low, high)
    if bounds.pattern is not None:
        return st.from_regex(
            bounds.pattern.removesuffix(END) + r"\Z", alphabet=st.characters(codec="ascii")
        )
    if plain is str:
        return texts.filter(lambda text: len(text) >= (bounds.min_length or 0))
    return of_type(plain)


@cache
def structs(kind: type[Struct]) -> st.SearchStrategy[Any]:
    """Structures with all required fields and any of the others."""
    hints = get_type_hints(kind, include_extras=True)
    required = {f.name: of_type(hints[f.name]) for f in fields(kind) if f.default is NODEFAULT}
    optional = {f.name: of_type(hints[f.name]) for f in fields(kind) if f.default is not NODEFAULT}
    return st.fixed_dictionaries(required, optional=optional).map(lambda found: kind(**found))


def events() -> st.SearchStrategy[Event]:
    """Any event of any topic."""
    return st.sampled_from(sorted(TOPICS)).flatmap(lambda topic: structs(TOPICS[topic]))
