"""`hourledger seal`: the log as Parquet segments, each bound to the root of the tree at its end."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session
from ledger.domain.errors import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projections.segments import Segment


def sealed_folder(now: Session) -> Path:
    """The folder of sealed segments. Raises InvalidSettings for none, and one out of reach."""
    folder = now.open().settings.sealed
    if folder is None:
        raise InvalidSettings("LEDGER_SEALED_FOLDER", reason="where to seal is not said")
    try:
        str(folder).encode()
    except UnicodeEncodeError:  # DuckDB opens files by names that are text
        reason = "the folder's name is not UTF-8; name another one"
        raise InvalidSettings("LEDGER_SEALED_FOLDER", reason=reason) from None
    return folder


@contextmanager
def good_segments(now: Session) -> "Iterator[list[Segment]]":
    """What is sealed, whole, held against its digests and the log; none where no folder is named.

    Raises BadSegment.
    """
    from projections.segments import check_whole, opened  # noqa: PLC0415 (not for --help)

    ledger = now.open()
    folder = ledger.settings.sealed
    if folder is not None:
        check_whole(folder)
    with opened(ledger.store, folder) as segments:
        yield segments


def run(*, until: int | None) -> None:
    """Seal what is not sealed yet, up to the end of the log or a position."""
    from projections.segments import seal  # noqa: PLC0415 (not for --help)

    now = session()
    now.require_whole("auditor")
    folder, store = sealed_folder(now), now.open().store
    size = store.head().position
    until = size if until is None else until
    if until > size:
        raise click.UsageError(f"--until {until} is beyond the last line, {size}.")
    with progress("seal", None, unit="events", shown=now.on_terminal) as advance:
        segments = seal(store, folder, until=until, progress=advance)
    count = sum(file.bytes for segment in segments for file in segment.manifest.files)
    last = segments[-1].manifest if segments else None
    root, end = (last.root, last.last) if last else ("", 0)
    noun = "segment" if len(segments) == 1 else "segments"
    sentence = f"Sealed: {end:,} events in {len(segments)} {noun}."
    if root:
        sentence += f" Root of the first {end:,}: {root}"
    now.say(sentence, until=end, root=root, segments=len(segments), bytes=count, folder=str(folder))


command = Command(
    "seal",
    params=[
        click.Option(
            ["--until"],
            metavar="POSITION",
            type=click.IntRange(min=1),
            help="seal only up to this position",
        ),
    ],
    callback=run,
    help="Write the log as Parquet segments with manifests, for fast recomputation.",
)
