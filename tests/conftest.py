"""Databases for tests: a SQLite file, a schema of a real PostgreSQL, and both in turn."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.settings import Settings
from ledger.store.log import LogStore
from ledger.store.open import open_store
from tests.postgres_server import PostgresServer


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens to be set on this machine must not lead a test to a real ledger."""
    for name in [name for name in os.environ if name.upper().startswith("LEDGER_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of this process, started when the first asks for it."""
    server = PostgresServer()
    yield server
    server.end()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file that does not exist yet."""
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A schema that does not exist yet; dropped afterwards, with that of its read models."""
    schema = f"t_{uuid.uuid4().hex[:12]}"
    yield f"{postgres_server.url}&schema={schema}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '5s'; SET client_min_messages = 'error'")
        for name in (schema, f"{schema}_read"):
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each database in turn: the integration suite runs once on each."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of an empty database."""
    return Settings(database_url=database_url)


@pytest.fixture
def store(settings: Settings) -> Iterator[LogStore]:
    """An empty log on each database."""
    log = open_store(settings, create=True)
    yield log
    log.close()
