"""The writer after what was undone: nobody waits for ever, and nothing of it is left behind."""

import pytest

from ledger.decider import Decider
from ledger.domain.commands import OpenLedger
from ledger.domain.errors import Unavailable
from ledger.store.writer import Writer
from tests.desk import Desk, Held, ask, failed_and_lost, register
from tests.memory_store import MemoryStore


def test_an_outage_is_told_in_bounded_time_and_the_writer_goes_on_afterwards(desk: Desk) -> None:
    desk.store.faults = [failed_and_lost] * 50
    with pytest.raises(Unavailable):
        desk.do("c1", register("V1"))
    desk.store.faults = []
    assert desk.do("c1", register("V1")).replayed is False
    assert desk.streams() == ["ledger/t.example", "member/V1"]


def test_who_asks_late_in_an_outage_is_told_at_once(desk: Desk) -> None:
    """Two tries, not the whole patience; and afterwards there is patience again."""

    def away(*_: object) -> None:
        raise Unavailable

    desk.store.faults = [away] * 1_000
    with pytest.raises(Unavailable):
        desk.do("a", register("V1"))
    before = desk.store.appends
    assert before > 2
    with pytest.raises(Unavailable):
        desk.do("b", register("V2"))
    assert desk.store.appends == before + 2
    desk.store.faults = [away]
    assert desk.do("b", register("V2")).count == 1
    desk.store.faults = [away] * 3
    assert desk.do("c", register("V3")).count == 1


def test_twins_are_both_told_of_an_outage_and_the_writer_goes_on_afterwards(
    desk: Desk,
) -> None:
    held = Held(desk)
    desk.store.faults = [failed_and_lost] * 50
    twins = [desk.writer.submit(ask("c1", register("V1"))) for _ in range(2)]
    held.let_go()
    for twin in twins:
        with pytest.raises(Unavailable):
            twin.result(timeout=30)
    desk.store.faults = []
    assert desk.do("c1", register("V1")).replayed is False


def test_an_opening_that_was_not_kept_leaves_no_name_behind() -> None:
    store = MemoryStore()
    writer = Writer(store, Decider(store))
    for name, is_dry in (("a.example", True), ("b.example", False)):
        batch = ask(name, OpenLedger(origin=name), register("V1"), dry_run=is_dry)
        assert writer.submit(batch).result(timeout=30).outcomes[0] == {"origin": name}
    writer.close()
    assert [row.originator_id for row in store.rows] == ["ledger/b.example", "member/V1"]
