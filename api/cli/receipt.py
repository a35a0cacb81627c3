"""`hourledger receipt`: the log's signed word that a command was kept, and holding it to that."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from api.cli import display
from api.cli.program import Command, Sections
from api.cli.proof import KNOWN, require_same
from api.cli.session import Session, session
from api.cli.signed_files import Small, log_key_option, output_option, put, verifier_for
from ledger.domain.errors import CorruptLog
from ledger.log import checkpoint, codec, tlog_proof
from ledger.log.checkpoint import Verifier
from ledger.log.proofs import BadProof
from ledger.log.receipt import BadReceipt, Receipt, check_against, check_line, check_receipt

#: Of an event that came after what a checkpoint signs.
BEHIND: Final = "the checkpoint ends before it"


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
    *, file: bytes, log_key: Verifier | None, proofs: tuple[bytes, ...], known: bytes | None,
    lines: tuple[bytes, ...],
) -> None:  # fmt: skip
    """Hold a receipt against proofs, or against the log itself."""
    now = session()
    verifier = verifier_for(now, log_key)
    receipt = check_receipt(file, verifier)
    shown = hold_lines(receipt, lines)
    if proofs:
        size = against_proofs(receipt, verifier, proofs, known)
        against = f"the checkpoint of {size}"
    else:
        size = against_log(now, receipt, verifier, known)
        against, shown = f"the log of {size}", set(receipt.positions)
    unseen = [position for position in receipt.positions if position not in shown]
    now.say(
        sentence_of(receipt, against, unseen),
        command_id=receipt.command_id, origin=receipt.origin, recorded=receipt.recorded,
        first=receipt.first, last=receipt.positions[-1], size=size, lines_not_seen=unseen,
    )  # fmt: skip


def sentence_of(receipt: Receipt, against: str, unseen: Sequence[int]) -> str:
    """What was found right; and where only leaves were seen, what that leaves open."""
    first, last = receipt.first, receipt.positions[-1]
    where = f"position {first}" if first == last else f"positions {first}–{last}"
    if not unseen:
        return f"{receipt.command_id} stands at {where} in {against} events, as the receipt says."
    return (
        f"The leaves of the receipt of {receipt.command_id} stand at {where} in {against} events.\n"
        f"Only the leaf was proved at {', '.join(map(str, unseen))}: that the event there is of "
        "this command is the operator's word until its line is seen (--line)."
    )


def hold_lines(receipt: Receipt, texts: Sequence[bytes]) -> set[int]:
    """Each line is the event that the receipt confirms where it says; these positions.

    Raises BadReceipt.
    """
    shown = set()
    for line in (line for text in texts for line in text.splitlines()):
        try:
            position = codec.parse_line(line).position
        except CorruptLog:
            raise BadReceipt("line", error="not a line of a log") from None
        if position not in receipt.positions:
            raise BadReceipt("position", position=position, error="not one of the receipt's")
        check_line(receipt, position, line)
        shown.add(position)
    return shown


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

    Raises BadReceipt with the position, also of an event that a checkpoint does not reach to;
    BadCheckpoint when the tree is not that of the checkpoint.
    """
    from ledger.receipts import lines_at  # noqa: PLC0415 (not for --help)
    from ledger.store.tree import root_at  # noqa: PLC0415

    now.require_whole("auditor")
    store = now.open().store
    check_against(receipt, lines_at(store, receipt.positions))
    head = store.head().position
    if known is not None:
        found = checkpoint.check(known, verifier, receipt.origin)
        if found.size > head or root_at(store, found.size) != found.root:
            raise checkpoint.BadCheckpoint("checkpoint", size=found.size, log=head)
        if found.size < (last := receipt.positions[-1]):
            raise BadReceipt("position", position=last, size=found.size, error=BEHIND)
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
            click.Option(["--line", "lines"], type=Small(), multiple=True, metavar="FILE",
                         help="exported lines of its events: whose they are, beside a proof"),
            click.Option(["--checkpoint", "known"], type=Small(), metavar="FILE",
                         help=f"{KNOWN}; without one, the log"),
        ],
        callback=check,
        help="Hold a receipt against proofs or the log.",
    ),
}  # fmt: skip

group = Sections(
    "receipt", {"Commands": tuple(COMMANDS)}, COMMANDS.get, help="Receipts of what was kept."
)
