"""Who may do what: every command's role, and things outside a scope, which cannot be written to."""

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import msgspec
import pytest

from api import openapi
from api.bodies import NOT_IN_BATCH
from api.bounds import Bounds
from api.ways import WAYS, Way
from ledger.domain import commands as c
from ledger.domain.access import ALSO, ROLES
from tests.http_counties import (
    ALL_ROLES,
    AWAY,
    HERE,
    NOBODYS,
    OURS,
    SCOPES,
    THEIRS,
    Ids,
    Statements,
    World,
    told,
    world_of,
)
from tests.http_service import TODAY, YESTERDAY, Key, post, refused
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
    "organisation": SCOPES["things"], "activity": SCOPES["things"], "team": SCOPES["things"],
    "policy": [{"regions": (HERE,)}], "fund": SCOPES["funds"], "expense": SCOPES["funds"],
    "transfer": SCOPES["funds"], "target": SCOPES["things"], "region": REGION,
}  # fmt: skip
#: Fields of commands that name nothing that lies somewhere, and why.
FREE: Final = {
    "a day, a time, a figure": "effective_on service_on held_on opens_on closes_on start end"
    " minutes fen num den entry_max day_max backdating_days day_minutes_max population registered"
    " attended served credit_cost fen_cost quota_member quota_total threshold levels deficit",
    "a word": "category categories evidence kind kinds level tier credential reason_code residency"
    " org_kind dimension quota_period source_kind payee_kind",
    "a text": "name document consent payee responsible terms",
    "a reference of the source system, looked up within the member": "source source_ref",
    "a part of what is named beside it": "replaces receipts lots source_id rule",
    "where money goes to, or comes from": "to_region to_origin from_region from_origin",
    "for keys without scope": "note",
    "shown below": "key",
}
#: What gives a thing its name: that a name is taken cannot be hidden.
CREATES: Final = {
    c.RegisterMember: "member", c.RegisterOrganisation: "organisation", c.OpenProject: "project",
    c.HoldActivity: "activity", c.DefinePolicy: "policy", c.OpenFund: "fund",
    c.ReceiveTransfer: "transfer",
}  # fmt: skip
#: What a command says besides its example, so that what it names is all that is wrong with it.
SOUND: Final[dict[str, Any]] = {
    "service_on": YESTERDAY.isoformat(), "held_on": YESTERDAY.isoformat(), "fen": 1,
    "effective_on": TODAY.isoformat(), "target": f"project/{OURS.project}",
    "category": "elder_care",
}  # fmt: skip


def named_as(name: str, ids: Ids) -> str:
    """What a field holds that names something of one county."""
    own = {"team": ids.organisation, "target": f"project/{ids.project}"}
    return own.get(name) or ids.words[name]


def writes_on(way: Way) -> list[tuple[str, dict[str, Any]]]:
    """The things a command names, in path or body, each with the scopes that hide it."""
    named = {*way.kind.__struct_fields__} & set(BOUND)
    named.discard(CREATES.get(way.kind, ""))
    if "entry" in way.ids:
        named.discard("member")  # the entry is named in the path, and its member by that
    if way.kind is c.AmendPolicy:
        named.discard("region")  # it cannot be amended at all
    return [(name, scope) for name in sorted(named) for scope in BOUND[name]]


ALL_NAMED: Final = [(way, name, scope) for way in WAYS for name, scope in writes_on(way)]
NAMED: Final = [
    pytest.param(way, name, scope, id=f"{way.op}-{name}-{next(iter(scope))}")
    for way, name, scope in ALL_NAMED
]


def test_every_field_of_a_command_is_bound_or_free() -> None:
    free = {name for names in FREE.values() for name in names.split()}
    assert not free & set(BOUND)
    for way in WAYS:
        assert {*way.kind.__struct_fields__} <= free | set(BOUND), way.op


