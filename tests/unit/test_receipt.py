"""Receipts: given / when / then of what a holder has, and of what never leaves a write undone."""

from typing import Any, Final

import pytest

from ledger.domain.errors import InvalidSettings
from ledger.log import codec, merkle
from ledger.log.receipt import (
    BadReceipt,
    Receipt,
    check_against,
    check_receipt,
    recorded_text,
    sign_receipt,
)
from tests.signed_log import LOG_KEY, ORIGIN, OTHER_KEY, SignedLog, lines, signer
from tests.story import rows_of, tell

LOG: Final = SignedLog(lines(20))
WHEN: Final = "2025-06-14T01:02:03.000004Z"


def receipt(**changes: Any) -> Receipt:
    told = Receipt(ORIGIN, "clerk/k-17", WHEN, 5, LOG.leaves[4:7])
    return told._replace(**changes)


def test_a_receipt_reads_as_it_was_written() -> None:
    signed = sign_receipt(receipt(), LOG_KEY)
    assert signed.decode().splitlines()[:5] == [
        "hourledger.receipt/v1", ORIGIN, "clerk/k-17", WHEN, "5",
    ]  # fmt: skip
    assert check_receipt(signed, LOG_KEY.verifier, ORIGIN) == receipt()
    assert receipt().positions == range(5, 8)


def test_one_signature_confirms_however_many_events() -> None:
    many = receipt(leaves=LOG.leaves * 1000)
    signed = sign_receipt(many, LOG_KEY)
    assert signed.count("— ".encode()) == 1
    assert len(check_receipt(signed, LOG_KEY.verifier).leaves) == 20_000


@pytest.mark.parametrize(
    "changes",
    [
        {"leaves": []}, {"leaves": [b"x" * 32] * 100_001}, {"command_id": ""},
        {"command_id": "two\nlines"}, {"command_id": "with space"}, {"command_id": "x" * 201},
        {"command_id": "志愿"},
    ],
)  # fmt: skip
def test_what_could_not_be_read_back_is_not_signed(changes: dict[str, object]) -> None:
    with pytest.raises(BadReceipt):
        sign_receipt(receipt(**changes), LOG_KEY)


def test_a_key_signs_for_its_own_log_alone() -> None:
    with pytest.raises(InvalidSettings):
        sign_receipt(receipt(), signer("huli.example/hours"))


def _lied(old: bytes, new: bytes) -> bytes:
    """A body that is not one, signed by the log's own key."""
    return LOG_KEY.sign(receipt().body().replace(old, new, 1))


@pytest.mark.parametrize(
    "text",
    [
        _lied(b"\n5\n", b"\n05\n"), _lied(b"\n5\n", b"\n0\n"), _lied(b"\n5\n", b"\n-5\n"),
        _lied(b"\n5\n", b"\n5\n\n"), _lied(b"/v1", b"/v2"), _lied(b"Z\n", b"\n"),
        _lied(b"=\n", b"\n"), _lied(ORIGIN.encode(), b"huli.example/hours"),
        sign_receipt(receipt(), OTHER_KEY), LOG.note(5), b"", b"\n\n", b"\xff",
        sign_receipt(receipt(), LOG_KEY) + b"\n",
    ],
    ids=range(14),
)  # fmt: skip
def test_what_is_not_exactly_a_receipt_of_this_log_is_refused(text: bytes) -> None:
    with pytest.raises(BadReceipt):
        check_receipt(text, LOG_KEY.verifier, ORIGIN)


STORY: Final = {row.position: row.line() for row in rows_of(tell())}
#: The command of three events.
FIRST: Final = 63


def granted(**changes: Any) -> Receipt:
    lines_of_it = [STORY[FIRST + n] for n in range(3)]
    found = codec.parse_line(lines_of_it[0])
    event = codec.decode(found.topic, bytes(found.state))
    leaves = list(map(merkle.leaf_hash, lines_of_it))
    told = Receipt(ORIGIN, event.command_id, recorded_text(event.timestamp), FIRST, leaves)
    return told._replace(**changes)


def test_a_receipt_is_held_against_the_lines_of_the_log() -> None:
    check_against(granted(), STORY)
    with pytest.raises(BadReceipt) as missing:
        check_against(granted(), {n: line for n, line in STORY.items() if n < FIRST + 2})
    assert missing.value.facts == {"position": FIRST + 2, "error": "missing"}
    with pytest.raises(BadReceipt) as other:
        check_against(granted(), {**STORY, FIRST + 1: STORY[FIRST]})
    assert other.value.facts["position"] == FIRST + 1


@pytest.mark.parametrize(
    ("changes", "at", "position"),
    [
        ({"command_id": "never-sent"}, "command_id", FIRST),
        ({"recorded": WHEN}, "recorded", FIRST),
        ({"leaves": [*granted().leaves, merkle.leaf_hash(STORY[FIRST + 3])]},
         "command_id", FIRST + 3),
    ],
    ids=["another command", "another time", "one event more"],
)  # fmt: skip
def test_what_stands_there_must_be_of_the_command(
    changes: dict[str, Any], at: str, position: int
) -> None:
    """The leaves are those of the log; only the lines tell whose they are."""
    with pytest.raises(BadReceipt) as raised:
        check_against(granted(**changes), STORY)
    assert (raised.value.at, raised.value.facts["position"]) == (at, position)
