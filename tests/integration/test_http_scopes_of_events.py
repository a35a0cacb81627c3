"""Lists of events name nothing that the key which asks may not see: trails, legs, differences."""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import httpx
import pytest

from ledger.domain import commands as c
from ledger.domain.values import Threshold
from tests.http_counties import AWAY, HERE, OURS, THEIRS, World, world_of
from tests.http_service import LONG_AGO, YESTERDAY, Key, post
from tests.postgres_server import PostgresServer

#: One world serves all cases: they are to run in one process.
pytestmark = pytest.mark.xdist_group("http-scopes-of-events")

_OFFER: Final[dict[str, Any]] = {
    "name": "钱", "dimension": "economic_incentive", "threshold": Threshold(minutes=0, months=12),
    "opens_on": LONG_AGO, "closes_on": date(2099, 12, 31),
}  # fmt: skip
_SERVED: Final[dict[str, Any]] = {
    "service_on": YESTERDAY, "category": "elder_care", "evidence": "manual",
}  # fmt: skip
#: What happens between the counties.
BETWEEN: Final = (
    # YM pays ours out of our fund.
    c.DefinePolicy(policy="YM", region=HERE, fen_cost=100, fund="F1", **_OFFER),
    c.AllocateFunds(fund="F1", target="policy/YM", fen=1_000),
    c.GrantIncentive(member=OURS.member, policy="YM"),
    # YW is for all of the province, where VX lives in another county; our fund pays for it, too.
    c.DefinePolicy(policy="YW", region="33", fen_cost=100, fund="F1", **_OFFER),
    c.AllocateFunds(fund="F1", target="policy/YW", fen=1_000),
    c.RegisterMember(member="VX", region="330199"),
    c.GrantIncentive(member="VX", policy="YW"),
    c.GrantIncentive(member=OURS.member, policy="YW"),
    # Their fund pays for our project, and our organisation has a project there.
    c.AllocateFunds(fund="F2", target="project/P1", fen=11),
    c.OpenProject(project="P3", name="助老", organisation="O1", region=AWAY,
                  categories=("elder_care",), opens_on=LONG_AGO),
    c.AllocateFunds(fund="F1", target="project/P2", fen=10),
    # VM came here from there.
    c.RegisterMember(member="VM", region=AWAY),
    c.MoveMember(member="VM", region=HERE),
    # Ours serves there, theirs serves here.
    c.LogHours(member=OURS.member, project="P2", minutes=77, **_SERVED),
    c.LogHours(member=THEIRS.member, project="P1", minutes=7, **_SERVED),
)  # fmt: skip


def verified(worlds: Iterator[World]) -> Iterator[World]:
    """The same, when somebody has verified what theirs served in the project both funds pay for."""
    for world in worlds:
        verifier = world.key("verifier")
        # What ours served there is verified, too.
        post(world.client, "/v1/hours/V1-2/verify", {}, verifier)
        answer = post(world.client, "/v1/hours/V2-1/verify", {}, verifier).json()
        read = f"/v1/members/V2/balance?min_position={answer['position']}"
        assert world.client.get(read, headers=verifier).json()["verified_minutes"] == 90
        yield world


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from verified(world_of(f"sqlite:///{tmp_path_factory.mktemp('events')}/l.db", *BETWEEN))


@pytest.fixture(scope="module")
def postgres_world(postgres_server: PostgresServer) -> Iterator[World]:
    yield from verified(world_of(f"{postgres_server.url}&schema=http_scopes_e", *BETWEEN))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


@pytest.mark.parametrize("path", ["funds/F1", "sources/S1"])
def test_a_funder_gets_no_line_that_names_a_member(path: str, world: World) -> None:
    url = f"/v1/explain/{path}?figure=spent_fen&proofs=true"
    shown = world.read(url, OURS, world.key("funder", sources=("S1",))).json()
    meals, *grants = (leg["position"] for leg in shown["legs"])
    assert [proof["position"] for proof in shown["proofs"]] == [meals]
    whole = world.read(url, OURS, world.key("auditor")).json()
    assert [proof["position"] for proof in whole["proofs"]] == [meals, *grants]
    assert f'"grant":"{OURS.member}-G' in whole["proofs"][1]["line"]


