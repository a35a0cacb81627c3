"""Where a log lies: a SQLite file or a schema of a PostgreSQL database, read from a URL."""

import re
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ledger.domain.errors import InvalidSettings

#: A schema name that needs no quoting; short enough for the read models' suffix.
SCHEMA_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,49}", re.ASCII)
DEFAULT_SCHEMA: Final = "ledger"


class SqliteFile(NamedTuple):
    """One database file; its write-ahead log lies beside it."""

    path: Path


class PostgresSchema(NamedTuple):
    """A libpq connection string (it may hold a password) and one schema."""

    conninfo: str
    schema: str


Place = SqliteFile | PostgresSchema


def parse_url(url: str, schema: str | None = None, *, at: str = "LEDGER_DATABASE_URL") -> Place:
    """The place a URL names; `at` is the setting it stands in, for the error.

    `schema` is for PostgreSQL; `?schema=` in the URL says the same. Raises InvalidSettings for
    anything that is not exactly a file or a PostgreSQL database: never a store in memory.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidSettings(at, reason="not a URL") from None
    if parts.scheme == "sqlite":
        if schema is not None:
            raise InvalidSettings("LEDGER_SCHEMA", reason="SQLite has no schemas")
        return _parse_file(url, parts, at)
    if parts.scheme in ("postgresql", "postgres"):
        return _parse_postgres(url, parts, schema, at)
    raise InvalidSettings(at, reason="neither sqlite:///file nor postgresql://…")


def _parse_file(url: str, parts: SplitResult, at: str) -> SqliteFile:
    """`sqlite:///relative` or `sqlite:////absolute`, percent-decoded."""
    name = unquote(parts.path[1:])
    if not url.startswith("sqlite:///") or parts.netloc or parts.query or parts.fragment:
        raise InvalidSettings(at, reason="a file is written sqlite:///name, without parameters")
    if not name or name.startswith((":memory:", "file:")) or "\x00" in name or name.endswith("/"):
        raise InvalidSettings(at, reason="not the name of a file")
    return SqliteFile(Path(name).absolute())


def _parse_postgres(url: str, parts: SplitResult, schema: str | None, at: str) -> PostgresSchema:
    """A libpq URL, sockets and several hosts included, with an additional `schema`."""
    pairs = parts.query.split("&") if parts.query else []
    ours = [pair for pair in pairs if pair.partition("=")[0] == "schema"]
    schemas = {value for _, value in parse_qsl("&".join(ours), keep_blank_values=True)}
    if schema is not None:
        schemas.add(schema)
    if len(schemas) > 1:
        raise InvalidSettings("LEDGER_SCHEMA", reason="two different schemas are named")
    name = schemas.pop() if schemas else DEFAULT_SCHEMA
    if not SCHEMA_NAME.fullmatch(name) or name.startswith("pg_"):
        raise InvalidSettings("LEDGER_SCHEMA", reason="not a plain lower-case name")
    rest = "&".join(pair for pair in pairs if pair not in ours)
    base = url.partition("?")[0]
    return PostgresSchema(_to_conninfo(f"{base}?{rest}" if rest else base, at), name)


def _to_conninfo(url: str, at: str) -> str:
    """Let libpq read the URL. Its message may quote a password, so only the reason is told."""
    from psycopg import ProgrammingError  # noqa: PLC0415  who uses SQLite need not load libpq
    from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415

    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        for number in (*given.get("port", "0").split(","), given.get("connect_timeout", "0")):
            int(number or "0")  # libpq looks at them only when it connects
        return make_conninfo(**given)
    except ValueError:
        raise InvalidSettings(at, reason="a port or time is not a number") from None
    except ProgrammingError as error:
        unknown = re.search(r'invalid URI query parameter: "(\w+)"', str(error))
        reason = f"unknown parameter {unknown[1]}" if unknown else "not a URL libpq understands"
        raise InvalidSettings(at, reason=reason) from None
