"""Settings say exactly where the log lies, or nothing starts."""

from pathlib import Path

import pytest

from ledger.domain.errors import InvalidSettings
from ledger.settings import Settings
from ledger.store.place import PostgresSchema, SqliteFile


def test_the_default_is_a_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().log == SqliteFile(tmp_path / "ledger.db")
    assert Settings().read_models == SqliteFile(tmp_path / "ledger.read.db")


@pytest.mark.parametrize(
    ("url", "path", "read"),
    [
        ("sqlite:////var/lib/hours.db", "/var/lib/hours.db", "/var/lib/hours.read.db"),
        ("sqlite:////var/lib/hours", "/var/lib/hours", "/var/lib/hours.read"),
        ("sqlite:////var/my%20hours.db", "/var/my hours.db", "/var/my hours.read.db"),
    ],
)
def test_a_file_is_named_by_its_path(url: str, path: str, read: str) -> None:
    settings = Settings(database_url=url)
    assert settings.log == SqliteFile(Path(path))
    assert settings.read_models == SqliteFile(Path(read))


@pytest.mark.parametrize(
    ("url", "conninfo"),
    [
        ("postgresql://u@h/d", "user=u dbname=d host=h"),
        ("postgres:///d", "dbname=d"),
        ("postgresql://u@/d?host=/run/pg", "user=u dbname=d host=/run/pg"),
        ("postgresql://h1:1,h2:2/d?target_session_attrs=read-write",
         "dbname=d target_session_attrs=read-write host=h1,h2 port=1,2"),
        ("postgresql://u:p%40ss@h:6543/d?sslmode=require&connect_timeout=9",
         "user=u password=p@ss dbname=d host=h port=6543 sslmode=require connect_timeout=9"),
    ],
)  # fmt: skip
def test_a_url_libpq_understands_is_understood(url: str, conninfo: str) -> None:
    place = Settings(database_url=url).log
    assert isinstance(place, PostgresSchema)
    assert sorted(place.conninfo.split()) == sorted(conninfo.split())
    assert place.schema == "ledger"


@pytest.mark.parametrize(
    ("url", "log_schema", "schema"),
    [
        ("postgresql:///d?schema=county", None, "county"),
        ("postgresql:///d?host=/run&schema=county", None, "county"),
        ("postgresql:///d", "county", "county"),
        ("postgresql:///d?schema=county", "county", "county"),
    ],
)
def test_the_schema_stands_in_the_url_or_beside_it(
    url: str, log_schema: str | None, schema: str
) -> None:
    settings = Settings(database_url=url, log_schema=log_schema)
    assert isinstance(settings.log, PostgresSchema)
    assert isinstance(settings.read_models, PostgresSchema)
    assert settings.log.schema == schema
    assert settings.read_models.schema == f"{schema}_read"
    assert settings.read_models.conninfo == settings.log.conninfo


@pytest.mark.parametrize(
    ("read_url", "expected"),
    [
        ("sqlite:////tmp/read.db", SqliteFile(Path("/tmp/read.db"))),
        ("postgresql:///r", PostgresSchema("dbname=r", "county_read")),
        ("postgresql:///r?schema=figures", PostgresSchema("dbname=r", "figures")),
    ],
)
def test_read_models_may_lie_elsewhere(read_url: str, expected: object) -> None:
    settings = Settings(database_url="postgresql:///d?schema=county", read_url=read_url)
    assert settings.read_models == expected


def test_the_environment_sets_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql:///d")
    monkeypatch.setenv("LEDGER_SCHEMA", "county")
    monkeypatch.setenv("LEDGER_READ_URL", "sqlite:////tmp/read.db")
    monkeypatch.setenv("LEDGER_FILE", "the journal of hledger")
    monkeypatch.setenv("LEDGER_KEY", "read by the command line")
    assert Settings().log == PostgresSchema("dbname=d", "county")
    assert Settings(log_schema="other").log == PostgresSchema("dbname=d", "other")
    assert Settings().read_models == SqliteFile(Path("/tmp/read.db"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///%3Amemory%3A",
        "sqlite:///file:ledger?mode=memory",
        "sqlite:///ledger.db?mode=memory",
        "sqlite:///ledger.db#part",
        "sqlite:///folder/",
        "sqlite://host/ledger.db",
        "sqlite:///a%00b",
        "mysql://h/d",
        "postgresql+psycopg://h/d",
        "postgresql://h/d?shcema=x",
        "postgresql://h:port/d",
        "postgresql://[::1/d",
        "postgresql:///d?schema=",
        "postgresql:///d?schema=A",
        "postgresql:///d?schema=pg_x",
        "postgresql:///d?schema=a;b",
        "postgresql:///d?schema=a&schema=b",
    ],
)
def test_a_url_that_is_not_exactly_a_place_is_refused(url: str) -> None:
    with pytest.raises(InvalidSettings):
        Settings(database_url=url)


@pytest.mark.parametrize(
    "values",
    [
        {"databse_url": "sqlite:///ledger.db"},
        {"database_url": 5},
        {"log_schema": "county"},
        {"database_url": "postgresql:///d?schema=a", "log_schema": "b"},
        {"read_url": "sqlite:///ledger.db"},
        {"read_url": "memory"},
        {"database_url": "postgresql:///d", "read_url": "postgresql:///d?schema=ledger"},
    ],
)
def test_what_is_unknown_or_contradicts_itself_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidSettings):
        Settings(**values)


def test_a_misspelt_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABSE_URL", "sqlite:///other.db")
    with pytest.raises(InvalidSettings, match="LEDGER_DATABSE_URL"):
        Settings()


def test_a_wrong_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEDGER_WRITER_PROCESS", "maybe")
    with pytest.raises(InvalidSettings) as caught:
        Settings()
    assert caught.value.at == "LEDGER_WRITER_PROCESS"
    assert "valid boolean" in str(caught.value.facts["reason"])
    monkeypatch.delenv("LEDGER_WRITER_PROCESS")
    with pytest.raises(InvalidSettings) as caught:
        Settings(log_schema=3)
    assert caught.value.at == "LEDGER_SCHEMA"


def test_no_password_is_told() -> None:
    settings = Settings(
        database_url="postgresql://u:secret@h/d", read_url="postgresql://u:secret@h/r"
    )
    assert "secret" not in repr(settings)
    for url in ("postgresql://u:secret@h:port/d", "postgresql://u:se cret@h/d?x=secret"):
        with pytest.raises(InvalidSettings) as caught:
            Settings(database_url=url)
        assert "secret" not in f"{caught.value} {caught.value.__cause__}"
