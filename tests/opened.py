"""A log for the time of a `with`, and which database a test is for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.settings import Settings
from ledger.store.open import open_store
from ledger.store.place import PostgresSchema, SqliteFile
from ledger.store.recorder import LogRecorder

#: For tests that ask for a `database_url`, or what stands on it, and are about one of the two.
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@contextmanager
def opened(url: str, *, create: bool = False) -> Iterator[LogRecorder]:
    """The log at a URL, closed afterwards."""
    log = open_store(Settings(database_url=url), create=create)
    yield log
    log.close()


def path_of(settings: Settings) -> Path:
    """The file of these settings."""
    place = settings.log
    assert isinstance(place, SqliteFile)
    return place.path


def schema_of(settings: Settings) -> str:
    """The schema of these settings."""
    place = settings.log
    assert isinstance(place, PostgresSchema)
    return place.schema


def events(member: str, *versions: int) -> list[StoredEvent]:
    """Events as the library hands them over, opaque to the store."""
    return [StoredEvent(f"member/{member}", v, "topic", b"{}") for v in versions]
