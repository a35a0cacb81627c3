"""`hourledger check`: everything that is stored, recomputed and compared; the first fault named."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from api.cli.program import Command
from api.cli.progress import progress
from api.cli.reading import bring_up
from api.cli.refusals import REFUSED
from api.cli.seal import good_segments
from api.cli.session import Session, session
from api.cli.signed_files import Small, known_key, log_key_option, verifier_for
from ledger.domain.errors import CorruptLog, InvalidSettings, LedgerError
from ledger.line_check import LineCheck, check_stored, rows_of_lines, signed_roots
from ledger.log import checkpoint
from ledger.log.checkpoint import Checkpoint, Verifier
from ledger.table_check import check_tables

if TYPE_CHECKING:
    from ledger.store.log import Row
    from projections.two_engines import Parting

    Take = Callable[[list[Row]], None]


def check_lines(
    now: Session, signed: Mapping[int, bytes], also: "Take" = lambda _: None
) -> LineCheck:
    """Every row of the log, against its neighbours, its hashes, what was signed, and the money.

    Then what is kept beside it: answered commands and texts.
    `signed`: roots by size. Right rows are also handed on. Raises CorruptLog.
    """
    from projections.overdrawn import Overdrawn  # noqa: PLC0415 (not for --help)

    store, money = now.open().store, Overdrawn()
    size, _ = store.glance(())

    def take(rows: "list[Row]") -> None:
        money.take(rows)
        also(rows)

    with progress("lines", size, unit="lines", shown=now.on_terminal) as advance:
        lines = check_stored(store, signed, advance, take)
    check_tables(store)
    return lines


def check_exported(now: Session, path: Path, signed: Mapping[int, bytes]) -> LineCheck:
    """The lines of an export, without any database. Raises CorruptLog."""
    from projections.overdrawn import Overdrawn  # noqa: PLC0415 (not for --help)

    lines, money = LineCheck(signed, exported=True), Overdrawn()
    with (
        path.open("rb") as file,
        progress("lines", None, unit="lines", shown=now.on_terminal) as advance,
    ):
        for row in rows_of_lines(file):
            lines.take(row)
            money.take([row])
            advance(1)
    lines.end()
    return lines


def checkpoints_of(now: Session, notes: Sequence[bytes], key: Verifier | None) -> list[Checkpoint]:
    """The checkpoints given, each signed by the log's key. Raises BadCheckpoint."""
    if not notes:
        return []
    verifier = verifier_for(now, key)
    return [checkpoint.check(note, verifier, verifier.name) for note in notes]


def check_all(now: Session, signed: Mapping[int, bytes]) -> "tuple[LineCheck, list[Parting]]":
    """The log, and the figures that are not what it says by either engine; nothing is replaced.

    One pass over the log serves all. Raises CorruptLog, also when the figures have seen more
    than the log holds; PositionMoved when a rebuild beside it dropped the tables it compares with.
    """
    from projections.two_engines import TwoEngines  # noqa: PLC0415 (not for --help)

    store, reads = now.open().store, now.open_reads()
    head, _ = store.glance(())
    if reads.position > head:
        fault = f"missing: the figures were true at {reads.position}"
        raise CorruptLog("position", position=head + 1, error=fault)
    trouble = _bring_up(now)
    with TwoEngines(store, reads, head) as engines:
        lines = check_lines(now, signed, engines.take)
        if trouble is not None:
            raise trouble
        with good_segments(now) as segments:
            engines.hold(segments)
        return lines, engines.compare()


def _check_again(now: Session, signed: Mapping[int, bytes]) -> "tuple[LineCheck, list[Parting]]":
    """`check_all`, once more where a rebuild came between: that says nothing of the log."""
    from projections.session import PositionMoved  # noqa: PLC0415 (not for --help)

    try:
        return check_all(now, signed)
    except PositionMoved:
        return check_all(now, signed)


def _bring_up(now: Session) -> LedgerError | None:
    """Bring the figures to the end of the log; what hinders it is told after the lines.

    Before anything is folded beside them: where there are none yet, this makes new tables.
    """
    try:
        bring_up(now)
    except (CorruptLog, InvalidSettings) as error:
        return error
    return None


def run(
    *, figures: bool, notes: tuple[bytes, ...], exported: Path | None, log_key: Verifier | None
) -> None:
    """Check the log, then the figures; the first thing wrong ends it."""
    now = session()
    given = checkpoints_of(now, notes, log_key)
    if exported is not None:
        if figures and _is_said("figures"):
            raise click.UsageError("--figures are in the database, which --lines does without.")
        tell_right(now, check_exported(now, exported, signed_roots(None, given)))
        return
    now.require_whole("admin" if figures else "auditor")
    key = known_key(now, log_key)
    signed = signed_roots(now.open().store, given, key)
    lines, partings = _check_again(now, signed) if figures else (check_lines(now, signed), [])
    tell_right(now, lines, figures=figures, partings=partings, is_key_known=key is not None)
    tell_partings(now, partings)


def _is_said(option: str) -> bool:
    """Whether an option was given, and is not only what holds without it."""
    return click.get_current_context().get_parameter_source(option) == ParameterSource.COMMANDLINE


def tell_right(
    now: Session,
    lines: LineCheck,
    *,
    figures: bool = False,
    partings: "Sequence[Parting]" = (),
    is_key_known: bool = True,
) -> None:
    """Say what was found right."""
    root, until = lines.root.hex(), lines.signed_until
    right = f"The log is right: {lines.size:,} lines with root {root}."
    if until:
        right += f"\nThe first {until:,} lines are those that were signed"
        right += "." if is_key_known else ", by whatever key (--log-key names the right one)."
    if figures and not partings:
        right += "\nThe figures are what the log says, folded and recomputed."
    facts = {"lines": lines.size, "root": root, "signed": until}
    now.say(right, **facts, figures=figures, differences=partings)


def tell_partings(now: Session, partings: "list[Parting]") -> None:
    """Name each table that was wrong, the figure and the first event it parts at; then exit 1."""
    for found in () if now.json else partings:
        way = "of the figures" if found.engine == "stored" else "as it is folded"
        click.echo(f"Wrong: table {found.table} {way} is not what the log says.", err=True)
        at = f"from the event at {found.position:,} on" if found.position else "without any event"
        click.echo(f"  {found.figure} {at}", err=True)
        tell_rows(found.live_row, found.fresh_row)
    if partings:
        click.get_current_context().exit(REFUSED)


def tell_rows(there: tuple[Any, ...] | None, right: tuple[Any, ...] | None) -> None:
    """A row as it is and as it should be."""
    click.echo(f"  there      {there}", err=True)
    click.echo(f"  should be  {right}", err=True)


command = Command(
    "check",
    params=[
        click.Option(["--figures/--no-figures"], default=True, show_default=True,
                     help="also make all figures anew, in two ways, and compare"),
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
