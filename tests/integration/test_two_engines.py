"""Read models made in two ways agree; what is stored otherwise is named with its first event."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger.store.log import LogStore
from projections.database import Reads
from projections.runner import catch_up
from projections.segments import seal
from projections.totals import TOTALS, TotalsFold
from projections.two_engines import Parting, TwoEngines
from tests.told import ROWS


def compared(store: LogStore, reads: Reads) -> list[Parting]:
    with TwoEngines(store, reads, len(ROWS)) as engines:
        for start in range(0, len(ROWS), 40):
            engines.take(ROWS[start : start + 40])
        return engines.compare()


def position_of(stream: str, topic: str) -> int:
    """Of the first event of a topic in a stream."""
    return next(r.position for r in ROWS if (r.originator_id, r.topic) == (stream, topic))


class Fault(NamedTuple):
    """What is done to the stored tables, and what is told of it."""

    sql: str
    table: str
    figure: str
    position: int | None


FAULTS: dict[str, Fault] = {
    "a sum without its last event": Fault(
        "UPDATE {g}members SET verified_minutes = 0 WHERE member = 'V0002'",
        "members", "verified_minutes", position_of("member/V0002", "HoursVerified"),
    ),
    "a sum that never was": Fault(
        "UPDATE {g}members SET credit_spent = 7 WHERE member = 'V0002'",
        "members", "credit_spent", position_of("member/V0002", "MemberRegistered"),
    ),
    "a row is missing": Fault(
        "DELETE FROM {g}catalogue WHERE id = 'F2'",
        "catalogue", "region", position_of("fund/F2", "FundOpened"),
    ),
    "a row too many": Fault(
        "INSERT INTO {g}heads VALUES ('registered/99/volunteer', '99', 1)",
        "heads", "heads", None,
    ),
    "a name as it was before": Fault(
        "UPDATE {g}members SET kinds = 'volunteer' WHERE member = 'V0001'",
        "members", "kinds", position_of("member/V0001", "MemberKindsChanged"),
    ),
    "a rule was changed": Fault(
        "UPDATE {g}rules SET topic = 'StarLevelsSet' WHERE topic = 'LimitsSet'",
        "rules", "topic", next(r.position for r in ROWS if r.topic == "LimitsSet"),
    ),
}  # fmt: skip


def test_sound_tables_are_what_both_engines_say(told: LogStore, reads: Reads) -> None:
    catch_up(told, reads)
    assert compared(told, reads) == []
    assert reads.generation == 1


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_by_its_figure_and_first_event(
    name: str, told: LogStore, reads: Reads
) -> None:
    catch_up(told, reads)
    fault = FAULTS[name]
    with reads._engine.writing() as session:
        session.run(fault.sql.format(g=reads._prefix(reads.generation)))
    (found,) = compared(told, reads)
    assert (found.engine, found.table, found.figure) == ("stored", fault.table, fault.figure)
    assert found.position == fault.position


def test_what_was_sealed_since_the_check_began_is_held_against_the_log_too(
    told: LogStore, reads: Reads, tmp_path: Path
) -> None:
    """The log grows while it is checked, and somebody seals it: nothing is wrong with that."""
    catch_up(told, reads)
    begun = len(ROWS) - 10
    with TwoEngines(told, reads, begun) as engines:
        engines.take(ROWS[:begun])
        engines.hold(seal(told, tmp_path, until=len(ROWS)))
        assert engines.compare() == []


def test_a_list_that_was_cut_is_named_by_what_is_missing(told: LogStore, reads: Reads) -> None:
    catch_up(told, reads)
    with reads.read() as snapshot:
        ((offsets,),) = snapshot.rows("SELECT offsets FROM {g}trail WHERE entity = 'project/P001'")
    with reads._engine.writing() as session:
        sql = "UPDATE {g}trail SET offsets = ? WHERE entity = 'project/P001'"
        session.run(sql.format(g=reads._prefix(1)), (bytes(offsets)[:-4],))
    (found,) = compared(told, reads)
    assert (found.table, found.position) == ("trail", int.from_bytes(bytes(offsets)[-4:-2]))


def test_a_fold_that_forgets_is_told_from_tables_that_are_wrong(
    told: LogStore, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up(told, reads)
    drain = TotalsFold.drain

    def forgetful(self: TotalsFold) -> Any:
        return [
            (table, records[1:] if table is TOTALS else records) for table, records in drain(self)
        ]

    monkeypatch.setattr(TotalsFold, "drain", forgetful)
    assert {(found.table, found.engine) for found in compared(told, reads)} == {
        ("totals", "folded")
    }
