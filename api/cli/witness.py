"""`hourledger witness`: watch a log of someone else, cosign what continues, prove what does not."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli import display
from api.cli.log_source import FolderLog, HttpLog, StoredLog, is_url
from api.cli.program import Command, Sections
from api.cli.session import Session, session
from api.cli.signed_files import KeyShape, Small, log_key_option, output_option, put, verifier_for
from ledger.log import checkpoint
from ledger.log.checkpoint import Verifier
from ledger.log.fork import check_fork

if TYPE_CHECKING:
    from ledger.witness import Source


def observe(
    *, source: str | None, log_key: Verifier | None, state: Path, witness_key: Path,
    output: Path | None,
) -> None:  # fmt: skip
    """Ask a log for its checkpoint, and cosign it if it continues the last one seen."""
    from ledger.signing import read_key  # noqa: PLC0415 (not for --help)
    from ledger.witness import Witness  # noqa: PLC0415

    now = session()
    log, signer = verifier_for(now, log_key), read_key(witness_key, at="witness-key")
    seen = Witness(state, signer, log).observe(source_of(now, source, log), int(time.time()))
    if output is not None or not now.json:
        put(output, seen.note)
    size = seen.checkpoint.size
    if now.json:
        display.as_json({
            "origin": seen.checkpoint.origin, "size": size, "root": seen.checkpoint.root.hex(),
            "before": seen.before, "note": seen.note.decode(),
        })  # fmt: skip
    else:
        since = f"continues the {seen.before:,} seen before" if seen.before else "is seen first"
        click.echo(f"Cosigned: {size:,} events, which {since}.", err=True)


def source_of(now: Session, source: str | None, log: Verifier) -> "Source":
    """The log that is asked."""
    if source is None:
        return StoredLog(now.open().store, log)
    if is_url(source):
        return HttpLog(source, now.secret)
    return FolderLog(Path(source))


def check(*, file: bytes, log_key: Verifier | None, witness_key: Verifier) -> None:
    """Check a checkpoint that a witness has cosigned."""
    now = session()
    found = checkpoint.check(file, verifier_for(now, log_key))
    seconds = checkpoint.cosigned_at(file, witness_key)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    now.say(
        f"{witness_key.name} saw {found.origin} with {found.size:,} events at {moment}.",
        origin=found.origin, size=found.size, root=found.root.hex(), witness=witness_key.name,
        seen=moment,
    )  # fmt: skip


def show_fork(*, file: bytes, log_key: Verifier | None) -> None:
    """Check that a file proves a fork."""
    now = session()
    older, newer = check_fork(file, verifier_for(now, log_key))
    now.say(
        f"{older.origin} has signed two histories: one of {older.size:,} events with root"
        f" {older.root.hex()}, and one of {newer.size:,} that does not begin with it.",
        origin=older.origin, older=older.size, newer=newer.size, older_root=older.root.hex(),
        newer_root=newer.root.hex(),
    )  # fmt: skip


COMMANDS: Final = {
    "observe": Command(
        "observe",
        params=[
            click.Argument(["source"], required=False,
                           help="the log's address (asked with --key), or a folder with "
                           "`checkpoint` and the exported lines; the own database if absent"),
            log_key_option(),
            click.Option(["--state"], required=True, metavar="FOLDER",
                         type=click.Path(file_okay=False, path_type=Path),
                         help="where the last checkpoint seen of each log is kept"),
            click.Option(["--witness-key"], required=True, metavar="FILE",
                         type=click.Path(dir_okay=False, path_type=Path),
                         help="the private key that cosigns: keygen --witness"),
            output_option(),
        ],
        callback=observe,
        help="Cosign a log's checkpoint if it continues the last seen.",
    ),
    "check": Command(
        "check",
        params=[
            click.Argument(["file"], type=Small(), help="the cosigned checkpoint; - is stdin"),
            log_key_option(),
            click.Option(["--witness-key"], type=KeyShape(), required=True, metavar="KEY",
                         help="the witness's public key, or a file with it"),
        ],
        callback=check,
        help="Check a checkpoint that a witness has cosigned.",
    ),
    "check-fork": Command(
        "check-fork",
        params=[
            click.Argument(["file"], type=Small(), help="the fork proof; - is stdin"),
            log_key_option(),
        ],
        callback=show_fork,
        help="Check that a file proves that a log has forked.",
    ),
}  # fmt: skip

group = Sections(
    "witness", {"Commands": tuple(COMMANDS)}, COMMANDS.get, help="Watch a log; prove a fork of it."
)
