"""Figures over HTTP: those of the read models, explained leg by leg, page by page, and noted."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import msgspec
import pytest

from api.bounds import Bounds
from api.routes import trails
from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.values import Terms, Threshold
from ledger.settings import Settings
from projections import balances, fund_usage, participation, totals
from projections.database import Reads, open_reads
from projections.runner import catch_up
from tests.http_service import (
    LONG_AGO,
    OPERATOR,
    YESTERDAY,
    Key,
    issue,
    open_ledger,
    refused,
    started,
)
from tests.integration.test_http_writes import BASIS

NEVER = date(2099, 12, 31)
SUPERVISOR = msgspec.structs.replace(OPERATOR, holder="supervisor")
TERMS = Terms(purpose="助老", opens_on=LONG_AGO, closes_on=NEVER)


def month_at_work() -> list[c.Command]:
    """Entries of all fates, a policy, two funds with money of three sources."""
    log = [
        c.LogHours(member=f"V{n % 3 + 1}", project="P1", service_on=YESTERDAY, minutes=10 * n,
                   category="elder_care", evidence="manual", source="s", source_ref=str(n))
        for n in range(1, 13)
    ]  # fmt: skip
    return [
        *BASIS,
        c.SetAccrualRule(rule="R1", region="33", num=1, den=1, effective_on=LONG_AGO),
        c.RecordCredential(member="V1", credential="first_aid", level="basic"),
        c.JoinOrganisation(member="V2", organisation="O1", residency="native"),
        *log,
        c.RejectHours(entry="V1-1", reason_code="error"),
        c.DefinePolicy(policy="Y1", name="公交", dimension="economic_incentive", region="330424",
                       threshold=Threshold(minutes=0, months=12), opens_on=LONG_AGO,
                       closes_on=NEVER),
        c.GrantIncentive(member="V2", policy="Y1"),
        c.OpenFund(fund="F1", name="甲", organisation="O1", region="330424", terms=TERMS),
        c.OpenFund(fund="F2", name="乙", organisation="O1", region="330424", terms=TERMS),
        c.ReceiveFunds(fund="F1", source_kind="charity", source_id="S1", fen=9_000, document="x"),
        c.ReceiveFunds(fund="F1", source_kind="community", source_id="S2", fen=500, document="x"),
        c.ReceiveFunds(fund="F2", source_kind="charity", source_id="S1", fen=700, document="x"),
        c.AllocateFunds(fund="F1", target="project/P1", fen=6_000),
        c.SpendFunds(fund="F1", target="project/P1", fen=1_234, category="meals",
                     payee_kind="supplier", payee="甲", document="票"),
        c.ReturnFunds(fund="F2", source_kind="charity", source_id="S1", fen=200,
                      reason_code="unspent"),
    ]  # fmt: skip


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *month_at_work())
    verify(settings, "V2-1", "V2-2", "V3-1", "V1-2")
    return settings


def verify(settings: Settings, *entries: str) -> None:
    """Somebody else verifies entries."""
    ledger = Ledger(settings)
    for entry in entries:
        ledger.execute(c.VerifyHours(entry=entry), SUPERVISOR)
    ledger.close()


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "auditor", "auditor", "admin")


@pytest.fixture
def reads(county: Settings, key: Key) -> Iterator[Reads]:
    ledger, reads = Ledger(county), open_reads(county.read_models)
    catch_up(ledger.store, reads)
    yield reads
    reads.close()
    ledger.close()


@pytest.fixture
def client(county: Settings, reads: Reads) -> Iterator[httpx.Client]:
    with started(county) as client:
        yield client


def get(client: httpx.Client, key: Key, path: str, **asked: Any) -> Any:
    answer = client.get(path, headers=key, params=asked or None)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert answer.headers["ledger-position"] == str(body["position"])
    assert answer.headers["cache-control"] == "no-store"
    return body


def test_the_head_of_an_answer_is_that_of_the_whole(client: httpx.Client, key: Key) -> None:
    for path in ("/livez", "/openapi.json", "/v1/members/V1/balance", "/v1/members/V9/balance"):
        whole, head = client.get(path, headers=key), client.head(path, headers=key)
        assert head.content == b""
        assert head.status_code == whole.status_code
        for name in ("content-type", "content-length", "cache-control"):
            assert head.headers.get(name) == whole.headers.get(name)
    assert client.head("/v1/members/V1/balance").status_code == 401
    # What only writes has no head, nor has what never ends.
    assert client.head("/v1/hours", headers=key).status_code == 405
    stream = key | {"accept": "text/event-stream"}
    assert client.head("/v1/events", headers=stream).status_code == 405


def test_figures_are_those_of_the_read_models(client: httpx.Client, key: Key, reads: Reads) -> None:
    with reads.read() as snapshot:
        member: Any = balances.member_balance(snapshot, "V2")
        expected: dict[str, Any] = {
            "/v1/members/V2/balance": member,
            "/v1/policies/Y1/balance": balances.policy_balance(snapshot, "Y1"),
            "/v1/funds/F1/usage": fund_usage.fund_usage(snapshot, "F1"),
            "/v1/sources/S1/usage": fund_usage.source_usage(snapshot, "S1"),
            "/v1/totals?group_by=category,month&project=P1": totals.totals(
                snapshot, ["category", "month"], {"project": "P1"}
            ),
            "/v1/participation?group_by=region:6&member_kind=volunteer":
                participation.participation(
                    snapshot, ["region:6"], {"member_kind": "volunteer"}
                ),
        }  # fmt: skip
        certified = msgspec.to_builtins(participation.certified(snapshot))
        belonging = msgspec.to_builtins(participation.belonging(snapshot))
    for path, found in expected.items():
        told = get(client, key, path)
        assert told.pop("explain").startswith("/v1/explain/")
        assert told == json.loads(msgspec.json.encode(found))
    assert get(client, key, "/v1/participation/certified")["certified"] == certified != []
    assert get(client, key, "/v1/participation/belonging")["belonging"] == belonging != []
    twice = get(client, key, "/v1/totals?group_by=category&group_by=month&project=P1")
    assert (
        twice["rows"] == get(client, key, "/v1/totals?group_by=category,month&project=P1")["rows"]
    )


#: Integers of an answer that are no sums of moves.
COMPUTED = ("position", "stars", "fen_per_verified_hour")


def changes(client: httpx.Client, key: Key, url: str, **asked: Any) -> int:
    """What the legs of a figure sum up to, over all pages of three."""
    answer = client.get(httpx.URL(url).copy_merge_params({**asked, "limit": 3}), headers=key)
    legs = answer.json()["legs"]
    while "next" in answer.links:
        assert len(answer.json()["legs"]) == 3
        answer = client.get(answer.links["next"]["url"], headers=key)
        legs += answer.json()["legs"]
    return sum(leg["change"] for leg in legs)


def test_every_figure_is_the_sum_of_its_legs(client: httpx.Client, key: Key) -> None:
    """`explain` of an answer leads to them: for each integer in it, the changes sum up to it."""
    shown = 0
    for path in (
        "/v1/members/V2/balance", "/v1/members/V1/balance", "/v1/policies/Y1/balance",
        "/v1/funds/F1/usage", "/v1/sources/S1/usage", "/v1/sources/S1/usage?source_kind=charity",
        "/v1/totals?category=elder_care", "/v1/totals?project=P1", "/v1/totals",
    ):  # fmt: skip
        told = get(client, key, path)
        for name, figure in (told["rows"][0] if "rows" in told else told).items():
            if type(figure) is int and name not in COMPUTED:
                assert changes(client, key, told["explain"], figure=name) == figure, (path, name)
                shown += 1
    assert shown > 90


def test_legs_do_not_shift_when_the_log_grows(
    client: httpx.Client, key: Key, county: Settings
) -> None:
    url = "/v1/explain/totals"
    asked: dict[str, Any] = {"figure": "logged_minutes", "limit": 5}
    first = client.get(url, headers=key, params=asked)
    log = c.LogHours(member="V1", project="P1", service_on=YESTERDAY, minutes=1,
                     category="elder_care", evidence="manual")  # fmt: skip
    ledger = Ledger(county)
    position = ledger.execute(log, OPERATOR).position
    ledger.close()
    get(client, key, "/v1/totals", min_position=position)
    rest, answer = first.json()["legs"], first
    while "next" in answer.links:
        answer = client.get(answer.links["next"]["url"], headers=key)
        rest += answer.json()["legs"]
        assert answer.json()["position"] == first.json()["position"]
    assert sum(leg["change"] for leg in rest) == sum(10 * n for n in range(1, 13))


def test_members_come_page_by_page(client: httpx.Client, key: Key) -> None:
    answer = client.get("/v1/members?limit=2&region=3304", headers=key)
    assert [m["member"] for m in answer.json()["members"]] == ["V1", "V2"]
    answer = client.get(answer.links["next"]["url"], headers=key)
    assert [m["member"] for m in answer.json()["members"]] == ["V3"]
    assert "next" not in answer.links
    assert get(client, key, "/v1/members", region="99")["members"] == []
    for cursor in ("x", "!!", "bnVsbA", "WzFd", "é"):
        answer = client.get("/v1/members", headers=key, params={"cursor": cursor})
        refused(answer, 422, "invalid_command", "cursor")


def test_a_statement_has_every_entry_as_it_stands(client: httpx.Client, key: Key) -> None:
    answer = client.get("/v1/members/V1/statement?limit=3", headers=key)
    found, pages = answer.json()["entries"], 1
    while "next" in answer.links:
        answer = client.get(answer.links["next"]["url"], headers=key)
        found += answer.json()["entries"]
        pages += 1
    assert (pages, [entry["entry"] for entry in found]) == (2, ["V1-1", "V1-2", "V1-3", "V1-4"])
    assert [entry["status"] for entry in found] == ["rejected", "verified", "pending", "pending"]
    balance = get(client, key, "/v1/members/V1/balance")
    assert sum(entry["verified_minutes"] for entry in found) == balance["verified_minutes"] > 0
    assert sum(entry["credit"] for entry in found) == balance["credit_earned"] > 0
    assert found[1]["verifiers"] == ["supervisor"]
    grants = get(client, key, "/v1/members/V2/statement")["grants"]
    assert [(grant["grant"], grant["policy"], grant["revoked"]) for grant in grants] == [
        ("V2-G1", "Y1", None)
    ]


def test_a_trail_tells_what_happened(client: httpx.Client, key: Key) -> None:
    for entity in ("member/V1", "fund/F1", "policy/Y1", "project/P1", "organisation/O1",
                   "actor/operator", "ledger/haiyan.example/hours"):  # fmt: skip
        answer = client.get(f"/v1/trail/{entity}?limit=3", headers=key)
        assert answer.json()["entity"] == entity
        entries = answer.json()["entries"]
        while "next" in answer.links:
            answer = client.get(answer.links["next"]["url"], headers=key)
            entries += answer.json()["entries"]
        positions = [entry["position"] for entry in entries]
        assert positions == sorted(set(positions)) != []
    refused(client.get("/v1/trail/nothing/X", headers=key), 422, "invalid_command", "type")
    refused(client.get("/v1/trail/member/V9", headers=key), 404, "member_not_found")
    refused(client.get("/v1/trail/actor/nobody", headers=key), 404, "not_found")


def test_eligibility_says_why_not_and_how_far(client: httpx.Client, key: Key) -> None:
    path = "/v1/policies/Y1/eligibility"
    told = get(client, key, path, member_id="V2")
    assert (told["eligible"], told["reasons"]) == (True, [])
    told = get(client, key, path, member_id="V2", on="2019-12-31")
    assert (told["eligible"], told["reasons"][0]["code"]) == (False, "policy_closed")
    refused(client.get(path, headers=key), 422, "invalid_command", "member_id")
    answer = client.get(path, headers=key, params={"member_id": "V9"})
    refused(answer, 404, "member_not_found", "member_id")


def test_eligibility_is_told_as_it_was_known(client: httpx.Client, key: Key) -> None:
    path = "/v1/policies/Y1/eligibility"
    now = get(client, key, path, member_id="V2")
    assert get(client, key, path, member_id="V2", known_at=now["position"]) == now
    firsts = {
        about: get(client, key, f"/v1/trail/{about}")["entries"][0]["position"]
        for about in ("member/V2", "policy/Y1")
    }
    last = max(firsts, key=lambda about: firsts[about]).partition("/")[0]
    asked = {"member_id": "V2", "known_at": max(firsts.values()) - 1}
    refused(client.get(path, headers=key, params=asked), 404, f"{last}_not_found")
    told = get(client, key, path, member_id="V2", known_at=max(firsts.values()))
    assert told["position"] == max(firsts.values())
    asked = {"member_id": "V2", "as_of": "2025-01-01"}
    refused(client.get(path, headers=key, params=asked), 422, "invalid_command", "as_of")


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ("group_by=nothing", "group_by"), ("group_by=region:5", "group_by"),
        ("group_by=month,month", "group_by"), ("region=12345", "region"), ("colour=red", "colour"),
        ("month=2025-13", "month"), ("kind=fun", "kind"), ("region=33&region=34", "region"),
        ("min_position=x", "min_position"), ("min_position=-1", "min_position"),
        ("min_position=99999999999999999999", "min_position"), ("project=P%00", "project"),
        ("project=P1'--", "project"), ("figure=x", "figure"),
    ],
)  # fmt: skip
def test_an_unknown_filter_is_an_error(client: httpx.Client, key: Key, asked: str, at: str) -> None:
    refused(client.get(f"/v1/totals?{asked}", headers=key), 422, "invalid_command", at)
    path = "/v1/explain/totals?figure=fun" if at == "figure" else f"/v1/explain/totals?{asked}"
    refused(client.get(path, headers=key), 422, "invalid_command", at)
    asked_twice = refused(
        client.get("/v1/totals?group_by=month,month", headers=key), 422, "invalid_command"
    )
    assert asked_twice["facts"] == {"reason": "given twice", "group": "month"}
    refused(client.get("/v1/totals?project=P9", headers=key), 404, "project_not_found", "project")
    by = refused(client.get("/v1/totals?by=month", headers=key), 422, "invalid_command", "by")
    assert "[by] Object contains unknown field `by`" in by["detail"]
    assert {"group_by", "region", "known_at"} <= set(by["facts"]["allowed"].split(", "))
    month = refused(client.get("/v1/totals?month=2026-13", headers=key), 422, "invalid_command")
    assert month["facts"]["reason"].startswith("not a month such as 2025-06 (^")
    for figures in ("totals", "participation"):  # one figure is explained, not a table of them
        path = f"/v1/explain/{figures}?group_by=month"
        refused(client.get(path, headers=key), 422, "invalid_command", "group_by")


@pytest.mark.parametrize("figures", ["totals", "participation"])
def test_rows_have_the_fields_that_are_documented(
    client: httpx.Client, key: Key, figures: str
) -> None:
    document = client.get("/openapi.json").json()
    answer = document["paths"][f"/v1/{figures}"]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    known = schema["properties"]["rows"]["items"]["properties"]
    (whole,) = get(client, key, f"/v1/{figures}")["rows"]
    groups = sorted(known.keys() - whole.keys())
    rows = get(client, key, f"/v1/{figures}", group_by=",".join(groups))["rows"]
    assert rows
    for row in rows:
        assert set(groups) <= row.keys() <= known.keys()
        assert all(isinstance(row[name], str) for name in groups)


def test_looks_at_members_and_funds_are_noted(
    client: httpx.Client, key: Key, county: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who, what, when; beside the log: its head does not move."""
    monkeypatch.setattr(trails, "LOOKS_WAIT_S", 30)
    verifier = issue(county, "street", "verifier", "treasurer")
    before = Ledger(county)
    head = before.store.head().position
    client.get("/v1/members/V1/balance", headers={**verifier, "x-request-id": "req-1"})
    client.get("/v1/members/V9/balance", headers=verifier)
    client.get("/v1/members?region=33", headers=verifier)
    client.get("/v1/funds/F1/usage", headers=verifier)
    client.get("/v1/sources/S1/usage", headers=key)
    (look,) = get(client, key, "/v1/looks", about="member/V1")["looks"]
    assert look.pop("at").endswith("Z")
    assert look == {
        "holder": "street", "key": verifier["authorization"].split("_")[1], "about": "member/V1",
        "way": "GET /v1/members/{member}/balance", "request": "req-1",
    }  # fmt: skip
    assert get(client, key, "/v1/looks", about="member/V9")["looks"] == []
    assert len(get(client, key, "/v1/looks", about="members/33")["looks"]) == 1
    looks = [each["holder"] for each in get(client, key, "/v1/looks", about="fund/F1")["looks"]]
    assert looks == ["auditor", "street"]
    page = client.get("/v1/looks?about=fund/F1&limit=1", headers=key)
    assert [each["holder"] for each in page.json()["looks"]] == ["auditor"]
    page = client.get(page.links["next"]["url"], headers=key)
    assert [each["holder"] for each in page.json()["looks"]] == ["street"]
    assert before.store.head().position == head
    before.close()


def test_looks_that_cannot_be_written_hold_up_nobody(
    county: Settings, reads: Reads, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.domain.errors import Unavailable  # noqa: PLC0415
    from projections import looks  # noqa: PLC0415

    def away(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(looks.Looks, "_write", away)
    monkeypatch.setattr(looks, "QUEUE_MAX", 3)
    monkeypatch.setattr(looks, "BATCH_MAX", 1)
    monkeypatch.setattr(looks, "LAST_S", 0.3)
    with started(county, bounds=Bounds(stop_s=2)) as client:
        for _ in range(10):
            get(client, key, "/v1/members/V1/balance")
        text = client.get("/metrics").text
        dropped = text.partition("\nhourledger_looks_dropped ")[2]
        # Three wait, and one at most is being written.
        assert float(dropped.partition("\n")[0]) >= 10 - 3 - 1
