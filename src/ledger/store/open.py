"""From settings to a store: the one place that chooses the database."""

from typing import Protocol, cast

from eventsourcing.persistence import InfrastructureFactory, TrackingRecorder

from ledger.store.place import Place, SqliteFile
from ledger.store.recorder import LogRecorder


class LogSettings(Protocol):
    """What of the settings says where the log lies."""

    @property
    def database_url(self) -> str:
        """The database; may hold a password."""

    @property
    def log_schema(self) -> str | None:
        """PostgreSQL only: the schema, where the URL does not name it."""

    @property
    def log(self) -> Place:
        """Both, read."""


def factory_for(
    settings: LogSettings, *, create: bool = False
) -> InfrastructureFactory[TrackingRecorder]:
    """The library's factory of recorders for the database the settings name.

    `create` makes schema and tables where they are missing. Raises InvalidSettings.
    """
    env = {"LEDGER_DATABASE_URL": settings.database_url, "CREATE_TABLE": "yes" if create else "no"}
    if settings.log_schema is not None:
        env["LEDGER_SCHEMA"] = settings.log_schema
    if isinstance(settings.log, SqliteFile):
        from ledger.store.sqlite import Factory as SqliteFactory  # noqa: PLC0415  one is enough

        return cast("InfrastructureFactory[TrackingRecorder]", SqliteFactory(env))
    from ledger.store.postgres import Factory as PostgresFactory  # noqa: PLC0415  one is enough

    return cast("InfrastructureFactory[TrackingRecorder]", PostgresFactory(env))


def open_store(settings: LogSettings, *, create: bool = False) -> LogRecorder:
    """The log of these settings, without the rest of the application; to be closed.

    Raises InvalidSettings where no ledger is (unless `create`), NotDurable, Unavailable.
    """
    recorder = factory_for(settings, create=create).application_recorder()
    assert isinstance(recorder, LogRecorder)
    return recorder
