"""Bytes of events: canonical, strict, and nothing that was not written by the codec reads back."""

import json
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, get_type_hints

import msgspec
import pytest
import rfc8785
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import events as e
from ledger.domain.errors import CorruptLog
from ledger.log import codec, merkle
from tests.batches import entries
from tests.exported import is_canonical, read_line
from tests.strategies import events, stream_names

STAMP: dict[str, Any] = {
    "timestamp": datetime(2025, 6, 16, 1, 0, tzinfo=UTC),
    "effective_on": date(2025, 6, 16),
    "actor": "A",
    "key": "K",
    "command_id": "C1",
}
REGISTERED = e.MemberRegistered(**STAMP, region="330424", kinds=("volunteer",))
STATE = codec.encode(REGISTERED)
LOGGED = e.HoursLogged(
    **STAMP, entry="V1-1", project="P1", organisation="O1", region="330424",
    member_region="330424001", member_kinds=("volunteer",), kind="service",
    category="elder_care", evidence="manual", service_on=date(2025, 6, 14), minutes=90,
)  # fmt: skip


def refused(topic: str, state: bytes) -> str:
    """What `decode_canonical` says against a state; it must say something."""
    with pytest.raises(CorruptLog) as caught:
        codec.decode_canonical(topic, state)
    return str(caught.value)


def changed(**changes: object) -> bytes:
    """The state of REGISTERED with some keys put in, in canonical form otherwise."""
    return rfc8785.dumps(json.loads(STATE) | changes)


# canonical


def test_a_state_is_these_bytes() -> None:
    assert STATE == (
        b'{"actor":"A","command_id":"C1","effective_on":"2025-06-16","key":"K",'
        b'"kinds":["volunteer"],"region":"330424","timestamp":"2025-06-16T01:00:00Z"}'
    )


@given(events())
def test_states_are_what_rfc_8785_writes(event: e.Event) -> None:
    state = codec.encode(event)
    assert rfc8785.dumps(json.loads(state)) == state
    assert is_canonical(state)


@given(events())
def test_what_is_encoded_reads_back_as_it_was(event: e.Event) -> None:
    topic = type(event).__name__
    assert codec.decode(topic, codec.encode(event)) == event
    assert codec.decode_canonical(topic, codec.encode(event)) == event


@given(events(), st.integers(1, 2**53 - 1), stream_names, st.integers(1, 2**53 - 1))
def test_lines_are_what_rfc_8785_writes(
    event: e.Event, position: int, stream: str, version: int
) -> None:
    topic, state = type(event).__name__, codec.encode(event)
    line = codec.line(position, stream, version, topic, state)
    assert rfc8785.dumps(read_line(line)) == line
    assert read_line(line) == {
        "originator_id": stream,
        "originator_version": version,
        "position": position,
        "state": json.loads(state),
        "topic": topic,
    }


def test_absent_fields_are_omitted_never_null() -> None:
    assert b"null" not in codec.encode(LOGGED)
    assert b'"team"' not in codec.encode(LOGGED)
    assert b'"team":"O2"' in codec.encode(msgspec.structs.replace(LOGGED, team="O2"))


@pytest.mark.parametrize(
    ("microsecond", "written"),
    [(0, "01:00:00Z"), (5, "01:00:00.000005Z"), (10, "01:00:00.000010Z")],
)
def test_microseconds_are_six_digits_or_none(microsecond: int, written: str) -> None:
    moment = STAMP["timestamp"].replace(microsecond=microsecond)
    state = codec.encode(msgspec.structs.replace(REGISTERED, timestamp=moment))
    assert json.loads(state)["timestamp"] == f"2025-06-16T{written}"
    assert codec.decode_canonical("MemberRegistered", state).timestamp == moment


# strict


