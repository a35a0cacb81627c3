"""Keys: issued within the issuer's own scope, revoked once."""

from datetime import date
from typing import Any

import pytest

from ledger.domain.access import Caller
from ledger.domain.commands import IssueKey, RevokeKey
from ledger.domain.decision import Act
from ledger.domain.errors import AlreadyExists, CorruptLog
from ledger.domain.events import KeyIssued, KeyRevoked
from ledger.domain.key import evolve, find_key, issue_key, key_id
from tests.scenario import ADMIN, NINE, REGION, TODAY, TOWN, Scenario, caller, county_at_work


def issue(**changes: Any) -> IssueKey:
    wish: dict[str, Any] = {
        "holder": "street-office",
        "roles": ("verifier", "recorder", "verifier"),
        "expires_on": date(2026, 6, 16),
    }
    return IssueKey(**wish | changes)


def issued(ledger: Scenario, **changes: Any) -> str:
    """The id of a key issued by the operator."""
    return str(ledger.when(issue(**changes)).answer["key"])


def revoke(key: str) -> RevokeKey:
    return RevokeKey(key=key, reason_code="left_office")


def test_a_key_is_issued_with_roles_and_scopes_in_order() -> None:
    ledger = county_at_work()
    outcome = ledger.when(issue(regions=(TOWN, REGION), funds=("F2", "F1"), member="V0001"))
    key = outcome.answer["key"]
    outcome.then_in(f"key/{key}").then_event(
        KeyIssued, holder="street-office", member="V0001", roles=("recorder", "verifier"),
        regions=(REGION, TOWN), organisations=(), funds=("F1", "F2"), sources=(),
        expires_on=date(2026, 6, 16),
    )  # fmt: skip
    found = find_key(ledger.books, str(key), ADMIN)
    assert (found.id, found.holder, found.revoked) == (key, "street-office", False)


def test_the_id_of_a_key_is_drawn_from_the_seed() -> None:
    ledger = county_at_work()
    first, second = issued(ledger), issued(ledger)
    assert first != second
    assert len(first) == 16
    assert set(first) <= set("0123456789abcdef")


def test_each_command_of_a_request_issues_a_key_of_its_own() -> None:
    assert len({key_id(b"seed", line) for line in range(20)} | {key_id(b"other")}) == 21
    assert key_id(b"seed") == key_id(b"seed", 0)


def test_a_key_is_good_until_its_last_day_or_its_revocation() -> None:
    ledger = county_at_work()
    key = issued(ledger, expires_on=date(2025, 6, 17))
    found = find_key(ledger.books, key, ADMIN)
    assert [found.is_valid(on=date(2025, 6, day)) for day in (16, 17, 18)] == [True, True, False]
    ledger.given(revoke(key))
    assert not found.is_valid(on=date(2025, 6, 16))


def test_a_key_makes_the_caller_it_was_issued_to() -> None:
    ledger = county_at_work()
    key = issued(ledger, regions=(TOWN,), organisations=("O2",), funds=("F1",), sources=("CF1",))
    assert find_key(ledger.books, key, ADMIN).caller(members=frozenset({"V0001"})) == Caller(
        holder="street-office", key=key, roles=frozenset({"recorder", "verifier"}),
        members=frozenset({"V0001"}), regions=(TOWN,), organisations=("O2",), funds=("F1",),
        sources=("CF1",), expires_on=date(2026, 6, 16),
    )  # fmt: skip


def test_the_same_act_issues_one_key() -> None:
    ledger = county_at_work()
    act = Act(caller=ADMIN, command_id="C", now=NINE, today=TODAY, effective_on=TODAY, seed=b"seed")
    ledger.happened(*issue_key(issue(), ledger.books, act).events[0])
    with pytest.raises(AlreadyExists):
        issue_key(issue(), ledger.books, act)


def test_a_key_may_be_good_for_today_alone_and_is_not_issued_expired() -> None:
    ledger = county_at_work()
    ledger.when(issue(expires_on=date(2025, 6, 15))).then_refused(
        "invalid_command", at="expires_on", today="2025-06-16"
    )
    key = str(ledger.when(issue(expires_on=TODAY)).answer["key"])
    assert find_key(ledger.books, key, ADMIN).is_valid(on=TODAY)


def test_a_key_names_a_member_who_is_there() -> None:
    county_at_work().when(issue(member="V0009")).then_refused("member_not_found", at="member")


@pytest.mark.parametrize(
    ("own", "wanted", "at"),
    [
        ({"regions": (REGION,)}, {"regions": (TOWN,)}, None),
        ({"regions": (TOWN,)}, {"regions": (REGION,)}, "regions"),
        ({"regions": (REGION,)}, {"regions": (TOWN, "64")}, "regions"),
        ({"regions": (REGION,)}, {}, "regions"),
        ({"organisations": ("O1", "O2")}, {"organisations": ("O2",)}, None),
        ({"organisations": ("O1",)}, {"organisations": ("O1", "O2")}, "organisations"),
        ({"organisations": ("O1",)}, {}, "organisations"),
        ({"funds": ("F1",)}, {"funds": ("F2",)}, "funds"),
        ({"funds": ("F1",)}, {}, "funds"),
        ({"sources": ("CF1",)}, {"sources": ("CF2",)}, "sources"),
        ({"sources": ("CF1",)}, {"sources": ("CF1",), "funds": ("F1",)}, None),
        ({}, {"regions": (TOWN,)}, None),
    ],
)
def test_nobody_gives_more_than_they_have(
    own: dict[str, Any], wanted: dict[str, Any], at: str | None
) -> None:
    outcome = county_at_work().when(issue(**wanted), by=caller("bound", "admin", **own))
    if at is None:
        outcome.then_event(KeyIssued)
    else:
        outcome.then_refused("forbidden", at=at)


def test_a_key_is_revoked_once() -> None:
    ledger = county_at_work()
    key = issued(ledger)
    (
        ledger.when(revoke(key))
        .then_in(f"key/{key}")
        .then_event(KeyRevoked, holder="street-office", reason_code="left_office")
        .then_answer(key=key)
    )
    ledger.when(revoke(key)).then_refused("nothing_changes", at="key", key=key)
    assert find_key(ledger.books, key, ADMIN).revoked


def test_a_key_that_reaches_further_than_the_caller_looks_like_not_there() -> None:
    ledger = county_at_work()
    key, town = issued(ledger), issued(ledger, regions=(TOWN,))
    bound = caller("bound", "admin", regions=(REGION,))
    ledger.when(revoke(key), by=bound).then_refused("key_not_found", at="key")
    ledger.when(revoke("no-such-key"), by=bound).then_refused("key_not_found", at="key")
    ledger.when(revoke(town), by=bound).then_event(KeyRevoked)


def test_a_key_stream_begins_with_its_issue() -> None:
    ledger = county_at_work()
    key = issued(ledger)
    ledger.given(revoke(key))
    (stream, first), (_, last) = ledger.log[-2:]
    with pytest.raises(CorruptLog):
        evolve(None, stream, last)
    with pytest.raises(CorruptLog):
        evolve(ledger.state(stream), stream, first)