#: Trail, scope of the key, what is in the trail for others and not for this key.
LEFT_OUT: Final = [
    ("policy/YW", {"regions": (HERE,)}, ['"VX-G1"']),
    ("fund/F1", {"regions": (HERE,)}, ['"VX-G1"']),
    ("project/P1", {"regions": (HERE,)}, ['"fund/F2"', '"S2"', '"member/V2"']),
    ("project/P1", {"organisations": ("O1",)}, ['"fund/F2"', '"S2"']),
    ("project/P2", {"funds": ("F1",)}, ['"fund/F2"', '"S2"']),
    ("project/P2", {"sources": ("S1",)}, ['"fund/F2"', '"S2"']),
    ("organisation/O1", {"regions": (HERE,)}, ['"project/P3"', '"member/V2"']),
    ("organisation/O2", {"funds": ("F1",)}, ['"fund/F2"', '"S2"']),
    ("organisation/O2", {"sources": ("S1",)}, ['"fund/F2"', '"S2"']),
    ("member/V1", {"regions": (HERE,)}, ['"V1-2"']),
]


@pytest.mark.parametrize(("entity", "scope", "left_out"), LEFT_OUT)
def test_a_trail_leaves_out_what_its_reader_may_not_see(
    entity: str, scope: dict[str, Any], left_out: list[str], world: World
) -> None:
    url = f"/v1/trail/{entity}?limit=3"
    whole = pages(world, url, world.key("auditor"))
    assert all(name in json.dumps(whole) for name in left_out)
    shown = pages(world, url, world.key("auditor", **scope))
    assert not [name for name in left_out if name in json.dumps(shown)]
    # What is shown is as it is shown to others, but for the names of grants.
    others = {entry["position"]: entry for entry in whole}
    assert shown
    for entry in shown:
        other = others[entry["position"]]
        assert {**other, "fields": {**other["fields"], **entry["fields"]}} == other
        assert {*other["fields"]} - {*entry["fields"]} <= {"grant"}


def test_a_trail_shows_what_adds_up_though_a_grant_is_not_named(world: World) -> None:
    key = world.key("auditor", regions=(HERE,))
    for entity, topic in (("policy/YW", "PolicyQuotaTaken"), ("fund/F1", "FundsSpent")):
        counts = [
            [entry["topic"] for entry in pages(world, f"/v1/trail/{entity}", by)].count(topic)
            for by in (key, world.key("auditor"))
        ]
        assert counts[0] == counts[1] > 1