@pytest.mark.parametrize("topic", ["", "Hours", "Event", "memberregistered", "MemberRegistered "])
def test_unknown_topics_are_refused(topic: str) -> None:
    assert "topic" in refused(topic, STATE)


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        STATE[:-1],
        STATE + b"\n",
        b" " + STATE,
        STATE + STATE,
        STATE.replace(b'":"', b'": "', 1),
        STATE.replace(b'"A"', b'"\\u0041"'),
        STATE.replace(b'"A"', b'"\xff"'),
        STATE.replace(b'"A"', b'"\\ud800"'),
        STATE.replace(b'"A"', b'"A\x01"'),
        STATE.replace(b'"A"', b"null"),
        STATE.replace(b'"actor":"A",', b""),
        STATE.replace(b'"actor":"A",', b'"actor":"B","actor":"A",'),
        STATE.replace(b'"actor":"A","command_id":"C1"', b'"command_id":"C1","actor":"A"'),
        STATE.replace(b"volunteer", b"Volunteer"),
        STATE.replace(b'["volunteer"]', b'"volunteer"'),
        STATE.replace(b"2025-06-16T", b"2025-06-16 "),
        STATE.replace(b"01:00:00Z", b"01:00:00z"),
        STATE.replace(b"01:00:00Z", b"01:00:00.000Z"),
        STATE.replace(b"01:00:00Z", b"01:00:00.000000Z"),
        STATE.replace(b"01:00:00Z", b"01:00:00.0000001Z"),
        STATE.replace(b"01:00:00Z", b"01:00:00"),
        STATE.replace(b"01:00:00Z", b"01:00:00+00:00"),
        STATE.replace(b"01:00:00Z", b"09:00:00+08:00"),
        STATE.replace(b'"2025-06-16"', b'"2025-6-16"'),
        STATE.replace(b'"2025-06-16"', b'"2025-06-16T00:00:00"'),
        STATE.replace(b'"2025-06-16"', b'"2025-02-30"'),
        changed(region=330424),
        changed(surprise=1),
        changed(actor_=1),
    ],
)
def test_what_the_codec_did_not_write_is_refused(state: bytes) -> None:
    assert state != STATE
    refused("MemberRegistered", state)


@pytest.mark.parametrize(
    "number", ["90.0", "9e1", "-0", "090", '"90"', "true", "null", "NaN", "1e999"]
)
def test_numbers_that_are_not_plain_integers_are_refused(number: str) -> None:
    state = codec.encode(LOGGED).replace(b'"minutes":90', b'"minutes":' + number.encode())
    refused("HoursLogged", state)


def test_null_for_an_optional_field_is_refused() -> None:
    refused("HoursLogged", codec.encode(LOGGED)[:-1] + b',"team":null}')
    refused("HoursLogged", rfc8785.dumps(json.loads(codec.encode(LOGGED)) | {"team": None}))


def test_a_deep_state_is_refused() -> None:
    refused("MemberRegistered", b'{"actor":' * 100_000)
    refused("MemberRegistered", b'{"kinds":' + b"[" * 100_000)


def test_a_key_twice_within_a_structure_is_refused() -> None:
    terms = '{"closes_on":"2025-12-31","opens_on":"2025-01-01","purpose":"x"}'
    state = rfc8785.dumps(
        json.loads(STATE) | {"consent": "0" * 64, "terms": json.loads(terms)}
    ).replace(b'"kinds":["volunteer"],"region":"330424",', b"")
    codec.decode_canonical("FundAmended", state)
    refused("FundAmended", state.replace(b'"purpose":"x"', b'"purpose":"y","purpose":"x"'))
    refused("FundAmended", state.replace(b'"purpose":"x"', b'"purpose":"x","regions":[]'))


@given(events(), st.data())
def test_a_flipped_bit_is_refused_or_changes_the_leaf(event: e.Event, data: st.DataObject) -> None:
    topic, state = type(event).__name__, codec.encode(event)
    bit = data.draw(st.integers(0, 8 * len(state) - 1))
    flipped = bytearray(state)
    flipped[bit // 8] ^= 1 << bit % 8
    with suppress(CorruptLog):
        assert codec.decode_canonical(topic, bytes(flipped)) != event
    assert merkle.leaf_hash(bytes(flipped)) != merkle.leaf_hash(state)


# the mapper


@given(events(), stream_names, st.integers(1, 2**31))
def test_the_mapper_gives_back_what_it_was_given(event: e.Event, stream: str, version: int) -> None:
    mapper = codec.EventMapper(codec.NoTranscoder())
    recorded = codec.Recorded(stream, version, event)
    stored = mapper.to_stored_event(recorded)
    assert stored.topic in e.TOPICS
    assert mapper.to_domain_event(stored) == recorded


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": 330424},
        {"region": None},
        {"kinds": "volunteer"},
        {"kinds": ("boss",)},
        {"effective_on": "16 June"},
        {"timestamp": "now"},
    ],
)
def test_an_event_that_does_not_read_back_is_not_stored(wrong: dict[str, Any]) -> None:
    mapper = codec.EventMapper(codec.NoTranscoder())
    event = msgspec.structs.replace(REGISTERED, **wrong)
    with pytest.raises(CorruptLog):
        mapper.to_stored_event(codec.Recorded("member/V1", 1, event))


