"""Schemathesis over the whole OpenAPI document, of a running service: by itself, and along links.

No answer is a server error, and none is another than the document says: its status, its content
type, its headers, its form. What is refused by the rules may be well-formed, so that well-formed
requests are accepted is not asked here; that malformed ones are refused is.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api import openapi
from api.app import create_app
from api.bounds import Bounds
from api.links import GIVEN
from api.ways import WAYS
from ledger.settings import Settings
from tests.http_counties import OURS, THEIRS, county
from tests.http_service import NEVER, YESTERDAY, Key, issue, listening, open_ledger
from tests.simulation.programs import LONG

pytestmark = [pytest.mark.xdist_group("simulation"), pytest.mark.timeout(3 * 3600)]
#: How many requests are made at least, one by one; and how many scenes of several.
CASES: Final = 5_000 if LONG else 200
SCENES: Final = 300 if LONG else 5
STEPS: Final = 8
#: Nothing of these can be wrong.
UNASKED: Final = ("GET /livez", "GET /readyz", "GET /metrics")
BOUNDS: Final = Bounds(
    rate_max=0, stranger_rate_max=0, body_wait_s=5, read_wait_s=0.1, stream_ping_s=0.1
)
#: What a field holds where a request is to reach something that is there.
THERE: Final[dict[str, Any]] = {
    **OURS.words, "member_id": OURS.member, "service_on": YESTERDAY.isoformat(),
    "held_on": YESTERDAY.isoformat(), "opens_on": "2020-01-01", "closes_on": NEVER.isoformat(),
    "expires_on": NEVER.isoformat(), "category": "elder_care", "minutes": 30, "fen": 3,
    "to_region": "110000", "target": f"project/{OURS.project}", "source_id": OURS.source,
    "source_kind": "charity", "type": "member", "id": OURS.member, "min_position": 1,
}  # fmt: skip
#: Address → what is given an id there, which must be a new one.
NEW: Final = {way.path: GIVEN[way.kind] for way in WAYS if way.kind in GIVEN}
#: Absent means today, and this is what most leave out.
LEFT_OUT: Final = ("effective_on", "cursor", "replaces", "team", "receipts")
SETTINGS: Final = hypothesis_settings(
    database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
AnyCase = Case[Any]
AnyOperation = APIOperation[Any, Any, Any, Any]
NDJSON: Final = "application/x-ndjson"
#: A batch that is one: each command there is, as its example.
LINES: Final = b"".join(
    msgspec.json.encode({"op": way.op, **openapi.example(way.kind)}) + b"\n" for way in WAYS
).decode()


@schemathesis.serializer(NDJSON)
def as_text(_: Any, value: Any) -> bytes:
    """Lines as they are; what is none is written as JSON, to be refused line by line."""
    return (
        value.encode(errors="surrogatepass")
        if isinstance(value, str)
        else msgspec.json.encode(value)
    )


def reach(case: AnyCase) -> None:
    """Let a request name things that are there, under the names its fields have."""
    if case.media_type == NDJSON:
        case.body = LINES
    new = NEW.get(case.operation.path)
    bodies = [case.body] if isinstance(case.body, dict) else []
    for part in (case.path_parameters, case.query, *bodies):
        part.update({name: THERE[name] for name in part if name in THERE and name != new})
        for name in [name for name in part if name in LEFT_OUT]:
            del part[name]


def is_sound(case: AnyCase) -> bool:
    """Whether it is meant to be well-formed."""
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


class Service:
    """A running service, what was asked of it, and what it answered otherwise than it says."""

    def __init__(self, url: str, key: Key) -> None:
        self._url, self._key = url, key
        self._session = requests.Session()
        self.answered: Counter[tuple[str, int]] = Counter()
        self.failures: list[str] = []

    def call(self, case: AnyCase) -> Response:
        """Ask, under a name of its own unless it has one; our own key is not to be revoked."""
        if case.path_parameters.get("key") == self._key["authorization"].split("_")[1]:
            case.path_parameters["key"] = "0" * 16
        names = {"Idempotency-Key": f"s-{self.answered.total()}"}
        if any(name.lower() == "idempotency-key" for name in case.headers):
            names = {}
        headers = {**self._key, **names}
        answer = case.call(base_url=self._url, session=self._session, headers=headers, timeout=30)
        self.answered[case.operation.label, answer.status_code] += 1
        return answer

    def check(self, case: AnyCase, answer: Response) -> None:
        """Hold an answer against the document."""
        try:
            # Of a batch each line has an answer of its own, whatever it is.
            unasked = [negative_data_rejection] if case.media_type == NDJSON else []
            case.validate_response(
                answer,
                excluded_checks=[positive_data_acceptance, *unasked],
                headers=self._key,
                transport_kwargs={"base_url": self._url, "session": self._session},
            )
        except FailureGroup as failures:
            sent = f"{answer.request.method} {answer.request.url} {answer.request.body!r:.300}"
            told = f"{answer.status_code} {answer.text:.300}"
            self.failures += [f"{failure}\n{sent}\n{told}" for failure in failures.exceptions]

    def fuzz(self, operation: AnyOperation, mode: GenerationMode, count: int) -> None:
        """So many requests of one operation, all well-formed or all not."""

        @hypothesis_settings(SETTINGS, max_examples=count)
        @seed(0)
        @given(operation.as_strategy(generation_mode=mode), st.booleans())
        def ask(case: AnyCase, is_to_reach: bool) -> None:
            if is_to_reach and is_sound(case):
                reach(case)
            self.check(case, self.call(case))

        ask()


@pytest.fixture(params=["sqlite", "postgres"] if LONG else ["sqlite"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    settings = Settings(database_url=request.getfixturevalue(f"{request.param}_url"))
    open_ledger(settings, *county(OURS), *county(THEIRS))
    key = issue(settings, "boss", "admin")
    with listening(settings, bounds=BOUNDS) as url:
        yield Service(url, key)


def schema() -> BaseSchema:
    return schemathesis.openapi.from_dict(create_app().openapi())


def test_every_operation_answers_as_the_document_says(service: Service) -> None:
    operations = [found.ok() for found in schema().get_all_operations() if isinstance(found, Ok)]
    # A few operations have fewer different requests than that.
    each = -(-CASES * 11 // (20 * len(operations)))
    for operation in operations:
        service.fuzz(operation, GenerationMode.POSITIVE, each)
        if operation.label not in UNASKED:
            service.fuzz(operation, GenerationMode.NEGATIVE, each)
    assert not service.failures, "\n\n".join(service.failures)
    print(f"{service.answered.total()} requests")
    assert service.answered.total() >= CASES
    done = {label for label, status in service.answered if status in (200, 201)}
    # Few requests for each reach what is there less often.
    assert len(done) > len(operations) / (2 if LONG else 3), sorted(
        {o.label for o in operations} - done
    )


def test_answers_that_lead_on_answer_as_the_document_says(service: Service) -> None:
    steps = Counter[bool]()

    class Scene(schema().as_state_machine()):  # type: ignore[misc]  # made at run time
        def before_call(self, case: AnyCase) -> None:
            if is_sound(case) and steps.total() % 4:
                linked = dict(case.path_parameters)
                reach(case)
                case.path_parameters.update(linked)

        def call(self, case: AnyCase, **_: Any) -> Response:
            answer = service.call(case)
            steps[answer.status_code < 400] += 1
            return answer

        def validate_response(self, response: Response, case: AnyCase, *_: Any, **__: Any) -> None:
            service.check(case, response)

    # Each under a seed of its own: what the service holds by now may not be part of a scene.
    for number in range(SCENES):
        seed(number)(Scene)
        Scene.run(settings=hypothesis_settings(SETTINGS, max_examples=2, stateful_step_count=STEPS))
    print(f"{steps.total()} steps, {steps[True]} of them done")
    assert not service.failures, "\n\n".join(service.failures)
    assert steps[True]
