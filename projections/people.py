"""People: distinct members by one grouping at a time, counted while the log is folded.

To count who was active means to look at every active member, unless it was done before. A
*slice* is one value of one grouping (`project/P001`, `month/2025-06`), or the whole. Who has how
many verified minutes in each slice is kept, and with it how many members have any: whenever a
sum becomes positive or ceases to be so, the slice's count moves.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from projections.filters import Group, month_text
from projections.session import Snapshot
from projections.tables import Table, integers, text

#: Active members of each slice, and their verified service minutes.
PEOPLE: Final = Table("people", (*text("slice"), *integers("active", "minutes")))
#: Verified service minutes of each member in each slice.
PRESENCE: Final = Table(
    "presence", (*text("slice", "member"), *integers("minutes")), counted_in=PEOPLE
)
WHOLE: Final = "all"
#: Lengths of region codes that are counted: county, town, and village where there are villages.
DIGITS: Final = (6, 9, 12)
TOWN: Final = 9
#: Groupings that are counted by their values as they are.
PLAIN: Final = ("organisation", "project", "category")
_MONTHS: Final = {"from_month", "to_month", "month"}
#: Behind every text that begins with what stands before it.
_END: Final = "\U0010ffff"

#: By month or cell, and member.
_Minutes = defaultdict[int, defaultdict[str, int]]


def slices_of(cell: Mapping[str, str]) -> list[str]:
    """The slices minutes of a cell count in, besides that of their month."""
    region = cell["region"]
    return [
        WHOLE,
        *(f"region:{n}/{region[:n]}" for n in DIGITS if n <= TOWN or len(region) > TOWN),
        *(f"member_kind/{kind}" for kind in cell["member_kinds"].split("+")),
        *(f"{name}/{cell[name]}" for name in PLAIN),
    ]


def month_slice(month: int) -> str:
    """The slice of a month given as YYYYMM."""
    return f"month/{month_text(month)}"


def counted(
    snapshot: Snapshot, by: Sequence[Group], filters: Mapping[str, str]
) -> dict[tuple[Any, ...], tuple[int, int]] | None:
    """Active members and their minutes by group; None for what is not counted beforehand."""
    bounds = _bounds(by, filters)
    if bounds is None or (_is_of_villages(by) and _has_villages(snapshot)):
        return None
    rows = snapshot.rows(
        "SELECT slice, active, minutes FROM {g}people"
        " WHERE slice >= ? AND slice <= ? AND active > 0 ORDER BY slice",
        *bounds,
    )
    keys = _keys(by, [slice_ for slice_, _, _ in rows])
    return dict(zip(keys, [row[1:] for row in rows], strict=True))


def _keys(by: Sequence[Group], slices: Sequence[str]) -> list[tuple[Any, ...]]:
    """The slices of one grouping as the keys of its groups."""
    if not by or not slices:
        return [()] * len(slices)
    start = slices[0].index("/") + 1  # all begin alike
    values = [slice_[start:] for slice_ in slices]
    is_month = by[0].name == "month"
    return [(int(value.replace("-", "")) if is_month else value,) for value in values]


def _is_of_villages(by: Sequence[Group]) -> bool:
    """Whether regions are told apart by more than their towns."""
    return len(by) == 1 and by[0].name == "region" and by[0].digits in (0, max(DIGITS))


def _has_villages(snapshot: Snapshot) -> bool:
    """Whether anyone was active whose region is more than a town."""
    sql = "SELECT 1 FROM {g}people WHERE slice >= ? AND slice <= ? LIMIT 1"
    return bool(snapshot.rows(sql, "region:12/", f"region:12/{_END}"))


def _bounds(by: Sequence[Group], filters: Mapping[str, str]) -> tuple[str, str] | None:
    """The first and the last slice of what is asked for; None where no slices are."""
    if not by and not filters:
        return WHOLE, WHOLE
    if not by:
        slice_ = _of_filter(*next(iter(filters.items()))) if len(filters) == 1 else None
        return (slice_, slice_) if slice_ else None
    return _of_group(by[0], filters) if len(by) == 1 else None


def _of_filter(name: str, value: str) -> str | None:
    """The slice of a single filter."""
    if name == "region":
        return f"region:{len(value)}/{value}" if len(value) in DIGITS else None
    return f"{name}/{value}" if name in (*PLAIN, "member_kind", "month") else None


def _of_group(group: Group, filters: Mapping[str, str]) -> tuple[str, str] | None:
    """The slices of a grouping, limited by filters of its own sort."""
    # A region is its town's where there are no villages.
    digits = min(group.digits or TOWN, TOWN) if group.name == "region" else group.digits
    name = f"{group.name}:{digits}" if digits else group.name
    if name not in (*(f"region:{n}" for n in DIGITS), *PLAIN, "member_kind", "month"):
        return None
    if name == "month" and filters.keys() <= _MONTHS:
        return _of_months(filters)
    value = filters.get(group.name, "")
    if filters.keys() - {group.name} or len(value) > group.digits > 0:
        return None
    is_prefix = group.name == "region" or not value
    return f"{name}/{value}", f"{name}/{value}{_END if is_prefix else ''}"


def _of_months(filters: Mapping[str, str]) -> tuple[str, str]:
    """The slices of the months that meet all filters."""
    firsts = [filters[name] for name in ("from_month", "month") if name in filters]
    lasts = [filters[name] for name in ("to_month", "month") if name in filters]
    return f"month/{max(firsts, default='')}", f"month/{min(lasts, default=_END)}"


def presence_of(
    active: Iterable[tuple[tuple[int, int, str], int]], slices: Mapping[int, Sequence[str]]
) -> dict[str, dict[str, int]]:
    """Minutes by slice and member, of minutes by (month, cell, member) and the slices of cells."""
    of_months: _Minutes = defaultdict(lambda: defaultdict(int))
    of_cells: _Minutes = defaultdict(lambda: defaultdict(int))
    for (month, cell, member), minutes in active:
        of_months[month][member] += minutes
        of_cells[cell][member] += minutes
    found: dict[str, dict[str, int]] = {month_slice(m): each for m, each in of_months.items()}
    for cell, of_members in of_cells.items():
        for slice_ in slices[cell]:
            _add(found.setdefault(slice_, defaultdict(int)), of_members)
    return found


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for member, minutes in more.items():
        sums[member] += minutes
