"""Hazard 2: a role that inserts and selects is enough, and nobody changes what is written."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger.settings import Settings
from ledger.store.log import Batch, KeptCheckpoint, KeySecret, LogStore
from tests.batches import after_head, answer, entries, note
from tests.opened import on_postgres, opened, schema_of
from tests.postgres_server import PostgresServer


class Service:
    """The log as the service's role sees it, and what else that role tries."""

    def __init__(self, server: PostgresServer, schema: str) -> None:
        self.role = f"service_{schema}"
        self.schema = schema
        self.server = server
        server.execute(f"CREATE ROLE {self.role} LOGIN")
        self.conninfo = server.url_at(server.socket_directory, self.role)

    def refused(self, statement: str) -> bool:
        with psycopg.connect(self.conninfo) as connection:
            try:
                connection.execute(statement.format(s=self.schema).encode())
            except psycopg.errors.InsufficientPrivilege:
                return True
        return False


@pytest.fixture
def service(postgres_server: PostgresServer, store: Any, settings: Settings) -> Iterator[Service]:
    service = Service(postgres_server, schema_of(settings))
    store.grant_service(service.role)
    yield service
    postgres_server.execute(f"DROP OWNED BY {service.role}; DROP ROLE {service.role}")


@on_postgres
def test_hazard_02_a_role_that_may_only_insert_and_select_is_enough(service: Service) -> None:
    """No table lock is taken; what the role may not do, it cannot do."""
    with opened(f"{service.conninfo}&schema={service.schema}") as log:
        text = note("payee")
        log.append(after_head(log, entries("V1", 1, 2), "c1")._replace(notes=[text]))
        log.append(after_head(log, entries("V2", 1, 300), "c2"))
        log.append(Batch([], [answer("c3", 0, 0)], [], [text.digest]))
        log.put_key(KeySecret("k1", "holder", None, b"s", b"d"))
        log.keep_checkpoint(KeptCheckpoint(303, "key", b"note"))
        with log.exclusive() as session:
            session.append(after_head(log, entries("V3", 1, 1)))
        assert (log.glance(["c1", "c2"])[0], log.read_note(text.digest)) == (303, None)
    for statement in (
        "UPDATE {s}.stored_events SET topic = 'x'",
        "DELETE FROM {s}.stored_events",
        "TRUNCATE {s}.stored_events",
        "DELETE FROM {s}.commands",
        "UPDATE {s}.keys SET holder = 'x'",
        "DELETE FROM {s}.checkpoints",
        "UPDATE {s}.notes SET text = ''",
        "LOCK TABLE {s}.stored_events IN EXCLUSIVE MODE",
        "DROP TABLE {s}.stored_events",
        "ALTER TABLE {s}.stored_events DISABLE TRIGGER ALL",
        "CREATE TABLE {s}.mine ()",
    ):
        assert service.refused(statement), statement


@on_postgres
@pytest.mark.parametrize("table", ["stored_events", "commands", "keys", "checkpoints"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_hazard_02_even_the_owner_is_refused_by_trigger(
    store: LogStore, postgres_server: PostgresServer, settings: Settings, table: str, change: str
) -> None:
    columns = {"stored_events": "topic", "commands": "command_id", "keys": "holder"}
    column = columns.get(table, "verifier")
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        postgres_server.execute(change.format(f"{schema_of(settings)}.{table}", f"{column} = 'x'"))


@on_postgres
def test_hazard_02_a_gap_is_refused_from_any_writer(
    store: LogStore, postgres_server: PostgresServer, settings: Settings
) -> None:
    store.append(after_head(store, entries("V1", 1, 2)))
    for positions in ("(4)", "(0)", "(3), (5)", "(-1)"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="gap"):
            postgres_server.execute(
                f"INSERT INTO {schema_of(settings)}.stored_events SELECT p, p, 'm', 't', '', ''"
                f" FROM (VALUES {positions}) AS v (p)"
            )
