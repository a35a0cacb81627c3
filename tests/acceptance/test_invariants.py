"""Random histories on both databases hold what every history must hold.

Bounds in log order, money zero-sum by receipt, positions gapless, time monotone, every rule kept
by what was accepted, one effect a command id; and the read models equal a rebuild and an
independent recount from the exported lines.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random

import msgspec
import psycopg
import pytest
from hypothesis import given, settings

from ledger.domain import commands as c
from ledger.domain.events import Event, HoursCorrected, HoursVoided
from ledger.settings import Settings
from tests import wishes as w
from tests.audit import Audit
from tests.machine import LONG, TODAY, none, run_machine
from tests.postgres_server import PostgresServer
from tests.recount import Recount
from tests.scenario import OTHER_VERIFIER, Scenario
from tests.story import lines_of

pytestmark = pytest.mark.timeout(6 * 3600)


def test_on_sqlite(tmp_path: Path) -> None:
    numbers = count()

    def new_settings() -> Settings:
        return Settings(database_url=f"sqlite:///{tmp_path}/{next(numbers)}.db")

    run_machine(new_settings, examples=20, steps=50)


@pytest.fixture
def schemas(postgres_server: PostgresServer) -> Iterator[list[str]]:
    """Names of schemas that are dropped afterwards."""
    made: list[str] = []
    yield made
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = 'error'")
        for name in made:
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())
            connection.execute(f"DROP SCHEMA IF EXISTS {name}_read CASCADE".encode())


def test_on_postgres(postgres_server: PostgresServer, schemas: list[str]) -> None:
    def new_settings() -> Settings:
        schemas.append(f"m_{uuid.uuid4().hex[:12]}")
        return Settings(database_url=f"{postgres_server.url}&schema={schemas[-1]}")

    run_machine(new_settings, examples=8, steps=50)


def indebted_unasked(command: c.Command, events: list[Event]) -> bool:
    """Whether credit was taken below zero by someone who did not say so."""
    for event in events:
        if isinstance(event, HoursCorrected | HoursVoided) and event.deficit is not None:
            before, after = (
                (event.credit_before, event.credit_after)
                if isinstance(event, HoursCorrected)
                else (event.credit, 0)
            )
            return after < before and not getattr(command, "deficit", False)
    return False


#: Histories that dwell on one thing go deeper into it than those that touch everything.
FOCI: list[list[w.Weights]] = [
    [w.HOURS],
    [w.INCENTIVES],
    [w.MONEY],
    [w.HOURS, w.INCENTIVES],
    [w.MONEY, w.INCENTIVES],
    [w.HOURS, w.INCENTIVES, w.MONEY, w.REGISTRY],
]


@pytest.mark.parametrize("seed", range(2_000 if LONG else 48))
def test_rules_change_no_state_and_keep_the_rules(seed: int) -> None:
    """In memory, where the scenario also watches that a rule leaves every state as it was."""
    chance, known = Random(seed), dict[str, list[str]]()
    ledger = Scenario(now=datetime.now(UTC)).given(*w.beginning(TODAY))
    for _ in range(chance.randrange(100, 400)):
        wish = w.random_command(chance, TODAY, *FOCI[seed % len(FOCI)])
        command = w.aimed(wish, known, chance.randrange(64))
        other = chance.random() < 0.3 and isinstance(command, w.VERIFYING)
        outcome = ledger.when(command, by=OTHER_VERIFIER if other else None)
        if outcome.refusal is None:
            w.learn(known, command, outcome.answer)
            assert not indebted_unasked(command, outcome.events)
        ledger.later(seconds=1)
    lines = lines_of(ledger)
    none(Recount(lines).faults)
    none(Audit(lines).faults)
    assert ledger.replayed().states == ledger.books.states


@settings(max_examples=300, deadline=None)
@given(wish=w.wishes(TODAY, w.HOURS, w.INCENTIVES, w.MONEY, w.REGISTRY, w.ENDS))
def test_what_is_wished_for_is_well_formed(wish: c.Command) -> None:
    """The random commands could have come over any door."""
    assert msgspec.json.decode(msgspec.json.encode(wish), type=type(wish)) == wish
