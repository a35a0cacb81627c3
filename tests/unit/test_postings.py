"""The posting table: complete, sound, each leg as the design says, and data enough for others."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from ledger.domain import events as e
from ledger.domain.ledger import POSTINGS_VERSION as VERSION_IN_LOG
from ledger.domain.values import GrantInputs, Lot
from projections.moves import moves
from projections.postings import (
    COMMODITIES,
    MOVES_NOTHING,
    POSTINGS,
    POSTINGS_VERSION,
    M,
)

ACT: dict[str, Any] = {
    "timestamp": datetime(2025, 7, 1, 2, tzinfo=UTC),
    "effective_on": date(2025, 7, 1),
    "actor": "office",
    "key": "K1",
    "command_id": "C1",
}
HOURS: dict[str, Any] = {
    **ACT,
    "entry": "V1-1",
    "project": "P1",
    "organisation": "O1",
    "region": "330424",
    "member_region": "330424001",
    "member_kinds": ("party_member", "volunteer"),
    "kind": "service",
    "category": "elder_care",
    "evidence": "manual",
    "service_on": date(2025, 6, 14),
}
GRANT: dict[str, Any] = {
    **ACT,
    "grant": "V1-G1",
    "policy": "Y1",
    "policy_version": 1,
    "dimension": "social_respect",
    "region": "330424",
    "member_region": "330424001",
    "member_kinds": ("volunteer",),
    "credit": 60,
}
INPUTS = GrantInputs(
    window_from=date(2025, 1, 1),
    window_minutes=1,
    credit_available=60,
    member_taken=0,
    policy_taken=0,
)
LOTS = (
    Lot(receipt="F1-R1", source_kind="charity", source_id="CF1", fen=700),
    Lot(receipt="F1-R2", source_kind="welfare_lottery", source_id="FC", fen=300),
)
MONEY: dict[str, Any] = {**ACT, "organisation": "O1", "region": "330424", "lots": LOTS}
TARGET: dict[str, Any] = {**MONEY, "target": "project/P1"}
SPENT: dict[str, Any] = {**TARGET, "expense": "F1-E1", "category": "meals"}
TRANSFER: dict[str, Any] = {
    **MONEY,
    "transfer": "F1-T1",
    "from_origin": "a.example/x",
    "from_region": "330424",
    "to_origin": "b.example/x",
    "to_region": "640121",
}
HELD: dict[str, Any] = {
    **ACT,
    "activity": "A1",
    "project": "P1",
    "organisation": "O1",
    "region": "330424",
    "category": "elder_care",
    "kind": "service",
    "held_on": date(2025, 6, 7),
    "responsible": "zhou",
    "registered": 30,
    "attended": 28,
    "served": 55,
}
CREDENTIAL: dict[str, Any] = {**ACT, "region": "330424001", "credential": "social_worker"}
JOINED: dict[str, Any] = {
    **ACT,
    "organisation": "O2",
    "region": "330424001",
    "residency": "newcomer",
}
KINDS: dict[str, Any] = {"kinds": ("party_member", "volunteer")}


def both(source: str, target: str) -> list[tuple[str, str, str, int, str]]:
    """The two lots on their way."""
    return [("FEN", source, target, fen, "2025-07-01") for fen in (700, 300)]


#: Stream, event, its legs: commodity, from, to, quantity, day. Written from the design by hand.
LEGS: list[tuple[str, e.Event, list[tuple[str, str, str, int, str]]]] = [
    (
        "member/V1",
        e.HoursLogged(**HOURS, minutes=150),
        [("MIN", "served/P1", "pending/V1", 150, "2025-06-14")],
    ),
    (
        "member/V1",
        e.HoursVerified(**HOURS, minutes=120, declined=30, credit=90),
        [
            ("MIN", "pending/V1", "verified/V1", 120, "2025-06-14"),
            ("MIN", "pending/V1", "refused/P1", 30, "2025-06-14"),
            ("CRD", "issued/330424", "credit/V1", 90, "2025-07-01"),
        ],
    ),
    (
        "member/V1",
        e.HoursVerified(**{**HOURS, "kind": "training"}, minutes=120, declined=0, credit=0),
        [("TRN", "pending/V1", "verified/V1", 120, "2025-06-14")],
    ),
    (
        "member/V1",
        e.HoursRejected(**HOURS, minutes=150, reason_code="not_there"),
        [("MIN", "pending/V1", "refused/P1", 150, "2025-06-14")],
    ),
    (
        "member/V1",
        e.HoursCorrected(
            **HOURS, before=120, after=100, credit_before=90, credit_after=75, reason_code="typo"
        ),
        [
            ("MIN", "verified/V1", "reversed/P1", 120, "2025-06-14"),
            ("MIN", "reversed/P1", "verified/V1", 100, "2025-06-14"),
            ("CRD", "credit/V1", "issued/330424", 90, "2025-07-01"),
            ("CRD", "issued/330424", "credit/V1", 75, "2025-07-01"),
        ],
    ),
    (
        "member/V1",
        e.HoursVoided(**HOURS, minutes=100, credit=75, reason_code="never_happened"),
        [
            ("MIN", "verified/V1", "reversed/P1", 100, "2025-06-14"),
            ("CRD", "credit/V1", "issued/330424", 75, "2025-07-01"),
        ],
    ),
    (
        "member/V1",
        e.IncentiveGranted(**GRANT, fen=0, inputs=INPUTS),
        [("CRD", "credit/V1", "redeemed/Y1", 60, "2025-07-01")],
    ),
    (
        "member/V1",
        e.IncentiveRevoked(**GRANT, reason_code="declined"),
        [("CRD", "redeemed/Y1", "credit/V1", 60, "2025-07-01")],
    ),
    (
        "fund/F1",
        e.FundsReceived(**MONEY, document="d"),
        [
            ("FEN", "source/charity/CF1", "unallocated/F1", 700, "2025-07-01"),
            ("FEN", "source/welfare_lottery/FC", "unallocated/F1", 300, "2025-07-01"),
        ],
    ),
    ("fund/F1", e.FundsAllocated(**TARGET), both("unallocated/F1", "allocated/F1/project/P1")),
    ("fund/F1", e.FundsReleased(**TARGET), both("allocated/F1/project/P1", "unallocated/F1")),
    (
        "fund/F1",
        e.FundsSpent(**SPENT, payee_kind="supplier", payee="p", document="d"),
        both("allocated/F1/project/P1", "spent/F1/project/P1"),
    ),
    (
        "fund/F1",
        e.SpendReversed(**SPENT, reason_code="wrong_bill"),
        both("spent/F1/project/P1", "allocated/F1/project/P1"),
    ),
    (
        "fund/F1",
        e.FundsReturned(**MONEY, source_kind="charity", source_id="CF1", reason_code="unspent"),
        both("unallocated/F1", "returned/charity/CF1"),
    ),
    ("fund/F1", e.TransferSent(**TRANSFER), both("unallocated/F1", "transit/F1-T1")),
    (
        "fund/F1",
        e.TransferAccepted(**TRANSFER),
        both("transit/F1-T1", "transferred/a.example/x/F1-T1"),
    ),
    (
        "fund/F1",
        e.TransferDeclined(**TRANSFER, reason_code="not_needed"),
        both("transit/F1-T1", "unallocated/F1"),
    ),
    (
        "fund/F2",
        e.TransferReceived(**TRANSFER),
        both("transferred/a.example/x/F1-T1", "unallocated/F2"),
    ),
    (
        "activity/A1",
        e.ActivityHeld(**HELD),
        [
            ("PPL", "world", "registered/P1", 30, "2025-06-07"),
            ("PPL", "world", "attended/P1", 28, "2025-06-07"),
            ("PPL", "world", "served/P1", 55, "2025-06-07"),
            ("ACT", "world", "held/P1", 1, "2025-06-07"),
        ],
    ),
    (
        "activity/A1",
        e.ActivityWithdrawn(**HELD, reason_code="entered_twice"),
        [
            ("PPL", "registered/P1", "world", 30, "2025-06-07"),
            ("PPL", "attended/P1", "world", 28, "2025-06-07"),
            ("PPL", "served/P1", "world", 55, "2025-06-07"),
            ("ACT", "held/P1", "world", 1, "2025-06-07"),
        ],
    ),
    (
        "member/V1",
        e.MemberRegistered(**ACT, **KINDS, region="330424001"),
        [("HED", "world", "registered/330424001/party_member+volunteer", 1, "2025-07-01")],
    ),
    (
        "member/V1",
        e.MemberDeregistered(**ACT, **KINDS, region="330424001", reason_code="moved_away"),
        [("HED", "registered/330424001/party_member+volunteer", "world", 1, "2025-07-01")],
    ),
    (
        "member/V1",
        e.MemberMoved(**ACT, **KINDS, region_before="330424001", region_after="330424101"),
        [
            (
                "HED",
                "registered/330424001/party_member+volunteer",
                "registered/330424101/party_member+volunteer",
                1,
                "2025-07-01",
            )
        ],
    ),
    (
        "member/V1",
        e.MemberKindsChanged(
            **ACT,
            region="330424001",
            kinds_before=("volunteer",),
            kinds_after=("social_worker", "volunteer"),
        ),
        [
            (
                "HED",
                "registered/330424001/volunteer",
                "registered/330424001/social_worker+volunteer",
                1,
                "2025-07-01",
            )
        ],
    ),
    (
        "member/V1",
        e.CredentialRecorded(**CREDENTIAL, level_after="assistant"),
        [("HED", "world", "certified/social_worker/assistant/-", 1, "2025-07-01")],
    ),
    (
        "member/V1",
        e.CredentialRecorded(
            **CREDENTIAL, level_before="assistant", level_after="senior", tier_after="t2"
        ),
        [
            (
                "HED",
                "certified/social_worker/assistant/-",
                "certified/social_worker/senior/t2",
                1,
                "2025-07-01",
            )
        ],
    ),
    (
        "member/V1",
        e.CredentialWithdrawn(
            **CREDENTIAL, level_before="senior", tier_before="t2", reason_code="expired"
        ),
        [("HED", "certified/social_worker/senior/t2", "world", 1, "2025-07-01")],
    ),
    (
        "member/V1",
        e.MemberJoined(**JOINED),
        [("HED", "world", "belongs/O2/newcomer", 1, "2025-07-01")],
    ),
    (
        "member/V1",
        e.MemberLeft(**JOINED),
        [("HED", "belongs/O2/newcomer", "world", 1, "2025-07-01")],
    ),
]


@pytest.mark.parametrize(("stream", "event", "legs"), LEGS, ids=lambda x: type(x).__name__)
def test_an_event_has_exactly_the_legs_of_the_design(
    stream: str, event: e.Event, legs: list[tuple[str, str, str, int, str]]
) -> None:
    found = [(*move[:4], move.day.isoformat()) for move in moves(event, stream)]
    assert found == legs


def test_every_leg_of_the_table_is_shown_above() -> None:
    shown = {type(event).__name__ for _, event, _ in LEGS}
    assert shown == {row.topic for row in POSTINGS}


def test_every_topic_either_moves_something_or_is_known_to_move_nothing() -> None:
    moving = {row.topic for row in POSTINGS}
    assert moving | MOVES_NOTHING == set(e.TOPICS)
    assert moving & MOVES_NOTHING == set()


def test_the_version_of_the_table_is_the_one_logs_are_opened_with() -> None:
    assert POSTINGS_VERSION == VERSION_IN_LOG


def test_a_quantity_of_zero_moves_nothing() -> None:
    event = e.HoursVerified(**HOURS, minutes=0, declined=150, credit=0)
    assert [move.target for move in moves(event, "member/V1")] == ["refused/P1"]


def test_each_lot_is_a_move_of_its_own_and_keeps_its_receipt() -> None:
    found = moves(e.FundsAllocated(**TARGET), "fund/F1")
    assert [move.lot for move in found] == list(LOTS)


def test_commodities_are_those_of_the_design() -> None:
    found = {row.commodity for row in POSTINGS} - {"M"} | set(M.values())
    assert found == set(COMMODITIES)