@pytest.mark.parametrize(("way", "name", "scope"), NAMED)
def test_what_lies_outside_a_scope_cannot_be_written_to(
    way: Way, name: str, scope: dict[str, Any], sqlite_world: World
) -> None:
    """Theirs is refused just as nobody's is; nothing is written."""
    key = sqlite_world.key(ROLES[way.kind], "admin", **scope)
    answers = [
        told(write(sqlite_world, way, key, {name: named_as(name, ids)}), ids)
        for ids in (THEIRS, NOBODYS)
    ]
    assert answers[0] == answers[1]
    assert answers[0][0] in (403, 404), answers[0]


def write(world: World, way: Way, key: Key, named: dict[str, str]) -> httpx.Response:
    """Ask for a dry run of a command on what is ours, but for what is named."""
    words = {**openapi.EXAMPLES, **OURS.words, **named}
    body = openapi.example(way.kind, way.ids)
    sound = {field: value for field, value in SOUND.items() if field in body}
    own = {field: words[field] for field in OURS.words if field in body}
    if CREATES.get(way.kind) in body:
        own[CREATES[way.kind]] = "N1-T1" if way.kind is c.ReceiveTransfer else "NEW1"
    fields = {field: value for field, value in named.items() if field not in way.ids}
    path = way.path.format_map(words) + "?dry_run=true"
    return post(world.client, path, {**body, **sound, **own, **fields}, key)


def test_what_cannot_be_written_to_takes_the_queries_of_what_is_not_there(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    """Streams are asked for alike, whether they are not known yet or known to be empty."""
    asked = Statements(monkeypatch)
    for world in world_of(sqlite_url, bounds=Bounds(key_kept_s=3600)):
        for way, name, scope in ALL_NAMED:
            key = world.key(ROLES[way.kind], "admin", **scope)
            write(world, way, key, {})
            took = []
            for ids in (NOBODYS, THEIRS):
                asked.forget()
                write(world, way, key, {name: named_as(name, ids)})
                took.append(asked.so_far())
            assert took[0] == took[1], (way, name, scope)
            assert took[0]


def test_a_key_beyond_ones_own_is_as_if_it_were_not(sqlite_world: World) -> None:
    narrow = sqlite_world.key("admin", regions=(HERE,))
    theirs = sqlite_world.key("auditor", regions=(AWAY,))["authorization"].split("_")[1]
    ours = sqlite_world.key("auditor", regions=(HERE,))["authorization"].split("_")[1]
    client, why = sqlite_world.client, {"reason_code": "lost"}
    answers = [
        post(client, f"/v1/keys/{name}/revoke?dry_run=true", why, narrow)
        for name in (theirs, "0" * 16)
    ]
    problems = [refused(answer, 404, "key_not_found", "key") for answer in answers]
    assert [problem["facts"] for problem in problems] == [{"key": theirs}, {"key": "0" * 16}]
    assert post(client, f"/v1/keys/{ours}/revoke?dry_run=true", why, narrow).status_code == 200
    listed = client.get("/v1/keys", headers=narrow).text
    assert theirs not in listed
    refused(
        post(client, f"/v1/notes/{'0' * 64}/erase?dry_run=true", {}, narrow),
        403,
        "forbidden",
        "note",
    )


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


def test_a_batch_gives_each_role_what_the_routes_give_it(sqlite_world: World) -> None:
    """Each command as a line: what is forbidden there is forbidden here."""
    ways = [way for way in WAYS if way.kind not in NOT_IN_BATCH]
    lines = [msgspec.json.encode({"op": way.op, **openapi.example(way.kind)}) for way in ways]
    asked = "/v1/batch?on_error=continue&dry_run=true"
    for role in ALL_ROLES:
        headers = {"content-type": "application/x-ndjson", **sqlite_world.key(role)}
        answer = sqlite_world.client.post(asked, content=b"\n".join(lines), headers=headers)
        told = [json.loads(line) for line in answer.text.splitlines()]
        for way, line in zip(ways, told, strict=True):
            own = {ROLES[way.kind], "admin", *ALSO.get(way.kind, ())}
            is_forbidden = (line.get("code"), line.get("at")) == ("forbidden", "op")
            assert is_forbidden == (role not in own), (role, line)
