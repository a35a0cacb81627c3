"""Settings, from `LEDGER_…` variables of the environment or given by name. Nothing is guessed."""

import os
from pathlib import Path
from typing import Any, Final

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger.domain.errors import InvalidSettings
from ledger.store.place import Place, SqliteFile, parse_url

PREFIX: Final = "LEDGER_"
#: The command line's own; and where hledger, an outside check beside us, looks for its journal.
ELSEWHERE: Final = frozenset({"LEDGER_KEY", "LEDGER_FILE"})


class Settings(BaseSettings):
    """Where the log and its read models lie. Raises InvalidSettings for what is unknown or wrong.

    The read models lie in a file beside the log's (`ledger.db` → `ledger.read.db`), or in a schema
    beside it (`ledger` → `ledger_read`), unless `read_url` names another place. Sealed segments lie
    in a folder beside the log's file (`ledger.sealed`), unless `sealed_folder` names another one;
    beside a PostgreSQL database there is no such place.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, validate_by_name=True
    )

    #: `sqlite:///file` or `postgresql://user@host/database?schema=name`; may hold a password.
    database_url: str = Field(default="sqlite:///ledger.db", repr=False)
    #: PostgreSQL only: the schema of the log, `ledger` unless named here or in the URL.
    log_schema: str | None = Field(default=None, validation_alias="LEDGER_SCHEMA")
    read_url: str | None = Field(default=None, repr=False)
    #: The private key that signs checkpoints and receipts: a file only its owner may read, or the
    #: key itself. Without one nothing is signed.
    signing_key_file: Path | None = None
    signing_key: SecretStr | None = Field(default=None, repr=False)
    sealed_folder: Path | None = None
    #: Whether the service, large imports and the demonstration may have rules and log in a process
    #: of its own, where there is more than one core.
    writer_process: bool = True

    def __init__(self, **values: Any) -> None:
        _refuse_unknown_variables(type(self))
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0])
            raise InvalidSettings(
                _variables(type(self)).get(name, name), reason=first["msg"]
            ) from None
        if self.read_models == self.log:
            raise InvalidSettings("LEDGER_READ_URL", reason="read models need a place of their own")
        if self.signing_key_file is not None and self.signing_key is not None:
            raise InvalidSettings("LEDGER_SIGNING_KEY", reason="a file is named as well")

    @property
    def log(self) -> Place:
        """Where the log lies."""
        return parse_url(self.database_url, self.log_schema)

    @property
    def read_models(self) -> Place:
        """Where the read models lie."""
        log = self.log
        if isinstance(log, SqliteFile):
            beside: Place = SqliteFile(log.path.with_name(f"{log.path.stem}.read{log.path.suffix}"))
        else:
            beside = log._replace(schema=f"{log.schema}_read")
        if self.read_url is None:
            return beside
        schema = None if isinstance(beside, SqliteFile) else beside.schema
        return _parse_read_url(self.read_url, schema)

    @property
    def sealed(self) -> Path | None:
        """The folder of sealed segments, None where none was named."""
        log = self.log
        if self.sealed_folder is None and isinstance(log, SqliteFile):
            return log.path.with_suffix(".sealed")
        return self.sealed_folder


def _parse_read_url(url: str, schema: str | None) -> Place:
    """The place named for the read models; without a schema in the URL, the one beside the log."""
    is_named = url.startswith("sqlite") or "schema=" in url.partition("?")[2]
    return parse_url(url, None if is_named else schema, at="LEDGER_READ_URL")


def _variables(settings: type[BaseSettings]) -> dict[str, str]:
    """Field → the variable that sets it."""
    fields = settings.model_fields.items()
    return {name: str(field.validation_alias or PREFIX + name).upper() for name, field in fields}


def _refuse_unknown_variables(settings: type[BaseSettings]) -> None:
    """A misspelt variable must not leave a default in force."""
    known = set(_variables(settings).values())
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known | ELSEWHERE:
            raise InvalidSettings(name, reason="no such setting")
