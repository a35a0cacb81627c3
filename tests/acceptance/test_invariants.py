"""Random histories on both databases hold what every history must hold.

Bounds in log order, money zero-sum by receipt, positions gapless, time monotone, every rule kept
by what was accepted, one effect a command id; and the read models equal a rebuild and an
independent recount from the exported lines.
"""

import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from ledger.settings import Settings
from tests.machine import run_machine
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.timeout(6 * 3600)


def test_on_sqlite(tmp_path: Path) -> None:
    numbers = count()

    def new_settings() -> Settings:
        return Settings(database_url=f"sqlite:///{tmp_path}/{next(numbers)}.db")

    run_machine(new_settings, examples=25, steps=60)


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

    run_machine(new_settings, examples=12, steps=60)
