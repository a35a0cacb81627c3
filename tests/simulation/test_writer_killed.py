"""The writer is killed under load, again and again: what it acknowledged is there, once and whole.

A kill shows that nothing is torn and nothing is done twice. It does not show that a transaction is
on the disk when the machine itself goes down: for that the durability settings are checked.
"""

import random
import time
from pathlib import Path

import pytest

from ledger.settings import Settings
from tests.simulation.programs import (
    LONG,
    Program,
    found_county,
    judged,
    notes_in,
    once_and_whole,
    running,
    wait_for_more,
)

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
KILLS = 500 if LONG else 10
#: Seconds a program lives on after its first answer, at most.
LIFE_S = 0.4
#: In bulk: long enough for the second process to be at work.
BULK_KILLS = 100 if LONG else 4
BULK_LIFE_S = 3.0


@pytest.mark.parametrize(
    ("name", "kills", "life_s"), [("load", KILLS, LIFE_S), ("bulk", BULK_KILLS, BULK_LIFE_S)]
)
def test_a_killed_writer_loses_and_doubles_nothing(
    settings: Settings, tmp_path: Path, name: str, kills: int, life_s: float
) -> None:
    """In bulk a second process appends, which may finish a transaction after its writer's end."""
    found_county(settings)
    notes, chance = tmp_path / "load.notes", random.Random(7)
    for _ in range(kills):
        program = Program("load", settings.database_url, notes, name, "-1")
        with running(program):
            wait_for_more(notes, program)
            time.sleep(chance.uniform(0, life_s))
    last = Program("load", settings.database_url, notes, name, "1")
    with running(last):
        last.wait()
    told = notes_in(notes)
    recount = judged(settings)
    once_and_whole(recount, told)
    intended = {note["intent"] for note in told if "intent" in note}
    answered = {note["id"] for note in told if "id" in note}
    assert intended == answered
    assert intended == {command for command in recount.commands if command.startswith(name)}


def test_two_writers_of_which_one_is_killed(settings: Settings, tmp_path: Path) -> None:
    """The other one goes on, without an error and without waiting for long."""
    found_county(settings)
    steady = Program("load", settings.database_url, tmp_path / "s.notes", "loadsteady", "-1")
    with running(steady):
        for kill in range(KILLS // 2):
            notes = tmp_path / f"{kill}.notes"
            victim = Program("load", settings.database_url, notes, f"load{kill}.", "-1")
            with running(victim):
                wait_for_more(notes, victim, steady, by=4)
            wait_for_more(steady.notes_path, steady)
    recount = judged(settings)
    told = [note for path in tmp_path.glob("*.notes") for note in notes_in(path)]
    once_and_whole(recount, told)
    assert [note for note in told if "unavailable" in note] == []
