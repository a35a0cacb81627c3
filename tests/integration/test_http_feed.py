"""The feed: the same events in three forms, from any position, followed without a gap."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.bounds import Bounds
from api.errors import MEDIA_TYPE as PROBLEM
from api.routes.feed import CLOUD_EVENTS
from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.settings import Settings
from tests.http_service import (
    OPERATOR,
    ORIGIN,
    Key,
    done,
    issue,
    open_ledger,
    post,
    refused,
    started,
)
from tests.integration.test_http_writes import BASIS

LINES = {"accept": "application/x-ndjson"}
STREAM = {"accept": "text/event-stream"}
BOUNDS = Bounds(scan_rows_max=6, stream_pause_s=0.05, stream_ping_s=0.2, streams_max=3)


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *BASIS)
    return settings


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "auditor", "auditor")


@pytest.fixture
def boss(county: Settings) -> Key:
    return issue(county, "boss", "admin")


@pytest.fixture
def client(county: Settings, key: Key, boss: Key) -> Iterator[httpx.Client]:
    with started(county, bounds=BOUNDS) as client:
        yield client


def exported(settings: Settings) -> list[bytes]:
    ledger = Ledger(settings)
    lines = [row.line() for row in ledger.store.select_rows(0, 10_000)]
    ledger.close()
    return lines


def walk(client: httpx.Client, key: Key, **asked: Any) -> list[httpx.Response]:
    """All pages, as `Link` leads from one to the next."""
    pages = [client.get("/v1/events", params=asked, headers={**LINES, **key})]
    while "next" in pages[-1].links:
        url = pages[-1].links["next"]["url"]
        pages.append(client.get(url, headers={**LINES, **key}))
    return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_lines_are_the_log(
    limit: int, client: httpx.Client, county: Settings, key: Key
) -> None:
    pages = walk(client, key, limit=limit)
    assert {page.headers["content-type"] for page in pages} == {"application/x-ndjson"}
    lines = exported(county)
    assert [line for page in pages for line in page.content.splitlines()] == lines
    assert pages[-1].headers["ledger-position"] == str(len(lines))
    for after in range(len(lines) + 1):
        rest = walk(client, key, limit=limit, after=after)
        assert [line for page in rest for line in page.content.splitlines()] == lines[after:]


def test_a_topic_is_found_however_far_apart(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    """Only so many rows are looked through at once; the link leads on even from an empty page."""
    lines = exported(county)
    for topics in (["KeyIssued"], ["LedgerOpened", "MemberRegistered"], ["HoursLogged"]):
        pages = walk(client, key, topic=topics, limit=2)
        found = [line for page in pages for line in page.content.splitlines()]
        assert found == [line for line in lines if json.loads(line)["topic"] in topics]
        assert pages[-1].headers["ledger-position"] == str(len(lines))
    refused(client.get("/v1/events?topic=Nothing", headers=key), 422, "invalid_command", "topic")
    for asked in ("after=-1", "after=x", "limit=0", "limit=1001", "before=5", "after=1&after=2"):
        refused(client.get(f"/v1/events?{asked}", headers=key), 422, "invalid_command")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/cloudevents-batch+json",
                                    "text/html, application/json;q=0.9"])  # fmt: skip
def test_cloud_events_carry_the_same(
    accept: str, client: httpx.Client, county: Settings, key: Key
) -> None:
    answer = client.get("/v1/events", headers={**key, "accept": accept})
    assert answer.headers["content-type"] == "application/cloudevents-batch+json"
    events, lines = answer.json(), [json.loads(line) for line in exported(county)]
    assert len(events) == len(lines)
    for event, line in zip(events, lines, strict=True):
        assert event["specversion"] == "1.0"
        assert event["id"] == f"{ORIGIN}/{line['position']}"
        assert (event["source"], event["type"]) == (ORIGIN, line["topic"])
        assert (event["subject"], event["data"]) == (line["originator_id"], line["state"])
        assert int(event["sequence"]) == line["position"]
        assert event["time"] == event["recordedtime"] == line["state"]["timestamp"]
    assert sorted(events, key=lambda event: event["sequence"]) == events


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/event-stream;q=0, application/json", CLOUD_EVENTS),
        ("application/x-ndjson;q=0, */*", CLOUD_EVENTS),
        ("application/x-ndjson;q=0.5, application/json; q=1.000", CLOUD_EVENTS),
        ("*/*;q=0.1, application/jsonl", "application/x-ndjson"),
        ("application/json; q=.2, application/x-ndjson;q=0.3333", "application/x-ndjson"),
        ("application/x-ndjson;q=0.9,", "application/x-ndjson"),
        ("", CLOUD_EVENTS),
        ("application/json, application/x-ndjson", CLOUD_EVENTS),
        ("text/event-stream;q=0", None),
        ("application/cloudevents-batch+json;q=0, */*", None),
        ("image/png", None),
    ],
)
def test_the_form_is_the_one_that_is_accepted_most(
    accept: str, form: str | None, client: httpx.Client, key: Key
) -> None:
    with client.stream("GET", "/v1/events", headers={**key, "accept": accept}) as answer:
        told = answer.headers["content-type"]
        assert (answer.status_code, told) == ((200, form) if form else (406, PROBLEM))


class Follower:
    """A client of the stream: the events it got, and the last id."""

    def __init__(
        self, client: httpx.Client, key: Key, last: int | None = None, **asked: Any
    ) -> None:
        self.events: list[dict[str, str]] = []
        self.comments = 0
        self.ended = threading.Event()
        headers = {**STREAM, **key, **({} if last is None else {"last-event-id": str(last)})}
        self._leave = threading.Event()

        def follow() -> None:
            url = client.base_url
            with (
                httpx.Client(base_url=url, timeout=30) as own,
                own.stream("GET", "/v1/events", headers=headers, params=asked) as answer,
            ):
                self.status = answer.status_code
                event: dict[str, str] = {}
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if not line and event:
                        self.events.append(event)
                        event = {}
                    elif not name:
                        self.comments += 1
                    elif line:
                        event[name] = value
                    if self._leave.is_set():
                        break
            self.ended.set()

        threading.Thread(target=follow, daemon=True).start()

    def has(self, count: int) -> "Follower":
        deadline = time.monotonic() + 10
        while len(self.events) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.events) >= count, self.events
        return self

    def leave(self) -> None:
        self._leave.set()
        assert self.ended.wait(10)

    @property
    def ids(self) -> list[int]:
        return [int(event["id"]) for event in self.events]


def test_the_stream_follows_and_is_resumed(
    client: httpx.Client, county: Settings, key: Key, boss: Key
) -> None:
    count = len(exported(county))
    follower = Follower(client, key).has(count)
    for number in range(3):
        member = {"member": f"N{number}", "region": "330424"}
        done(post(client, "/v1/members", member, boss))
        follower.has(count + number + 1)
    assert follower.ids == list(range(1, count + 4))
    follower.leave()
    done(post(client, "/v1/members", {"member": "N9", "region": "330424"}, boss))
    resumed = Follower(client, key, last=count + 1).has(3)
    assert resumed.ids == [count + 2, count + 3, count + 4]
    event = json.loads(resumed.events[-1]["data"])
    assert event["type"] == resumed.events[-1]["event"] == "MemberRegistered"
    assert event["subject"] == "member/N9"
    resumed.leave()
    only = Follower(client, key, after=0, topic="MemberRegistered").has(7)
    assert {each["event"] for each in only.events} == {"MemberRegistered"}
    only.leave()
    answer = client.get("/v1/events", headers={**STREAM, **key, "last-event-id": "x"})
    refused(answer, 422, "invalid_command", "last-event-id")


def test_a_quiet_stream_is_kept_alive_and_ends_with_its_key(
    client: httpx.Client, county: Settings, key: Key, boss: Key
) -> None:
    count = len(exported(county))
    follower = Follower(client, key, last=count)
    deadline = time.monotonic() + 10
    while follower.comments < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert follower.comments >= 3
    own = key["authorization"].split("_")[1]
    done(post(client, f"/v1/keys/{own}/revoke", {"reason_code": "lost"}, boss))
    assert follower.ended.wait(10)


def test_only_so_many_streams_at_once(client: httpx.Client, key: Key) -> None:
    followers = [Follower(client, key).has(1) for _ in range(3)]
    answer = client.get("/v1/events", headers={**STREAM, **key})
    refused(answer, 429, "rate_limited", "accept")
    assert "hourledger_streams 3.0" in client.get("/metrics").text
    for follower in followers:
        follower.leave()
    deadline = time.monotonic() + 10
    while "hourledger_streams 0.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_streams_end_when_the_service_does(county: Settings, key: Key) -> None:
    with started(county, bounds=BOUNDS) as client:
        follower = Follower(client, key).has(1)
        began = time.monotonic()
    assert follower.ended.wait(5)
    assert time.monotonic() - began < 5


def test_a_writer_beside_is_followed_without_a_gap(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    """Another process writes while this one streams."""
    ledger = Ledger(county)
    follower = Follower(client, key).has(1)
    for number in range(60):
        ledger.execute(c.RegisterMember(member=f"N{number}", region="33"), OPERATOR)
    head = ledger.store.head().position
    ledger.close()
    assert follower.has(head).ids == list(range(1, head + 1))
    follower.leave()
