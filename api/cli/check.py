"""`hourledger check`: everything that is stored, recomputed and compared; the first fault named."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.program import Command
from api.cli.progress import progress
from api.cli.reading import STEP, bring_up
from api.cli.refusals import REFUSED
from api.cli.session import Session, session
from api.cli.signed_files import Small, log_key_option, verifier_for
from ledger.domain.errors import CorruptLog
from ledger.line_check import LineCheck, check_stored, rows_of_lines, signed_roots
from ledger.log import checkpoint
from ledger.log.checkpoint import Checkpoint, Verifier

if TYPE_CHECKING:
    from projections.rebuild import Difference


def check_lines(now: Session, signed: Mapping[int, bytes] | None = None) -> LineCheck:
    """Every row of the log, against its neighbours, its hashes and what was signed.

    `signed`: roots by size. Raises CorruptLog.
    """
    store = now.open().store
    size, _ = store.glance(())
    with progress("lines", size, unit="lines", shown=now.on_terminal) as advance:
        return check_stored(store, signed or {}, advance)


def check_exported(now: Session, path: Path, signed: Mapping[int, bytes]) -> LineCheck:
    """The lines of an export, without any database. Raises CorruptLog."""
    lines = LineCheck(signed, exported=True)
    with (
        path.open("rb") as file,
        progress("lines", None, unit="lines", shown=now.on_terminal) as advance,
    ):
        for row in rows_of_lines(file):
            lines.take(row)
            advance(1)
    lines.end()
    return lines


def checkpoints_of(now: Session, notes: Sequence[bytes], key: Verifier | None) -> list[Checkpoint]:
    """The checkpoints given, each signed by the log's key. Raises BadCheckpoint."""
    if not notes:
        return []
    verifier = verifier_for(now, key)
    return [checkpoint.check(note, verifier, verifier.name) for note in notes]


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


def run(
    *, figures: bool, notes: tuple[bytes, ...], exported: Path | None, log_key: Verifier | None
) -> None:
    """Check the log, then the figures; the first thing wrong ends it."""
    now = session()
    given = checkpoints_of(now, notes, log_key)
    if exported is not None:
        tell_right(now, check_exported(now, exported, signed_roots(None, given)))
        return
    now.require_whole("admin" if figures else "auditor")
    lines = check_lines(now, signed_roots(now.open().store, given))
    differences = check_figures(now) if figures else []
    tell_right(now, lines, figures=figures, differences=differences)
    tell_differences(now, differences)


def tell_right(
    now: Session,
    lines: LineCheck,
    *,
    figures: bool = False,
    differences: "Sequence[Difference]" = (),
) -> None:
    """Say what was found right."""
    root, until = lines.root.hex(), lines.signed_until
    right = f"The log is right: {lines.size:,} lines with root {root}."
    if until:
        right += f"\nThe first {until:,} lines are those that were signed."
    if figures and not differences:
        right += "\nThe figures are what the log says."
    facts = {"lines": lines.size, "root": root, "signed": until}
    now.say(right, **facts, figures=figures, differences=differences)


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
        click.Option(["--checkpoint", "notes"], type=Small(), multiple=True, metavar="FILE",
                     help="a signed checkpoint that the log must still hold"),
        click.Option(["--lines", "exported"], metavar="FILE",
                     type=click.Path(exists=True, dir_okay=False, path_type=Path),
                     help="exported lines to check instead, without the database"),
        log_key_option(),
    ],
    callback=run,
    help="Recompute all that is stored; name the first fault.",
)  # fmt: skip
