"""Of random histories, every bundle is proved: no honest log raises an alarm."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final, cast

import pytest
from msgspec import structs

from api.evidence.bundle import Contents, write_bundle
from api.evidence.verify import check
from ledger.log import codec
from ledger.store.log import Head, LogStore, Row, number
from ledger.store.place import SqliteFile
from projections.database import open_reads
from projections.runner import catch_up
from tests import wishes as w
from tests.bundles import lines_of
from tests.machine import LONG, TODAY
from tests.memory_store import MemoryStore
from tests.scenario import ORIGIN, OTHER_VERIFIER, Scenario
from tests.signed_log import signer
from tests.story import rows_of, tell
from tests.told import ROWS

pytestmark = pytest.mark.timeout(6 * 3600)

KEY = signer(ORIGIN)
#: Money that moves without a rule may sink below zero, and grants be more than there were.
LAWLESS = (
    "FundsReceived", "FundsAllocated", "FundsReleased", "FundsSpent", "SpendReversed",
    "FundsReturned", "TransferSent", "TransferAccepted", "TransferDeclined", "TransferReceived",
    "IncentiveGranted", "IncentiveRevoked", "HoursVoided",
)  # fmt: skip
WEIGHTS = [w.HOURS, w.INCENTIVES, w.MONEY, w.REGISTRY]


def random_rows(seed: int) -> list[Row]:
    """The log of a random history."""
    chance, known = Random(seed), dict[str, list[str]]()
    ledger = Scenario(now=datetime.now(UTC)).given(*w.beginning(TODAY))
    for _ in range(chance.randrange(50, 300)):
        command = w.aimed(w.random_command(chance, TODAY, *WEIGHTS), known, chance.randrange(64))
        other = chance.random() < 0.3 and isinstance(command, w.VERIFYING)
        outcome = ledger.when(command, by=OTHER_VERIFIER if other else None)
        if outcome.refusal is None:
            w.learn(known, command, outcome.answer)
        ledger.later(seconds=1)
    return rows_of(ledger)


def prove_everything(rows: list[Row], folder: Path) -> int:
    """Bundle the log, each fund and each member; how many bundles were proved."""
    memory = MemoryStore()
    memory.rows = rows
    store, reads = cast("LogStore", memory), open_reads(SqliteFile(folder / "reads.db"))
    catch_up(store, reads)
    streams = dict.fromkeys(row.originator_id for row in rows)
    wanted = ["", *(stream for stream in streams if stream.startswith(("fund/", "member/")))]
    with reads.read() as snapshot:
        for number, stream in enumerate(wanted):
            target = folder / f"{number}"
            target.mkdir()
            contents = Contents(
                store, snapshot, KEY, stream, with_notes=True, advance=lambda _: None
            )
            write_bundle(contents, target)
            assert list(check(target, str(KEY.verifier)))
    reads.close()
    return len(wanted)


def test_every_kind_of_event_is_understood(tmp_path: Path) -> None:
    assert prove_everything(ROWS, tmp_path) > 5


def misruled(seed: int) -> list[Row]:
    """The story, and then its money and grants again and again, in no order and by no rule."""
    ledger, chance = tell(), Random(seed)
    again = [each for each in ledger.log if type(each[1]).__name__ in LAWLESS]
    last = ledger.log[-1][1].timestamp
    for stream, event in chance.choices(again, k=40):
        ledger.log.append((stream, structs.replace(event, timestamp=last)))
    return rows_of(ledger)


#: Not every such history takes a fund below zero; these do.
OVERDRAWN: Final = (0, 1, 2)


@pytest.mark.parametrize("seed", range(100 if LONG else 3))
def test_a_log_that_breaks_rules_has_the_figures_of_its_lines(seed: int, tmp_path: Path) -> None:
    rows = misruled(seed)
    assert prove_everything(rows, tmp_path) > 5
    funds = [json.loads(line) for line in lines_of(tmp_path / "0", "figures.jsonl")]
    is_overdrawn = any(f < 0 for row in funds if row[0] == "fund" for f in row[2]["all"].values())
    assert is_overdrawn or seed not in OVERDRAWN


@pytest.mark.parametrize("word", ["world", "all", "grants", "credit", "project"])
def test_nothing_is_mistaken_for_a_word_of_the_program(word: str, tmp_path: Path) -> None:
    sealed = []
    for row in ROWS:
        line = row.line().decode()
        for name in ("Y1", "P001", "F1", "F2", "O1"):
            # Two funds cannot have one name.
            line = re.sub(rf'(?<=["/]){name}"', f'{word}{"2" * (name == "F2")}"', line)
        found = codec.parse_line(line.encode())
        state = bytes(found.state)
        sealed.append(
            codec.Sealed(found.originator_id, found.originator_version, found.topic, state)
        )
    rows, _ = number(sealed, Head(0, None, ()))
    assert prove_everything(rows, tmp_path) > 5


@pytest.mark.parametrize("seed", range(300 if LONG else 8))
def test_the_bundles_of_a_random_history_are_proved(seed: int, tmp_path: Path) -> None:
    assert prove_everything(random_rows(seed), tmp_path) > 1
