"""What happened to something, found again in the lines' own text."""

import pytest

from ledger.domain.errors import InvalidCommand, NotFound
from projections import trail
from projections.session import Snapshot
from tests.told import ROWS, STORE


def spoke_of(kind: str, entity: str) -> list[int]:
    """Positions of events that name an entity, straight from the lines' text."""
    marks = [
        f'"{name}":"{entity}"' for name in (kind, *(("team",) if kind == "organisation" else ()))
    ]
    marks += [f'"target":"project/{entity}"'] if kind == "project" else []
    marks += [f'"originator_id":"{kind}/{entity}"']
    lines = [row.line().decode() for row in ROWS]
    return [n for n, line in enumerate(lines, 1) if any(mark in line for mark in marks)]


@pytest.mark.parametrize(
    "entity", ["project/P001", "organisation/O1", "organisation/O2", "actor/street-office"]
)
def test_a_trail_by_positions_has_every_event_that_speaks_of_it(
    snapshot: Snapshot, entity: str
) -> None:
    found = trail.trail(STORE, snapshot, entity, limit=1000)
    assert [entry.position for entry in found.entries] == spoke_of(*entity.split("/"))
    assert found.after is None


@pytest.mark.parametrize("entity", ["member/V0001", "fund/F1", "policy/Y1", "activity/A2"])
def test_a_trail_of_a_stream_is_the_stream(snapshot: Snapshot, entity: str) -> None:
    found = trail.trail(STORE, snapshot, entity, limit=1000)
    expected = [row.position for row in ROWS if row.originator_id == entity]
    assert [entry.position for entry in found.entries] == expected


@pytest.mark.parametrize("entity", ["project/P001", "member/V0001"])
def test_pages_of_a_trail_follow_each_other(snapshot: Snapshot, entity: str) -> None:
    whole = trail.trail(STORE, snapshot, entity, limit=1000).entries
    pages, after = [], 0
    while True:
        page = trail.trail(STORE, snapshot, entity, after, 3)
        pages += page.entries
        if page.after is None:
            break
        after = page.after
    assert pages == whole


def test_a_trail_says_what_was_before_and_is_after(snapshot: Snapshot) -> None:
    entries = trail.trail(STORE, snapshot, "member/V0003", limit=1000).entries
    corrected = next(entry for entry in entries if entry.topic == "HoursCorrected")
    assert corrected.changes["minutes"] == (480, 300)
    assert set(corrected.changes) == {"minutes", "credit"}
    recorded = [entry for entry in entries if entry.topic == "CredentialRecorded"]
    assert [entry.changes["level"] for entry in recorded] == [
        (None, "assistant"),
        ("assistant", "intermediate"),
    ]
    moved = next(entry for entry in entries if entry.topic == "MemberMoved")
    assert moved.changes == {"region": ("330424001", "330424101")}
    assert "timestamp" not in moved.fields


@pytest.mark.parametrize("entity", ["member/V9", "project/P9", "actor/nobody", "activity/A9"])
def test_a_trail_of_what_is_not_there_is_an_error(snapshot: Snapshot, entity: str) -> None:
    with pytest.raises(NotFound):
        trail.trail(STORE, snapshot, entity)


@pytest.mark.parametrize("entity", ["region/33", "member", "member/", ""])
def test_a_trail_of_an_unknown_type_is_refused(snapshot: Snapshot, entity: str) -> None:
    with pytest.raises(InvalidCommand):
        trail.trail(STORE, snapshot, entity)
