"""`hourledger receipt`: the log's signed word that a command was kept, and holding it to that."""

from pathlib import Path
from typing import Final

import click

from api.cli import display
from api.cli.program import Command, Sections
from api.cli.proof import KNOWN, require_same
from api.cli.session import Session, session
from api.cli.signed_files import Small, log_key_option, output_option, put, verifier_for
from ledger.log import checkpoint, tlog_proof
from ledger.log.checkpoint import Verifier
from ledger.log.proofs import BadProof
from ledger.log.receipt import BadReceipt, Receipt, check_against, check_receipt


def issue(*, command_id: str, output: Path | None) -> None:
    """Sign the receipt of a command that was carried out, from its stored lines."""
    from ledger.receipts import Receipts  # noqa: PLC0415 (not for --help)
    from ledger.signing import require_signer  # noqa: PLC0415

    now = session()
    now.require_whole("auditor")
    signer = require_signer(now.settings())
    text = Receipts(now.open().store, signer).of_command(command_id)
    if output is not None or not now.json:
        put(output, text)
    if now.json:
        display.as_json({"command_id": command_id, "receipt": text.decode()})


def check(
    *, file: bytes, log_key: Verifier | None, proofs: tuple[bytes, ...], known: bytes | None
) -> None:
    """Hold a receipt against proofs, or against the log itself."""
    now = session()
    verifier = verifier_for(now, log_key)
    receipt = check_receipt(file, verifier)
    if proofs:
        size = against_proofs(receipt, verifier, proofs, known)
        against = f"the checkpoint of {size}"
    else:
        size = against_log(now, receipt, verifier, known)
        against = f"the log of {size}"
    first, last = receipt.first, receipt.positions[-1]
    where = f"position {first}" if first == last else f"positions {first}–{last}"
    now.say(
        f"{receipt.command_id} stands at {where} in {against} events, as the receipt says.",
        command_id=receipt.command_id, origin=receipt.origin, recorded=receipt.recorded,
        first=first, last=last, size=size,
    )  # fmt: skip


def against_proofs(
    receipt: Receipt, verifier: Verifier, proofs: tuple[bytes, ...], known: bytes | None
) -> int:
    """Each event of a receipt has a proof, all in one tree, whose size is returned.

    Raises BadProof, BadReceipt, BadCheckpoint.
    """
    leaves, missing = dict(zip(receipt.positions, receipt.leaves, strict=True)), None
    trees = set()
    for text in proofs:
        position = tlog_proof.parse_inclusion(text).index + 1
        if position not in leaves:
            raise BadProof("position", position=position, error="not one of the receipt's")
        _, found = tlog_proof.verify_inclusion(text, leaves[position], verifier)
        leaves.pop(position)
        trees.add(found)
        if known is not None:
            require_same(found, known, verifier)
    missing = next(iter(leaves), None)
    if missing is not None:
        raise BadReceipt("position", position=missing, error="there is no proof for it")
    if len(trees) != 1:
        raise BadProof("checkpoint", error="the proofs lead to different checkpoints")
    return trees.pop().size


def against_log(now: Session, receipt: Receipt, verifier: Verifier, known: bytes | None) -> int:
    """The log has the receipt's events where it says; the size of the log is returned.

    Raises BadReceipt with the position, BadCheckpoint when the tree is not that of a checkpoint.
    """
    from ledger.receipts import leaves_at  # noqa: PLC0415 (not for --help)
    from ledger.store.tree import root_at  # noqa: PLC0415

    now.require_whole("auditor")
    store = now.open().store
    check_against(receipt, leaves_at(store, receipt.positions))
    head = store.head().position
    if known is not None:
        found = checkpoint.check(known, verifier, receipt.origin)
        if found.size > head or root_at(store, found.size) != found.root:
            raise checkpoint.BadCheckpoint("checkpoint", size=found.size, log=head)
    return head


COMMANDS: Final = {
    "issue": Command(
        "issue",
        params=[
            click.Argument(["command_id"], metavar="COMMAND-ID", help="as the answer told it"),
            output_option(),
        ],
        callback=issue,
        help="Sign the receipt of a command that was carried out.",
    ),
    "check": Command(
        "check",
        params=[
            click.Argument(["file"], type=Small(), help="the receipt; - is stdin"),
            log_key_option(),
            click.Option(["--proof", "proofs"], type=Small(), multiple=True, metavar="FILE",
                         help="a tlog-proof of each event, to check without the log"),
            click.Option(["--checkpoint", "known"], type=Small(), metavar="FILE", help=KNOWN),
        ],
        callback=check,
        help="Hold a receipt against proofs or the log.",
    ),
}  # fmt: skip

group = Sections(
    "receipt", {"Commands": tuple(COMMANDS)}, COMMANDS.get, help="Receipts of what was kept."
)
