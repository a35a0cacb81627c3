"""Hazards 6 and 18: what follows the log neither stops silently nor waits for what it skips."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import IssueKey, OpenLedger, RegisterMember, RevokeKey
from ledger.domain.errors import Unavailable
from ledger.line_check import check_stored
from ledger.settings import Settings
from ledger.store.log import LogStore
from projections.database import Reads, open_reads
from projections.models import Projector
from projections.runner import catch_up, follow, wait_for
from projections.tailer import Tailer
from tests.told import ROWS, eventually

BOSS = operator("boss")


class Failing:
    """A store whose reading of rows fails so many times."""

    def __init__(self, store: Any, times: int) -> None:
        self._store = store
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def select_rows(self, after: int, limit: int) -> Any:
        if self.left > 0:
            self.left -= 1
            raise Unavailable
        return self._store.select_rows(after, limit)


class Growing:
    """A store whose log has one more row at each look."""

    def __init__(self, store: Any, size: int) -> None:
        self._store = store
        self.size = size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def select_rows(self, after: int, limit: int) -> Any:
        rows = self._store.select_rows(after, min(limit, max(0, self.size - after)))
        self.size += 1
        return rows


def test_hazard_06_an_error_is_told_and_the_tailer_goes_on_by_itself(settings: Settings) -> None:
    ledger = Ledger(settings, create=True)
    ledger.execute(OpenLedger(origin="t.example"), BOSS)
    reads = open_reads(settings.read_models)
    failing = Failing(ledger.store, 2)
    tailer = Tailer(failing, reads)
    tailer.start()
    try:
        assert eventually(lambda: tailer.lag().error != "" or failing.left == 0)
        answer = ledger.execute(RegisterMember(member="V1", region="330424"), BOSS)
        assert wait_for(reads, answer.position, 60)
        assert eventually(lambda: tailer.lag().error == "")
        assert failing.left == 0
    finally:
        tailer.stop()
        reads.close()
        ledger.close()


def test_hazard_18_the_position_advances_past_events_that_move_nothing(settings: Settings) -> None:
    ledger = Ledger(settings, create=True)
    ledger.execute(OpenLedger(origin="t.example"), BOSS)
    expires_on = (datetime.now(UTC) + timedelta(days=9)).date()
    answer, _ = ledger.issue_key(
        IssueKey(holder="h", roles=("auditor",), expires_on=expires_on), BOSS
    )
    key = str(answer.result["key"])
    last = ledger.execute(RevokeKey(key=key, reason_code="over"), BOSS)
    reads = open_reads(settings.read_models)
    assert catch_up(ledger.store, reads) == last.position == 3
    assert wait_for(reads, last.position, 1)
    reads.close()
    ledger.close()


def test_who_follows_a_growing_log_rests_between_looks(told: LogStore, reads: Reads) -> None:
    """A row that came while the others were written waits for the next look."""
    with reads.read() as snapshot:
        projector = Projector(snapshot)
    growing = Growing(told, 20)
    assert [follow(growing, reads, projector, 100) for _ in range(3)] == [20, 1, 1]
    assert reads.position == 22


def test_who_is_far_behind_takes_batch_after_batch(told: LogStore, reads: Reads) -> None:
    with reads.read() as snapshot:
        projector = Projector(snapshot)
    assert follow(told, reads, projector, 7) == len(ROWS)
    assert reads.position == len(ROWS)


@pytest.mark.parametrize("grown", range(4))
def test_a_log_that_is_restored_and_grows_is_read_anew_by_who_writes(
    sqlite_url: str, grown: int
) -> None:
    """By positions alone it may look like the one that was written to."""
    settings = Settings(database_url=sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    backup = path.with_name("backup")
    with closing(Ledger(settings, create=True)) as ledger:
        ledger.execute(OpenLedger(origin="t.example"), BOSS)
        with closing(sqlite3.connect(path)) as file, closing(sqlite3.connect(backup)) as copy:
            file.backup(copy)
        for member in ("V1", "V2"):
            ledger.execute(RegisterMember(member=member, region="330424"), BOSS)
        for found in path.parent.glob(f"{path.name}*"):
            found.unlink()
        backup.rename(path)
        with closing(Ledger(settings)) as other:
            for number in range(grown):
                other.execute(RegisterMember(member=f"W{number}", region="330424"), BOSS)
        for member in ("V3", "V1"):
            answer = ledger.execute(RegisterMember(member=member, region="330424"), BOSS)
        assert answer.position == grown + 3
        assert check_stored(ledger.store, {}, lambda _: None).size == answer.position
