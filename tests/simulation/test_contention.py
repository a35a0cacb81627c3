"""Many processes at one member, one policy, one fund; many racers on one command id."""

from collections import Counter
from pathlib import Path

import pytest

from ledger.settings import Settings
from tests import figures
from tests.simulation.programs import (
    Program,
    found_county,
    judged,
    notes_in,
    once_and_whole,
    running,
    wait_until,
)

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(900)]
PROCESSES = 16


def test_sixteen_processes_never_overspend(settings: Settings, tmp_path: Path) -> None:
    """All there is is spent to the last piece that is big enough, and not a piece more."""
    found_county(settings)
    paths = [tmp_path / f"{n}.notes" for n in range(PROCESSES)]
    programs = [
        Program("spend", settings.database_url, path, str(n)) for n, path in enumerate(paths)
    ]
    with running(*programs):
        for program in programs:
            program.wait()
    notes = [note for path in paths for note in notes_in(path)]
    recount = judged(settings)
    once_and_whole(recount, notes)
    done = Counter(note["kind"] for note in notes if "id" in note)
    # 500 credit-minutes at 7; 2,000 and 5,000 fen at 70.
    assert done == {"grant": 500 // 7, "paid": 2_000 // 70, "spend": 5_000 // 70}
    refused = {(note["kind"], note["refused"]) for note in notes if "refused" in note}
    assert refused == {
        ("grant", "insufficient_credit"),
        ("paid", "insufficient_funds"),
        ("spend", "insufficient_funds"),
    }
    assert figures.balance(recount, "V1")["available"] == 500 % 7
    left = figures.fund_usage(recount, "F1")["allocated_by_target"]
    assert left == {("project/P1",): 5_000 % 70, ("policy/Y2",): 2_000 % 70}


def test_fifty_racers_on_one_command_id(settings: Settings, tmp_path: Path) -> None:
    """One effect, one answer for all; who says something else under that id is refused."""
    found_county(settings)
    gate, paths = tmp_path / "gate", [tmp_path / f"{n}.notes" for n in range(5)]
    programs = [
        Program("race", settings.database_url, path, str(gate), str(n))
        for n, path in enumerate(paths)
    ]
    with running(*programs):
        wait_until(lambda: all(notes_in(path) for path in paths), *programs)
        gate.touch()
        for program in programs:
            program.wait()
    notes = [note for path in paths for note in notes_in(path) if "ready" not in note]
    assert len(notes) == 50
    answers = [note for note in notes if "id" in note]
    same = {(n["other"], n["first"], n["count"], str(n["result"])) for n in answers}
    assert len(same) == 1, same
    assert {note["refused"] for note in notes if "refused" in note} == {"idempotency_mismatch"}
    assert sum(not note["replayed"] for note in answers) == 1
    assert len(answers) in {1, 49}  # the odd one may have been first
    recount = judged(settings)
    once_and_whole(recount, notes)
