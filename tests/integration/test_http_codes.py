"""Every refusal of the design over HTTP: the cases of the command line, asked of the service."""

import shlex
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import click
import httpx
import msgspec
import pytest

from api.cli import options
from api.cli.writing import ledger_command
from api.errors import STATUS
from api.ways import ISSUE_KEY, WAYS
from ledger.domain import commands as c
from ledger.settings import Settings
from tests.http_service import Key, done, issue, open_ledger, post, raw, refused, started
from tests.integration.test_cli_refusals import CASES, KEYS, WORLD, Case, words_for
from tests.postgres_server import PostgresServer

#: One world serves all cases: they are to run in one process.
pytestmark = pytest.mark.xdist_group("http-codes")

#: Whom the cases let act; the first when nobody is named.
HOLDERS: Final = ("operator", "clerk", "supervisor", "chief")
EVERY: Final = 6


def read_line(line: str) -> tuple[c.Command, dict[str, str]]:
    """The command a line of a terminal stands for, and what else it says."""
    name, *args = shlex.split(line)
    if name == "key":
        name, args = f"{args[0]}-key", args[1:]
    said: dict[str, str] = {}
    for option in ("--as", "--key", "--command-id"):
        if option in args:
            at = args.index(option)
            said[option] = args[at + 1]
            del args[at : at + 2]
    kind = c.COMMANDS[name.replace("-", "_")]
    command = ledger_command(kind)
    return options.read(kind, command.make_context(name, args)), said


def route_of(command: c.Command) -> tuple[str, dict[str, Any]]:
    """The path a command is posted to, and its body."""
    body: dict[str, Any] = msgspec.to_builtins(command)
    body.pop("op")
    (way,) = [way for way in (*WAYS, ISSUE_KEY) if way.kind is type(command)]
    ids = {name: body.pop(name) for name in way.ids}
    return way.path.format(**ids), body


class World(NamedTuple):
    """A service, and the keys of all who act."""

    client: httpx.Client
    keys: dict[str, Key]

    def ask(self, line: str) -> httpx.Response:
        """Ask the service for what a line of a terminal asks for."""
        if line.startswith("source "):
            source = line.rpartition("/")[2]
            return self.client.get(f"/v1/sources/{source}/usage", headers=self.keys["operator"])
        command, said = read_line(line)
        holder = said.get("--key") or said.get("--as") or "operator"
        key = self.keys.get(holder, {"authorization": f"Bearer {holder}"})
        if isinstance(command, c.EntryCommand) and command.entry is None:
            # An entry without an id has no address; in a batch it is named by its reference.
            headers = {"content-type": "application/x-ndjson", "idempotency-key": "named", **key}
            content = msgspec.json.encode(command)
            return self.client.post("/v1/batch", content=content, headers=headers)
        path, body = route_of(command)
        return post(self.client, path, body, key, said.get("--command-id"))


def new_world(settings: Settings, client: httpx.Client) -> World:
    words = words_for(0)
    keys = {holder: issue(settings, holder, "admin") for holder in HOLDERS}
    for holder, scope in KEYS.items():
        command, _ = read_line(f"key issue {holder} {scope} --expires-on {words['next_year']}")
        assert isinstance(command, c.IssueKey)
        keys[holder] = issue(settings, holder, *command.roles, regions=command.regions)
    world = World(client, keys)
    for line in WORLD.replace("\\\n", " ").strip().splitlines():
        done(world.ask(line.format_map(words)))
    return world


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = Settings(database_url=f"sqlite:///{tmp_path_factory.mktemp('codes')}/ledger.db")
    open_ledger(settings)
    with started(settings) as client:
        yield new_world(settings, client)


@pytest.fixture(scope="module")
def postgres_world(postgres_server: PostgresServer) -> Iterator[World]:
    settings = Settings(database_url=f"{postgres_server.url}&schema=http_codes")
    open_ledger(settings)
    with started(settings) as client:
        yield new_world(settings, client)


def play(world: World, number: int, case: Case) -> None:
    """Play a case, and hold its last answer against the refusal it is to be."""
    words = words_for(number) | {name: name for name in KEYS}
    *before, last = [line.format_map(words) for line in case.script.strip().splitlines()]
    for line in before:
        done(world.ask(line))
    answer = world.ask(last)
    problem = refused(answer, STATUS[case.code], case.code, case.at)
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.path
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert [place["at"] for place in problem["errors"]] == ([case.at] if case.at else [])


