"""`hourledger check`: everything that is stored, recomputed and compared; the first fault named."""

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from api.cli.export import rows_between
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.reading import STEP, bring_up
from api.cli.refusals import REFUSED
from api.cli.session import Session, session
from ledger.domain.errors import CorruptLog
from ledger.log import codec, merkle
from ledger.store.log import Row

if TYPE_CHECKING:
    from projections.rebuild import Difference


class LineCheck:
    """The log read line by line: `take` each row in order; the first wrong one is refused."""

    def __init__(self) -> None:
        self.size = 0
        self.frontier: list[bytes] = []
        self._versions: defaultdict[str, int] = defaultdict(int)
        self._latest: datetime | None = None

    def take(self, row: Row) -> None:
        """One more row. Raises CorruptLog with the position and what is wrong there."""
        fault = self._fault(row)
        if fault:
            raise CorruptLog("position", position=self.size + 1, error=fault)
        self.size += 1

    def _fault(self, row: Row) -> str:
        """What is wrong with a row, empty when it is right."""
        if row.position != self.size + 1:
            return f"missing: the next row is at {row.position}"
        self._versions[row.originator_id] += 1
        if row.originator_version != self._versions[row.originator_id]:
            return f"version {row.originator_version} is not the next of {row.originator_id}"
        try:
            event = codec.decode_canonical(row.topic, row.state)
        except CorruptLog as error:
            return str(error.facts.get("error") or f"unknown topic {row.topic}")
        if self._latest and event.timestamp < self._latest:
            return "recorded before the row in front of it"
        self._latest = event.timestamp
        hashes = merkle.extend(self.frontier, self.size, merkle.leaf_hash(row.line()))
        return "" if hashes == row.hashes else "the stored hashes are not those of the line"


def check_lines(now: Session) -> LineCheck:
    """Every row of the log, against its neighbours and its hashes. Raises CorruptLog."""
    store, lines = now.open().store, LineCheck()
    size = store.head().position
    with progress("lines", size, unit="lines", shown=now.on_terminal) as advance:
        for rows in rows_between(store, 0, size):
            for row in rows:
                lines.take(row)
            advance(len(rows))
    return lines


def check_figures(now: Session) -> "list[Difference]":
    """The tables of the read models that are not what the log says; nothing is replaced.

    Raises CorruptLog when they have seen more than the log holds.
    """
    from projections.rebuild import compare  # noqa: PLC0415 (not for --help)
    from projections.runner import catch_up  # noqa: PLC0415

    store, reads = now.open().store, now.open_reads()
    head = store.head().position
    if reads.position > head:
        fault = f"missing: the figures were true at {reads.position}"
        raise CorruptLog("position", position=head + 1, error=fault)
    bring_up(now)
    fresh, done = reads.begin(), 0
    try:
        with progress("figures", head, unit="events", shown=now.on_terminal) as advance:
            while done < head:
                reached = catch_up(store, reads, until=min(done + STEP, head), generation=fresh)
                advance(reached - done)
                done = reached
            return compare(store, reads, fresh)[1]
    finally:
        reads.drop_unused(fresh)


def run(*, figures: bool) -> None:
    """Check the log, then the figures; the first thing wrong ends it."""
    now = session()
    now.require_whole("admin" if figures else "auditor")
    lines = check_lines(now)
    differences = check_figures(now) if figures else []
    root = merkle.root(lines.frontier).hex()
    right = f"The log is right: {lines.size:,} lines with root {root}."
    if figures and not differences:
        right += "\nThe figures are what the log says."
    now.say(right, lines=lines.size, root=root, figures=figures, differences=differences)
    tell_differences(now, differences)


def tell_differences(now: Session, differences: "list[Difference]") -> None:
    """Name the tables that were wrong, and the first wrong row of each; then exit 1."""
    for found in () if now.json else differences:
        click.echo(f"Wrong: table {found.table} of the figures is not what the log says.", err=True)
        click.echo(f"  there      {found.live_row}", err=True)
        click.echo(f"  should be  {found.fresh_row}", err=True)
    if differences:
        click.get_current_context().exit(REFUSED)


command = Command(
    "check",
    params=[
        click.Option(["--figures/--no-figures"], default=True, show_default=True,
                     help="also make all figures anew and compare"),
    ],
    callback=run,
    help="Recompute all that is stored; name the first fault.",
)  # fmt: skip
