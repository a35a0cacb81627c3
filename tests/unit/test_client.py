"""The client against a service made of answers: what it sends, repeats, gives up, makes of it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from importlib import import_module
from typing import Any, Final

import httpx
import msgspec
import pytest

from api import openapi
from api.client import Answer, Client, Patience, ProblemError, UnreachableError, batch, forms
from api.client.write import Write
from api.errors import STATUS, problem_of
from api.routes.table import VIEWS
from ledger.domain.commands import COMMANDS, LogHours, OpenLedger, RegisterMember
from ledger.domain.errors import EntryNotPending, InvalidCommand

URL: Final = "http://127.0.0.1:1"
WRITTEN: Final = {
    "command_id": "h/k", "position": 7, "first_position": 7, "count": 1, "replayed": False,
    "dry_run": False, "entry": "V1-1",
}  # fmt: skip
HOURS: Final[dict[str, Any]] = {
    "member": "V1", "project": "P1", "service_on": date(2025, 6, 14), "minutes": 150,
    "category": "elder_care", "evidence": "system",
}  # fmt: skip

Say = Callable[[httpx.Request], httpx.Response]


def problem(code: str, **headers: str) -> httpx.Response:
    told = {**openapi.example(type(problem_of(EntryNotPending()))), "code": code, "at": "entry"}
    told["status"] = STATUS[code]
    headers = {"content-type": "application/problem+json", **headers}
    return httpx.Response(STATUS[code], content=json.dumps(told), headers=headers)


class Service:
    """Says one thing after another (the last for ever); remembers what was asked."""

    def __init__(self, *says: httpx.Response | Exception | Say) -> None:
        self.says = list(says)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        say = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(say, Exception):
            raise say
        return say if isinstance(say, httpx.Response) else say(request)

    @property
    def keys(self) -> list[str]:
        return [request.headers.get("idempotency-key", "") for request in self.asked]


def client_of(service: Service, **patience: Any) -> Client:
    transport = httpx.MockTransport(service)
    return Client(URL, "hl_secret", patience=Patience(**patience), transport=transport)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited, each time."""
    told: list[float] = []
    monkeypatch.setattr(time, "sleep", told.append)
    return told


def done(**more: Any) -> httpx.Response:
    return httpx.Response(201, json=WRITTEN | more)


# what is sent


def test_a_write_is_its_command_under_a_key() -> None:
    service = Service(done())
    answer = client_of(service).hours.log(**HOURS)
    assert answer == Answer(
        command_id="h/k", position=7, first_position=7, count=1, replayed=False, dry_run=False,
        result={"entry": "V1-1"},
    )  # fmt: skip
    (asked,) = service.asked
    assert (asked.method, asked.url.path) == ("POST", "/v1/hours")
    assert json.loads(asked.content) == HOURS | {"service_on": "2025-06-14"}
    assert asked.headers["authorization"] == "Bearer hl_secret"
    assert re.fullmatch("[0-9a-f]{32}", asked.headers["idempotency-key"])


def test_a_write_may_be_named_or_only_tried() -> None:
    service = Service(done())
    ledger = client_of(service)
    ledger.hours.verify.once("r-1", entry="V1-1")
    ledger.hours.verify.dry_run(entry="V1-1")
    ledger.execute(LogHours(**HOURS), idempotency_key="r-2", dry_run=True)
    assert service.keys[::2] == ["r-1", "r-2"]
    assert [str(asked.url).removeprefix(URL) for asked in service.asked] == [
        "/v1/hours/V1-1/verify", "/v1/hours/V1-1/verify?dry_run=true", "/v1/hours?dry_run=true",
    ]  # fmt: skip
    assert service.asked[0].content == b"{}"


def test_whatever_stands_in_an_id_stays_one_segment() -> None:
    service = Service(done())
    client_of(service).hours.verify(entry="../../v1/keys?x#y")
    assert service.asked[0].url.raw_path == b"/v1/hours/..%2F..%2Fv1%2Fkeys%3Fx%23y/verify"