NUMBERED: Final = [
    pytest.param(number, case, id=f"{case.code}-{case.at}")
    for number, case in enumerate(CASES, start=1)
]


@pytest.mark.parametrize(("number", "case"), NUMBERED)
def test_a_refusal_has_its_status_code_and_place(
    number: int, case: Case, sqlite_world: World
) -> None:
    play(sqlite_world, number, case)


@pytest.mark.parametrize(("number", "case"), NUMBERED[::EVERY])
def test_a_refusal_is_the_same_on_postgresql(
    number: int, case: Case, postgres_world: World
) -> None:
    play(postgres_world, number, case)


def test_the_refusals_of_the_doors_themselves(sqlite_world: World) -> None:
    client, key = sqlite_world.client, sqlite_world.keys["operator"]
    json = {"content-type": "application/json", "idempotency-key": "k1", **key}
    member = {"member": "V1", "region": "33"}
    refused(client.post("/v1/members", json=member, headers=key), 400, "idempotency_key_required")
    for sent in ("", '"', "a b", "a/b", "x" * 65, '"x', "é"):
        answer = client.post(
            "/v1/members", json=member, headers=raw({**key, "idempotency-key": sent})
        )
        assert answer.json()["at"] == "idempotency-key"
    refused(client.get("/v1/nothing", headers=key), 404, "route_not_found")
    nowhere = refused(client.get("/", headers=key), 404, "route_not_found")
    assert nowhere["detail"] == "There is nothing at this address. /openapi.json has the routes"
    for path, methods in {
        "/v1/members": "GET, HEAD, POST",
        "/v1/totals": "GET, HEAD",
        "/v1/members/V1/move": "POST",
    }.items():
        for method in ("PUT", "OPTIONS"):
            assert client.request(method, path, headers=key).headers["allow"] == methods
    refused(client.delete("/v1/hours", headers=key), 405, "method_not_allowed")
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/json5",
                  "application/json; charset=utf-16", "application/x-ndjson"):  # fmt: skip
        answer = client.post("/v1/members", content=b"{}", headers=json | {"content-type": media})
        refused(answer, 415, "unsupported_media_type", "content-type")
    answer = client.post("/v1/members", content=b"{}", headers=json | {"content-encoding": "gzip"})
    refused(answer, 415, "unsupported_media_type", "content-encoding")
    assert answer.headers["accept-encoding"] == "identity"
    answer = client.get("/v1/events", headers=key | {"accept": "image/png"})
    refused(answer, 406, "not_acceptable", "accept")
    answer = client.post("/v1/members", content=b" " * 1_048_577, headers=json)
    refused(answer, 413, "body_too_large")
    answer = client.post("/v1/members", content=iter([b" " * 700_000] * 2), headers=json)
    refused(answer, 413, "body_too_large")
    assert client.get("/v1/keys").headers["www-authenticate"].startswith("Bearer")


def test_a_key_is_refused_whatever_is_wrong_with_it(sqlite_world: World) -> None:
    client, key = sqlite_world.client, sqlite_world.keys["operator"]
    right = key["authorization"].removeprefix("Bearer ")
    begin, own, token = right.split("_", 2)
    wrong = [
        "", "Bearer", f"Basic {right}", right, f"Bearer  {right}",
        f"Bearer {right}x", f"Bearer {right[:-1]}", f"Bearer {begin}_{'0' * 16}_{token}",
        f"Bearer {begin}_{own}_{token[::-1]}", f"Bearer {begin}_{own}_", f"Bearer {right},{right}",
        f"Bearer {begin}_{own}' OR 1=1 --_{token}",
    ]  # fmt: skip
    answers = [client.get("/v1/keys", headers={"authorization": each}) for each in wrong]
    problems = [refused(answer, 401, "unauthenticated", "") for answer in answers]
    for problem in problems:
        problem.pop("request_id")
    assert all(problem == problems[0] for problem in problems)
    again = client.get("/v1/keys", headers={"authorization": f"bearer {right}"})
    assert again.status_code == 200


