"""Writes over HTTP: one effect and one answer for one key, whoever races; reads that see them."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.bounds import Bounds
from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.errors import Unavailable
from ledger.settings import Settings
from ledger.store.requests import Answered
from tests.http_process import Process
from tests.http_service import (
    LONG_AGO,
    YESTERDAY,
    Key,
    done,
    fold,
    issue,
    listening,
    open_ledger,
    post,
    refused,
    started,
)
from tests.told import eventually

BASIS = (
    c.RegisterOrganisation(organisation="O1", name="社", org_kind="team", region="330424"),
    c.OpenProject(project="P1", name="助老", organisation="O1", region="330424",
                  categories=("elder_care",), opens_on=LONG_AGO),
    *(c.RegisterMember(member=f"V{n}", region="330424") for n in range(1, 4)),
)  # fmt: skip
HOURS: dict[str, Any] = {
    "member": "V1", "project": "P1", "service_on": YESTERDAY.isoformat(), "minutes": 30,
    "category": "elder_care", "evidence": "manual",
}  # fmt: skip


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *BASIS)
    return settings


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "clerk", "admin")


@pytest.fixture
def client(county: Settings, key: Key) -> Iterator[httpx.Client]:
    with started(county) as client:
        yield client


def head_of(settings: Settings) -> int:
    ledger = Ledger(settings)
    head = ledger.store.head().position
    ledger.close()
    return head


def test_an_answer_says_what_was_done_and_where(client: httpx.Client, key: Key) -> None:
    answer = post(client, "/v1/hours", HOURS, key, "k1")
    body = answer.json()
    assert answer.status_code == 201
    assert (body["entry"], body["count"]) == ("V1-1", 1)
    assert not body["replayed"]
    assert not body["dry_run"]
    assert body["first_position"] == body["position"] == 8
    assert body["command_id"] == "clerk/k1"
    assert "idempotency-replayed" not in answer.headers


def test_the_same_key_gives_the_first_answer(client: httpx.Client, key: Key) -> None:
    first = done(post(client, "/v1/hours", HOURS, key, "k1"))
    for sent in ("k1", '"k1"'):
        answer = post(client, "/v1/hours", HOURS, key, sent)
        assert answer.status_code == 201
        assert answer.headers["idempotency-replayed"] == "true"
        assert answer.json() == first | {"replayed": True}
    # Written differently, it is the same command.
    shuffled = dict(reversed(HOURS.items())) | {"kind": "service", "op": "log_hours"}
    assert done(post(client, "/v1/hours", shuffled, key, "k1")) == first | {"replayed": True}


def test_the_same_key_with_another_body_is_refused(client: httpx.Client, key: Key) -> None:
    done(post(client, "/v1/hours", HOURS, key, "k1"))
    for path, body in (
        ("/v1/hours", HOURS | {"minutes": 31}),
        ("/v1/hours", HOURS | {"member": "V2"}),
        ("/v1/members", {"member": "V9", "region": "33"}),
        ("/v1/hours/V1-1/reject", {"reason_code": "error"}),
    ):
        refused(post(client, path, body, key, "k1"), 422, "idempotency_mismatch")


def test_keys_of_different_holders_do_not_meet(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    other = issue(county, "other", "admin")
    again = issue(county, "clerk", "recorder")
    first = done(post(client, "/v1/hours", HOURS, key, "k1"))
    second = done(post(client, "/v1/hours", HOURS | {"member": "V2"}, other, "k1"))
    assert not second["replayed"]
    # Another key of the same holder repeats the same command.
    assert done(post(client, "/v1/hours", HOURS, again, "k1")) == first | {"replayed": True}


def test_a_refusal_uses_no_key_up(client: httpx.Client, key: Key) -> None:
    refused(post(client, "/v1/hours", HOURS | {"member": "V9"}, key, "k1"), 404, "member_not_found")
    done(post(client, "/v1/members", {"member": "V9", "region": "330424"}, key))
    assert not done(post(client, "/v1/hours", HOURS | {"member": "V9"}, key, "k1"))["replayed"]


def test_what_is_there_already_answers_so(client: httpx.Client, key: Key) -> None:
    wish = HOURS | {"source": "signin", "source_ref": "7"}
    first = done(post(client, "/v1/hours", wish, key, "k1"))
    answer = post(client, "/v1/hours", wish, key, "k2")
    assert (answer.status_code, answer.json()["count"]) == (200, 0)
    assert answer.json()["entry"] == first["entry"]


def test_a_dry_run_answers_the_same_and_writes_nothing(
    client: httpx.Client, county: Settings, key: Key
) -> None:
    before = head_of(county)
    answer = client.post("/v1/hours?dry_run=true", json=HOURS, headers=key)
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert (answer.json()["entry"], answer.json()["count"]) == ("V1-1", 1)
    answer = client.post("/v1/hours?dry_run=true", json=HOURS | {"minutes": 0}, headers=key)
    refused(answer, 422, "minutes_out_of_range", "minutes")
    wish = {"holder": "x", "roles": ["auditor"], "expires_on": "2099-01-01"}
    answer = client.post("/v1/keys?dry_run=1", json=wish, headers=key)
    assert answer.json()["dry_run"]
    assert "secret" not in answer.json()
    for asked in ("dry_run=maybe", "dryrun=true", "dry_run=true&dry_run=false"):
        answer = client.post(f"/v1/hours?{asked}", json=HOURS, headers=key)
        refused(answer, 422, "invalid_command")
    assert head_of(county) == before


def test_an_answer_survives_the_service(county: Settings, key: Key) -> None:
    with started(county) as client:
        first = done(post(client, "/v1/hours", HOURS, key, "k1"))
    with started(county) as client:
        answer = post(client, "/v1/hours", HOURS, key, "k1")
        assert answer.json() == first | {"replayed": True}
        answer = post(client, "/v1/hours", HOURS | {"minutes": 1}, key, "k1")
        refused(answer, 422, "idempotency_mismatch")


def test_fifty_racers_on_one_key_have_one_effect(county: Settings, key: Key) -> None:
    """Through two services on one database; each racer asks again while told that it runs."""
    before = head_of(county)
    with listening(county) as one, listening(county, tailer=False) as other:
        barrier = threading.Barrier(50)

        def race(number: int) -> dict[str, Any]:
            with httpx.Client(base_url=(one, other)[number % 2], timeout=30) as client:
                barrier.wait()
                while True:
                    answer = post(client, "/v1/hours", HOURS, key, "race")
                    if answer.status_code not in (409, 503):
                        return done(answer)
                    assert answer.json()["code"] in ("command_in_flight", "unavailable")

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(race, range(50)))
    assert Counter(answer.pop("replayed") for answer in answers) == {True: 49, False: 1}
    assert all(answer == answers[0] for answer in answers)
    assert head_of(county) == before + 1


def test_fifty_racers_on_one_issued_key_get_one_secret(county: Settings, key: Key) -> None:
    wish = {"holder": "x", "roles": ["auditor"], "expires_on": "2099-01-01"}
    with listening(county) as url:

        def race(_: int) -> dict[str, Any]:
            with httpx.Client(base_url=url, timeout=30) as client:
                return done(post(client, "/v1/keys", wish, key, "race"))

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(race, range(20)))
        secrets = [answer["secret"] for answer in answers if answer["secret"]]
        assert len({answer["key"] for answer in answers}) == len(secrets) == 1
        opened = httpx.get(f"{url}/v1/keys", headers={"authorization": f"Bearer {secrets[0]}"})
        assert opened.status_code == 403  # an auditor, who is let in


def test_a_command_that_takes_too_long_is_in_flight(
    county: Settings, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Future[Answered]] = []
    real = Ledger.submit

    def slow(self: Ledger, *args: Any, **kwargs: Any) -> "Future[Answered]":
        if kwargs["command_id"] == "clerk/slow" and len(held) < 2:
            held.append(Future())
            held[-1].set_running_or_notify_cancel()
            return held[-1]
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Ledger, "submit", slow)
    with started(county, bounds=Bounds(write_wait_s=2)) as client:
        for _ in range(2):
            answer = post(client, "/v1/hours", HOURS, key, "slow")
            refused(answer, 409, "command_in_flight", "idempotency-key")
            assert answer.headers["retry-after"] == "1"
        assert done(post(client, "/v1/hours", HOURS, key, "slow"))["entry"] == "V1-1"
        held[0].set_exception(Unavailable())  # nobody listens any more


def test_a_read_sees_ones_own_write(client: httpx.Client, key: Key) -> None:
    for number in range(1, 8):
        wish = HOURS | {"source": "s", "source_ref": str(number), "minutes": 30}
        written = done(post(client, "/v1/hours", wish, key))
        answer = client.get(
            "/v1/members/V1/balance", headers=key, params={"min_position": written["position"]}
        )
        assert answer.json()["pending_minutes"] == 30 * number
        assert answer.json()["position"] >= written["position"]
        assert answer.headers["ledger-position"] == str(answer.json()["position"])


def test_a_read_that_would_wait_too_long_is_told_so(county: Settings, key: Key) -> None:
    with started(county, tailer=False, bounds=Bounds(read_wait_s=0.3)) as client:
        position = done(post(client, "/v1/hours", HOURS, key))["position"]
        path = "/v1/members/V1/balance"
        began = time.monotonic()
        answer = client.get(path, headers=key, params={"min_position": position})
        refused(answer, 503, "behind", "min_position")
        assert answer.headers["retry-after"] == "1"
        assert 0.25 < time.monotonic() - began < 3
        # No write was answered with a position the log does not have: there is no use in waiting.
        answer = client.get(path, headers=key, params={"min_position": position + 1})
        assert refused(answer, 422, "invalid_command", "min_position")["facts"]["head"] == position
        assert client.get("/v1/members/V1/balance", headers=key).status_code == 200


def test_many_who_wait_do_not_hold_up_others(county: Settings, key: Key) -> None:
    """Waiting takes no thread: eighty wait, and one who does not is answered meanwhile."""
    path = "/v1/members/V1/balance"
    with (
        started(county, tailer=False, bounds=Bounds(read_wait_s=30)) as client,
        ThreadPoolExecutor(80) as pool,
    ):
        late = {"min_position": done(post(client, "/v1/hours", HOURS, key))["position"]}
        waiting = [pool.submit(client.get, path, headers=key, params=late) for _ in range(80)]
        with_this_one = "requests_under_way 81.0"
        assert eventually(lambda: with_this_one in client.get("/metrics").text)
        assert client.get(path, headers=key).status_code == 200
        assert not any(each.done() for each in waiting)
        fold(county)
        assert {each.result().status_code for each in waiting} == {200}


def test_a_service_killed_under_load_keeps_what_it_acknowledged(
    county: Settings, database_url: str, key: Key
) -> None:
    """Killed between commit and answer now and then; every retry has one effect, one answer."""
    acknowledged: dict[str, dict[str, Any]] = {}
    sent: list[str] = []

    def load(address: str, worker: int) -> None:
        with httpx.Client(base_url=address, timeout=10) as client:
            for number in range(10_000):
                name = f"{worker}-{address[-5:]}-{number}"
                wish = HOURS | {"member": f"V{worker % 3 + 1}", "minutes": 1, "source": "s",
                                "source_ref": name}  # fmt: skip
                sent.append(name)
                try:
                    answer = post(client, "/v1/hours", wish, key, name)
                except httpx.TransportError:
                    return
                acknowledged[name] = done(answer)

    for goal in (100, 200):
        process = Process(database_url)
        with ThreadPoolExecutor(6) as pool:
            workers = [pool.submit(load, process.address, n) for n in range(6)]
            is_loaded = eventually(lambda: len(acknowledged) >= goal)  # noqa: B023 (called at once)
            process.stop(signal.SIGKILL)
            for worker in workers:
                worker.result()
        assert is_loaded
    with started(county) as client:
        for name in sent:
            member = f"V{int(name.partition('-')[0]) % 3 + 1}"
            wish = HOURS | {"member": member, "minutes": 1, "source": "s", "source_ref": name}
            again = done(post(client, "/v1/hours", wish, key, name))
            if name in acknowledged:
                assert again == acknowledged[name] | {"replayed": True}
        position = done(post(client, "/v1/members", {"member": "END", "region": "33"}, key))
        fresh = {"min_position": position["position"], "region": "33"}
        members = client.get("/v1/members", headers=key, params=fresh).json()["members"]
        assert sum(member["pending_minutes"] for member in members) == len(sent)


def test_a_service_that_is_told_to_stop_finishes_what_it_took(
    county: Settings, database_url: str, key: Key
) -> None:
    del county
    process = Process(database_url)
    answers: list[int] = []

    def load(worker: int) -> None:
        with httpx.Client(base_url=process.address, timeout=10) as client:
            for number in range(10_000):
                wish = HOURS | {"minutes": 1, "source": "s", "source_ref": f"{worker}-{number}"}
                try:
                    answers.append(post(client, "/v1/hours", wish, key).status_code)
                except httpx.ConnectError:
                    return
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    return  # an idle connection was closed as it was used again

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(load, n) for n in range(4)]
        is_loaded = eventually(lambda: len(answers) >= 100)
        exit_code = process.stop(signal.SIGTERM)
        for worker in workers:
            worker.result()
    assert is_loaded
    assert exit_code == 0
    assert set(answers) == {201}
