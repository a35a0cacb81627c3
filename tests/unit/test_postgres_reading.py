"""What is made of a question's result, without a server."""

from types import SimpleNamespace
from typing import Final, cast

import psycopg
import pytest
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn

from projections.postgres_reading import Statements

#: Whether libpq calls the line sound, the SQLSTATE of the result, and what is raised.
RESULTS: Final = [
    (ConnStatus.BAD, None, psycopg.OperationalError),
    (ConnStatus.BAD, b"57P01", psycopg.OperationalError),
    (ConnStatus.OK, None, psycopg.OperationalError),
    (ConnStatus.OK, b"42P01", psycopg.errors.UndefinedTable),
]


@pytest.mark.parametrize(("line", "sqlstate", "expected"), RESULTS)
def test_a_line_that_broke_is_an_outage_even_where_libpq_calls_it_sound(
    line: ConnStatus, sqlstate: bytes | None, expected: type[psycopg.Error]
) -> None:
    told = {DiagnosticField.SQLSTATE: sqlstate}
    result = SimpleNamespace(
        status=ExecStatus.FATAL_ERROR,
        error_field=told.get,
        get_error_message=lambda *_: "server closed the connection unexpectedly",
    )
    connection = cast("PGconn", SimpleNamespace(status=line, exec_=lambda _: result))
    with pytest.raises(psycopg.Error) as raised:
        Statements(connection).run("SELECT 1")
    assert type(raised.value) is expected
