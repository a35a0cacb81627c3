"""`hourledger rebuild`: the figures made anew from the log, compared, and taken into use."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from api.cli.check import tell_rows
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.refusals import REFUSED
from api.cli.seal import good_segments
from api.cli.session import Session, session
from ledger.domain.errors import BadSegment

if TYPE_CHECKING:
    from projections.rebuild import Difference
    from projections.segments import Segment


def run(*, use_sealed: bool) -> None:
    """Build, compare, swap; whoever reads meanwhile reads on."""
    from projections.rebuild import rebuild  # noqa: PLC0415 (not for --help)

    now = session()
    now.require_whole("admin")
    store, reads = now.open().store, now.open_reads()
    head = store.head().position
    with (
        progress("figures", head, unit="events", shown=now.on_terminal) as advance,
        ExitStack() as held,
    ):
        segments = _segments(now, held) if use_sealed else []
        built = rebuild(store, reads, progress=advance, segments=segments)
    same = "they are as they were" if built.compared_at else "there were none"
    if built.differences:
        same = "what was there before was wrong"
    sentence = f"The figures are made anew, true at position {built.position:,}; {same}."
    now.say(sentence, position=built.position, differences=built.differences)
    tell_differences(now, built.differences)


def tell_differences(now: Session, differences: "list[Difference]") -> None:
    """Name the tables that were wrong, and the first wrong row of each; then exit 1."""
    for found in () if now.json else differences:
        click.echo(f"Wrong: table {found.table} of the figures is not what the log says.", err=True)
        tell_rows(found.live_row, found.fresh_row)
    if differences:
        click.get_current_context().exit(REFUSED)


def _segments(now: Session, held: ExitStack) -> "list[Segment]":
    """What is sealed, if it is good; the log has everything else."""
    try:
        return held.enter_context(good_segments(now))
    except BadSegment as error:
        click.echo(f"What is sealed is not used: {error}", err=True)
        return []


command = Command(
    "rebuild",
    params=[
        click.Option(["--sealed", "use_sealed"], is_flag=True,
                     help="faster: trust what is sealed for the log it is of"),
    ],
    callback=run,
    help="Make all figures anew, compare, and use them.",
)  # fmt: skip
