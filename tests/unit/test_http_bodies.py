"""Bodies of requests: what is well-formed is a command, anything else says where it is wrong."""

import json
import sys
import time
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import bodies, openapi
from api.ways import ISSUE_KEY, WAYS, Way
from ledger.domain import commands as c
from ledger.domain.commands import COMMANDS, Command
from ledger.domain.errors import InvalidCommand
from ledger.store import requests

ALL_WAYS = [*WAYS, ISSUE_KEY]


def refusal_of(kind: type[Command], body: bytes, **ids: str) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as caught:
        bodies.decode(kind, body, ids)
    return caught.value


def test_every_command_has_a_route_and_no_route_is_there_twice() -> None:
    assert {way.kind for way in ALL_WAYS} | {c.OpenLedger} == set(COMMANDS.values())
    assert len({way.path for way in ALL_WAYS}) == len(ALL_WAYS)


@pytest.mark.parametrize("way", ALL_WAYS, ids=lambda way: way.op)
def test_the_example_of_every_command_is_one(way: Way) -> None:
    ids = {name: openapi.EXAMPLES[name] for name in way.ids}
    body = msgspec.json.encode(openapi.example(way.kind, way.ids))
    command = bodies.decode(way.kind, body, ids)
    assert type(command) is way.kind
    assert {name: getattr(command, name) for name in ids} == ids


@pytest.mark.parametrize("way", [way for way in ALL_WAYS if way.ids], ids=lambda way: way.op)
def test_an_id_stands_in_the_path_and_nowhere_else(way: Way) -> None:
    ids = {name: openapi.EXAMPLES[name] for name in way.ids}
    body = openapi.example(way.kind, way.ids) | {way.ids[0]: ids[way.ids[0]]}
    assert refusal_of(way.kind, msgspec.json.encode(body), **ids).at == way.ids[0]


def test_no_body_is_an_empty_one() -> None:
    for body in (b"", b"{}", b" \n{ }\r\n"):
        assert bodies.decode(c.VerifyHours, body, {"entry": "V1-1"}) == c.VerifyHours(entry="V1-1")


def test_an_op_may_stand_there_if_it_is_the_right_one() -> None:
    ids = {"entry": "V1-1"}
    assert bodies.decode(c.VerifyHours, b'{"op":"verify_hours"}', ids).entry == "V1-1"
    assert refusal_of(c.VerifyHours, b'{"op":"void_hours"}', **ids).at == "op"


@pytest.mark.parametrize(
    "name",
    [
        '"',
        "\\",
        '","minutes":7,"x":"',
        "\n",
        "\x00",
        "\ud800",
        "V1-1\n",
        "../V1-1",
        "V1-1'--",
        "💥",
    ],
)
def test_an_id_with_tricks_in_it_is_refused_in_its_place(name: str) -> None:
    assert refusal_of(c.VerifyHours, b"{}", entry=name).at in ("entry", "")


HOURS: dict[str, Any] = openapi.example(c.LogHours)


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("NaN", ""), ("Infinity", ""), ("-Infinity", ""), ("1e999", "minutes"),
        (str(2**63), "minutes"), (str(2**64), "minutes"), ("1" + "0" * 400, "minutes"),
        ("-1" + "0" * 5_000, "minutes"), ("1.5", "minutes"), ("true", "minutes"),
        ("null", "minutes"), ('"5"', "minutes"), ("[]", "minutes"), ("{}", "minutes"), ("", ""),
        ("0x10", ""), ("01", ""), ("+1", ""), ("1_000", ""),
    ],
)  # fmt: skip
def test_a_number_is_a_whole_one_of_64_bits(raw: str, at: str) -> None:
    body = json.dumps(HOURS | {"minutes": "?"}).replace('"?"', raw).encode()
    assert refusal_of(c.LogHours, body).at == at


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("start", "25:00", "not a clock time such as 09:00 (^([01][0-9]|2[0-3]):[0-5][0-9]$)"),
        ("member", "v0001", "not a member id such as V0001 (^[A-Z0-9]{1,32}$)"),
        ("service_on", "2025-02-30", "not a day; write it as 2025-03-01"),
        ("minutes", "150", "Expected `int`, got `str`"),
    ],
)
def test_the_form_of_a_value_is_told_in_words(name: str, value: str, reason: str) -> None:
    refused = refusal_of(c.LogHours, msgspec.json.encode(HOURS | {name: value}))
    assert (refused.at, refused.facts) == (name, {"reason": reason})
    with pytest.raises(InvalidCommand) as caught:
        requests.check(
            [
                msgspec.convert(HOURS, c.LogHours),
                msgspec.structs.replace(msgspec.convert(HOURS, c.LogHours), **{name: value}),
            ]
        )
    assert (caught.value.at, caught.value.facts) == (name, {"reason": reason})


def test_a_form_of_no_name_is_told_too() -> None:
    refused = refusal_of(c.OpenLedger, b'{"origin":"a","currency":"yuan"}')
    assert (refused.at, refused.facts) == ("currency", {"reason": "not a text (^[A-Z]{3}$)"})


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_depth_costs_nothing(depth: int, brackets: str) -> None:
    opened = "[" if brackets == "[]" else '{"a":'
    deep = opened * depth + "1" + brackets[1] * depth
    for body in (deep, f'{{"x":{deep}}}', f'{{"member":{deep}}}', f'{{"levels":[{deep}]}}'):
        began = time.process_time()
        refusal_of(c.SetStarLevels, body.encode())
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b"", "member"), (b"[]", ""), (b"null", ""), (b'"x"', ""), (b"{", ""), (b"{}}", "member"),
        (b'{"member":"\xff"}', ""), (b"\xef\xbb\xbf{}", ""), (b'{"member":"\\ud800"}', ""),
        (b'{"member":"\xed\xa0\x80"}', ""), (b'{"member":"V1\\u0000"}', "member"),
        (b'{"member":"V1\x00"}', ""), (b'{"member":"V1\\n"}', "member"),
        (b'{"unknown":1}', "unknown"), (b'{"__class__":1}', "__class__"),
    ],
)  # fmt: skip
def test_what_is_no_command_says_so(body: bytes, at: str) -> None:
    assert refusal_of(c.LogHours, body).at == at


