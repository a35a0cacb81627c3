"""Visibility: which events of a list a caller may see, and what of them.

A list of events is of a subject the caller sees; what it tells of others is judged by these.
"""

from collections.abc import Collection
from typing import Any

from ledger.domain.access import Caller
from ledger.domain.values import owner_of
from ledger.log.codec import decode
from ledger.store.log import LogStore, Row
from projections.scope import is_reader


def lines_shown(store: LogStore, caller: Caller, positions: Collection[int]) -> list[int]:
    """Those of the positions whose lines, with all that they say, are for a caller.

    A funder never sees members: a line that names one is for whose key reads trails.
    """
    if is_reader(caller, "trail"):
        return sorted(positions)
    rows = store.select_positions(sorted(positions))
    return [row.position for row in rows if not named_member(row, decode(row.topic, row.state))]


def named_member(row: Row, event: Any) -> str:
    """The member an event is about, or whose grant it names; empty where there is none."""
    kind, _, owner = row.originator_id.partition("/")
    if kind == "member":
        return owner
    return owner_of(getattr(event, "grant", None) or "")
