"""`hourledger bundle`: a folder that proves figures to someone who trusts nobody."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli import reading
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session
from api.cli.shapes import Shape
from ledger.domain.errors import Forbidden, Unavailable
from ledger.domain.values import Code, MemberId

if TYPE_CHECKING:
    from api.evidence.bundle import Bundled

#: How often to begin again when others sign more of the log meanwhile.
ATTEMPTS: Final = 5
#: Endings of archives that are not written; a folder of such a name would mislead.
OTHER_ARCHIVES: Final = frozenset({".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


def run(*, target: str, member: str | None, fund: str | None, with_notes: bool) -> None:
    """Write a bundle. Raises Forbidden, NotFound, InvalidSettings, CorruptLog, Unavailable."""
    if member and fund:
        raise click.UsageError("--member and --fund exclude each other.")
    if Path(target).suffix.lower() in OTHER_ARCHIVES:
        raise click.UsageError(f"{target}: a bundle is a folder, or a file ending in .zip or .tar.")
    now = session()
    stream = f"member/{member}" if member else f"fund/{fund}" if fund else ""
    _check_scope(now, stream)
    from api.evidence.bundle import verify_program  # noqa: PLC0415 (not for --help)
    from api.evidence.packing import packed  # noqa: PLC0415

    try:
        with packed(Path(target)) as folder:
            made = _write(now, stream, folder, with_notes=with_notes)
    except FileExistsError as error:
        raise click.UsageError(f"{error}") from None
    except OSError as error:
        if error.strerror is None:  # in words of its own, as when figures find no room to be made
            raise
        raise OSError(error.errno, error.strerror, target) from error
    program = sha256(verify_program()).hexdigest()
    now.say(
        f"Bundle of {stream or 'the whole log'} at line {made.size:,}: {target}\n"
        f"  public key         {made.key}\n"
        f"  SHA-256 verify.py  {program}\n"
        "Let the auditor have these two on another way than the bundle." + _warning(made, stream),
        target=target, stream=stream, size=made.size, root=made.root.hex(), key=made.key,
        verify=program, grants=made.grants,
    )  # fmt: skip


def _check_scope(now: Session, stream: str) -> None:
    """Whoever may see all that is in the lines. Raises Forbidden, NotFound."""
    from projections.scope import CHECKS  # noqa: PLC0415 (not for --help)
    from projections.visibility import Visibility  # noqa: PLC0415

    kind, _, owner = stream.partition("/")
    if not stream:
        now.require_whole("auditor")
        return
    caller = now.require_role("auditor")
    reading.bring_up(now)
    with now.open_reads().read() as live:
        CHECKS[kind](live, caller, owner, kind)
        lines = now.open().store.select_streams([stream])
        if not all(map(Visibility(live, caller).sees_line, lines)):
            raise Forbidden(kind, needs="a key without scope")


def _write(now: Session, stream: str, folder: Path, *, with_notes: bool) -> "Bundled":
    """Write the files, at the position of the figures."""
    from api.evidence.bundle import Contents, write_bundle  # noqa: PLC0415
    from ledger.signing import require_signer  # noqa: PLC0415

    ledger = now.open()
    signer, store, reads = require_signer(ledger.settings), ledger.store, now.open_reads()
    for _ in range(ATTEMPTS):
        reading.bring_up(now)
        with reads.read() as snapshot:
            last = store.last_checkpoint(str(signer.verifier))
            if last is None or last.size <= snapshot.position:
                total = None if stream else snapshot.position
                title = stream or "lines"
                with progress(title, total, unit="lines", shown=now.on_terminal) as advance:
                    contents = Contents(store, snapshot, signer, stream, with_notes, advance)
                    return write_bundle(contents, folder)
    raise Unavailable("checkpoint")


def _warning(made: "Bundled", stream: str) -> str:
    """What the one who hands a bundle on should know."""
    if not (made.grants and stream.startswith("fund/")):
        return ""
    return f"\nNote: {made.grants:,} lines name grants, whose ids begin with the members' numbers."


command = Command(
    "bundle",
    params=[
        click.Argument(["target"], metavar="TARGET",
                       help="a new folder, or a new file that ends with .zip or .tar"),
        click.Option(["--member"], type=Shape(MemberId), help="of this member alone"),
        click.Option(["--fund"], type=Shape(Code), help="of this fund alone"),
        click.Option(["--with-notes"], is_flag=True,
                     help="with the free texts and their salts, as far as they were not erased"),
    ],
    callback=run,
    help="Write a folder that proves figures to whoever has Python alone.",
)  # fmt: skip