def test_an_entry_without_its_id_is_for_batches() -> None:
    service = Service(done())
    with pytest.raises(InvalidCommand) as refused:
        client_of(service).hours.verify(member="V1", source="signin", source_ref="1")
    assert (refused.value.at, service.asked) == ("entry", [])


def test_a_ledger_is_opened_at_its_machine() -> None:
    service = Service(done())
    with pytest.raises(InvalidCommand) as refused:
        client_of(service).execute(OpenLedger(origin="a.example/hours"))
    assert (refused.value.at, service.asked) == ("op", [])


def test_every_command_is_a_call_and_says_what_it_does() -> None:
    ledger = client_of(Service(done()))
    writes = [
        write
        for noun in vars(ledger).values()
        for write in getattr(noun, "__dict__", {}).values()
        if isinstance(write, Write)
    ]
    kinds = [write._kind for write in writes]
    assert set(kinds) == set(COMMANDS.values()) - {OpenLedger}
    assert len(set(kinds)) == len(kinds)
    assert all(write.__doc__ for write in writes)


# what is read


def calls(ledger: Client) -> list[Any]:
    """Every way of reading."""
    return [
        ledger.members.balance("V1", on=date(2025, 6, 14), min_position=3),
        ledger.members.statement("V1"),
        *ledger.members.entries("V1"),
        *ledger.members.list("33"),
        *ledger.members.explain("V1", "pending_minutes"),
        ledger.policies.balance("Y1"),
        ledger.policies.eligibility("Y1", "V1"),
        *ledger.policies.explain("Y1"),
        ledger.funds.usage("F1"),
        *ledger.funds.explain("F1", category="meals"),
        ledger.sources.usage("S1"),
        *ledger.sources.explain("S1"),
        ledger.figures.totals(["region:6", "month"], kind="service"),
        ledger.figures.participation(member_kind="volunteer"),
        *ledger.figures.certified("33"),
        *ledger.figures.belonging("O1"),
        *ledger.figures.explain_totals(month="2025-06"),
        *ledger.figures.explain_participation(),
        *ledger.figures.explain_account("certified"),
        ledger.members.diff("V1", from_known_at=3, known_at="2025-06-14T01:02:03Z"),
        ledger.policies.diff("Y1", from_as_of=date(2025, 6, 14)),
        ledger.funds.diff("F1", from_known_at=3),
        ledger.sources.diff("S1", from_known_at=3),
        ledger.figures.diff_totals(["month"], from_known_at=3, kind="service"),
        ledger.figures.diff_participation(from_known_at=3, region="33"),
        ledger.figures.restate_totals(3, month="2025-06"),
        ledger.figures.restate_participation(3, month="2025-06"),
        *ledger.trail.of("ledger", "haiyan.example/hours"),
        *ledger.trail.looks("member/V1"),
        *ledger.keys.list(),
    ]


def test_every_read_is_asked_as_its_route_is_and_its_answer_understood() -> None:
    found: set[str] = set()
    patterns = {
        re.compile(re.sub(r"{\w+}", "[^/]+", re.sub(r"{\w+:path}", ".+", view.path))): view
        for view in VIEWS
    }

    def say(request: httpx.Request) -> httpx.Response:
        (view,) = [v for p, v in patterns.items() if p.fullmatch(request.url.path)]
        found.add(view.path)
        assert set(request.url.params) <= set(view.query.__struct_fields__), view.path
        return httpx.Response(200, json=openapi.example(view.answer) | {"explain": "/v1/…"})

    assert all(calls(client_of(Service(say))))
    assert found == {view.path for view in VIEWS}


def test_a_list_goes_on_behind_each_page() -> None:
    example = openapi.example(VIEWS[2].answer)
    pages = [
        httpx.Response(200, json=example, headers={"link": '</v1/members?cursor=abc>; rel="next"'}),
        httpx.Response(200, json=example),
    ]
    service = Service(*pages)
    assert len(list(client_of(service).members.list())) == 2
    assert str(service.asked[1].url) == f"{URL}/v1/members?cursor=abc"


