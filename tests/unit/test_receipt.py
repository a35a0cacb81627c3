"""Receipts: given / when / then of what a holder has, and of what never leaves a write undone."""

from typing import Any, Final

import pytest

from ledger.domain.errors import InvalidSettings
from ledger.log.receipt import (
    BadReceipt,
    Receipt,
    check_against,
    check_receipt,
    sign_receipt,
)
from tests.signed_log import LOG_KEY, ORIGIN, OTHER_KEY, SignedLog, lines, signer

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


def test_a_receipt_is_held_against_the_leaves_of_the_log() -> None:
    there = dict(enumerate(LOG.leaves, start=1))
    check_against(receipt(), there)
    with pytest.raises(BadReceipt) as missing:
        check_against(receipt(), {n: leaf for n, leaf in there.items() if n < 7})
    assert missing.value.facts == {"position": 7, "error": "missing"}
    with pytest.raises(BadReceipt) as other:
        check_against(receipt(), {**there, 6: there[7]})
    assert other.value.facts["position"] == 6