def test_a_key_ends_when_it_is_revoked_and_on_its_last_day(sqlite_world: World) -> None:
    client, boss = sqlite_world.client, sqlite_world.keys["operator"]
    tomorrow = (date.today() + timedelta(days=2)).isoformat()
    wish = {"holder": "short", "roles": ["admin"], "expires_on": tomorrow}
    answer = post(client, "/v1/keys", wish, boss, "issue-short")
    issued = done(answer)
    key = {"authorization": f"Bearer {issued['secret']}"}
    assert client.get("/v1/keys", headers=key).status_code == 200
    again = done(post(client, "/v1/keys", wish, boss, "issue-short"))
    assert (again["secret"], again["replayed"], again["key"]) == (None, True, issued["key"])
    fresh = {"min_position": issued["position"]}
    listed = client.get("/v1/keys", headers=boss, params=fresh).text
    assert issued["key"] in listed
    assert issued["secret"].rpartition("_")[2] not in listed
    done(post(client, f"/v1/keys/{issued['key']}/revoke", {"reason_code": "lost"}, boss))
    refused(client.get("/v1/keys", headers=key), 401, "unauthenticated")
    refused(
        post(client, "/v1/members", {"member": "VX", "region": "33"}, key), 401, "unauthenticated"
    )
    past = {**wish, "expires_on": "2020-01-01"}
    refused(post(client, "/v1/keys", past, boss), 422, "invalid_command", "expires_on")


def test_a_key_that_is_revoked_elsewhere_writes_nothing_more(tmp_path: Any) -> None:
    """Another process revokes; this one remembers the caller for an hour, the ledger does not."""
    from api.bounds import Bounds  # noqa: PLC0415
    from ledger.application import Ledger  # noqa: PLC0415
    from tests.http_service import OPERATOR  # noqa: PLC0415

    settings = Settings(database_url=f"sqlite:///{tmp_path}/ledger.db")
    open_ledger(settings)
    key = issue(settings, "boss", "admin")
    with started(settings, bounds=Bounds(key_kept_s=3600)) as client:
        done(post(client, "/v1/members", {"member": "V1", "region": "33"}, key))
        other = Ledger(settings)
        own = key["authorization"].split("_")[1]
        other.execute(c.RevokeKey(key=own, reason_code="lost"), OPERATOR)
        answer = post(client, "/v1/members", {"member": "V2", "region": "33"}, key)
        refused(answer, 401, "unauthenticated")
        other.close()


def test_click_reads_what_a_terminal_says() -> None:
    command, said = read_line("register-member V1 --region 33 --as clerk --command-id c1")
    assert command == c.RegisterMember(member="V1", region="33")
    assert said == {"--as": "clerk", "--command-id": "c1"}
    assert click.get_current_context(silent=True) is None


def test_a_holder_whose_keys_reach_further_gets_none_from_a_scoped_admin(
    sqlite_world: World,
) -> None:
    """Nobody acts in the name of who may do more; also when that key is revoked by now."""
    client, boss = sqlite_world.client, sqlite_world.keys["operator"]
    never = {"roles": ["admin"], "expires_on": "2099-12-31"}
    office = {"holder": "county-office", **never}
    north = {"holder": "north", "regions": ["330424"], **never}
    issued = done(post(client, "/v1/keys", office, boss))
    scoped = {"authorization": f"Bearer {done(post(client, '/v1/keys', north, boss))['secret']}"}
    wish = {"holder": "county-office", "regions": ["330424001"], **never}
    refused(post(client, "/v1/keys", wish, scoped), 403, "forbidden", "holder")
    tried = client.post("/v1/keys", json=wish, headers=scoped, params={"dry_run": "true"})
    refused(tried, 403, "forbidden", "holder")
    done(post(client, f"/v1/keys/{issued['key']}/revoke", {"reason_code": "lost"}, boss))
    refused(post(client, "/v1/keys", wish, scoped), 403, "forbidden", "holder")
    done(post(client, "/v1/keys", {**wish, "holder": "desk"}, scoped))
    done(post(client, "/v1/keys", {**wish, "holder": "desk"}, scoped))
    done(post(client, "/v1/keys", wish, boss))
