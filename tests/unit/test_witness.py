"""The witness: what it cosigns, what it refuses, and what it remembers through every fault."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from ledger import witness as witnessing
from ledger.domain.errors import InvalidSettings, LedgerError
from ledger.log import checkpoint
from ledger.log.checkpoint import BadCheckpoint
from ledger.log.fork import check_fork
from ledger.log.witness import (
    BadWitnessState,
    Consistency,
    LogForked,
    LogInconsistent,
    LogRolledBack,
    WitnessBusy,
)
from ledger.witness import Witness
from tests.signed_log import LOG_KEY, OTHER_KEY, WITNESS_KEY, SignedLog, lines, signer

HONEST: Final = SignedLog(lines(60))
FORKED: Final = SignedLog(lines(60, but=5))
NOW: Final = 1_750_000_000


class Asked:
    """A log that shows one size, honest or not."""

    def __init__(self, log: SignedLog, size: int, answers: SignedLog | None = None) -> None:
        self.log, self.size, self.answers = log, size, answers or log
        self.asked: list[tuple[int, int]] = []

    def checkpoint(self) -> bytes:
        return self.log.note(self.size)

    def consistency(self, old: int, new: int) -> Consistency:
        self.asked.append((old, new))
        return self.answers.answer(old, new)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "state", WITNESS_KEY, LOG_KEY.verifier)


def see(witness: Witness, size: int, log: SignedLog = HONEST, seconds: int = NOW) -> bytes:
    """What it says to a log that shows this size."""
    return witness.observe(Asked(log, size), seconds).note


def kept(witness: Witness) -> bytes | None:
    last = witness.last()
    return last.note if last else None


def test_what_is_seen_first_is_cosigned_and_kept(witness: Witness) -> None:
    note = see(witness, 10)
    assert checkpoint.check(note, LOG_KEY.verifier) == HONEST.at(10)
    assert checkpoint.cosigned_at(note, WITNESS_KEY.verifier) == NOW
    assert kept(witness) == note
    assert witness.path.stat().st_mode & 0o777 == 0o600
    assert "/" not in witness.path.relative_to(witness.folder).name


@pytest.mark.parametrize(("old", "new"), [(1, 2), (7, 8), (8, 9), (8, 16), (10, 10), (33, 60)])
def test_a_log_that_grew_is_cosigned(witness: Witness, old: int, new: int) -> None:
    see(witness, old)
    log = Asked(HONEST, new)
    seen = witness.observe(log, NOW + 5)
    assert (seen.before, seen.checkpoint) == (old, HONEST.at(new))
    assert log.asked == ([(old, new)] if old < new else [])
    assert kept(witness) == seen.note
    assert checkpoint.cosigned_at(seen.note, WITNESS_KEY.verifier) == NOW + 5


def test_its_time_never_runs_backwards(witness: Witness) -> None:
    see(witness, 10)
    assert checkpoint.cosigned_at(see(witness, 11, seconds=NOW - 99), WITNESS_KEY.verifier) == NOW


def test_signatures_of_others_are_not_passed_on(witness: Witness) -> None:
    class Cosigned(Asked):
        def checkpoint(self) -> bytes:
            mine = WITNESS_KEY.cosign(HONEST.at(10).body(), 1)
            return checkpoint.add_signatures(HONEST.note(10), [mine])

    note = witness.observe(Cosigned(HONEST, 10), NOW).note
    assert checkpoint.cosigned_at(note, WITNESS_KEY.verifier) == NOW


class Unfounded(Asked):
    """Proves nothing."""

    def consistency(self, old: int, new: int) -> Consistency:
        return Consistency(b"\0" * 32, [b"\1" * 32] * 5)


class Silent(Asked):
    """Proves nothing and says so."""

    def consistency(self, old: int, new: int) -> Consistency:
        return Consistency(b"", [])


class Gone(Asked):
    """Breaks off in the middle."""

    def consistency(self, old: int, new: int) -> Consistency:
        raise TimeoutError


#: The witness has seen 40 events of the honest log; what the log does then → what it is told.
FAULTS: Final[dict[str, tuple[Asked, type[Exception]]]] = {
    "the same size, another root": (Asked(FORKED, 40), LogForked),
    "a larger forked log that proves itself": (Asked(FORKED, 50), LogForked),
    "a larger forked log with the honest proof": (Asked(FORKED, 50, HONEST), LogInconsistent),
    "a proof that proves nothing": (Unfounded(HONEST, 50), LogInconsistent),
    "no proof": (Silent(HONEST, 50), LogInconsistent),
    "an older state": (Asked(HONEST, 39), LogRolledBack),
    "an older, forked state": (Asked(FORKED, 39), LogRolledBack),
    "a broken line": (Gone(HONEST, 50), TimeoutError),
    "another key": (Asked(SignedLog(HONEST.lines, OTHER_KEY), 50), BadCheckpoint),
    "another log": (Asked(SignedLog(HONEST.lines, signer("huli.example/hours")), 50),
                    BadCheckpoint),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_continue_is_refused_and_forgotten_by_nobody(
    name: str, witness: Witness
) -> None:
    before = see(witness, 40)
    log, error = FAULTS[name]
    with pytest.raises(error) as raised:
        witness.observe(log, NOW + 1)
    assert kept(witness) == before
    proofs = list(witness.folder.glob("*.fork-*.json"))
    assert len(proofs) == (1 if error is LogForked else 0)
    if isinstance(raised.value, LogForked):
        assert raised.value.facts["file"] == str(proofs[0])
        older, newer = check_fork(proofs[0].read_bytes(), LOG_KEY.verifier)
        assert (older, newer) == (HONEST.at(40), log.log.at(log.size))
        assert set(json.loads(proofs[0].read_bytes())) == {"format", "older", "newer", "hashes"}
    see(witness, 50)  # the honest log is still welcome


@pytest.mark.parametrize("old", [1, 8, 32, 33, 40])
def test_a_fork_is_proved_from_every_size(witness: Witness, old: int) -> None:
    see(witness, old)
    forged = SignedLog(lines(60, but=0))
    for new in (old, old + 1, 47, 60):
        if new < old:
            continue
        with pytest.raises(LogForked) as raised:
            see(witness, new, forged)
        path = Path(str(raised.value.facts["file"]))
        assert check_fork(path.read_bytes(), LOG_KEY.verifier) == (HONEST.at(old), forged.at(new))


# what it keeps


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: b"",
        lambda note: note[:-1],
        lambda note: note[: len(note) // 2],
        lambda note: note.rpartition("— ".encode())[0],
        lambda note: note.replace(b"\n40\n", b"\n39\n"),
        lambda note: HONEST.note(20),
        lambda note: note + b"\n",
    ],
    ids=["empty", "last byte", "half", "no cosignature", "another size", "not its own", "longer"],
)
def test_a_damaged_state_is_not_taken_for_none(
    witness: Witness, damage: Callable[[bytes], bytes]
) -> None:
    witness.path.parent.mkdir(exist_ok=True)
    note = see(witness, 40)
    witness.path.write_bytes(damage(note))
    with pytest.raises(BadWitnessState):
        see(witness, 50)


def test_a_second_process_is_refused_meanwhile(witness: Witness) -> None:
    class Nested(Asked):
        def checkpoint(self) -> bytes:
            with pytest.raises(WitnessBusy):
                see(witness, 30)
            return super().checkpoint()

    witness.observe(Nested(HONEST, 20), NOW)
    see(witness, 30)


#: System calls of the file → what is on the disk when they fail.
CALLS: Final = ("open", "fsync", "rename", "sync of the folder")


@pytest.mark.parametrize("failing", CALLS)
def test_nothing_is_said_that_was_not_kept(
    failing: str, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = see(witness, 40)

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if failing == "open":
        monkeypatch.setattr(os, "fdopen", broken)
    elif failing == "fsync":
        monkeypatch.setattr(os, "fsync", broken)
    elif failing == "rename":
        monkeypatch.setattr(Path, "replace", broken)
    else:
        monkeypatch.setattr(witnessing, "sync_folder", broken)
    with pytest.raises(OSError, match="No space"):
        see(witness, 50)
    monkeypatch.undo()
    # Before the rename nothing has changed; after it, the new state is there but was not told.
    expected = HONEST.at(50 if failing == CALLS[3] else 40)
    last = witness.last()
    assert last is not None
    assert last.checkpoint == expected
    assert failing == CALLS[3] or last.note == before
    see(witness, 55)


def test_a_key_of_another_use_and_a_folder_that_cannot_be_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings):
        see(Witness(tmp_path, LOG_KEY, LOG_KEY.verifier), 5)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSettings):
        see(Witness(tmp_path / "file" / "state", WITNESS_KEY, LOG_KEY.verifier), 5)


def test_each_log_has_a_state_of_its_own(tmp_path: Path) -> None:
    other = SignedLog(lines(9), signer("haiyan.example", seed="b"))
    for log in (HONEST, other):
        Witness(tmp_path, WITNESS_KEY, log.key.verifier).observe(Asked(log, 9), NOW)
    assert len(list(tmp_path.glob("*.checkpoint"))) == 2


def test_every_refusal_is_an_error_of_the_ledger() -> None:
    assert all(
        issubclass(error, LedgerError)
        for error in (LogForked, LogRolledBack, LogInconsistent, WitnessBusy, BadWitnessState)
    )
