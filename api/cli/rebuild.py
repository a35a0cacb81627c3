"""`hourledger rebuild`: the figures made anew from the log, compared, and taken into use."""

from api.cli.check import tell_differences
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.seal import good_segments
from api.cli.session import session


def run() -> None:
    """Build, compare, swap; whoever reads meanwhile reads on."""
    from projections.rebuild import rebuild  # noqa: PLC0415 (not for --help)

    now = session()
    now.require_whole("admin")
    store, reads = now.open().store, now.open_reads()
    done = 0
    with progress("figures", reads.position, unit="events", shown=now.on_terminal) as advance:

        def reached(position: int) -> None:
            nonlocal done
            advance(position - done)
            done = position

        built = rebuild(store, reads, progress=reached, segments=good_segments(now))
    same = "they are as they were" if not built.differences else "what was there before was wrong"
    sentence = f"The figures are made anew, true at position {built.position:,}; {same}."
    now.say(sentence, position=built.position, differences=built.differences)
    tell_differences(now, built.differences)


command = Command(
    "rebuild",
    callback=run,
    help="Make all figures anew, compare, and use them.",
)
