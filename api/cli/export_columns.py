"""The log in typed columns for other programs: as one Parquet file, or as a table for offices."""

import csv
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from api.cli.export import Written
from api.cli.progress import progress
from api.cli.rejects import escape
from api.cli.session import Session
from projections.columns import COLUMNS
from projections.extract import Extract, extract


@contextmanager
def _extract(now: Session, after: int, until: int) -> Iterator[Extract]:
    with (
        progress("export", until - after, unit="events", shown=now.on_terminal) as advance,
        extract(now.open().store, after, until, advance) as found,
    ):
        yield found


def write_parquet(now: Session, file: IO[bytes], after: int, until: int) -> Written:
    """Write a Parquet file. Raises CorruptLog."""
    with _extract(now, after, until) as found:
        path = found.parquet()
        with path.open("rb") as made:
            shutil.copyfileobj(made, file)
        size = path.stat().st_size
    return Written(
        f"Events written: {until - after:,}, {size:,} bytes of Parquet.", {"bytes": size}
    )


def write_csv(now: Session, file: IO[bytes], after: int, until: int) -> Written:
    """Write a table: UTF-8 with a mark at the beginning, CRLF, no cell that is a formula.

    Raises CorruptLog.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(COLUMNS)
    with _extract(now, after, until) as found:
        table.writerows([_cell(value) for value in row] for row in found.rows())
    text.detach()
    return Written(f"Events written: {until - after:,}.", {})


def _cell(value: Any) -> str:
    """A value as a cell; lots of money with their receipts."""
    if isinstance(value, list):
        return "; ".join(
            f"{lot['fen']} of {lot['receipt']} from {lot['source_kind']}/{lot['source_id']}"
            for lot in value
        )
    return "" if value is None else escape(str(value))
