"""One key, one effect, one answer: whoever races, and when the service dies between both.

The service is killed by itself, right after the commit and before anybody is answered, so that it
happens every time and not only now and then. A kill does not show what a power cut does: for that
the durability settings are checked when a log is opened.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from ledger.settings import Settings
from tests.http_process import Process
from tests.http_service import Key, done, issue, listening, open_ledger, post, refused
from tests.integration.test_http_writes import BASIS, HOURS, head_of
from tests.simulation.programs import LONG, judged

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
RACERS: Final = 50
#: How often racers are killed under way.
KILLS: Final = 25 if LONG else 1
ISSUE: Final = {"holder": "x", "roles": ["auditor"], "expires_on": "2099-01-01"}


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *BASIS)
    return settings


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "clerk", "admin")


@pytest.fixture
def doom(tmp_path: Path) -> Path:
    return tmp_path / "doom"


def a_minute(number: int) -> dict[str, Any]:
    """Of the days of three members, which have room for all of them."""
    member = f"V{number % 3 + 1}"
    return {"member": member, "minutes": 1, "source": "s", "source_ref": str(number)}


def ask_until_answered(
    address: Callable[[], str], path: str, body: Any, key: Key, name: str
) -> httpx.Response:
    """As a client should: the same under the same key, until there is an answer."""
    with httpx.Client(timeout=30, verify=False) as client:
        while True:
            try:
                answer = post(client, address() + path, body, key, name)
            except httpx.TransportError:
                time.sleep(0.5)
                continue
            if answer.status_code not in (409, 503):
                return answer
            assert answer.json()["code"] in ("command_in_flight", "unavailable")
            time.sleep(float(answer.headers["retry-after"]) / 10)


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/v1/hours", HOURS, HOURS | {"minutes": 31}),
        ("/v1/keys", ISSUE, ISSUE | {"holder": "y"}),
    ],
)
def test_killed_between_commit_and_answer(
    path: str, body: Any, other: Any, county: Settings, key: Key, doom: Path
) -> None:
    before = head_of(county)
    with Process(county.database_url, doom) as process:
        doom.write_text("0", encoding="ascii")
        with (
            httpx.Client(base_url=process.address, timeout=30) as client,
            pytest.raises(httpx.TransportError),
        ):
            post(client, path, body, key, "once")
        assert process.process.wait(30) == -9
    doom.unlink()
    assert head_of(county) == before + 1
    with Process(county.database_url) as process, httpx.Client(base_url=process.address) as client:
        answers = [post(client, path, body, key, "once") for _ in range(3)]
        told = [done(answer) for answer in answers]
        assert {answer.status_code for answer in answers} == {201}
        assert all(each == told[0] for each in told)
        assert (told[0]["first_position"], told[0]["count"]) == (before + 1, 1)
        assert told[0]["replayed"]
        # A secret is in the first answer alone: whoever lost that revokes the key.
        assert told[0].get("secret") is None
        refused(post(client, path, other, key, "once"), 422, "idempotency_mismatch")
    assert head_of(county) == before + 1
    assert judged(county).commands["clerk/once"] == (before + 1, before + 1)


def test_a_batch_killed_between_a_chunk_and_its_results(
    county: Settings, key: Key, doom: Path
) -> None:
    """What is committed after the first chunk is never told. Sent again, all have one effect."""
    before, count = head_of(county), 2_300
    body = b"".join(
        json.dumps({"op": "log_hours", **HOURS, **a_minute(n)}).encode() + b"\n"
        for n in range(count)
    )
    sent: dict[str, Any] = {
        "url": "/v1/batch?on_error=continue",
        "content": body,
        "headers": {"content-type": "application/x-ndjson", "idempotency-key": "b", **key},
    }
    with Process(county.database_url, doom) as process:
        doom.write_text("1", encoding="ascii")
        with (
            httpx.Client(base_url=process.address, timeout=30) as client,
            pytest.raises(httpx.TransportError),
        ):
            client.post(**sent)
    doom.unlink()
    # Chunks that were handed over together are written together.
    kept = head_of(county) - before
    assert kept > 500
    assert kept % 500 == 0 or kept == count
    with Process(county.database_url) as process, httpx.Client(base_url=process.address) as client:
        for replayed in ([True] * kept + [False] * (count - kept), [True] * count):
            told = [json.loads(line) for line in client.post(**sent).text.splitlines()]
            assert [line["outcome"] for line in told] == ["done"] * count
            assert [line.get("replayed", False) for line in told] == replayed
            entries = [line["result"]["entry"] for line in told]
            assert entries == [f"V{n % 3 + 1}-{n // 3 + 1}" for n in range(count)]
    assert head_of(county) == before + count
    assert judged(county).commands["clerk/b/2"] == (before + 501, before + 1_000)


def race(racers: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """The answers of all, who start at once."""
    barrier = threading.Barrier(len(racers))

    def run(racer: Callable[[], httpx.Response]) -> httpx.Response:
        barrier.wait()
        return racer()

    with ThreadPoolExecutor(len(racers)) as pool:
        return list(pool.map(run, racers))


def racer(address: Callable[[], str], body: Any, key: Key, name: str) -> Any:
    return partial(ask_until_answered, address, "/v1/hours", body, key, name)


def test_fifty_racers_of_whom_some_say_something_else(county: Settings, key: Key) -> None:
    """Through two services: who comes first has the key, and who says otherwise is refused."""
    before = head_of(county)
    bodies = [HOURS | {"minutes": 30 + (number % 5 == 0)} for number in range(RACERS)]
    with listening(county) as one, listening(county, tailer=False) as two:
        urls = [partial(str, one), partial(str, two)]
        answers = race([racer(urls[n % 2], body, key, "race") for n, body in enumerate(bodies)])
    won = [n for n, answer in enumerate(answers) if answer.is_success]
    assert len({bodies[n]["minutes"] for n in won}) == 1
    assert {bodies[n]["minutes"] for n in {*range(RACERS)} - {*won}} != {bodies[won[0]]["minutes"]}
    for answer in answers:
        if not answer.is_success:
            refused(answer, 422, "idempotency_mismatch", "command_id")
    told = [done(answers[n]) for n in won]
    assert sum(not each.pop("replayed") for each in told) == 1
    assert all(each == told[0] for each in told)
    assert told[0]["first_position"] == head_of(county) == before + 1


def test_fifty_racers_whose_service_dies(county: Settings, key: Key, doom: Path) -> None:
    """It dies with the effect done and fifty unanswered; all of them hear of it from the next."""
    for number in range(KILLS):
        before = head_of(county)
        body = HOURS | a_minute(number)
        services = [Process(county.database_url, doom)]
        ask = racer(lambda now=services: now[-1].address, body, key, f"race-{number}")  # type: ignore[misc]
        doom.write_text("0", encoding="ascii")
        with ThreadPoolExecutor(1) as pool:
            racing = pool.submit(race, [ask] * RACERS)
            assert services[0].process.wait(60) == -9
            doom.unlink()
            services.append(Process(county.database_url))
            told = [done(answer) for answer in racing.result(120)]
        services[-1].stop(15)
        assert {each.pop("replayed") for each in told} == {True}
        assert all(each == told[0] for each in told)
        assert told[0]["first_position"] == head_of(county) == before + 1
    judged(county)
