"""Who may do and see what: every route, every role, every scope; what is hidden is not there.

The matrix is made from the routes of the application. A route it does not know how to ask
fails `test_every_route_is_in_the_matrix`, so a new one cannot be forgotten.
"""

import json
import statistics
import time
from collections.abc import Iterator
from datetime import date
from typing import Any, Final, NamedTuple, get_args

import httpx
import pytest

from api import openapi
from api.routes.commands import WAYS, Way
from api.routes.table import routes
from ledger.domain import commands as c
from ledger.domain.access import ALSO, ROLES
from ledger.domain.values import Role, Terms, Threshold
from ledger.settings import Settings
from tests.http_service import YESTERDAY, Key, issue, open_ledger, post, started
from tests.postgres_server import PostgresServer

#: One world serves all cases: they are to run in one process.
pytestmark = pytest.mark.xdist_group("http-scopes")

ALL_ROLES: Final = get_args(Role)
#: Two counties; everything there is of one is there of the other, under like names.
HERE, AWAY = "330424", "640522"
LONG_AGO: Final = date(2020, 1, 1)


class Ids(NamedTuple):
    """The names of things in one county, or of none."""

    region: str
    member: str
    organisation: str
    project: str
    policy: str
    fund: str
    activity: str
    source: str

    @property
    def words(self) -> dict[str, str]:
        """What may stand in a path or a query."""
        own = self._asdict()
        derived = {
            "entry": f"{self.member}-1", "grant": f"{self.member}-G1",
            "expense": f"{self.fund}-E1", "transfer": f"{self.fund}-T1", "credential": "first_aid",
        }  # fmt: skip
        return {**own, **derived}


OURS: Final = Ids(HERE, "V1", "O1", "P1", "Y1", "F1", "A1", "S1")
THEIRS: Final = Ids(AWAY, "V2", "O2", "P2", "Y2", "F2", "A2", "S2")
NOBODYS: Final = Ids("119999", "V9", "O9", "P9", "Y9", "F9", "A9", "S9")

#: Role → the scopes that show what is ours and hide what is theirs.
SCOPES: Final[dict[str, list[dict[str, Any]]]] = {
    "members": [{"regions": (HERE,)}, {"regions": ("3304", "33")}],
    "things": [{"regions": (HERE,)}, {"organisations": ("O1",)}],
    "funds": [{"regions": (HERE,)}, {"organisations": ("O1",)}, {"funds": ("F1",)}],
}


class Read(NamedTuple):
    """How a read is asked, who may, and within which scopes theirs is as if it were not."""

    url: str
    roles: str
    scopes: list[dict[str, Any]] = []  # noqa: RUF012 (a default that is not changed)


WHO_MEMBERS: Final = "recorder verifier granter auditor admin"
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
    ],
    "/v1/explain/participation": [
        Read("/v1/explain/participation?region={region}", "auditor admin", [{"regions": (HERE,)}]),
    ],
    "/v1/explain/accounts": [
        Read("/v1/explain/accounts?account=registered/{region}", "auditor admin"),
    ],
    "/v1/keys": [Read("/v1/keys", "admin")],
    "/v1/looks": [Read("/v1/looks?about=member/{member}", "auditor admin")],
    "/v1/events": [Read("/v1/events?after=0", "auditor admin")],
}  # fmt: skip
#: Needs no key, or is asked in another way below.
OPEN: Final = {"/livez", "/readyz", "/metrics", "/openapi.json"}
BATCH: Final = "/v1/batch"
#: What only those see whose key has no scope.
WHOLE: Final = (
    "/v1/explain/policies/{policy}", "/v1/explain/accounts", "/v1/looks", "/v1/events",
)  # fmt: skip
#: A funder without a source sees nothing.
MERE_FUNDER: Final = ("/v1/funds/{fund}/usage", "/v1/sources/{source}/usage",
                      "/v1/explain/funds/{fund}", "/v1/explain/sources/{source}")  # fmt: skip


def county(ids: Ids) -> list[c.Command]:
    """Everything there is, in one county."""
    terms = Terms(purpose="助老", opens_on=LONG_AGO, closes_on=date(2099, 12, 31))
    log: dict[str, Any] = {
        "member": ids.member, "project": ids.project, "service_on": YESTERDAY, "minutes": 90,
        "category": "elder_care", "evidence": "manual",
    }  # fmt: skip
    offer: dict[str, Any] = {
        "name": "公交", "dimension": "economic_incentive", "region": ids.region,
        "threshold": Threshold(minutes=0, months=12), "opens_on": LONG_AGO,
        "closes_on": date(2099, 12, 31),
    }  # fmt: skip
    return [
        c.RegisterOrganisation(organisation=ids.organisation, name="社", org_kind="team",
                               region=ids.region),
        c.OpenProject(project=ids.project, name="助老", organisation=ids.organisation,
                      region=ids.region, categories=("elder_care",), opens_on=LONG_AGO),
        c.RegisterMember(member=ids.member, region=ids.region + "001"),
        c.RecordCredential(member=ids.member, credential="first_aid", level="basic"),
        c.LogHours(**log),
        c.HoldActivity(activity=ids.activity, project=ids.project, category="elder_care",
                       held_on=YESTERDAY, responsible="zhou", registered=3, attended=2),
        c.DefinePolicy(policy=ids.policy, **offer),
        c.GrantIncentive(member=ids.member, policy=ids.policy),
        c.OpenFund(fund=ids.fund, name="公益金", organisation=ids.organisation, region=ids.region,
                   terms=terms),
        c.ReceiveFunds(fund=ids.fund, source_kind="charity", source_id=ids.source, fen=9_000,
                       document="收据"),
        c.AllocateFunds(fund=ids.fund, target=f"project/{ids.project}", fen=5_000),
        c.SpendFunds(fund=ids.fund, target=f"project/{ids.project}", fen=100, category="meals",
                     payee_kind="supplier", payee="甲", document="票"),
        c.SendTransfer(fund=ids.fund, to_region="110000", fen=10),
    ]  # fmt: skip


