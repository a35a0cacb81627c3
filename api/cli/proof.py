"""`hourledger proof`: that an event is in the log, that the log only grew; and checking both."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli import checkpoint, display
from api.cli.program import Command, Sections
from api.cli.session import Session, session
from api.cli.signed_files import Small, log_key_option, output_option, put, verifier_for
from ledger.domain.errors import InvalidCommand
from ledger.log import merkle, tlog_proof
from ledger.log.checkpoint import BadCheckpoint, Checkpoint, Verifier, base64_of, unbase64
from ledger.log.tlog_proof import ConsistencyProof, InclusionProof

if TYPE_CHECKING:
    from ledger.store.log import KeptCheckpoint


def inclusion(*, position: int, size: int | None, output: Path | None) -> None:
    """Prove that the event at a position is in the tree of a checkpoint."""
    from ledger.store.tree import prove_inclusion  # noqa: PLC0415 (not for --help)

    now = session()
    now.caller()
    kept = covering(now, position, size)
    if position > kept.size:
        raise InvalidCommand("position", reason=f"the checkpoint has {kept.size} events")
    hashes = prove_inclusion(now.open().store, position, kept.size)
    proof = InclusionProof(position - 1, hashes, kept.note)
    tell(now, output, proof.text(), position=position, size=kept.size, hashes=hashes)


def consistency(*, older: int, size: int | None, output: Path | None) -> None:
    """Prove that the tree of a checkpoint begins with a smaller one."""
    from ledger.store.tree import prove_consistency  # noqa: PLC0415 (not for --help)

    now = session()
    now.caller()
    kept = covering(now, older, size)
    if older > kept.size:
        raise InvalidCommand("older", reason=f"the checkpoint has {kept.size} events")
    hashes = prove_consistency(now.open().store, older, kept.size)
    proof = ConsistencyProof(older, hashes, kept.note)
    tell(now, output, proof.text(), older=older, size=kept.size, hashes=hashes)


def covering(now: Session, position: int, size: int | None) -> "KeptCheckpoint":
    """The checkpoint of a size; absent: the last that was signed, or a new one if that is short.

    Raises CheckpointNotFound.
    """
    if size is not None:
        return checkpoint.find(now, size)
    kept = now.open().store.last_checkpoint(checkpoint.own_key(now))
    return kept if kept is not None and kept.size >= position else checkpoint.sign(now)


def tell(
    now: Session, output: Path | None, text: bytes, *, hashes: list[bytes], **facts: int
) -> None:
    """Write the proof out."""
    if output is not None or not now.json:
        put(output, text)
    if now.json:
        shown = list(map(base64_of, hashes))
        display.as_json({**facts, "hashes": shown, "proof": text.decode()})


def check(
    *, file: bytes, log_key: Verifier | None, line: bytes | None, leaf: str | None,
    older: bytes | None, known: bytes | None,
) -> None:  # fmt: skip
    """Check a proof of either sort, without any log."""
    now = session()
    verifier = verifier_for(now, log_key)
    if tlog_proof.is_inclusion(file):
        if older is not None:
            raise click.UsageError("--older is for a consistency proof; this one is of an event.")
        proof, found = tlog_proof.verify_inclusion(file, leaf_of(line, leaf), verifier)
        sentence = (
            f"The event stands at position {proof.index + 1} of {found.size} in {found.origin}."
        )
        facts = {"position": proof.index + 1}
    else:
        if older is None:
            raise click.UsageError("--older is needed: the smaller checkpoint.")
        if line is not None or leaf is not None:
            raise click.UsageError("--line and --leaf are for the proof of an event.")
        old, found = tlog_proof.verify_consistency(file, older, verifier)
        sentence = f"{found.origin} only grew from {old.size} events to {found.size}."
        facts = {"older": old.size}
    if known is not None:
        require_same(found, known, verifier)
    now.say(sentence, **facts, size=found.size, origin=found.origin, root=found.root.hex())


def require_same(found: Checkpoint, known: bytes, verifier: Verifier) -> None:
    """The checkpoint of a proof is the one that is held. Raises BadCheckpoint."""
    from ledger.log.checkpoint import check as check_note  # noqa: PLC0415 (its name is taken here)

    if check_note(known, verifier) != found:
        raise BadCheckpoint("checkpoint", size=found.size)


def leaf_of(line: bytes | None, leaf: str | None) -> bytes:
    """The leaf hash that is given: by the line itself, or as hex or base64."""
    if (line is None) == (leaf is None):
        raise click.UsageError("One of --line and --leaf is needed.")
    if line is not None:
        return merkle.leaf_hash(line.removesuffix(b"\n"))
    assert leaf is not None
    try:
        return bytes.fromhex(leaf) if len(leaf) == 64 else unbase64(leaf)
    except ValueError:
        raise click.UsageError("--leaf is 64 hex digits, or base64.") from None


_size = click.Option(
    ["--size"], type=click.IntRange(min=1), metavar="NUMBER",
    help="in the checkpoint of this size; absent: the last that was signed, or a new one",
)  # fmt: skip
KNOWN: Final = "the proof must lead to this very checkpoint"

COMMANDS: Final = {
    "inclusion": Command(
        "inclusion",
        params=[
            click.Argument(["position"], type=click.IntRange(min=1), help="of the event"),
            _size, output_option(),
        ],
        callback=inclusion,
        help="Prove that an event is in the log, as a C2SP tlog-proof.",
    ),
    "consistency": Command(
        "consistency",
        params=[
            click.Argument(["older"], type=click.IntRange(min=0), help="the smaller size"),
            _size, output_option(),
        ],
        callback=consistency,
        help="Prove that the log only grew since it had a smaller size.",
    ),
    "check": Command(
        "check",
        params=[
            click.Argument(["file"], type=Small(), help="the proof; - is stdin"),
            log_key_option(),
            click.Option(["--line"], type=Small(), metavar="FILE",
                         help="the exported line of the event"),
            click.Option(["--leaf"], metavar="HASH", help="or its leaf hash, in hex or base64"),
            click.Option(["--older"], type=Small(), metavar="FILE",
                         help="the smaller checkpoint, for a proof of consistency"),
            click.Option(["--checkpoint", "known"], type=Small(), metavar="FILE", help=KNOWN),
        ],
        callback=check,
        help="Check a proof with the log's public key alone.",
    ),
}  # fmt: skip

group = Sections(
    "proof", {"Commands": tuple(COMMANDS)}, COMMANDS.get, help="Prove from the log, and check."
)
