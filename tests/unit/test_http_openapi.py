"""The OpenAPI document and the map of errors: whole, and true to the structs."""

from collections import defaultdict
from importlib import import_module
from typing import Any

import msgspec
import pytest

from api import openapi
from api.answers import GIVES, Written
from api.app import create_app
from api.errors import MEDIA_TYPE, RETRY_AFTER_S, STATUS, error_of, problem_of
from api.queries import Query
from api.reading import View
from api.routes.table import VIEWS, routes
from api.ways import WAYS
from ledger.domain.access import Caller
from ledger.domain.commands import COMMANDS, Command, op_of
from ledger.domain.decision import Decision
from ledger.domain.errors import LedgerError, NotFound, Refusal, all_errors
from ledger.domain.values import GrantInputs
from projections.scope import READERS
from tests import story
from tests.scenario import Scenario

DOCUMENT: dict[str, Any] = create_app().openapi()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


#: Errors that no route can raise: of proofs, which have none yet, and of the command line.
ELSEWHERE = ("ledger.log.", "api.cli.")


def test_every_error_has_one_status_and_every_code_is_an_errors() -> None:
    # Whatever else the process has imported: the answer must not depend on it.
    for module in ("ledger.log.checkpoint", "ledger.log.proofs", "api.cli.headers"):
        import_module(module)
    abstract = {LedgerError.code, Refusal.code}
    ours = {
        e.code
        for e in all_errors()
        if e.__module__.split(".")[0] in ("ledger", "api", "projections")
        and not e.__module__.startswith(ELSEWHERE)
    }
    assert set(STATUS) == ours - abstract
    assert set(RETRY_AFTER_S) == {c for c, s in STATUS.items() if s == 503} | {"command_in_flight"}


@pytest.mark.parametrize("kind", [*all_errors(NotFound)], ids=lambda kind: kind.code)
def test_what_is_not_found_is_404(kind: type[LedgerError]) -> None:
    assert STATUS[kind.code] == 404


@pytest.mark.parametrize(
    "status", [400, 401, 404, 405, 406, 413, 414, 415, 422, 431, 500, 501, 503]
)
def test_every_status_of_the_framework_is_a_problem(status: int) -> None:
    problem = problem_of(error_of(status))
    assert problem.status == STATUS[problem.code]
    assert problem.status // 100 == status // 100


def test_the_document_has_every_route() -> None:
    told = {(method.upper(), path) for method, path, _ in OPERATIONS}
    assert told == {(r.method, r.path.replace(":path", "")) for r in routes()}
    ids = [operation["operationId"] for *_, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda x: str(x)[:60])
def test_every_operation_says_what_it_does(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["tags"]
    is_open = operation["tags"] == ["operations"]
    assert operation.get("security") == (None if is_open else [{"key": []}])
    assert {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"} == {
        part[1:-1] for part in path.split("/") if part.startswith("{")
    }
    contents = [
        media for a in operation["responses"].values() for media in a.get("content", {}).values()
    ]
    assert contents
    assert all(media.get("example") for media in contents)
    assert all(parameter["description"] for parameter in operation.get("parameters", ()))
    if method == "post":
        assert all("example" in m for m in operation["requestBody"]["content"].values())
        assert "Idempotency-Key" in {p["name"] for p in operation["parameters"]}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.path)
def test_the_example_of_every_answer_is_one(view: View) -> None:
    msgspec.convert(openapi.example(view.answer), view.answer)
    assert view.what in READERS
    assert "min_position" in view.query.__struct_fields__


def test_all_references_lead_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [ref for value in node.values() for ref in references(value)]
        return (
            [ref for value in node for ref in references(value)] if isinstance(node, list) else []
        )

    for reference in references(DOCUMENT):
        node: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_refusal_is_a_problem() -> None:
    for answer in DOCUMENT["components"]["responses"].values():
        assert list(answer["content"]) == [MEDIA_TYPE]
        shown = answer["content"][MEDIA_TYPE]["example"]
        assert STATUS[shown["code"]] == shown["status"]
        assert shown["title"]


def test_bodies_have_no_field_that_stands_in_the_path() -> None:
    for way in WAYS:
        (media,) = DOCUMENT["paths"][way.path]["post"]["requestBody"]["content"].values()
        schema = media["schema"]
        assert not {"op", *way.ids} & set(schema["properties"])
        assert schema["additionalProperties"] is False


def test_queries_refuse_what_they_do_not_know() -> None:
    def below(kind: type[Query]) -> list[type[Query]]:
        return [each for own in kind.__subclasses__() for each in (own, *below(own))]

    assert all(kind.__struct_config__.forbid_unknown_fields for kind in below(Query))


def test_every_field_that_is_sent_has_a_phrase() -> None:
    sent = [
        schema
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if schema.get("additionalProperties") is False and name != GrantInputs.__name__
    ]
    assert len(sent) > len(COMMANDS)
    for schema in sent:
        for name, described in schema["properties"].items():
            assert name == "op" or described.get("description"), (schema["title"], name)


def test_what_a_command_gives_hides_nothing_of_its_answer() -> None:
    """Both stand in one object: a receipt of money must not be lost behind another of that name."""
    names = {name for gives in GIVES.values() for name in gives}
    assert names.isdisjoint(Written.__struct_fields__)


def test_what_an_answer_gives_is_what_the_rules_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command is carried out at least once; what always comes is in the example too."""
    given: dict[str, list[set[str]]] = defaultdict(list)
    decide = Scenario.decide

    def listen(self: Scenario, command: Command, by: Caller | None = None) -> Decision:
        decision = decide(self, command, by)
        given[op_of(type(command).__name__)].append(set(decision.answer))
        return decision

    monkeypatch.setattr(Scenario, "decide", listen)
    story.tell()
    assert given.keys() == GIVES.keys() == COMMANDS.keys()
    for op, answers in given.items():
        assert set.union(*answers) | {"already"} >= set(GIVES[op]) >= set.union(*answers), op
    for _, path, operation in OPERATIONS:
        always = set.intersection(*given.get(operation["operationId"], [set()]))
        if always:
            shown = operation["responses"]["201"]["content"]["application/json"]["example"]
            assert always <= set(shown), path