@pytest.mark.parametrize(
    "body",
    [
        '{"region":"33","region":"33","levels":[{"stars":1,"minutes":5}]}',
        '{"region":"33","levels":[{"stars":1,"minutes":5}],"r\\u0065gion":"33"}',
        '{"region":"33","levels":[{"stars":1,"stars":2,"minutes":5}]}',
        '{"region":"33","levels":[{"stars":1,"minutes":5},{"stars":2,"minutes":6,"min\\u0075tes":7}]}',
    ],
)
def test_a_name_stands_once_in_an_object(body: str) -> None:
    assert refusal_of(c.SetStarLevels, body.encode()).facts["reason"] == "the name stands twice"


def test_like_objects_in_a_list_have_like_names() -> None:
    body = b'{"region":"33","levels":[{"stars":1,"minutes":5},{"stars":2,"minutes":9}]}'
    assert len(bodies.decode(c.SetStarLevels, body, {}).levels) == 2


@pytest.mark.parametrize("space", ["", " ", "\t", "\r", "\n", " \n"])
@pytest.mark.parametrize("value", ["1", '":"', '{"b":2}', '[{"a":1}]', "null"])
def test_a_name_that_stands_twice_is_seen_whatever_stands_before_its_colon(
    space: str, value: str
) -> None:
    for text in (f'{{"a"{space}:{value},"a":2}}', f'{{"a":2,"a"{space}:{value}}}'):
        with pytest.raises(InvalidCommand):
            bodies.check_names(text.encode())


names = st.text(st.sampled_from('ab":\\{}[], é'), max_size=4)
values = st.recursive(
    st.one_of(st.integers(), st.text(st.sampled_from('ab":\\{},')), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=12,
)


@given(values, st.booleans())
def test_no_honest_text_is_taken_for_one_with_a_name_twice(value: Any, escaped: bool) -> None:
    bodies.check_names(json.dumps(value, ensure_ascii=escaped).encode())


@given(st.dictionaries(names, st.integers(), min_size=1, max_size=4), st.data())
def test_a_name_that_stands_twice_is_always_seen(value: dict[str, int], data: Any) -> None:
    again = data.draw(st.sampled_from(sorted(value)))
    text = json.dumps(value)[:-1] + f", {json.dumps(again)}: 1}}"
    with pytest.raises(InvalidCommand):
        bodies.check_names(f'{{"x": [{text}]}}'.encode())


#: Lines of which some only together are values, or hold two, or a name twice.
PIECES: Final = (
    b'{"op":"revoke_key","key":"k","reason_code":"lost"}',
    b'{"op":"set_star_levels","region":"33","levels":[{"stars":1,"minutes":5}]}',
    b'{"op":"revoke_key","key":"k",',
    b'"reason_code":"lost"}',
    b'{"op":"revoke_key","key":"k","key":"l","reason_code":"lost"}',
    b'{"op":"revoke_key","key":"k","key" :"l","reason_code":"lost"}',
    b'{"op":"revoke_key","key":"k","k\\u0065y":"l","reason_code":"lost"}',
    b'{"op":"set_star_levels","region":"33","levels":[{"stars":1,"minutes":5,"stars":2}]}',
    b'{"op":"erase_text","note":":"}',
    b"{}",
    b"[]",
    b"{",
    b"}",
    b" ",
)


@given(
    st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=2).map(b"".join), max_size=4)
)
def test_lines_decoded_at_once_are_what_they_are_singly(lines: list[bytes]) -> None:
    found = bodies.decode_lines(lines)
    if found is not None:
        assert found == [bodies.decode_line(line) for line in lines]


def test_plain_lines_are_decoded_at_once() -> None:
    found = bodies.decode_lines([PIECES[0]] * 3)
    assert found == [c.RevokeKey(key="k", reason_code="lost")] * 3


@given(st.binary(max_size=60))
def test_any_bytes_are_a_command_or_refused(body: bytes) -> None:
    for decode in (bodies.decode_line, lambda b: bodies.decode(c.LogHours, b, {})):
        try:
            decode(body)
        except InvalidCommand as refusal:
            json.dumps(refusal.facts)


@pytest.mark.parametrize("op", ["issue_key", "open_ledger", "nonsense"])
def test_what_a_line_of_a_batch_cannot_be(op: str) -> None:
    kind = COMMANDS.get(op)
    body = openapi.example(kind) if kind else {}
    with pytest.raises(InvalidCommand) as caught:
        bodies.decode_line(msgspec.json.encode({"op": op, **body}))
    assert caught.value.at == "op"


def test_a_refusal_quotes_little_of_what_was_sent() -> None:
    refusal = refusal_of(c.LogHours, b'{"' + b"x" * 500_000 + b'":1}')
    assert len(refusal.at) <= bodies.REASON_MAX
    assert len(str(refusal.facts["reason"])) <= bodies.REASON_MAX
    assert bodies.printable("a\x00\x1b\u202eb") == "a\ufffd\ufffd\ufffdb"


def test_the_recursion_limit_stays_as_it_is() -> None:
    limit = sys.getrecursionlimit()
    refusal_of(c.LogHours, b"[" * 1_000_000)
    assert sys.getrecursionlimit() == limit
