"""The library's test cases pass on our recorders, and on its own over our connections.

`AggregateRecorderTestCase` wants no positions back from an insert, which
`ApplicationRecorderTestCase` wants: it applies to recorders of single streams
(snapshots), and these are the library's own, working on our datastores.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    TrackingRecorder,
)
from eventsourcing.tests import persistence as cases

from ledger.settings import Settings
from ledger.store.open import factory_for


class OnFactory:
    """Gives a case the factory of an empty database; streams are named, not numbered."""

    factory: InfrastructureFactory[Any]
    log: ApplicationRecorder

    def new_originator_id(self) -> str:
        return f"member/{uuid4().hex.upper()}"

    def use(self, url: str) -> Iterator[None]:
        self.factory = factory_for(Settings(database_url=url), create=True)
        self.log = self.factory.application_recorder()  # makes the database
        yield
        self.factory.close()


class OnSqlite(OnFactory):
    @pytest.fixture(autouse=True)
    def _database(self, sqlite_url: str) -> Iterator[None]:
        yield from self.use(sqlite_url)


class OnPostgres(OnFactory):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> Iterator[None]:
        yield from self.use(postgres_url)


class Application(OnFactory):
    def create_recorder(self) -> ApplicationRecorder:
        return self.log


class Stream(OnFactory):
    def create_recorder(self) -> AggregateRecorder:
        recorder = self.factory.aggregate_recorder(purpose="snapshots")
        recorder.create_table()  # type: ignore[attr-defined]
        return recorder


class Tracking(OnFactory):
    def create_recorder(self) -> TrackingRecorder:
        recorder: TrackingRecorder = self.factory.tracking_recorder()
        recorder.create_table()  # type: ignore[attr-defined]
        return recorder


class TestSqliteLog(OnSqlite, Application, cases.ApplicationRecorderTestCase): ...


class TestPostgresLog(OnPostgres, Application, cases.ApplicationRecorderTestCase): ...


class TestSqliteInterleaving(
    OnSqlite, Application, cases.NonInterleavingNotificationIDsBaseCase
): ...


class TestPostgresInterleaving(
    OnPostgres, Application, cases.NonInterleavingNotificationIDsBaseCase
): ...


class TestSqliteSnapshots(OnSqlite, Stream, cases.AggregateRecorderTestCase): ...


class TestPostgresSnapshots(OnPostgres, Stream, cases.AggregateRecorderTestCase): ...


class TestSqliteTracking(OnSqlite, Tracking, cases.TrackingRecorderTestCase): ...


class TestPostgresTracking(OnPostgres, Tracking, cases.TrackingRecorderTestCase): ...