class World:
    """A service over two counties, and keys made as they are asked for."""

    def __init__(self, settings: Settings, client: httpx.Client) -> None:
        self._settings, self.client = settings, client
        self._keys: dict[str, Key] = {}

    def key(self, *roles: Role, **scope: Any) -> Key:
        """The key of a holder with these roles and this scope."""
        name = f"{roles}{scope}"
        if name not in self._keys:
            self._keys[name] = issue(self._settings, f"h{len(self._keys)}", *roles, **scope)
        return self._keys[name]

    def read(self, read: Read, ids: Ids, key: Key) -> httpx.Response:
        """Ask a read for the things of one county."""
        return self.client.get(read.url.format_map(ids.words), headers=key)


def world_of(url: str) -> Iterator[World]:
    settings = Settings(database_url=url)
    open_ledger(settings, *county(OURS), *county(THEIRS))
    with started(settings) as client:
        world = World(settings, client)
        assert client.get("/v1/keys", headers=world.key("admin")).status_code == 200
        yield world


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


def told(answer: httpx.Response, ids: Ids) -> tuple[int, str, list[str]]:
    """What an answer tells, but for the names that were asked for and what differs every time."""
    text = answer.text
    names = {*ids.words.values(), *OURS.words.values()}
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "?")
    request = answer.headers["x-request-id"]
    varying = {"x-request-id", "ratelimit", "date", "content-length"}
    return answer.status_code, text.replace(request, "?"), sorted(set(answer.headers) - varying)


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


@pytest.mark.parametrize(("path", "read"), CASES)
def test_a_role_reads_what_it_is_to_read(path: str, read: Read, world: World) -> None:
    others = {role for own in READS[path] for role in own.roles.split() if own.url == read.url}
    for role in ALL_ROLES:
        answer = world.read(read, OURS, world.key(role))
        if role == "funder" and path in MERE_FUNDER:
            assert answer.status_code == 404
            assert told(answer, OURS) == told(world.read(read, NOBODYS, world.key(role)), NOBODYS)
        else:
            assert answer.status_code == (200 if role in others else 403), role
        if answer.status_code == 403:
            assert told(answer, OURS) == told(world.read(read, NOBODYS, world.key(role)), NOBODYS)


@pytest.mark.parametrize(("path", "read"), CASES)
def test_what_lies_outside_a_scope_is_as_if_it_were_not(
    path: str, read: Read, world: World
) -> None:
    for role in read.roles.split():
        for scope in read.scopes:
            key = world.key(role, **scope)  # type: ignore[arg-type]  # a role, as listed
            ours, theirs, nobodys = (world.read(read, ids, key) for ids in (OURS, THEIRS, NOBODYS))
            assert ours.status_code == 200, (role, scope, ours.text)
            assert theirs.status_code in (403, 404), (role, scope)
            assert told(theirs, THEIRS) == told(nobodys, NOBODYS), (role, scope)


@pytest.mark.parametrize("path", WHOLE)
def test_what_cannot_be_narrowed_is_for_keys_without_scope(path: str, world: World) -> None:
    (read,) = READS[path]
    for scope in ({"regions": (HERE,)}, {"organisations": ("O1",)}, {"funds": ("F1",)}, {"sources": ("S1",)}):  # fmt: skip
        answer = world.read(read, OURS, world.key("auditor", **scope))
        assert answer.status_code == 403
        assert told(answer, OURS) == told(
            world.read(read, NOBODYS, world.key("auditor", **scope)), NOBODYS
        )


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
                    text = world.read(read, OURS, key).text
                    assert not [name for name in hidden if f'"{name}' in text or f"/{name}" in text]


def test_a_funder_never_sees_a_member(world: World) -> None:
    key = world.key("funder", sources=("S1",))
    for path, reads in READS.items():
        answer = world.read(reads[0], OURS, key)
        text = answer.text.replace(answer.request.url.path, "")
        assert f'"{OURS.member}"' not in text, path
        assert f"member/{OURS.member}" not in text, path


# writes


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


# timing


def test_what_is_hidden_takes_as_long_as_what_is_not_there(sqlite_world: World) -> None:
    """As far as a test can say: medians of many, in turn, within a third of each other."""
    key = sqlite_world.key("verifier", regions=(HERE,))
    fund_key = sqlite_world.key("funder", sources=("S1",))
    for url, headers in (
        ("/v1/members/{member}/balance", key),
        ("/v1/members/{member}/statement", key),
        ("/v1/funds/{fund}/usage", fund_key),
    ):
        seconds: dict[str, list[float]] = {"theirs": [], "nobodys": []}
        for _ in range(60):
            for name, ids in (("theirs", THEIRS), ("nobodys", NOBODYS)):
                began = time.perf_counter()
                answer = sqlite_world.client.get(url.format_map(ids.words), headers=headers)
                seconds[name].append(time.perf_counter() - began)
                assert answer.status_code == 404
        theirs, nobodys = (statistics.median(each) for each in seconds.values())
        assert theirs / nobodys == pytest.approx(1, abs=0.34), url
