"""Traps in subclassing the library's recorders, each with its guard here."""

from datetime import timedelta
from typing import Any

import pytest
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    OperationalError,
)

from ledger.settings import Settings
from ledger.store import sqlite_datastore
from ledger.store.log import LogStore
from tests.batches import after_head, answer, hours
from tests.opened import events, on_postgres, on_sqlite, opened


def test_trap_a_named_persistence_module_holds_one_factory(settings: Settings) -> None:
    module = "sqlite" if settings.database_url.startswith("sqlite") else "postgres"
    env = {
        "PERSISTENCE_MODULE": f"ledger.store.{module}",
        "LEDGER_DATABASE_URL": settings.database_url,
        "CREATE_TABLE": "yes",
    }
    factory: Any = InfrastructureFactory.construct(env)
    recorder = factory.application_recorder()
    assert isinstance(recorder, ApplicationRecorder)
    assert recorder.insert_events(events("V1", 1, 2)) == [1, 2]
    factory.close()


def test_trap_an_unknown_keyword_is_refused_and_not_dropped(store: Any) -> None:
    with pytest.raises(TypeError, match="tracking"):
        store.insert_events(events("V1", 1), tracking="position")
    assert store.max_notification_id() in (None, 0)


@on_sqlite
def test_trap_the_position_is_called_rowid_and_the_librarys_pool_is_closed(store: Any) -> None:
    store.insert_events(events("V1", 1))
    assert [n.id for n in store.select_notifications(1, 5)] == [1]
    assert store.datastore.pool.closed


@on_sqlite
def test_trap_a_busy_begin_is_one_of_the_librarys_errors(
    store: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_datastore, "LOCK_WAIT_S", 0.2)
    other: Any
    with (
        opened(settings.database_url) as other,
        store.exclusive(),
        pytest.raises(OperationalError),
        other.datastore.transaction(commit=True),
    ):
        pass


@on_postgres
def test_trap_the_librarys_composite_type_is_not_looked_for(store: Any) -> None:
    assert store.datastore.db_type_names == set()


def test_trap_a_clash_through_the_library_is_its_integrity_error(store: Any) -> None:
    store.insert_events(events("V1", 1), commands=[answer("c1", 1, 1)])
    for clash, commands in ((events("V1", 1), []), (events("V1", 2), [answer("c1", 2, 1)])):
        with pytest.raises(IntegrityError):
            store.insert_events(clash, commands=commands)
    assert store.insert_events(events("V1", 2), commands=[answer("c2", 2, 1)]) == [2]


def test_recorded_time_is_the_last_events(store: LogStore) -> None:
    store.append(after_head(store, [hours("V1", 1, 5), hours("V1", 2, 9)]))
    moment = store.head().timestamp
    assert moment is not None
    assert moment.utcoffset() == timedelta(0)