def test_a_lone_surrogate_is_not_stored() -> None:
    mapper = codec.EventMapper(codec.NoTranscoder())
    event = msgspec.structs.replace(REGISTERED, actor="\ud800")
    with pytest.raises((CorruptLog, UnicodeEncodeError)):
        mapper.to_stored_event(codec.Recorded("member/V1", 1, event))


# hazards


def test_hazard_7_type_markers_are_text_like_any_other() -> None:
    """The stock transcoder took a structure of exactly `_type_` and `_data_` for a type."""
    marker = {"_type_": "datetime_iso", "_data_": "2025-01-01T00:00:00"}
    refused("MemberRegistered", changed(**marker))
    refused("MemberRegistered", rfc8785.dumps(marker))
    refused("MemberRegistered", changed(region=marker))
    event = msgspec.structs.replace(REGISTERED, actor=json.dumps(marker))
    assert codec.decode_canonical("MemberRegistered", codec.encode(event)) == event


def test_hazard_7_no_event_has_room_for_a_free_structure() -> None:
    for topic, kind in e.TOPICS.items():
        for name, annotation in get_type_hints(kind).items():
            text = str(annotation)
            assert "dict" not in text, (topic, name)
            assert "Any" not in text, (topic, name)


def test_hazard_15_a_future_class_version_is_refused() -> None:
    for name in ("class_version", "version", "_class_version"):
        refused("MemberRegistered", changed(**{name: 2}))


def test_hazard_15_a_moved_row_has_another_leaf() -> None:
    row: tuple[int, str, int, str, bytes] = (7, "member/V1", 1, "MemberRegistered", STATE)
    others = [
        (8, *row[1:]),
        (row[0], "member/V2", *row[2:]),
        (*row[:2], 2, *row[3:]),
        (*row[:3], "MemberMoved", STATE),
        (*row[:4], changed(region="330425")),
    ]
    leaves = {merkle.leaf_hash(codec.line(*other)) for other in [row, *others]}
    assert len(leaves) == 6


@pytest.mark.parametrize("topic", ["this:s", "ledger.domain.events:MemberRegistered", "os:system"])
def test_hazard_16_a_topic_imports_nothing(topic: str) -> None:
    mapper = codec.EventMapper(codec.NoTranscoder())
    sys.modules.pop("this", None)
    with pytest.raises(CorruptLog):
        mapper.to_domain_event(StoredEvent("member/V1", 1, topic, STATE))
    assert "this" not in sys.modules


def test_hazard_16_topics_are_class_names_of_the_vocabulary() -> None:
    assert all(topic == kind.__name__ for topic, kind in e.TOPICS.items())
    assert all(topic.isascii() and topic.isidentifier() for topic in e.TOPICS)


def test_the_transcoder_is_never_used() -> None:
    transcoder = codec.NoTranscoder()
    with pytest.raises(NotImplementedError):
        transcoder.encode({})
    with pytest.raises(NotImplementedError):
        transcoder.decode(b"{}")


def test_a_moment_elsewhere_is_refused_even_where_it_reads_back() -> None:
    elsewhere = STAMP["timestamp"].astimezone(timezone(timedelta(hours=8)))
    event = msgspec.structs.replace(REGISTERED, timestamp=elsewhere)
    assert codec.decode("MemberRegistered", codec.encode(event)) == event
    assert "not canonical" in refused("MemberRegistered", codec.encode(event))


def test_a_number_beyond_what_canonical_json_keeps_exact_is_refused() -> None:
    """Digits in a text are no number."""
    event = msgspec.structs.replace(LOGGED, minutes=2**53 - 1, source_ref="12345678901234567890")
    assert codec.decode_canonical("HoursLogged", codec.encode(event)) == event
    beyond = codec.encode(msgspec.structs.replace(event, minutes=2**53))
    assert "2^53" in refused("HoursLogged", beyond)


@pytest.mark.parametrize("first", [1, 999, 2**40])
def test_leaves_of_many_events_are_those_of_their_lines(first: int) -> None:
    opened = codec.Sealed("ledger/county-33.example", 1, "LedgerOpened", b"{}")
    sealed = [*entries("V1", 1, 3), opened]
    assert codec.leaves(sealed, first) == [
        merkle.leaf_hash(
            codec.line(position, s.originator_id, s.originator_version, s.topic, s.state)
        )
        for position, s in enumerate(sealed, first)
    ]
