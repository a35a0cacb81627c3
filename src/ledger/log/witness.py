"""What a witness decides about a checkpoint, given the last one it saw. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.domain.errors import LedgerError
from ledger.log.checkpoint import Checkpoint
from ledger.log.fork import ForkProof, excludes, fork_proof
from ledger.log.proofs import BadProof, check_consistency


class LogForked(LedgerError):  # noqa: N818  named for what it is
    """The log has signed two histories; the fork proof shows both."""

    #: What proves it to anyone, when it is proved.
    proof: ForkProof | None = None


class LogRolledBack(LedgerError):  # noqa: N818  named for what it is
    """The log shows fewer events than it had signed for before."""


class LogInconsistent(LedgerError):  # noqa: N818  named for what it is
    """The log does not prove that it continues what it had signed for before."""


class WitnessBusy(LedgerError):  # noqa: N818  named for what it is
    """Another process is witnessing this log with the same state."""


class BadWitnessState(LedgerError):  # noqa: N818  named for what it is
    """What the witness kept of this log is not what it had cosigned."""


class Seen(NamedTuple):
    """A checkpoint and the signed note it stands in."""

    checkpoint: Checkpoint
    note: bytes


class Consistency(NamedTuple):
    """What the log answers for two sizes: the older tree's root as it now says, and the proof."""

    old_root: bytes
    hashes: Sequence[bytes]

    def steps(self, old: int) -> list[bytes]:
        """The proof with its first hash never left out."""
        return [*self.hashes] if old & (old - 1) else [self.old_root, *self.hashes]


def judge(last: Seen, offered: Seen, answer: Consistency | None) -> None:
    """Whether `offered` may follow `last`; `answer` is needed where `offered` is larger.

    Raises LogForked (with its proof), LogRolledBack, LogInconsistent.
    """
    old, new = last.checkpoint, offered.checkpoint
    sizes = {"seen": old.size, "offered": new.size}
    if new.size < old.size:
        raise LogRolledBack("size", **sizes)
    if new.size == old.size:
        if new.root != old.root:
            raise _forked(last, offered, [], sizes)
        return
    if answer is None:
        raise LogInconsistent("proof", **sizes)
    try:
        check_consistency(old.size, new.size, answer.hashes, old.root, new.root)
    except BadProof:
        steps = answer.steps(old.size) if old.size else []
        if excludes(old, new, steps):
            raise _forked(last, offered, steps, sizes) from None
        raise LogInconsistent("proof", **sizes) from None


def _forked(last: Seen, offered: Seen, steps: Sequence[bytes], sizes: dict[str, int]) -> LogForked:
    error = LogForked("root", **sizes)
    error.proof = fork_proof(last.note, offered.note, steps)
    return error
