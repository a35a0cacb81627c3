"""Lists of events name nothing that the key which asks may not see: trails, legs, differences."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import pytest

from ledger.domain import commands as c
from ledger.domain.values import Threshold
from tests.http_counties import HERE, OURS, World, world_of
from tests.http_service import LONG_AGO
from tests.postgres_server import PostgresServer

#: One world serves all cases: they are to run in one process.
pytestmark = pytest.mark.xdist_group("http-scopes-of-events")

_OFFER: Final[dict[str, Any]] = {
    "name": "钱", "dimension": "economic_incentive", "threshold": Threshold(minutes=0, months=12),
    "opens_on": LONG_AGO, "closes_on": date(2099, 12, 31),
}  # fmt: skip
#: What happens between the counties.
BETWEEN: Final = (
    # YM pays ours out of our fund.
    c.DefinePolicy(policy="YM", region=HERE, fen_cost=100, fund="F1", **_OFFER),
    c.AllocateFunds(fund="F1", target="policy/YM", fen=1_000),
    c.GrantIncentive(member=OURS.member, policy="YM"),
)


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from world_of(f"sqlite:///{tmp_path_factory.mktemp('events')}/ledger.db", *BETWEEN)


@pytest.fixture(scope="module")
def postgres_world(postgres_server: PostgresServer) -> Iterator[World]:
    yield from world_of(f"{postgres_server.url}&schema=http_scopes_e", *BETWEEN)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


@pytest.mark.parametrize("path", ["funds/F1", "sources/S1"])
def test_a_funder_gets_no_line_that_names_a_member(path: str, world: World) -> None:
    url = f"/v1/explain/{path}?figure=spent_fen&proofs=true"
    shown = world.read(url, OURS, world.key("funder", sources=("S1",))).json()
    meals, grant = shown["legs"]
    assert [proof["position"] for proof in shown["proofs"]] == [meals["position"]]
    whole = world.read(url, OURS, world.key("auditor")).json()
    assert [proof["position"] for proof in whole["proofs"]] == [
        meals["position"], grant["position"],
    ]  # fmt: skip
    assert f'"grant":"{OURS.member}-G' in whole["proofs"][1]["line"]
