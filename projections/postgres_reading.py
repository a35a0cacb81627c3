"""Reading from PostgreSQL with one round trip a question, through the libpq that psycopg wraps.

A cursor lets go of the interpreter at each step of a query, and whoever else answers takes it
meanwhile: with two readers that takes longer than the questions themselves. Here a question is
one call, of a statement the server has planned before; values are converted by psycopg. The
beginning goes with the first question, and nobody waits for the end.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg import abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import tuple_row
from psycopg.sql import quote

from ledger.store.postgres_datastore import is_usable
from projections.session import PositionMoved

#: Statements the server remembers for a connection; psycopg's own are counted apart.
STATEMENTS_MAX: Final = 100
STREAMED_ROWS: Final = 5000
#: Lifts the bounds that are made for answers from the rest of a transaction.
UNHURRIED: Final = (
    "SELECT set_config('statement_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_DONE: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_GOING: Final = (psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable)


def query(sql: str) -> bytes:
    """Our SQL with psycopg's placeholders; there are no other percent or question marks in it."""
    return sql.replace("?", "%s").encode()


def _numbered(sql: str) -> bytes:
    """Our SQL with the server's placeholders."""
    first, *rest = sql.split("?")
    return "".join([first, *(f"${n}{part}" for n, part in enumerate(rest, 1))]).encode()


class Statements:
    """What was prepared on one connection; those used last are kept."""

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._names: OrderedDict[tuple[str, tuple[int, ...]], bytes] = OrderedDict()
        self._numbers = count()

    def run(self, command: str) -> PGresult:
        """Carry out one or several commands at once; what the last gave. Raises psycopg.Error."""
        return self._checked(self._pgconn.exec_(command.encode()))

    def ask(self, sql: str, values: Sequence[Any], how: abc.Transformer) -> PGresult:
        """Ask with values as `how` has just dumped them. Raises psycopg.Error."""
        name = self.name_of(sql, how.types or ())
        return self._checked(self._pgconn.exec_prepared(name, values, how.formats))

    def name_of(self, sql: str, types: tuple[int, ...]) -> bytes:
        """The name of a statement, which is prepared by then. Raises psycopg.Error."""
        key = (sql, types)
        name = self._names.get(key)
        if name is None:
            name = self._prepare(key)
        self._names.move_to_end(key)
        return name

    def _prepare(self, key: tuple[str, tuple[int, ...]]) -> bytes:
        while len(self._names) >= STATEMENTS_MAX:
            _, oldest = self._names.popitem(last=False)
            self.run(f"DEALLOCATE {oldest.decode()}")
        sql, types = key
        name = b"ledger_%d" % next(self._numbers)
        self._checked(self._pgconn.prepare(name, _numbered(sql), types))
        self._names[key] = name
        return name

    def end(self) -> None:
        """End a transaction without waiting for it: nothing that was seen can change any more."""
        self._pgconn.send_query(b"COMMIT")

    def roll_back(self) -> None:
        """End a transaction that met trouble, if the line still stands."""
        is_open = self._pgconn.transaction_status != TransactionStatus.IDLE
        if is_open and self._pgconn.status == ConnStatus.OK:
            self._pgconn.exec_(b"ROLLBACK")

    def _checked(self, result: PGresult) -> PGresult:
        if result.status in _DONE:
            return result
        # What has no SQLSTATE is libpq's own trouble with the line, which it may still call sound.
        is_of_server = result.error_field(DiagnosticField.SQLSTATE) is not None
        if self._pgconn.status != ConnStatus.OK or not is_of_server:
            raise psycopg.OperationalError(result.get_error_message())
        raise error_from_result(result)


def is_usable_soon(connection: psycopg.Connection[Any]) -> bool:
    """As `is_usable`, of a connection whose last transaction may still be ending."""
    line = connection.pgconn
    if line.status == ConnStatus.OK and line.transaction_status == TransactionStatus.ACTIVE:
        line.consume_input()
        while not line.is_busy():
            if line.get_result() is None:
                return is_usable(connection)
        return True  # its next question waits for the end of the last
    return is_usable(connection)


class PostgresReader:
    """One transaction that reads, on one connection; it begins with the first question.

    `held` is kept from being dropped, unless it is empty. The first question raises PositionMoved
    when it is gone. Or about to go: who waits for an older reader to drop it would keep us waiting
    behind him.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], statements: Statements, held: str
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._values = Transformer(connection)
        self._held = held
        self._has_begun = False

    def _begin(self, first: str) -> PGresult:
        """Begin, hold the table, and do this, in one message."""
        lock = f"LOCK TABLE {self._held} IN ACCESS SHARE MODE NOWAIT; " if self._held else ""
        try:
            result = self._statements.run(f"{_BEGIN}; {lock}{first}")
        except _GOING as error:
            raise PositionMoved(table=self._held) from error
        self._has_begun = True
        return result

    def end(self) -> None:
        """End it, without waiting for that."""
        if self._has_begun:
            self._statements.end()

    def take_time(self) -> None:
        """Let the rest of it take as long as it needs, for going through whole tables."""
        run = self._statements.run if self._has_begun else self._begin
        run(UNHURRIED)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        how = self._values
        values = how.dump_sequence(params, [PyFormat.AUTO] * len(params))
        if self._has_begun:
            result = self._statements.ask(sql, values, how)
        else:
            name = self._statements.name_of(sql, how.types or ()).decode()
            told = ", ".join([quote(value, self._connection) for value in params])
            result = self._begin(f"EXECUTE {name}({told})" if told else f"EXECUTE {name}")
        how.set_pgresult(result)
        return how.load_rows(0, result.ntuples, tuple)

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of a query that may be long, in bounded memory."""
        if not self._has_begun:
            self._begin("")
        name = f"stream_{uuid4().hex}"
        with self._connection.cursor(name=name, row_factory=tuple_row) as cursor:
            cursor.itersize = STREAMED_ROWS
            yield from cursor.execute(query(sql), params or None)
