"""Those who sign are killed again and again: nothing is signed that is not there, nothing twice.

A kill shows that no half-written checkpoint or state is taken for whole and that what was shown is
remembered. What the disk does when the machine itself goes down it does not show.
"""

import random
import time
from pathlib import Path

import pytest

from ledger.log import checkpoint
from ledger.settings import Settings
from ledger.store.open import open_store
from ledger.witness import Witness
from tests import rfc6962
from tests.signed_log import LOG_KEY, WITNESS_KEY, SignedLog
from tests.simulation.programs import (
    LONG,
    Program,
    found_county,
    judged,
    notes_in,
    running,
    wait_for_more,
    wait_until,
)
from tests.simulation.signers import histories

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
KILLS = 100 if LONG else 3
#: Seconds a program lives on after it was first heard of, at most.
LIFE_S = 0.3
MODULE = "tests.simulation.signers"


def test_no_checkpoint_signs_what_is_not_there(settings: Settings, tmp_path: Path) -> None:
    """Writer and signer are killed at any moment; what was shown is true of what is left."""
    found_county(settings)
    notes, written = tmp_path / "sign.notes", tmp_path / "load.notes"
    chance = random.Random(3)
    for _ in range(KILLS):
        load = Program("load", settings.database_url, written, "load", "-1")
        signer = Program("sign", settings.database_url, notes, module=MODULE)
        with running(load, signer):
            wait_for_more(notes, signer, name="signed")
            wait_for_more(written, load)
            time.sleep(chance.uniform(0, LIFE_S))
            for program in chance.sample([load, signer], 2):
                program.kill()
    log = judged(settings)
    leaves = [rfc6962.leaf_of(line) for line in log.lines]
    store = open_store(settings)
    kept = store.checkpoints(0, 100_000)
    assert len(kept) >= KILLS
    shown = {note["signed"].encode() for note in notes_in(notes) if "signed" in note}
    assert shown <= {each.note for each in kept}
    for each in kept:
        found = checkpoint.check(each.note, LOG_KEY.verifier, log.origin)
        assert found.size <= len(leaves)
        assert found.root == rfc6962.root_of(leaves[: found.size])
    store.close()


def cosigned(notes: Path) -> list[checkpoint.Checkpoint]:
    """What a witness has shown, in order; each with its cosignature."""
    texts = [note["cosigned"].encode() for note in notes_in(notes) if "cosigned" in note]
    for text in texts:
        checkpoint.cosigned_at(text, WITNESS_KEY.verifier)
    return [checkpoint.check(text, LOG_KEY.verifier) for text in texts]


def belongs(found: checkpoint.Checkpoint, log: SignedLog) -> bool:
    return log.roots[found.size] == found.root


def test_a_killed_witness_never_cosigns_two_forks(tmp_path: Path) -> None:
    """Two processes are each shown another history, and killed; one comes back to the other's."""
    chance = random.Random(5)
    for kill in range(KILLS):
        folder = tmp_path / f"state{kill}"
        paths = [tmp_path / f"{kill}.{n}.notes" for n in range(3)]
        both = [
            Program("witness", str(folder), paths[n], str(n), f"{kill}", module=MODULE)
            for n in range(2)
        ]
        with running(*both):
            wait_until(lambda: any(map(cosigned, paths[:2])), *both)  # noqa: B023  called at once
            time.sleep(chance.uniform(0, LIFE_S))
            for program in both:
                program.kill()
        before = Witness(folder, WITNESS_KEY, LOG_KEY.verifier).last()
        assert before is not None
        (winner,) = [n for n, log in enumerate(histories()) if belongs(before.checkpoint, log)]
        other = Program("witness", str(folder), paths[2], str(1 - winner), "1", module=MODULE)
        with running(other):
            wait_for_more(paths[2], other, name="refused", by=3)
        told = [each for path in paths for each in cosigned(path)]
        assert all(belongs(each, histories()[winner]) for each in told)
        assert max(each.size for each in told) <= before.checkpoint.size
        assert not cosigned(paths[2])


def test_a_killed_witness_never_goes_back(tmp_path: Path) -> None:
    chance = random.Random(6)
    notes = tmp_path / "witness.notes"
    watching = Witness(tmp_path / "state", WITNESS_KEY, LOG_KEY.verifier)
    for kill in range(KILLS):
        program = Program("witness", str(watching.folder), notes, "0", str(kill), module=MODULE)
        with running(program):
            wait_for_more(notes, program, name="refused" if kill % 2 else "cosigned")
            time.sleep(chance.uniform(0, LIFE_S))
    sizes = [each.size for each in cosigned(notes)]
    assert sizes == sorted(sizes)
    last = watching.last()
    assert last is not None
    assert last.checkpoint.size >= sizes[-1]
