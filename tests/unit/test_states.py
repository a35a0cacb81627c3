"""Warm states: what is kept in memory has a bound, whatever is asked for."""

from typing import cast

from ledger.states import States
from ledger.store.log import LogStore
from tests.memory_store import MemoryStore


def test_to_know_of_nothing_takes_room_as_well() -> None:
    """A million wishes for what is not there must not fill the memory."""
    states = States(cast("LogStore", MemoryStore()), events_kept_max=100)
    for number in range(1_000):
        assert states.get(f"member/V{number}") is None
        states.trim()
        assert len(states._known) <= 101
    states.forget_all()
    assert states._known == {}
    assert not states.is_full


def test_what_is_forgotten_no_longer_counts() -> None:
    states = States(cast("LogStore", MemoryStore()), events_kept_max=10)
    for _ in range(50):
        states.load(f"member/V{number}" for number in range(10))
        assert not states.is_full
        states.forget([f"member/V{number}" for number in range(10)])
