"""What must not pass: proofs, checkpoints, receipts and forks that were changed or made up."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Final

import pytest

from ledger.domain.errors import LedgerError
from ledger.log import checkpoint, fork, tlog_proof
from ledger.log.checkpoint import ED25519, BadCheckpoint, Checkpoint, Verifier
from ledger.log.proofs import BadProof, check_consistency, check_inclusion
from ledger.log.receipt import BadReceipt, Receipt, check_receipt, recorded_text, sign_receipt
from ledger.log.tlog_proof import ConsistencyProof, InclusionProof
from tests import rfc6962
from tests.liar import lies
from tests.signed_log import LOG_KEY, ORIGIN, OTHER_KEY, WITNESS_KEY, SignedLog, lines, signer

LONG: Final = os.environ.get("TEST_LONG") == "1"
#: Changed texts in all.
LIES: Final = 100_000 if LONG else 4_000
FORKS: Final = 1_000 if LONG else 150

LOG: Final = SignedLog(lines(100))
VERIFIER: Final = LOG_KEY.verifier
RECEIPT: Final = Receipt(
    ORIGIN,
    "clerk/k-17",
    recorded_text(datetime(2025, 6, 14, 1, 2, 3, 4, UTC)),
    41,
    LOG.leaves[40:43],
)
COSIGNED: Final = checkpoint.add_signatures(
    LOG.note(77), [WITNESS_KEY.cosign(LOG.at(77).body(), 1_750_000_000)]
)
Check = Callable[[bytes], object]


def check_cosigned(text: bytes) -> object:
    return checkpoint.check(text, VERIFIER), checkpoint.cosigned_at(text, WITNESS_KEY.verifier)


def check_in(leaf: int) -> Check:
    return lambda text: tlog_proof.verify_inclusion(text, LOG.leaves[leaf], VERIFIER)


def check_since(old: int) -> Check:
    return lambda text: tlog_proof.verify_consistency(text, LOG.note(old), VERIFIER)


#: A true text, and what checks it.
TRUE: Final[dict[str, tuple[bytes, Check]]] = {
    "checkpoint": (LOG.note(77), lambda text: checkpoint.check(text, VERIFIER)),
    "cosigned checkpoint": (COSIGNED, check_cosigned),
    "inclusion in the middle": (LOG.inclusion(40, 77), check_in(40)),
    "inclusion of the last": (LOG.inclusion(98, 99), check_in(98)),
    "inclusion of the only one": (LOG.inclusion(0, 1), check_in(0)),
    "consistency": (LOG.consistency(41, 99), check_since(41)),
    "consistency of a power of two": (LOG.consistency(64, 100), check_since(64)),
    "consistency of one size": (LOG.consistency(50, 50), check_since(50)),
    "receipt": (sign_receipt(RECEIPT, LOG_KEY), lambda text: check_receipt(text, VERIFIER)),
}


@pytest.mark.parametrize("name", TRUE)
def test_no_changed_text_passes(name: str) -> None:
    text, check = TRUE[name]
    check(text)
    passed = []
    for lie in lies(text, LIES // len(TRUE) + 1, seed=list(TRUE).index(name)):
        try:
            check(lie)
        except (BadProof, BadCheckpoint, BadReceipt):
            continue
        passed.append(lie)
    assert [lie for lie in passed if not is_reordered(text, lie)] == []


def is_reordered(text: bytes, lie: bytes) -> bool:
    """Whether only signatures changed places, which says the same."""
    (body, _, own), (same, _, others) = text.partition(b"\n\n"), lie.partition(b"\n\n")
    return body == same and sorted(own.splitlines()) == sorted(others.splitlines())


def test_no_changed_hash_passes_where_nothing_is_signed() -> None:
    """The proofs alone, judged by us and by an independent reading of the RFC: both refuse."""
    chance = Random(1)
    for _ in range(LIES // 4):
        new = chance.randint(1, 100)
        old, index = chance.randint(1, new), chance.randrange(new)
        path, growth = LOG.path(index, new), LOG.growth(old, new)
        _change(path, chance)
        assert not rfc6962.holds(LOG.leaves[index], index, new, path, LOG.roots[new])
        with pytest.raises(BadProof):
            check_inclusion(LOG.leaves[index], index, new, path, LOG.roots[new])
        _change(growth, chance)
        assert not rfc6962.continues(old, new, growth, LOG.roots[old], LOG.roots[new])
        with pytest.raises(BadProof):
            check_consistency(old, new, growth, LOG.roots[old], LOG.roots[new])


def _change(hashes: list[bytes], chance: Random) -> None:
    """Make a list of hashes another one."""
    at = chance.randrange(len(hashes)) if hashes else 0
    if not hashes or chance.random() < 0.2:
        hashes.insert(chance.randint(0, len(hashes)), chance.randbytes(32))
    elif chance.random() < 0.2:
        del hashes[at]
    else:
        flipped = bytearray(hashes[at])
        flipped[chance.randrange(32)] ^= 1 << chance.randrange(8)
        hashes[at] = bytes(flipped)


def test_all_true_proofs_pass_both_judges() -> None:
    for new in range(1, 101):
        for other in range(1, new + 1):
            path, growth = LOG.path(other - 1, new), LOG.growth(other, new)
            assert path == rfc6962.path_of(other - 1, LOG.leaves[:new])
            assert growth == rfc6962.proof_of(other, LOG.leaves[:new])
            check_inclusion(LOG.leaves[other - 1], other - 1, new, path, LOG.roots[new])
            check_consistency(other, new, growth, LOG.roots[other], LOG.roots[new])
            assert rfc6962.holds(LOG.leaves[other - 1], other - 1, new, path, LOG.roots[new])
            assert rfc6962.continues(other, new, growth, LOG.roots[other], LOG.roots[new])


# made up by an adversary


def _inclusion(index: int, hashes: list[bytes], note: bytes) -> bytes:
    return InclusionProof(index, hashes, note).text()


#: The leaf at index 40, in what claims to prove it, made from parts that are each genuine.
MADE_UP: Final[dict[str, bytes]] = {
    "the path of another size": _inclusion(40, LOG.path(40, 99), LOG.note(77)),
    "the checkpoint of another size": _inclusion(40, LOG.path(40, 77), LOG.note(78)),
    "the path of another leaf": _inclusion(40, LOG.path(41, 77), LOG.note(77)),
    "another index": _inclusion(41, LOG.path(40, 77), LOG.note(77)),
    "an index beyond the tree": _inclusion(77, LOG.path(40, 77), LOG.note(77)),
    "an index that wraps around": _inclusion(40 + 2**63, LOG.path(40, 77), LOG.note(77)),
    "no path": _inclusion(40, [], LOG.note(77)),
    "a step left out": _inclusion(40, LOG.path(40, 77)[1:], LOG.note(77)),
    "a step too many": _inclusion(40, [*LOG.path(40, 77), b"\0" * 32], LOG.note(77)),
    "a thousand steps": _inclusion(40, LOG.path(40, 77) * 200, LOG.note(77)),
    "the checkpoint of nothing": _inclusion(40, LOG.path(40, 77), LOG_KEY.sign(
        Checkpoint(ORIGIN, 0, LOG.roots[0]).body())),
    "another key": _inclusion(40, LOG.path(40, 77), SignedLog(LOG.lines, OTHER_KEY).note(77)),
    "another log": _inclusion(40, LOG.path(40, 77), SignedLog(
        LOG.lines, signer("huli.example/hours")).note(77)),
    "the key's word for another origin": _inclusion(40, LOG.path(40, 77), LOG_KEY.sign(
        Checkpoint("huli.example/hours", 77, LOG.roots[77]).body())),
    "a receipt for a checkpoint": _inclusion(
        40, LOG.path(40, 77), sign_receipt(RECEIPT, LOG_KEY)),
    "nothing": b"",
    "only a header": b"c2sp.org/tlog-proof@v1\n\n",
    "another version": LOG.inclusion(40, 77).replace(b"@v1", b"@v2"),
    "a size with a leading zero": LOG.inclusion(40, 77).replace(b"index 40", b"index 040"),
    "base64 with other rest bits": LOG.inclusion(40, 77).replace(b"=\n", b"=\r\n", 1),
    "a megabyte": LOG.inclusion(40, 77) + b"x" * 2**20,
}  # fmt: skip


@pytest.mark.parametrize("name", MADE_UP)
def test_a_proof_made_up_of_true_parts_is_refused(name: str) -> None:
    with pytest.raises((BadProof, BadCheckpoint)):
        tlog_proof.verify_inclusion(MADE_UP[name], LOG.leaves[40], VERIFIER, ORIGIN)


def _growth(old: int, hashes: list[bytes], note: bytes) -> bytes:
    return ConsistencyProof(old, hashes, note).text()


FORKED: Final = SignedLog(lines(100, but=10))
#: What claims that the log of 41 became that of 99; and the older checkpoint it is held against.
MADE_UP_GROWTH: Final[dict[str, tuple[bytes, bytes]]] = {
    "a forked log": (_growth(41, FORKED.growth(41, 99), FORKED.note(99)), LOG.note(41)),
    "a forked log with the old hashes": (_growth(41, LOG.growth(41, 99), FORKED.note(99)),
                                         LOG.note(41)),
    "no proof": (_growth(41, [], LOG.note(99)), LOG.note(41)),
    "the proof of another size": (_growth(41, LOG.growth(42, 99), LOG.note(99)), LOG.note(41)),
    "another old size": (_growth(42, LOG.growth(42, 99), LOG.note(99)), LOG.note(41)),
    "backwards": (_growth(99, LOG.growth(41, 99), LOG.note(41)), LOG.note(99)),
    "the same size, another root": (_growth(41, [], FORKED.note(41)), LOG.note(41)),
    "a proof for the same size": (_growth(41, LOG.growth(41, 99), LOG.note(41)), LOG.note(41)),
    "another key": (_growth(41, LOG.growth(41, 99), SignedLog(LOG.lines, OTHER_KEY).note(99)),
                    LOG.note(41)),
    "another log": (LOG.consistency(41, 99), SignedLog(
        LOG.lines, signer("huli.example/hours")).note(41)),
    "overlong": (_growth(41, LOG.growth(41, 99) * 20, LOG.note(99)), LOG.note(41)),
    "from nothing, with a proof": (_growth(0, LOG.growth(41, 99), LOG.note(99)), LOG_KEY.sign(
        Checkpoint(ORIGIN, 0, LOG.roots[0]).body())),
    "from a nothing that is something": (_growth(0, [], LOG.note(99)), LOG_KEY.sign(
        Checkpoint(ORIGIN, 0, LOG.roots[1]).body())),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE_UP_GROWTH)
def test_a_growth_made_up_of_true_parts_is_refused(name: str) -> None:
    text, older = MADE_UP_GROWTH[name]
    with pytest.raises((BadProof, BadCheckpoint)):
        tlog_proof.verify_consistency(text, older, VERIFIER, ORIGIN)


def _signed(body: bytes) -> bytes:
    return LOG_KEY.sign(body)


ROOT: Final = checkpoint.base64_of(LOG.roots[5]).encode()
#: Bodies that the log's own key has signed, and that are no checkpoints.
NO_CHECKPOINTS: Final[dict[str, bytes]] = {
    "a leading zero": _signed(ORIGIN.encode() + b"\n05\n" + ROOT + b"\n"),
    "a sign": _signed(ORIGIN.encode() + b"\n+5\n" + ROOT + b"\n"),
    "another script's digits": _signed(ORIGIN.encode() + "\n٥\n".encode() + ROOT + b"\n"),
    "no size": _signed(ORIGIN.encode() + b"\n\n" + ROOT + b"\n"),
    "a short root": _signed(ORIGIN.encode() + b"\n5\n" + ROOT[4:] + b"\n"),
    "a root in hex": _signed(ORIGIN.encode() + b"\n5\n" + LOG.roots[5].hex().encode() + b"\n"),
    "two lines": _signed(ORIGIN.encode() + b"\n5\n"),
    "an empty extension": _signed(LOG.at(5).body() + b"\n\nx\n"),
    "no origin": _signed(b"\n5\n" + ROOT + b"\n"),
    "a control character": _signed(LOG.at(5).body() + b"\x07\n"),
    "twenty signatures": LOG.note(5) + LOG.note(5).partition(b"\n\n")[2] * 20,
    "its signature twice": LOG.note(5) + LOG.note(5).partition(b"\n\n")[2],
    "no signature": LOG.at(5).body() + b"\n",
    "a cosignature for its own": LOG.at(5).body() + b"\n" + WITNESS_KEY.cosign(
        LOG.at(5).body(), 1).line(),
    "not UTF-8": LOG.note(5).replace(b"haiyan", b"haiy\xffn"),
    "twenty kilobytes": _signed(LOG.at(5).body() + b"x\n" * 10_000),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_CHECKPOINTS)
def test_what_is_not_exactly_a_checkpoint_is_refused(name: str) -> None:
    with pytest.raises(BadCheckpoint):
        checkpoint.check(NO_CHECKPOINTS[name], VERIFIER)


def test_an_extension_is_kept_and_other_signatures_are_overlooked() -> None:
    note = _signed(LOG.at(5).body() + b"extension\n")
    stranger = checkpoint.sign("stranger.example", OTHER_KEY.private, LOG.at(5).body())
    more = note + stranger.partition(b"\n\n")[2]
    assert checkpoint.check(more, VERIFIER) == LOG.at(5)


def test_a_key_for_one_use_is_refused_in_another() -> None:
    with pytest.raises(LedgerError):
        WITNESS_KEY.sign(LOG.at(5).body())
    with pytest.raises(LedgerError):
        LOG_KEY.cosign(LOG.at(5).body(), 1)
    with pytest.raises(LedgerError):
        LOG_KEY.sign_checkpoint(Checkpoint("huli.example/hours", 5, LOG.roots[5]))
    with pytest.raises(BadCheckpoint):
        checkpoint.cosigned_at(LOG.note(5), VERIFIER)
    same_name = Verifier(ORIGIN, ED25519, OTHER_KEY.verifier.public)
    with pytest.raises(BadCheckpoint):
        checkpoint.check(LOG.note(5), same_name)


# forks


def test_every_fork_is_proved_from_two_signed_checkpoints() -> None:
    chance = Random(5)
    for _ in range(FORKS):
        new = chance.randint(1, 100)
        old = chance.randint(1, new)
        forged = SignedLog(lines(100, but=chance.randrange(old)))
        answer = forged.answer(old, new)
        steps = answer.steps(old) if old < new else []
        text = fork.fork_proof(LOG.note(old), forged.note(new), steps).text()
        older, newer = fork.check_fork(text, VERIFIER)
        assert (older, newer) == (LOG.at(old), forged.at(new))


def test_no_honest_log_can_be_accused() -> None:
    """From true checkpoints no fork proof comes about, whatever hashes are put into it."""
    chance = Random(6)
    for _ in range(FORKS):
        new = chance.randint(1, 100)
        old = chance.randint(1, new)
        steps = LOG.answer(old, new).steps(old) if old < new else []
        candidates = [steps, [], [*steps, chance.randbytes(32)], steps[1:]]
        if steps:
            changed = list(steps)
            _change(changed, chance)
            candidates.append(changed)
        for each in candidates:
            with pytest.raises(BadProof):
                fork.check_fork(
                    fork.fork_proof(LOG.note(old), LOG.note(new), each).text(), VERIFIER
                )


@pytest.mark.parametrize("forger", [SignedLog(lines(100, but=3), OTHER_KEY)])
def test_a_fork_by_another_key_accuses_nobody(forger: SignedLog) -> None:
    with pytest.raises(BadCheckpoint):
        fork.check_fork(fork.fork_proof(LOG.note(50), forger.note(50), []).text(), VERIFIER)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[]", b"\xff", b'{"format":"hourledger.fork/v2"}',
        fork.fork_proof(LOG.note(5), FORKED.note(5), []).text().replace(b"v1", b"v2"),
        fork.fork_proof(LOG.note(50), FORKED.note(60), [b"\0" * 32] * 100).text(),
        b" " * (fork.BYTES_MAX + 1),
    ],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_fork_proof_is_refused(text: bytes) -> None:
    with pytest.raises((BadProof, BadCheckpoint)):
        fork.check_fork(text, VERIFIER)
