"""The library's ProjectionRunner as it comes, writing one table of balances on PostgreSQL."""

import os
import time
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL

from benchmarks.peers import StockMember, save_stock
from benchmarks.running import Measured

#: Streams and entries of the log that is projected: enough for a rate, as it takes its time.
ENTRIES = 20


class Balances(PostgresTrackingRecorder):
    """One table: a member's verified minutes."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS balances (member uuid PRIMARY KEY, minutes bigint)"
            ).format()
        )

    def add(self, member: UUID, minutes: int, tracking: Tracking) -> None:
        """Add minutes and track, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            if minutes:
                cursor.execute(
                    "INSERT INTO balances AS old VALUES (%s, %s)"
                    " ON CONFLICT (member) DO UPDATE SET minutes = old.minutes + excluded.minutes",
                    (member, minutes),
                )
            self._insert_tracking(cursor, tracking)


class BalancesProjection(Projection[Balances]):
    """Adds up what is verified."""

    name = "balances"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event, one transaction: as the library's documentation has it."""
        verified = isinstance(domain_event, StockMember.HoursVerified)  # type: ignore[attr-defined]
        minutes = domain_event.minutes if verified else 0
        self.view.add(domain_event.originator_id, minutes, tracking)


class StockApplication(Application[UUID]):
    """The library's application over the same facts."""

    name = "Application"


def project(env: dict[str, str], members: int) -> Measured:
    """Save a log as the library does, then project it."""
    os.environ.update(env)
    count = save_stock(env, members, ENTRIES)
    began = time.perf_counter()
    with ProjectionRunner(
        application_class=StockApplication,
        projection_class=BalancesProjection,
        view_class=Balances,
        env=env,
    ) as runner:
        runner.wait(count, timeout=600)
        return Measured(count, time.perf_counter() - began)