#: List, roles and scope of the key, what is named in the list for others and not for this key.
UNNAMED: Final = [
    ("explain/members/V1?figure=pending_minutes", "recorder auditor", {"organisations": ("O1",)},
     ["served/P2"]),
    ("explain/members/V1?figure=pending_minutes", "verifier auditor", {"regions": (HERE,)},
     ["served/P2"]),
    ("explain/funds/F1?figure=verified_minutes", "auditor", {"regions": (HERE,)}, ["V2"]),
    ("explain/totals?region=330424&figure=pending_minutes", "auditor", {"regions": (HERE,)},
     ["V2"]),
    ("explain/totals?organisation=O1&figure=fen_allocated", "auditor", {"organisations": ("O1",)},
     ["F2"]),
    ("diff/members/V1?from_known_at=1", "recorder auditor", {"organisations": ("O1",)}, ["V1-2"]),
    ("diff/funds/F1?from_known_at=1", "auditor", {"regions": (HERE,)}, ["V2"]),
    ("diff/totals?region=330424&from_known_at=1", "auditor", {"regions": (HERE,)}, ["V2", "F2"]),
    (f"restatements/totals?region=330424&month={YESTERDAY:%Y-%m}&published_at=1", "auditor",
     {"regions": (HERE,)}, ["V2", "F2"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "roles", "scope", "unnamed"), UNNAMED)
def test_what_adds_up_is_listed_without_what_names_what_lies_outside(
    path: str, roles: str, scope: dict[str, Any], unnamed: list[str], world: World
) -> None:
    words = [re.compile(rf'["/]{name}[-"/]') for name in unnamed]
    whole = listed(world.read(f"/v1/{path}", OURS, world.key("auditor")))
    assert all(word.search(json.dumps(whole)) for word in words)
    for role in roles.split():
        key = world.key(role, **scope)  # type: ignore[arg-type]  # a role, as listed
        shown = listed(world.read(f"/v1/{path}", OURS, key))
        assert not [word for word in words if word.search(json.dumps(shown))], role
        for key_of in ("position", "topic", "quantity", "day", "change", "changes"):
            assert [each.get(key_of) for each in shown] == [each.get(key_of) for each in whole]
        assert [each for each in shown if each in whole] or "verified" in path


@pytest.mark.parametrize(
    "asked",
    ["participation?", "diff/participation?from_known_at=1&",
     f"restatements/participation?month={YESTERDAY:%Y-%m}&published_at=1&"],
)  # fmt: skip
@pytest.mark.parametrize(("group", "outside"), [("project", '"P2"'), ("organisation", '"O2"')])
def test_people_told_apart_by_where_they_served_are_told_within_the_scope(
    asked: str, group: str, outside: str, world: World
) -> None:
    url = f"/v1/{asked}region={HERE}&group_by={group}"
    assert outside in world.read(url, OURS, world.key("auditor")).text
    key = world.key("auditor", regions=(HERE,))
    refused = world.read(url, OURS, key)
    assert refused.status_code == 403
    assert outside not in refused.text
    assert refused.json()["at"] == "service_region"
    within = world.read(f"{url}&service_region={HERE}", OURS, key)
    assert within.status_code == 200
    assert outside not in within.text
    assert world.read(f"{url}&project=P1", OURS, key).status_code == 200


def listed(answer: httpx.Response) -> list[dict[str, Any]]:
    """The legs or events of an answer."""
    assert answer.status_code == 200, answer.text
    told = answer.json()
    found: list[dict[str, Any]] = told["legs"] if "legs" in told else told["events"]
    return found


def test_an_entry_that_is_not_seen_is_as_if_it_were_not(world: World) -> None:
    key = world.key("recorder", organisations=("O1",))
    url = "/v1/explain/members/V1?figure=minutes&entry="
    assert len(listed(world.read(f"{url}V1-1", OURS, key))) == 1
    there, nowhere = (world.read(f"{url}{entry}", OURS, key) for entry in ("V1-2", "V1-9"))
    assert there.json() == nowhere.json()


def test_a_line_outside_the_scope_is_not_proved(world: World) -> None:
    url = "/v1/explain/funds/F1?figure={}&proofs=true"
    here, everywhere = world.key("auditor", regions=(HERE,)), world.key("auditor")
    for figure, outside in (("verified_minutes", "V2"), ("spent_fen", "VX-G1")):
        texts = [world.read(url.format(figure), OURS, key).text for key in (here, everywhere)]
        assert [outside in text for text in texts] == [False, True], figure


def test_who_sees_a_member_sees_the_member_s_past(world: World) -> None:
    came, _ = pages(world, "/v1/trail/member/VM", world.key("auditor"))
    granter = {here: world.key("granter", regions=(here,)) for here in (HERE, AWAY)}
    reads = ("members/VM/balance?", "members/VM/statement?", "explain/members/VM?",
             "policies/{policy}/eligibility?member_id=VM&")  # fmt: skip
    for read in reads:
        for moment in ("", f"known_at={came['position']}"):
            answers = [
                world.read(f"/v1/{read}{moment}", ids, granter[ids.region])
                for ids in (OURS, THEIRS)
            ]
            assert [answer.status_code for answer in answers] == [200, 404], read


def pages(world: World, url: str, key: Key) -> list[dict[str, Any]]:
    """The entries of all pages."""
    found, link = [], url
    while link:
        answer = world.client.get(link, headers=key)
        assert answer.status_code == 200, answer.text
        found += answer.json()["entries"]
        link = answer.links["next"]["url"] if "next" in answer.links else ""
    return found
