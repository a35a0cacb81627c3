"""Who may do what: every command's role, and things outside a scope, which cannot be written to."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from api import openapi
from api.routes.commands import WAYS, Way
from ledger.domain import commands as c
from ledger.domain.access import ALSO, ROLES
from tests.http_counties import (
    ALL_ROLES,
    HERE,
    NOBODYS,
    OURS,
    SCOPES,
    THEIRS,
    World,
    told,
    world_of,
)
from tests.http_service import post
from tests.postgres_server import PostgresServer

#: One world serves all cases: they are to run in one process.
pytestmark = pytest.mark.xdist_group("http-scopes-of-writes")
REGION: Final = SCOPES["members"]


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from world_of(f"sqlite:///{tmp_path_factory.mktemp('scopes')}/ledger.db")


@pytest.fixture(scope="module")
def postgres_world(postgres_server: PostgresServer) -> Iterator[World]:
    yield from world_of(f"{postgres_server.url}&schema=http_scopes_w")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.op)
def test_a_write_needs_its_role(way: Way, sqlite_world: World) -> None:
    path = way.path.format_map({**openapi.EXAMPLES, **NOBODYS.words})
    body = openapi.example(way.kind, way.ids)
    own = {ROLES[way.kind], "admin", *ALSO.get(way.kind, ())}
    for role in ALL_ROLES:
        answer = post(sqlite_world.client, path + "?dry_run=true", body, sqlite_world.key(role))
        is_forbidden = answer.status_code == 403 and answer.json()["at"] == "op"
        assert is_forbidden == (role not in own), (role, answer.text)


#: Fields that name what may lie outside a scope, and by which scopes it does.
BOUND: Final = {
    "member": REGION, "entry": REGION, "grant": REGION, "project": SCOPES["things"],
    "organisation": SCOPES["things"], "activity": SCOPES["things"],
    "policy": [{"regions": (HERE,)}], "fund": SCOPES["funds"], "expense": SCOPES["funds"],
}  # fmt: skip


#: What gives a thing its name: that a name is taken cannot be hidden.
CREATES: Final = {
    c.RegisterMember: "member", c.RegisterOrganisation: "organisation", c.OpenProject: "project",
    c.HoldActivity: "activity", c.DefinePolicy: "policy", c.OpenFund: "fund",
}  # fmt: skip


def writes_on(way: Way) -> list[tuple[str, dict[str, Any]]]:
    """The things a command names, in path or body, each with the scopes that hide it."""
    named = {*way.ids, *openapi.example(way.kind)} & set(BOUND)
    named.discard(CREATES.get(way.kind, ""))
    return [(name, scope) for name in sorted(named) for scope in BOUND[name]]


NAMED: Final = [
    pytest.param(way, name, scope, id=f"{way.op}-{name}-{next(iter(scope))}")
    for way in WAYS
    for name, scope in writes_on(way)
]


@pytest.mark.parametrize(("way", "name", "scope"), NAMED)
def test_what_lies_outside_a_scope_cannot_be_written_to(
    way: Way, name: str, scope: dict[str, Any], sqlite_world: World
) -> None:
    """Theirs is refused just as nobody's is; nothing is written."""
    key = sqlite_world.key(ROLES[way.kind], "admin", **scope)
    body = openapi.example(way.kind, way.ids)
    answers = []
    for ids in (THEIRS, NOBODYS):
        words = {**openapi.EXAMPLES, **OURS.words, name: ids.words[name]}
        own = {field: words[field] for field in OURS.words if field in body}
        path = way.path.format_map(words) + "?dry_run=true"
        answer = post(sqlite_world.client, path, {**body, **own}, key)
        assert answer.status_code in (403, 404, 409, 422), answer.text
        answers.append(told(answer, ids))
    assert answers[0] == answers[1]
    assert answers[0][0] in (403, 404)


def test_a_batch_is_held_to_the_role_and_scope_of_its_key(world: World) -> None:
    lines = (
        b'{"op":"verify_hours","entry":"V2-1"}\n{"op":"verify_hours","entry":"V9-1"}\n'
        b'{"op":"register_member","member":"V5","region":"330424"}\n'
    )
    headers = {"content-type": "application/x-ndjson", "idempotency-key": "scoped"}
    key = world.key("verifier", regions=(HERE,))
    answer = world.client.post("/v1/batch?on_error=continue", content=lines, headers=headers | key)
    codes = [json.loads(line)["code"] for line in answer.text.splitlines()]
    assert codes == ["entry_not_found", "entry_not_found", "forbidden"]
