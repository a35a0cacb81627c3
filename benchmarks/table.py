"""Rows as a table for people to read."""

from collections.abc import Iterable

from benchmarks.running import Row

HEADING = ("Work", "Database", "Ours", "Beside", "Theirs", "Ratio", "Must reach", "Peak memory")


def table(rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [HEADING, tuple("---" for _ in HEADING), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.work,
        row.database,
        f"{number(row.ours)} {row.unit}" + (f" ({row.note})" if row.note else ""),
        row.peer,
        "" if row.peers is None else f"{number(row.peers)} {row.unit}",
        "" if row.ratio is None else f"{row.ratio:.3g} ×",
        _target(row),
        "" if row.peak_mib is None else f"{row.peak_mib:,.0f} MiB",
    )


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    sign = "≤" if row.is_upper else "≥"
    bound = f"{sign} {number(row.target)}{' ×' if row.ratio is not None else ''}"
    return f"{bound} {'✓' if row.is_reached else '✗'}"


def number(value: float) -> str:
    """A figure with three or four digits that count."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
