"""Of random histories, every bundle is proved: no honest log raises an alarm."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import cast

import pytest

from api.evidence.bundle import Contents, write_bundle
from api.evidence.verify import check
from ledger.store.log import LogStore, Row
from ledger.store.place import SqliteFile
from projections.database import open_reads
from projections.runner import catch_up
from tests import wishes as w
from tests.machine import LONG, TODAY
from tests.memory_store import MemoryStore
from tests.scenario import ORIGIN, OTHER_VERIFIER, Scenario
from tests.signed_log import signer
from tests.story import rows_of
from tests.told import ROWS

pytestmark = pytest.mark.timeout(6 * 3600)

KEY = signer(ORIGIN)
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


@pytest.mark.parametrize("seed", range(300 if LONG else 8))
def test_the_bundles_of_a_random_history_are_proved(seed: int, tmp_path: Path) -> None:
    assert prove_everything(random_rows(seed), tmp_path) > 1
