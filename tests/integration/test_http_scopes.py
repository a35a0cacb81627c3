"""Who may see what: every route, every role, every scope; what is hidden is as if it were not.

The matrix is made from the routes of the application. A route it does not know how to ask
fails `test_every_route_is_in_the_matrix`, so a new one cannot be forgotten.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from api.bounds import Bounds
from api.routes.table import EXPLAINED_TO_SOME, UNEXPLAINED, VIEWS, routes
from api.ways import WAYS
from tests.http_counties import (
    ALL_ROLES,
    AWAY,
    HERE,
    NOBODYS,
    OURS,
    SCOPES,
    THEIRS,
    Statements,
    World,
    told,
    world_of,
)
from tests.postgres_server import PostgresServer

#: One world serves all cases: they are to run in one process.
pytestmark = pytest.mark.xdist_group("http-scopes")


class Read(NamedTuple):
    """How a read is asked, who may, and within which scopes theirs is as if it were not."""

    url: str
    roles: str
    scopes: list[dict[str, Any]] = []  # noqa: RUF012 (a default that is not changed)


WHO_MEMBERS: Final = "recorder verifier granter auditor admin"
#: Hashes tell nothing; who holds a receipt may hold it against them.
ANYBODY: Final = " ".join(ALL_ROLES)
REGION: Final = SCOPES["members"]
READS: Final[dict[str, list[Read]]] = {
    "/v1/members/{member}/balance": [Read("/v1/members/{member}/balance", WHO_MEMBERS, REGION)],
    "/v1/members/{member}/statement": [
        Read("/v1/members/{member}/statement", WHO_MEMBERS, REGION)
    ],
    "/v1/members": [Read("/v1/members?region={region}", WHO_MEMBERS, REGION)],
    "/v1/funds/{fund}/usage": [
        Read("/v1/funds/{fund}/usage", "treasurer auditor admin", SCOPES["funds"]),
        Read("/v1/funds/{fund}/usage", "funder", [{"sources": ("S1",)}, {"funds": ("F1",)}]),
    ],
    "/v1/sources/{source}/usage": [
        Read("/v1/sources/{source}/usage", "funder auditor admin", [{"sources": ("S1",)}]),
    ],
    "/v1/totals": [
        Read("/v1/totals?region={region}", "auditor admin", [{"regions": (HERE,)}]),
        Read("/v1/totals?region=33&project={project}", "auditor admin", [{"regions": ("33",)}]),
        Read("/v1/totals?organisation={organisation}", "auditor admin",
             [{"organisations": ("O1",)}]),
    ],
    "/v1/participation": [
        Read("/v1/participation?region={region}", "auditor admin", [{"regions": (HERE,)}]),
        Read("/v1/participation?region=33&project={project}", "auditor admin",
             [{"regions": ("33",)}]),
        Read("/v1/participation?organisation={organisation}", "auditor admin",
             [{"organisations": ("O1",)}]),
    ],
    "/v1/participation/certified": [
        Read("/v1/participation/certified?region={region}", "auditor admin",
             [{"regions": (HERE,)}]),
    ],
    "/v1/participation/belonging": [
        Read("/v1/participation/belonging?organisation={organisation}", "auditor admin",
             SCOPES["things"]),
    ],
    "/v1/policies/{policy}/balance": [
        Read("/v1/policies/{policy}/balance", "granter auditor admin", [{"regions": (HERE,)}]),
    ],
    "/v1/policies/{policy}/eligibility": [
        Read("/v1/policies/{policy}/eligibility?member_id=V1", "granter auditor admin",
             [{"regions": (HERE,)}]),
        Read("/v1/policies/Y1/eligibility?member_id={member}", "granter auditor admin", REGION),
    ],
    "/v1/trail/{type}/{id}": [
        Read("/v1/trail/member/{member}", "auditor admin", REGION),
        Read("/v1/trail/project/{project}", "auditor admin", SCOPES["things"]),
        Read("/v1/trail/organisation/{organisation}", "auditor admin", SCOPES["things"]),
        Read("/v1/trail/activity/{activity}", "auditor admin", SCOPES["things"]),
        Read("/v1/trail/policy/{policy}", "auditor admin", [{"regions": (HERE,)}]),
        Read("/v1/trail/fund/{fund}", "treasurer auditor admin", SCOPES["funds"]),
    ],
    "/v1/explain/members/{member}": [Read("/v1/explain/members/{member}", WHO_MEMBERS, REGION)],
    "/v1/explain/policies/{policy}": [
        Read("/v1/explain/policies/{policy}", "granter auditor admin"),
    ],
    "/v1/explain/funds/{fund}": [
        Read("/v1/explain/funds/{fund}", "treasurer auditor admin", SCOPES["funds"]),
        Read("/v1/explain/funds/{fund}", "funder", [{"sources": ("S1",)}, {"funds": ("F1",)}]),
    ],
    "/v1/explain/sources/{source}": [
        Read("/v1/explain/sources/{source}", "funder auditor admin", [{"sources": ("S1",)}]),
    ],
    "/v1/explain/totals": [
        Read("/v1/explain/totals?region={region}", "auditor admin", [{"regions": (HERE,)}]),
        Read("/v1/explain/totals?region=33&project={project}", "auditor admin",
             [{"regions": ("33",)}]),
        Read("/v1/explain/totals?organisation={organisation}", "auditor admin",
             [{"organisations": ("O1",)}]),
    ],
    "/v1/explain/participation": [
        Read("/v1/explain/participation?region={region}", "auditor admin", [{"regions": (HERE,)}]),
        Read("/v1/explain/participation?region=33&project={project}", "auditor admin",
             [{"regions": ("33",)}]),
        Read("/v1/explain/participation?organisation={organisation}", "auditor admin",
             [{"organisations": ("O1",)}]),
    ],
    "/v1/explain/accounts": [
        Read("/v1/explain/accounts?account=registered/{region}", "auditor admin"),
    ],
    "/v1/diff/members/{member}": [
        Read("/v1/diff/members/{member}?from_known_at=1", WHO_MEMBERS, REGION),
    ],
    "/v1/diff/policies/{policy}": [
        Read("/v1/diff/policies/{policy}?from_known_at=1", "granter auditor admin"),
    ],
    "/v1/diff/funds/{fund}": [
        Read("/v1/diff/funds/{fund}?from_known_at=1", "treasurer auditor admin", SCOPES["funds"]),
        Read("/v1/diff/funds/{fund}?from_known_at=1", "funder",
             [{"sources": ("S1",)}, {"funds": ("F1",)}]),
    ],
    "/v1/diff/sources/{source}": [
        Read("/v1/diff/sources/{source}?from_known_at=1", "funder auditor admin",
             [{"sources": ("S1",)}]),
    ],
    **{
        f"/v1/{path}": [
            Read(f"/v1/{path}?region={{region}}&{moment}", "auditor admin",
                 [{"regions": (HERE,)}]),
            Read(f"/v1/{path}?region=33&project={{project}}&{moment}", "auditor admin",
                 [{"regions": ("33",)}]),
            Read(f"/v1/{path}?organisation={{organisation}}&{moment}", "auditor admin",
                 [{"organisations": ("O1",)}]),
        ]
        for figures in ("totals", "participation")
        for path, moment in (
            (f"diff/{figures}", "from_known_at=1"),
            (f"restatements/{figures}", "month=2025-05&published_at=1"),
        )
    },
    "/v1/keys": [Read("/v1/keys", "admin")],
    "/v1/looks": [Read("/v1/looks?about=member/{member}", "auditor admin")],
    "/v1/events": [Read("/v1/events?after=0", "auditor admin")],
    "/v1/log/checkpoint": [Read("/v1/log/checkpoint", ANYBODY)],
    "/v1/log/checkpoints": [Read("/v1/log/checkpoints", ANYBODY)],
    "/v1/log/proof/inclusion": [Read("/v1/log/proof/inclusion?position=3&size=5", ANYBODY)],
    "/v1/log/proof/consistency": [Read("/v1/log/proof/consistency?from=3&to=5", ANYBODY)],
}  # fmt: skip
#: Needs no key, or is asked in another way below.
OPEN: Final = {"/livez", "/readyz", "/metrics", "/openapi.json"}
BATCH: Final = "/v1/batch"
#: What only those see whose key has no scope.
WHOLE: Final = (
    "/v1/explain/policies/{policy}", "/v1/explain/accounts", "/v1/looks", "/v1/events",
    "/v1/diff/policies/{policy}",
)  # fmt: skip
#: A funder without a source sees nothing.
MERE_FUNDER: Final = ("/v1/funds/{fund}/usage", "/v1/sources/{source}/usage",
                      "/v1/explain/funds/{fund}", "/v1/explain/sources/{source}",
                      "/v1/diff/funds/{fund}", "/v1/diff/sources/{source}")  # fmt: skip


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from world_of(f"sqlite:///{tmp_path_factory.mktemp('scopes')}/ledger.db")


@pytest.fixture(scope="module")
def postgres_world(postgres_server: PostgresServer) -> Iterator[World]:
    yield from world_of(f"{postgres_server.url}&schema=http_scopes")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


def test_every_route_is_in_the_matrix() -> None:
    reads = {r.path.replace(":path", "") for r in routes() if r.method == "GET"}
    writes = {r.path for r in routes() if r.method == "POST"}
    assert reads - OPEN == set(READS)
    assert writes == {way.path for way in WAYS} | {"/v1/keys", BATCH}


CASES: Final = [
    pytest.param(path, read, id=read.url + "-" + read.roles.partition(" ")[0])
    for path, reads in READS.items()
    for read in reads
]


HIDING: Final = [(path, read) for path, reads in READS.items() for read in reads if read.scopes]
#: Parameters that name something.
NAMING: Final = {
    "member", "member_id", "project", "organisation", "fund", "policy", "source", "region", "type",
    "id", "about", "account", "receipt", "target", "source_id", "service_region", "entry", "grant",
}  # fmt: skip
#: Parameters that name nothing, or a day, a kind, a page.
NAMELESS: Final = {
    "min_position", "on", "cursor", "limit", "source_kind", "group_by", "category", "evidence",
    "month", "from_month", "to_month", "kind", "member_kind", "figure", "known_at", "as_of",
    "from_known_at", "from_as_of", "published_at", "proofs", "proof_size",
}  # fmt: skip
#: Parts of what is seen whole anyway, and where our own members served.
WITHIN: Final = {
    "/v1/explain/funds/{fund}": {"target", "receipt", "source_id"},
    "/v1/explain/members/{member}": {"entry", "grant"},
    "/v1/participation": {"service_region"},
    "/v1/explain/participation": {"service_region"},
    "/v1/diff/participation": {"service_region"},
    "/v1/restatements/participation": {"service_region"},
}


def test_every_parameter_that_names_something_is_in_the_matrix() -> None:
    for view in VIEWS:
        path = view.path.replace(":path", "")
        fields = set(view.query.__struct_fields__)
        assert fields <= NAMING | NAMELESS, path
        asked = " ".join(read.url for read in READS[path])
        words = {*re.findall(r"[{?&](\w+)", asked)}
        words |= {"type", "id"} if "/trail/" in asked else set()
        assert fields & NAMING <= words | WITHIN.get(path, set()), path


@pytest.mark.parametrize(("path", "read"), CASES)
def test_a_role_reads_what_it_is_to_read(path: str, read: Read, world: World) -> None:
    others = {role for own in READS[path] for role in own.roles.split() if own.url == read.url}
    for role in ALL_ROLES:
        answer = world.read(read.url, OURS, world.key(role))
        if role == "funder" and path in MERE_FUNDER:
            assert answer.status_code == 404
            assert told(answer, OURS) == told(
                world.read(read.url, NOBODYS, world.key(role)), NOBODYS
            )
        else:
            assert answer.status_code == (200 if role in others else 403), role
        if answer.status_code == 403:
            assert told(answer, OURS) == told(
                world.read(read.url, NOBODYS, world.key(role)), NOBODYS
            )


@pytest.mark.parametrize(("path", "read"), CASES)
def test_what_lies_outside_a_scope_is_as_if_it_were_not(
    path: str, read: Read, world: World
) -> None:
    for role in read.roles.split():
        for scope in read.scopes:
            key = world.key(role, **scope)  # type: ignore[arg-type]  # a role, as listed
            ours, theirs, nobodys = (
                world.read(read.url, ids, key) for ids in (OURS, THEIRS, NOBODYS)
            )
            assert ours.status_code == 200, (role, scope, ours.text)
            assert theirs.status_code in (403, 404), (role, scope)
            assert told(theirs, THEIRS) == told(nobodys, NOBODYS), (role, scope)


@pytest.mark.parametrize("path", WHOLE)
def test_what_cannot_be_narrowed_is_for_keys_without_scope(path: str, world: World) -> None:
    (read,) = READS[path]
    for scope in (*SCOPES["funds"], {"sources": ("S1",)}):
        answer = world.read(read.url, OURS, world.key("auditor", **scope))
        assert answer.status_code == 403
        assert told(answer, OURS) == told(
            world.read(read.url, NOBODYS, world.key("auditor", **scope)), NOBODYS
        )


EXPLAINED: Final = [view.path for view in VIEWS if not view.path.startswith(UNEXPLAINED)]


@pytest.mark.parametrize("path", EXPLAINED)
def test_an_answer_leads_its_reader_only_where_that_one_may_go(path: str, world: World) -> None:
    for read in READS[path]:
        wholes: list[dict[str, Any]] = [] if "funder" in read.roles else [{}]
        for role in read.roles.split():
            for scope in (*wholes, *read.scopes):
                key = world.key(role, **scope)  # type: ignore[arg-type]  # a role, as listed
                shown = world.read(read.url, OURS, key).json()
                template = shown.get("explain_template", "").replace("{member}", OURS.member)
                link = shown.get("explain", template)
                assert bool(link) == (not scope or path not in EXPLAINED_TO_SOME), (role, scope)
                legs = world.client.get(link, headers=key).json() if link else {"legs": []}
                assert "legs" in legs, (role, scope)


def test_sums_over_more_than_a_scope_are_refused(world: World) -> None:
    narrow = world.key("auditor", regions=(HERE,))
    for url in ("/v1/totals", "/v1/totals?region=33", f"/v1/totals?region={AWAY}",
                "/v1/participation", "/v1/members", "/v1/explain/totals"):  # fmt: skip
        answer = world.client.get(url, headers=narrow)
        expected = 200 if url == "/v1/members" else 403
        assert answer.status_code == expected, url
    members = world.client.get("/v1/members", headers=narrow).json()["members"]
    assert [member["member"] for member in members] == ["V1"]


def test_no_answer_to_a_narrow_key_names_what_lies_outside(world: World) -> None:
    """Whatever our county's keys read of ours, nothing of theirs is in it."""
    hidden = [THEIRS.member, THEIRS.organisation, THEIRS.project, THEIRS.fund, THEIRS.source, AWAY]
    for reads in READS.values():
        for read in reads:
            for role in read.roles.split():
                for scope in read.scopes:
                    key = world.key(role, **scope)  # type: ignore[arg-type]  # a role, as listed
                    text = world.read(read.url, OURS, key).text
                    assert not [name for name in hidden if f'"{name}' in text or f"/{name}" in text]


