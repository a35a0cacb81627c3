"""Parts of a fund: its receipts, targets and categories, each with the sums of its lines.

A fund has a line for each receipt in each account, and in those of what is spent for each
category: thousands in all. Its page shows sums of these lines, which are kept while the log is
folded.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from projections.tables import Record, Table, integers, text

#: Class of account → figure.
HELD: Final = {
    "unallocated": "unallocated_fen",
    "allocated": "allocated_fen",
    "spent": "spent_fen",
    "transit": "in_transit_fen",
    "returned": "returned_fen",
}
#: What left any other account of a fund came in, and what is in one went to another fund. The
#: sign tells: no fund sends to itself, so each of these accounts only sinks or only rises.
CAME_IN: Final = "received_fen"
WENT_AWAY: Final = "transferred_fen"
FIGURES: Final = (CAME_IN, *list(HELD.values())[:-1], WENT_AWAY, HELD["returned"])
#: Classes of accounts that name a target.
FOR_TARGETS: Final = ("allocated", "spent")
#: `part`: `receipt/F1-R1`, with its source; `target/project/P001`; `category/food`.
PARTS: Final = Table(
    "fund_parts", (*text("fund", "part", "source_kind", "source_id"), *integers(*FIGURES))
)
#: Accounts whose meaning is remembered.
ACCOUNTS_KEPT: Final = 1 << 14

_NUMBERS: Final = {name: number for number, name in enumerate(FIGURES)}

#: Fund, account, category, receipt, kind and id of the source.
Line = tuple[str, ...]


@lru_cache(maxsize=ACCOUNTS_KEPT)
def place_of(account: str) -> tuple[str, str]:
    """Where the fen of an account count, and for which target (empty for none).

    A place is a figure; of what came in or went away, where the sign of the sum says which, it is
    the account itself.
    """
    parts = account.split("/", 2)
    return HELD.get(parts[0], account), parts[2] if parts[0] in FOR_TARGETS else ""


def add_up(lines: Mapping[Line, int]) -> list[Record]:
    """The deltas of all parts, from those of the lines."""
    rows: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * len(FIGURES))
    for (fund, account, category, receipt, kind, source), fen in lines.items():
        place, target = place_of(account)
        if place not in _NUMBERS:
            place, fen = (CAME_IN, -fen) if fen < 0 else (WENT_AWAY, fen)  # noqa: PLW2901 (as it counts)
        for part, of_source in _parts(target, category, receipt, (kind, source)):
            rows[fund, part, *of_source][_NUMBERS[place]] += fen
    return [(*key, *figures) for key, figures in rows.items()]


def _parts(
    target: str, category: str, receipt: str, source: tuple[str, str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The parts that a line counts in."""
    yield f"receipt/{receipt}", source
    if target:
        yield f"target/{target}", ("", "")
    if category:
        yield f"category/{category}", ("", "")


def _is_in(class_: str) -> str:
    return f"substr(account, 1, {len(class_) + 1}) = '{class_}/'"


def _sums_sql() -> str:
    held = " OR ".join(map(_is_in, HELD))
    tests = {figure: (_is_in(class_), "fen") for class_, figure in HELD.items()} | {
        CAME_IN: (f"fen < 0 AND NOT ({held})", "-fen"),
        WENT_AWAY: (f"fen > 0 AND NOT ({held})", "fen"),
    }
    cases = ((name, *tests[name]) for name in FIGURES)
    return ", ".join(
        f"CAST(SUM(CASE WHEN {test} THEN {fen} ELSE 0 END) AS BIGINT) AS {name}"
        for name, test, fen in cases
    )


def _select_sql() -> str:
    sums = _sums_sql()
    target = " ".join(
        f"WHEN {_is_in(class_)} THEN substr(account, length(fund) + {len(class_) + 3})"
        for class_ in FOR_TARGETS
    )
    aimed = f"(SELECT fund, account, fen, CASE {target} ELSE '' END AS target FROM {{g}}usage)"
    nobodys = "'' AS source_kind, '' AS source_id"
    return (
        f"SELECT fund, 'receipt/' || receipt AS part, source_kind, source_id, {sums}"
        " FROM {g}usage GROUP BY fund, receipt, source_kind, source_id"
        f" UNION ALL SELECT fund, 'target/' || target AS part, {nobodys}, {sums}"
        f" FROM {aimed} AS aimed WHERE target <> '' GROUP BY fund, target"
        f" UNION ALL SELECT fund, 'category/' || category AS part, {nobodys}, {sums}"
        " FROM {g}usage WHERE category <> '' GROUP BY fund, category"
    )


#: The query for all rows, from the lines.
SELECT_SQL: Final = _select_sql()