# what is repeated

#: Name of a fault → what happens first, and the shortest pause behind it.
PASSING: Final[dict[str, tuple[httpx.Response | Exception, float]]] = {
    "nobody listens": (httpx.ConnectError("refused"), 0),
    "the answer is lost": (httpx.ReadError("reset"), 0),
    "the answer breaks off": (httpx.RemoteProtocolError("peer closed"), 0),
    "no answer in time": (httpx.ReadTimeout("timed out"), 0),
    "the first is still running": (problem("command_in_flight", **{"retry-after": "1"}), 1),
    "the database is away": (problem("unavailable", **{"retry-after": "1"}), 1),
    "asked too often": (problem("rate_limited", **{"retry-after": "17"}), 17),
    "the service is about to stop": (problem("stopping", **{"retry-after": "2"}), 2),
    "the figures are behind": (problem("behind"), 0),
    "a proxy finds no service": (httpx.Response(502, text="<html>Bad Gateway</html>"), 0),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_waited_for_under_the_same_key(
    fault: str, pauses: list[float]
) -> None:
    first, least = PASSING[fault]
    service = Service(first, first, done())
    assert client_of(service).hours.log(**HOURS).position == 7
    assert len(set(service.keys)) == 1
    assert len(service.keys) == 3
    assert len({request.content for request in service.asked}) == 1
    assert all(least <= pause <= least + 0.4 for pause in pauses)
    assert len(pauses) == 2


@pytest.mark.parametrize(
    "code",
    sorted(c for c, s in STATUS.items() if s not in (429, 503) and c != "command_in_flight"),
)
def test_a_refusal_is_not_repeated(code: str, pauses: list[float]) -> None:
    service = Service(problem(code))
    with pytest.raises(ProblemError) as refused:
        client_of(service).hours.verify.once("r-1", entry="V1-1")
    error = refused.value
    assert (error.code, error.status, error.at) == (code, STATUS[code], "entry")
    assert (error.facts, error.idempotency_key) == ({}, "r-1")
    assert (len(service.asked), pauses) == (1, [])


def test_patience_ends(pauses: list[float]) -> None:
    service = Service(httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError) as lost:
        client_of(service, attempts_max=12, pause_max_s=3.0).hours.log.once("r-1", **HOURS)
    assert lost.value.idempotency_key == "r-1"
    assert isinstance(lost.value.__cause__, httpx.ConnectError)
    assert len(service.asked) == 12
    bounds = [min(3.0, 0.2 * 2**n) for n in range(11)]
    assert all(0 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))
    # At random: those who wait for the same service do not come back together.
    assert len(set(pauses)) > 8


def test_a_service_that_wants_to_be_left_alone_for_long_is(pauses: list[float]) -> None:
    service = Service(problem("rate_limited", **{"retry-after": "3600"}))
    with pytest.raises(ProblemError) as refused:
        client_of(service).keys.list().__next__()
    assert (refused.value.retry_after_s, pauses) == (3600, [])


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="<html>"),
        httpx.Response(404, headers={"content-type": "application/problem+json"}, text="{"),
        httpx.Response(302, headers={"location": "http://127.0.0.2/"}),
    ],
    ids=["text", "broken", "elsewhere"],
)
def test_what_no_service_of_ours_says_is_a_problem_too(answer: httpx.Response) -> None:
    with pytest.raises(ProblemError) as refused:
        client_of(Service(answer)).members.balance("V1")
    assert refused.value.code == f"http_{answer.status_code}"


# batches


def carry_out(request: httpx.Request) -> httpx.Response:
    """Every line is done."""
    lines = request.content.splitlines()
    return lined({"line": n, "outcome": "done", "position": n} for n in range(1, len(lines) + 1))