def test_a_funder_never_sees_a_member(world: World) -> None:
    key = world.key("funder", sources=("S1",))
    for path, reads in READS.items():
        answer = world.read(reads[0].url, OURS, key)
        text = answer.text.replace(answer.request.url.path, "")
        assert f'"{OURS.member}"' not in text, path
        assert f"member/{OURS.member}" not in text, path


# what it takes


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Statements:
    return Statements(monkeypatch)


@pytest.fixture
def traced_world(asked: Statements, sqlite_url: str) -> Iterator[World]:
    """A world of its own, all of whose connections are watched."""
    yield from world_of(sqlite_url, bounds=Bounds(key_kept_s=3600))


def test_what_is_hidden_takes_the_queries_of_what_is_not_there(
    asked: Statements, traced_world: World
) -> None:
    """The same statements, as many of them, in the same order; so it takes as long, too."""
    for _, read in HIDING:
        for role in read.roles.split():
            for scope in read.scopes:
                key = traced_world.key(role, **scope)  # type: ignore[arg-type]  # a role, as listed
                assert traced_world.read(read.url, OURS, key).status_code == 200
                told = []
                for ids in (NOBODYS, THEIRS, NOBODYS):
                    asked.forget()
                    answer = traced_world.read(read.url, ids, key)
                    assert answer.status_code in (403, 404)
                    told.append(asked.so_far())
                assert told[0] == told[1] == told[2], (read.url, role, scope)
                assert told[0]
