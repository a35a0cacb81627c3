"""`hourledger checkpoint`: the log's size and root, signed, and those that were signed before."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli import display
from api.cli.program import Command
from api.cli.progress import progress
from api.cli.session import Session, session
from api.cli.signed_files import known_key, output_option, put
from ledger.domain.errors import CheckpointNotFound
from ledger.log.checkpoint import parse_checkpoint, parse_note

if TYPE_CHECKING:
    from ledger.store.log import KeptCheckpoint

#: Checkpoints listed at once.
PAGE = 1000


def sign(now: Session) -> "KeptCheckpoint":
    """A checkpoint of the log as it is; the last one that was signed where there is no key."""
    from ledger.checkpoints import Checkpoints, last_kept  # noqa: PLC0415 (not for --help)
    from ledger.signing import signer_of  # noqa: PLC0415

    store, signer = now.open().store, signer_of(now.settings())
    if signer is None:
        return last_kept(store)
    with progress("read back", None, unit="lines", shown=now.on_terminal) as advance:
        return Checkpoints(store, signer).sign(advance=advance)


def own_key(now: Session) -> str:
    """The public side of the signing key that is set, empty where there is none."""
    return str(known_key(now, None) or "")


def find(now: Session, size: int) -> "KeptCheckpoint":
    """The checkpoint of exactly this size. Raises CheckpointNotFound."""
    from ledger.checkpoints import kept_at  # noqa: PLC0415 (not for --help)

    kept = kept_at(now.open().store, size, own_key(now))
    if kept is None:
        raise CheckpointNotFound("size", size=size)
    return kept


def facts_of(kept: "KeptCheckpoint") -> dict[str, object]:
    """A checkpoint, taken apart."""
    found = parse_checkpoint(parse_note(kept.note).body)
    return {
        "origin": found.origin, "size": found.size, "root": found.root.hex(),
        "verifier": kept.verifier, "note": kept.note.decode(),
    }  # fmt: skip


def run(*, size: int | None, output: Path | None, listed: bool) -> None:
    """Sign and show a checkpoint, or show what was signed."""
    now = session()
    now.caller()
    if listed:
        show_all(now)
        return
    kept = sign(now) if size is None else find(now, size)
    if output is not None or not now.json:
        put(output, kept.note)
    if now.json:
        display.as_json(facts_of(kept))
    elif size is None and not own_key(now):
        tell_unsigned(now, kept)


def tell_unsigned(now: Session, kept: "KeptCheckpoint") -> None:
    """Say on stderr that nothing was signed now, and how far the log has grown since."""
    lines, head = parse_checkpoint(parse_note(kept.note).body).size, now.open().store.head()
    click.echo(
        "Nothing was signed now, for no signing key is set: this is the last that was signed, "
        f"of {lines:,} lines; the log has {head.position:,}.",
        err=True,
    )


def show_all(now: Session) -> None:
    """All checkpoints that were signed, by size."""
    rows: list[dict[str, object]] = []
    after = 0
    while some := now.open().store.checkpoints(after, PAGE):
        rows += map(facts_of, some)
        after = some[-1].size
    if now.json:
        display.as_json({"checkpoints": rows})
    elif rows:
        display.table(["size", "root", "verifier"], rows)
    else:
        click.echo("No checkpoint has been signed.")


command = Command(
    "checkpoint",
    params=[
        click.Option(["--size"], type=click.IntRange(min=1), metavar="NUMBER",
                     help="the one that was signed at this size; absent: the log as it is now, "
                     "or without a signing key the last that was signed"),
        click.Option(["--list", "listed"], is_flag=True, help="all that were signed, by size"),
        output_option(),
    ],
    callback=run,
    help="Sign the log's size and root, read back from its lines.",
)  # fmt: skip
