"""The client against a real service whose answers get lost: one effect each, and none missing."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.bounds import Bounds
from api.client import Client, Patience, ProblemError, batch
from ledger.domain import commands as c
from ledger.settings import Settings
from tests.http_service import YESTERDAY, issue, listening, open_ledger
from tests.integration.test_http_writes import BASIS
from tests.recount import Recount

BOUNDS = Bounds(chunk_lines=50, stream_pause_s=0.02)
QUICK = Patience(pause_s=0.01)


class Losing(httpx.HTTPTransport):
    """Carries requests to the service, and loses so many of its answers first."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self.lost = lost

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if self.lost:
            self.lost -= 1
            answer.read()
            answer.close()
            raise httpx.ReadError("the answer is lost", request=request)
        return answer


class Breaking(httpx.HTTPTransport):
    """Lets so many pieces of each answer through, then breaks off."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.answers = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        self.answers += 1
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=Torn(answer.stream, self.pieces)
        )


class Torn(httpx.SyncByteStream):
    """So many pieces of a stream, then an error."""

    def __init__(self, stream: Any, pieces: int) -> None:
        self._stream, self._pieces = stream, pieces

    def __iter__(self) -> Iterator[bytes]:
        for number, piece in enumerate(self._stream, start=1):
            yield piece
            if number == self._pieces:
                raise httpx.ReadError("torn")

    def close(self) -> None:
        self._stream.close()


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *BASIS)
    return settings


@pytest.fixture
def url(county: Settings) -> Iterator[str]:
    with listening(county, bounds=BOUNDS) as url:
        yield url


@pytest.fixture
def secret(county: Settings) -> str:
    return issue(county, "boss", "admin", "auditor")["authorization"].removeprefix("Bearer ")


def members(count: int) -> list[c.Command]:
    return [c.RegisterMember(member=f"C{n}", region="330424") for n in range(count)]


def test_a_write_whose_answer_is_lost_has_one_effect(url: str, secret: str) -> None:
    with Client(url, secret, patience=QUICK, transport=Losing(3)) as ledger:
        answer = ledger.members.register(member="C1", region="330424")
        assert (answer.replayed, answer.count) == (True, 1)
        (entry,) = ledger.trail.of("member", "C1", min_position=answer.position)
        assert entry.position == answer.position


def test_a_batch_whose_answers_are_lost_has_one_effect(
    url: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PIECE_LINES", 120)
    with Client(url, secret, patience=QUICK, transport=Losing(2)) as ledger:
        results = list(ledger.batch.send(members(300), idempotency_key="june"))
        assert [(r.line, r.outcome) for r in results] == [(n, "done") for n in range(1, 301)]
        positions = [result.position for result in results]
        assert [r.replayed for r in results] == [True] * 120 + [False] * 180
        # Whoever starts anew with the same commands and key gets the same answers.
        again = list(ledger.batch.send(members(300), idempotency_key="june"))
        assert [result.position for result in again] == positions
        assert all(result.replayed for result in again)
        recount = Recount(ledger.events.lines())
    assert recount.faults == []
    assert sum(stream.startswith("member/C") for stream in recount.streams) == 300


def test_another_batch_under_the_key_is_refused(url: str, secret: str) -> None:
    with Client(url, secret) as ledger:
        list(ledger.batch.send(members(3), idempotency_key="june"))
        with pytest.raises(ProblemError) as refused:
            list(ledger.batch.send(members(4), idempotency_key="june"))
        assert refused.value.code == "idempotency_mismatch"
        with pytest.raises(ProblemError) as refused:
            list(ledger.batch.send(members(4), idempotency_key="july", on_error="atomic"))
        assert (refused.value.code, refused.value.facts["line"]) == ("already_exists", 1)


def test_reads_are_whole_or_asked_for_again(url: str, secret: str) -> None:
    with Client(url, secret, patience=QUICK, transport=Losing(1)) as ledger:
        lines = list(ledger.events.lines())
        assert [e.position for e in ledger.events.read()] == list(range(1, len(lines) + 1))
        page = ledger.events.page(after=2, limit=2)
        assert ([e.position for e in page.events], page.position, page.more) == ([3, 4], 4, True)
        (opened,) = ledger.events.read(topics=["LedgerOpened"])
        assert opened.position == 1


def test_a_stream_that_breaks_is_taken_up_where_it_was(url: str, secret: str) -> None:
    """Each connection breaks after a piece; every event comes once, those to come as well."""
    transport = Breaking(pieces=2)
    with (
        Client(url, secret) as writer,
        Client(url, secret, patience=QUICK, transport=transport) as reader,
    ):
        head = len(list(writer.events.lines()))
        found: list[int] = []

        def write() -> None:
            for n in range(5):
                writer.members.register(member=f"C{n}", region="330424")

        writing = threading.Thread(target=write)
        for event in reader.events.follow(after=2):
            found.append(event.position)
            if len(found) == 1:
                writing.start()
            if event.position == head + 5:
                break
        writing.join()
    assert found == list(range(3, head + 6))
    assert transport.answers > 1


def test_a_stream_of_some_topics(url: str, secret: str) -> None:
    with Client(url, secret) as ledger:
        answer = ledger.members.register(member="C1", region="330424")
        topics = ["LedgerOpened", "MemberRegistered"]
        stream = ledger.events.follow(topics=topics)
        for event in stream:
            assert event.type in topics
            if event.position == answer.position:
                break


def test_a_stream_needs_its_role(county: Settings, url: str) -> None:
    key = issue(county, "desk", "recorder")["authorization"].removeprefix("Bearer ")
    with Client(url, key) as ledger:
        with pytest.raises(ProblemError) as refused:
            next(ledger.events.follow())
        assert refused.value.code == "forbidden"


def test_a_restart_of_the_service_is_waited_for(county: Settings, secret: str) -> None:
    with listening(county, bounds=BOUNDS) as url:
        port = int(url.rpartition(":")[2])
    with Client(f"http://127.0.0.1:{port}", secret, patience=Patience(pause_s=0.5)) as ledger:
        answers: list[Any] = []
        asking = threading.Thread(
            target=lambda: answers.append(ledger.members.register(member="C1", region="330424"))
        )
        asking.start()
        with listening(county, port=port):
            asking.join(20)
    (answer,) = answers
    assert answer.result == {"member": "C1"}


def test_hours_are_seen_at_once_by_who_wrote_them(url: str, secret: str) -> None:
    with Client(url, secret) as ledger:
        for ago in range(3):
            answer = ledger.hours.log(
                member="V1", project="P1", service_on=YESTERDAY - timedelta(days=ago),
                minutes=60, category="elder_care", evidence="manual",
            )  # fmt: skip
            balance = ledger.members.balance("V1", min_position=answer.position)
            assert balance.pending_minutes == 60 * (ago + 1)
