"""Two axes of time over HTTP: what was answered then, what counts until a day, what changed."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.log.proofs import check_inclusion
from ledger.settings import Settings
from tests.http_service import (
    OPERATOR,
    YESTERDAY,
    Key,
    issue,
    open_ledger,
    refused,
    started,
)
from tests.integration import test_http_reads
from tests.integration.test_http_reads import changes, month_at_work

MONTH = f"{YESTERDAY:%Y-%m}"
#: Every figure there is, by the address it is asked under.
FIGURES = [
    "/v1/members/V1/balance", "/v1/members/V2/balance", "/v1/members/V1/statement",
    "/v1/members/V2/statement", "/v1/members", "/v1/members?region=330424",
    "/v1/policies/Y1/balance", "/v1/funds/F1/usage", "/v1/funds/F2/usage", "/v1/sources/S1/usage",
    "/v1/totals", "/v1/totals?project=P1", "/v1/totals?group_by=region:6,month&organisation=O1",
    "/v1/participation", "/v1/participation?group_by=month&project=P1",
    "/v1/participation/certified", "/v1/participation/belonging",
    "/v1/trail/member/V1", "/v1/trail/project/P1", "/v1/trail/actor/operator",
    "/v1/explain/members/V1?figure=pending_minutes", "/v1/explain/funds/F1?figure=spent_fen",
    "/v1/explain/totals?figure=logged_minutes&project=P1",
    "/v1/explain/participation?figure=registered", "/v1/explain/accounts?account=registered",
]  # fmt: skip
SUPERVISOR = msgspec.structs.replace(OPERATOR, holder="supervisor")


def later() -> list[tuple[c.Command, Any]]:
    """What comes to the log after all figures were asked once."""
    return [
        (c.VerifyHours(entry="V1-2"), SUPERVISOR),
        (c.VerifyHours(entry="V2-1"), SUPERVISOR),
        (c.CorrectHours(entry="V1-2", minutes=5, reason_code="typing_error"), SUPERVISOR),
        (c.LogHours(member="V1", project="P1", service_on=YESTERDAY - timedelta(days=2),
                    minutes=33, category="elder_care", evidence="manual"), OPERATOR),
        (c.MoveMember(member="V2", region="330424101"), OPERATOR),
        (c.SpendFunds(fund="F1", target="project/P1", fen=66, category="meals",
                      payee_kind="supplier", payee="甲", document="票"), OPERATOR),
        (c.RevokeGrant(grant="V2-G1", reason_code="asked_for"), OPERATOR),
        (c.VoidHours(entry="V2-1", reason_code="never_happened", deficit=True), SUPERVISOR),
    ]  # fmt: skip


def get(client: httpx.Client, key: Key, path: str, **asked: Any) -> Any:
    """An answer to what a path asks and what is asked besides."""
    return test_http_reads.get(client, key, str(httpx.URL(path).copy_merge_params(asked)))


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *month_at_work())
    return settings


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "auditor", "auditor", "admin")


@pytest.fixture
def client(county: Settings, key: Key) -> Iterator[httpx.Client]:
    del key  # issued before figures are asked for
    with started(county) as client:
        yield client


@pytest.fixture
def write(county: Settings, client: httpx.Client) -> Iterator[Callable[[], int]]:
    """Lets what comes later happen; the position it ends at."""
    ledger = Ledger(county)

    def write() -> int:
        return [ledger.execute(command, who).position for command, who in later()][-1]

    yield write
    ledger.close()


def test_before_the_first_event_there_is_nothing(client: httpx.Client, key: Key) -> None:
    """What was not there is not found, and of all else there is none: nothing is refused."""
    named = ("/V", "/Y1", "/F", "/S1", "/trail", "project", "organisation")
    for path in FIGURES:
        answer = client.get(httpx.URL(path).copy_merge_params({"known_at": 0}), headers=key)
        expected = 404 if any(part in path for part in named) else 200
        assert answer.status_code == expected, (path, answer.text)


def test_what_was_answered_is_answered_again(
    client: httpx.Client, key: Key, write: Callable[[], int]
) -> None:
    """By the position it was true at, and by the time at which it was asked."""
    given = {path: get(client, key, path) for path in FIGURES}
    asked = datetime.now(UTC).isoformat()
    end = write()
    for path, answer in given.items():
        now = get(client, key, path, min_position=end)
        assert now != answer
        position = answer["position"]
        for known_at in (str(position), asked):
            assert get(client, key, path, known_at=known_at) == answer, (path, known_at)
        assert get(client, key, path, known_at=end) == now


def test_a_link_to_an_explanation_stays_with_its_answer(
    client: httpx.Client, key: Key, write: Callable[[], int]
) -> None:
    answer = get(client, key, "/v1/funds/F1/usage")
    end = write()
    now = get(client, key, "/v1/funds/F1/usage", min_position=end)
    for told in (answer, now):
        assert changes(client, key, told["explain"], figure="spent_fen") == told["spent_fen"]
    assert answer["spent_fen"] < now["spent_fen"]


def test_as_of_a_day_only_what_counts_until_then_is_told(
    client: httpx.Client, key: Key, write: Callable[[], int]
) -> None:
    end = write()
    day = (YESTERDAY - timedelta(days=1)).isoformat()
    told = get(client, key, "/v1/totals", as_of=day, min_position=end)
    assert (told["as_of"], told["rows"][0]["logged_minutes"]) == (day, 33)
    # Money is of the day of the act, which is today.
    assert told["rows"][0]["fen_received"] == 0
    (entry,) = get(client, key, "/v1/members/V1/statement", as_of=day)["entries"]
    assert (entry["minutes"], entry["credit"]) == (33, 0)
    assert get(client, key, "/v1/members/V1/balance", as_of=day)["pending_minutes"] == 33
    assert get(client, key, "/v1/funds/F1/usage", as_of=day)["receipts"] == []
    assert get(client, key, "/v1/policies/Y1/balance", as_of=day)["granted"] == 0
    listed = get(client, key, "/v1/trail/project/P1", as_of=day)["entries"]
    assert [entry["topic"] for entry in listed] == ["HoursLogged"]
    today = get(client, key, "/v1/members/V1/balance")["stars_on"]
    told_today = get(client, key, "/v1/totals", as_of=today)
    assert told_today["rows"] == get(client, key, "/v1/totals")["rows"]
    explained = get(client, key, told["explain"], figure="logged_minutes")
    assert [leg["change"] for leg in explained["legs"]] == [33]


def test_every_figure_of_participation_can_be_explained(client: httpx.Client, key: Key) -> None:
    answer = get(client, key, "/v1/participation", region="330424")
    (row,) = answer["rows"]
    for figure in row.keys() - {"inhabitants"}:
        explained = get(client, key, answer["explain"], figure=figure)
        assert explained["figure"] == figure
        assert explained["sums"], figure


#: What is asked, and the parameter that is wrong.
NO_MOMENTS = [
    ("/v1/totals?known_at=10000000", "known_at"),
    ("/v1/totals?known_at=99999999999999999999", "known_at"),
    ("/v1/totals?known_at=-1", "known_at"), ("/v1/totals?known_at=", "known_at"),
    ("/v1/totals?known_at=yesterday", "known_at"),
    ("/v1/totals?known_at=2025-06-01", "known_at"),
    ("/v1/totals?known_at=2025-06-01T00:00:00", "known_at"),
    ("/v1/totals?known_at=2025-06-01T00:00:00+08:00", "known_at"),
    ("/v1/totals?known_at=2025-02-30T00:00:00Z", "known_at"),
    ("/v1/totals?known_at=2099-01-01T00:00:00Z", "known_at"),
    ("/v1/totals?known_at=0001-01-01T00:00:00%2B14:00", "known_at"),
    ("/v1/totals?known_at=1&known_at=2", "known_at"),
    ("/v1/totals?known_at=1&min_position=2", "known_at"),
    ("/v1/totals?as_of=2025-02-30", "as_of"), ("/v1/totals?as_of=today", "as_of"),
    ("/v1/totals?as_of=2025-06-01T00:00:00Z", "as_of"),
    ("/v1/keys?known_at=1", "known_at"), ("/v1/looks?about=log&as_of=2025-01-01", "as_of"),
    ("/v1/diff/totals", "from_known_at"),
    ("/v1/diff/totals?from_known_at=10000000", "from_known_at"),
    ("/v1/diff/totals?from_known_at=1&cursor=x", "cursor"),
    ("/v1/restatements/totals?published_at=1", "month"),
    ("/v1/restatements/totals?month=2025-05", "published_at"),
    ("/v1/restatements/totals?month=2025-05&published_at=soon", "published_at"),
    ("/v1/restatements/totals?month=2025-05&published_at=4&known_at=3", "published_at"),
    ("/v1/restatements/totals?from_month=2025-05&published_at=1", "month"),
    ("/v1/restatements/totals?from_month=2025-06&to_month=2025-05&published_at=1", "to_month"),
    ("/v1/totals?from_month=2025-06&to_month=2025-05", "to_month"),
    ("/v1/participation?from_month=2025-06&to_month=2025-05", "to_month"),
    ("/v1/explain/totals?from_month=2025-06&to_month=2025-05", "to_month"),
    ("/v1/explain/accounts?account=nonsense/HY", "account"),
    ("/v1/explain/totals?proofs=perhaps", "proofs"),
    ("/v1/explain/totals?figure=logged_minutes&proofs=true&proof_size=1", "proof_size"),
    ("/v1/explain/totals?proofs=true&proof_size=10000000", "proof_size"),
    ("/v1/explain/members/V1?figure=wealth", "figure"),
    ("/v1/explain/policies/Y1?figure=wealth", "figure"),
]  # fmt: skip


def test_what_is_no_moment_is_an_error(client: httpx.Client, key: Key) -> None:
    for path, at in NO_MOMENTS:
        refused(client.get(path, headers=key), 422, "invalid_command", at)


def test_what_was_not_there_yet_is_not_found(client: httpx.Client, key: Key) -> None:
    refused(client.get("/v1/members/V1/balance?known_at=1", headers=key), 404, "member_not_found")
    refused(client.get("/v1/funds/F1/usage?known_at=1", headers=key), 404, "fund_not_found")
    refused(client.get("/v1/totals?project=P1&known_at=1", headers=key), 404, "project_not_found")
    refused(
        client.get("/v1/diff/members/V1?from_known_at=1&known_at=2", headers=key),
        404, "member_not_found",
    )  # fmt: skip
    assert get(client, key, "/v1/totals", known_at="0")["rows"][0]["logged_minutes"] == 0


def pages(client: httpx.Client, key: Key, path: str) -> tuple[dict[str, Any], list[Any]]:
    """The first page of a difference, and the events of all pages, three on each."""
    answer = client.get(httpx.URL(path).copy_merge_params({"limit": 3}), headers=key)
    first = answer.json()
    events = first["events"]
    while "next" in answer.links:
        answer = client.get(answer.links["next"]["url"], headers=key)
        events = events + answer.json()["events"]
    return first, events


COMPARED = [
    "/v1/diff/members/V1?", "/v1/diff/policies/Y1?", "/v1/diff/funds/F1?",
    "/v1/diff/sources/S1?", "/v1/diff/totals?", "/v1/diff/participation?",
    "/v1/diff/totals?group_by=project&project=P1&",
]  # fmt: skip


def test_a_difference_is_the_sum_of_its_events(
    client: httpx.Client, key: Key, write: Callable[[], int]
) -> None:
    before = get(client, key, "/v1/totals")["position"]
    end = write()
    for path in COMPARED:
        check_difference(client, key, path, before, end)


def check_difference(client: httpx.Client, key: Key, path: str, before: int, end: int) -> None:
    first, events = pages(client, key, f"{path}from_known_at={before}&known_at={end}")
    assert (first["before"]["position"], first["after"]["position"]) == (before, end)
    assert len(events) == first["events_total"] > 0
    sums: dict[str, int] = {}
    for event in events:
        assert before < event["position"] <= end
        for figure, change in event["changes"].items():
            sums[figure] = sums.get(figure, 0) + change
    whole = [each for each in first["figures"] if each["part"] in ("", "rows")]
    told = {each["figure"]: each["change"] for each in whole if type(each["before"]) is int}
    assert {figure: n for figure, n in told.items() if figure in sums} == {
        figure: n for figure, n in sums.items() if n
    }
    counted: dict[str, int] = {}
    for cause in first["causes"]:
        for figure, change in cause["changes"].items():
            counted[figure] = counted.get(figure, 0) + change
    assert counted == sums


def test_a_restatement_tells_what_was_published_and_why_it_is_so_no_more(
    client: httpx.Client, key: Key, write: Callable[[], int]
) -> None:
    published = get(client, key, "/v1/totals", month=MONTH)
    asked = datetime.now(UTC).isoformat()
    end = write()
    now = get(client, key, "/v1/totals", month=MONTH, min_position=end)
    (was,), (is_,) = published["rows"], now["rows"]
    told = get(client, key, "/v1/restatements/totals", month=MONTH, published_at=asked)
    assert {(f["figure"], f["before"], f["after"]) for f in told["figures"]} == {
        (figure, was[figure], is_[figure]) for figure in was if was[figure] != is_[figure]
    }
    reasons = {(cause["topic"], cause["reason_code"]) for cause in told["causes"]}
    assert ("HoursCorrected", "typing_error") in reasons
    assert ("HoursVoided", "never_happened") in reasons
    people = get(client, key, "/v1/restatements/participation", month=MONTH, published_at=asked)
    active = [f["change"] for f in people["figures"] if f["figure"] == "active"]
    assert active == [sum(event["changes"].get("active", 0) for event in people["events"])] == [1]


def test_each_event_of_an_explanation_is_proved_to_be_in_the_log(
    client: httpx.Client, key: Key, county: Settings
) -> None:
    ledger = Ledger(county)
    head = ledger.store.head().position
    ledger.close()
    for size in (head, head - 1, head - 5):
        told = get(client, key, "/v1/explain/totals", figure="logged_minutes", proofs=True,
                   proof_size=size)  # fmt: skip
        positions = {leg["position"] for leg in told["legs"]}
        assert {proof["position"] for proof in told["proofs"]} == positions
        for proof in told["proofs"]:
            leaf = hashlib.sha256(b"\0" + proof["line"].encode()).digest()
            steps = [bytes.fromhex(step) for step in proof["hashes"]]
            root = bytes.fromhex(proof["root"])
            check_inclusion(leaf, proof["position"] - 1, proof["size"], steps, root)
            assert proof["size"] == size
    assert get(client, key, "/v1/explain/totals", figure="logged_minutes")["proofs"] is None


def test_lines_of_members_are_proved_to_auditors_only(
    client: httpx.Client, county: Settings
) -> None:
    verifier = issue(county, "street", "verifier")
    funder = issue(county, "giver", "funder", sources=("S1",))
    path = "/v1/explain/members/V1?figure=logged_minutes&proofs=true"
    path = path.replace("logged", "pending")
    refused(client.get(path, headers=verifier), 403, "forbidden")
    money = client.get("/v1/explain/funds/F1?figure=spent_fen&proofs=true", headers=funder)
    assert money.json()["proofs"]
    for figure in ("verified_minutes", "fen_per_verified_hour"):
        hours = client.get(f"/v1/explain/funds/F1?figure={figure}", headers=funder)
        refused(hours, 403, "forbidden", "figure")
