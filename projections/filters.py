"""What figures are asked for by: groupings and filters, checked before anything is read.

An unknown name or a malformed value is an error, never an empty answer.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, get_args

from ledger.domain.errors import InvalidCommand
from ledger.domain.values import ActivityKind, EntryKind, Evidence, MemberKind
from projections.catalogue import find_listed
from projections.session import Snapshot

#: Digits a region code may have, and so a grouping by region (`region:6`).
REGION_DIGITS: Final = (2, 4, 6, 9, 12)

NO_FILTERS: Final[Mapping[str, str]] = {}
_REGION: Final = "|".join(f"[0-9]{{{digits}}}" for digits in REGION_DIGITS)
_MONTH: Final = r"[0-9]{4}-(0[1-9]|1[0-2])"
_FORMS: Final[Mapping[str, str]] = {
    "region": _REGION,
    "service_region": _REGION,
    "category": r"[a-z][a-z0-9_]{0,31}",
    "kind": "|".join(dict.fromkeys((*get_args(EntryKind), *get_args(ActivityKind)))),
    "evidence": "|".join(get_args(Evidence)),
    "member_kind": "|".join(get_args(MemberKind)),
    "month": _MONTH,
    "from_month": _MONTH,
    "to_month": _MONTH,
}
#: What a filter does in SQL when it is not plain equality; `?` is its value.
_TESTS: Final[Mapping[str, str]] = {
    "from_month": "month >= ?",
    "to_month": "month <= ?",
    "member_kind": "member_kinds LIKE ?",
}
_PREFIXES: Final = ("region", "service_region")


class Where(NamedTuple):
    """A condition and its values."""

    sql: str
    params: tuple[str | int, ...]


class Group(NamedTuple):
    """One grouping: the name it has in the answer, its expression, digits of a region (0: all)."""

    name: str
    sql: str
    digits: int = 0


def where(snapshot: Snapshot, filters: Mapping[str, str], allowed: Collection[str]) -> Where:
    """The condition of the filters. Raises InvalidCommand, or NotFound for an unknown thing."""
    check_filters(snapshot, filters, allowed)
    tests, params = ["1 = 1"], list[str | int]()
    for name, value in filters.items():
        if name in _PREFIXES:
            # A prefix contains the longer codes; the sign after 9 ends them.
            tests.append(f"{name} >= ? AND {name} < ?")
            params += [value, value + ":"]
        else:
            tests.append(_TESTS.get(name, f"{name} = ?"))
            params.append(_bound(name, value))
    return Where(" AND ".join(tests), tuple(params))


def check_filters(snapshot: Snapshot, filters: Mapping[str, str], allowed: Collection[str]) -> None:
    """Refuse a filter that is not allowed here, malformed, or names what is not there."""
    for name, value in filters.items():
        if name not in allowed:
            raise InvalidCommand(name, allowed=", ".join(sorted(allowed)))
        form = _FORMS.get(name)
        if form is None:
            find_listed(snapshot, name, value, name)
        elif not re.fullmatch(form, value):
            raise InvalidCommand(name, form=form)
    first, last = filters.get("from_month", ""), filters.get("to_month")
    if last is not None and first > last:
        raise InvalidCommand("to_month", reason=f"it lies before {first}")


def agrees(keys: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    """Whether an event with these keys is within the filters, as `where` would find its row."""
    return all(_agrees(keys, name, wanted) for name, wanted in filters.items())


def _agrees(keys: Mapping[str, Any], name: str, wanted: str) -> bool:
    if name in _PREFIXES:
        return str(keys[name]).startswith(wanted)
    if name == "member_kind":
        return wanted in keys["member_kinds"]
    if name in ("from_month", "to_month"):
        month = str(keys["month"])
        return month >= wanted if name == "from_month" else month <= wanted
    return bool(keys[name] == wanted)


def _bound(name: str, value: str) -> str | int:
    """A filter's value as the database has it."""
    if name.endswith("month"):
        return int(value.replace("-", ""))
    return f"%{value}%" if name == "member_kind" else value


def groups(group_by: Sequence[str], allowed: Collection[str]) -> list[Group]:
    """The groupings. Raises InvalidCommand for an unknown or doubled one."""
    found = [_group(wanted, allowed) for wanted in group_by]
    names = [group.name for group in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidCommand("group_by", reason="given twice", group=name)
    return found


def _group(wanted: str, allowed: Collection[str]) -> Group:
    name, colon, digits = wanted.partition(":")
    if name not in allowed or (colon and name not in _PREFIXES):
        raise InvalidCommand("group_by", allowed=", ".join(sorted(allowed)))
    if not colon:
        return Group(name, name)
    if digits not in map(str, REGION_DIGITS):
        raise InvalidCommand("group_by", digits=", ".join(map(str, REGION_DIGITS)))
    return Group(name, f"substr({name}, 1, {digits})", int(digits))


def named(by: Sequence[Group], key: Sequence[Any]) -> dict[str, Any]:
    """A group's key under its names, a month as it is shown."""
    return {
        group.name: month_text(value) if group.name == "month" else value
        for group, value in zip(by, key, strict=True)
    }


def month_text(month: int) -> str:
    """A month as it is shown: 202506 → `2025-06`."""
    return f"{month // 100:04}-{month % 100:02}"