def lined(results: Any) -> httpx.Response:
    text = "".join(json.dumps(result) + "\n" for result in results)
    return httpx.Response(200, text=text)


def registrations(count: int) -> Iterator[RegisterMember]:
    return (RegisterMember(member=f"V{n}", region="33") for n in range(count))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PIECE_LINES", 3)


def test_a_batch_goes_in_pieces_and_is_asked_for_as_it_is_read(small: None) -> None:
    service, made = Service(carry_out), 0

    def making() -> Iterator[RegisterMember]:
        nonlocal made
        for made, command in enumerate(registrations(8), start=1):  # noqa: B007 (counted outside)
            yield command

    results = client_of(service).batch.send(making(), idempotency_key="june")
    assert (made, service.asked) == (0, [])
    assert next(results).line == 1
    assert (made, service.keys) == (3, ["june:1"])
    assert [result.line for result in results] == list(range(2, 9))
    assert service.keys == ["june:1", "june:2", "june:3"]
    sent = b"".join(request.content for request in service.asked).splitlines()
    assert sent == [msgspec.json.encode(command) for command in registrations(8)]


def test_a_piece_is_sent_again_until_all_of_it_is_answered(
    small: None, pauses: list[float]
) -> None:
    unknown = lined([
        {"line": 1, "outcome": "done"},
        {"line": 2, "outcome": "unknown", "code": "unavailable"},
        {"line": 3, "outcome": "skipped"},
    ])  # fmt: skip
    service = Service(carry_out, httpx.ReadError("reset"), unknown, carry_out)
    results = list(client_of(service).batch.send(registrations(6), idempotency_key="june"))
    assert [(r.line, r.outcome) for r in results] == [(n, "done") for n in range(1, 7)]
    assert service.keys == ["june:1", "june:2", "june:2", "june:2"]
    assert len(pauses) == 2


def test_a_batch_goes_on_behind_what_is_known(small: None) -> None:
    service = Service(carry_out)
    ledger = client_of(service)
    results = ledger.batch.send(registrations(8), idempotency_key="june", after_line=4)
    assert [result.line for result in results] == [5, 6, 7, 8]
    assert service.keys == ["june:2", "june:3"]


@pytest.mark.parametrize("after_line", [0, 5])
def test_a_batch_that_stops_stops(small: None, after_line: int) -> None:
    stopped = lined([
        {"line": 1, "outcome": "done"},
        {"line": 2, "outcome": "refused", "code": "already_exists"},
        {"line": 3, "outcome": "skipped"},
    ])  # fmt: skip
    service = Service(carry_out, stopped)
    results = client_of(service).batch.send(
        registrations(8), idempotency_key="june", on_error="stop", after_line=after_line
    )
    outcomes = ["done", "done", "done", "done", "refused", "skipped", "skipped", "skipped"]
    assert [r.outcome for r in results] == outcomes[after_line:]
    assert service.keys == ["june:1", "june:2"]


def test_all_or_nothing_is_one_request(small: None) -> None:
    service = Service(carry_out)
    results = client_of(service).batch.send(
        registrations(8), idempotency_key="june", on_error="atomic"
    )
    assert len(list(results)) == 8
    assert service.keys == ["june:1"]


# its weight


def test_the_client_brings_no_server_with_it() -> None:
    """Not even the read models, as long as no figure is read."""
    heavy = "fastapi starlette uvicorn psycopg sqlite3 limits pydantic projections"
    program = f"import sys, api.client; print(*set({heavy.split()}) & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert told.stdout.strip() == b""


def test_a_figure_has_the_form_its_read_model_gives_it() -> None:
    for module, names in forms.PLACES.items():
        for name in names:
            assert getattr(forms, name) is getattr(import_module(f"projections.{module}"), name)
    assert set(forms.__all__) == {name for names in forms.PLACES.values() for name in names}
    with pytest.raises(AttributeError):
        _ = forms.Nothing
