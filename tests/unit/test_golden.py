"""Golden bytes: what was written once is read for ever, to the very same bytes."""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields

from ledger.domain import rules
from ledger.domain.account import Member
from ledger.domain.canonical import ByName
from ledger.domain.errors import CorruptLog
from ledger.domain.events import TOPICS
from ledger.domain.fund import Fund
from ledger.log import codec, merkle
from ledger.store.log import Head, number
from tests import figures
from tests.audit import Audit
from tests.examples import (
    LATEST_LOG,
    LATEST_ROOT,
    LOG,
    ROOT,
    Golden,
    example,
    examples,
    read_golden,
)
from tests.exported import is_canonical, read_line, tree_root
from tests.recount import Recount
from tests.story import lines_of, tell

ALL = read_golden()


def ids(golden: Golden) -> str:
    return f"{golden.topic}-{golden.variant}"


@pytest.mark.parametrize("golden", ALL, ids=ids)
def test_golden_states_read_back_to_their_bytes(golden: Golden) -> None:
    event = codec.decode_canonical(golden.topic, golden.state)
    assert type(event) is TOPICS[golden.topic]
    assert codec.encode(event) == golden.state
    assert is_canonical(golden.state)


@pytest.mark.parametrize("variant", ["full", "minimal"])
def test_golden_states_mean_what_they_meant(variant: str) -> None:
    """Each topic's first line of the file, field by field against the table of examples."""
    first: dict[str, Golden] = {}
    for golden in ALL:
        if golden.variant == variant:
            first.setdefault(golden.topic, golden)
    for topic, golden in first.items():
        event = codec.decode(topic, golden.state)
        expected = example(topic, variant)
        for name in json.loads(golden.state):
            assert getattr(event, name) == getattr(expected, name), (topic, name)


def test_every_topic_has_its_golden_examples_as_it_is_today() -> None:
    """A new topic or field fails here until `python -m tests.examples` has written it down."""
    assert {golden.state for golden in examples()} <= {golden.state for golden in ALL}


def test_the_full_examples_have_every_field_and_the_minimal_ones_only_what_must_be() -> None:
    for golden in examples():
        written = set(json.loads(golden.state))
        known = fields(TOPICS[golden.topic])
        if golden.variant == "full":
            assert written == {field.name for field in known}
        else:
            assert written == {field.name for field in known if field.default is NODEFAULT}


def test_no_topic_with_golden_bytes_has_gone() -> None:
    assert {golden.topic for golden in ALL} == set(TOPICS)


def test_a_field_that_becomes_required_would_be_seen() -> None:
    """The minimal example is refused by an event with one more required field."""
    for golden in ALL:
        if golden.variant == "minimal":
            named = {"__module__": __name__, "__annotations__": {"surprise": int}}
            stricter = ByName(golden.topic, (TOPICS[golden.topic],), named, kw_only=True)
            with pytest.raises(msgspec.ValidationError, match="surprise"):
                msgspec.json.decode(golden.state, type=stricter)


def test_what_is_sealed_is_canonical_as_it_stands() -> None:
    """Also where nothing is sorted: fields of events stand in order."""
    for golden in ALL:
        event = codec.decode(golden.topic, golden.state)
        assert codec.seal("a/1", 1, event).state == codec.encode(event)


def test_an_event_in_a_stream_of_no_type_is_out_of_place() -> None:
    event = codec.decode(ALL[0].topic, ALL[0].state)
    with pytest.raises(CorruptLog):
        rules.evolve(None, "nothing/1", event)


# the golden log


LINES = LOG.read_bytes().splitlines()
LATEST = LATEST_LOG.read_bytes().splitlines()


@pytest.mark.parametrize(("lines", "root"), [(LINES, ROOT), (LATEST, LATEST_ROOT)], ids=["1", "2"])
def test_a_golden_log_has_its_root(lines: list[bytes], root: Path) -> None:
    frontier: list[bytes] = []
    for size, line in enumerate(lines):
        merkle.extend(frontier, size, merkle.leaf_hash(line))
    assert merkle.root(frontier).hex() == root.read_text(encoding="ascii").strip()
    assert tree_root(lines) == merkle.root(frontier)


def test_the_golden_log_is_written_again_to_the_byte() -> None:
    """From decoded events, through mapper and numbering, as a store would write them."""
    mapper, stored = codec.EventMapper(codec.NoTranscoder()), []
    for line in LINES:
        row = read_line(line)
        state = line[line.index(b'"state":') + 8 : line.rindex(b',"topic":')]
        event = codec.decode_canonical(row["topic"], state)
        recorded = codec.Recorded(row["originator_id"], row["originator_version"], event)
        kept = mapper.to_stored_event(recorded)
        place = (row["originator_id"], kept.originator_version)
        stored.append(codec.Sealed(*place, kept.topic, kept.state))
    rows, frontier = number(stored, Head(0, None, ()))
    assert [row.line() for row in rows] == LINES
    assert merkle.root(frontier) == tree_root(LINES)


def test_the_golden_log_still_folds() -> None:
    """Today's states take in what was written then."""
    states: dict[str, object] = {}
    for line in LINES:
        row = read_line(line)
        state = line[line.index(b'"state":') + 8 : line.rindex(b',"topic":')]
        event, stream = codec.decode(row["topic"], state), row["originator_id"]
        states[stream] = rules.evolve(states.get(stream), stream, event)
    member, fund = states["member/V0001"], states["fund/F1"]
    assert isinstance(member, Member)
    assert isinstance(fund, Fund)
    assert (member.verified, member.training_verified, member.available) == (195, 90, 177)
    assert fund.stock.fen == 18_000


def test_the_golden_log_counts_as_it_did() -> None:
    recount = Recount(LINES)
    assert recount.faults == []
    assert Audit(LINES).faults == []
    assert figures.balance(recount, "V0003") == {
        "pending": 0, "verified": 0, "training_pending": 0, "training": 0,
        "earned": 0, "spent": 180, "available": -180,
    }  # fmt: skip
    usage = figures.fund_usage(recount, "F1")
    assert usage["spent_by_category"] == {("meals",): 90_000, ("incentive",): 2_000}
    assert usage["money"] == {
        "received": 150_000, "transferred_in": 0, "unallocated": 18_000, "allocated": 22_000,
        "spent": 92_000, "transit": 0, "transferred_out": 8_000, "returned": 10_000,
    }  # fmt: skip


def test_the_golden_log_has_every_topic() -> None:
    assert {read_line(line)["topic"] for line in LINES} == set(TOPICS)


def test_the_rules_still_tell_the_story_of_the_latest_golden_log() -> None:
    """Where a rule decides otherwise than it did, this log stays and another is added."""
    assert lines_of(tell()) == LATEST
    assert Audit(LATEST).faults == []
