"""Connections to PostgreSQL: durable or refused, opened in bounded time.

The library's pool is put aside: it waits for its own background reconnects, up
to ten times a request. Ours opens a connection when one is asked for, and looks
at an idle one's socket before it lends it, which costs no round trip.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import eventsourcing.postgres as stock
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from ledger.domain.errors import InvalidSettings, NotDurable
from ledger.store.place import PostgresSchema
from ledger.store.pool import Pool
from ledger.store.postgres_schema import CONNECT
from ledger.store.watch import Watch

CONNECTIONS_MAX: Final = 16
#: Seconds a request waits for one of them.
CONNECTION_WAIT_S: Final = 5.0
#: Seconds after which a server is taken for frozen: its own timeout of a statement, and some.
FROZEN_AFTER_S: Final = 35.0

#: Unless the URL says otherwise. Times of libpq in seconds, `tcp_user_timeout` in milliseconds:
#: a network that went away is noticed while a caller still waits.
_DEFAULTS: Final = {
    "application_name": "hourledger",
    "client_encoding": "UTF8",
    "connect_timeout": "2",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}


def is_usable(connection: psycopg.Connection[Any]) -> bool:
    """Whether it is open and idle, and the server has not said goodbye meanwhile.

    We listen to nothing, so whatever waits on an idle socket is a reason to open another.
    """
    if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


class Datastore(stock.PostgresDatastore):
    """The library's datastore over our connections; stock recorders work on it as well."""

    def __init__(
        self,
        place: PostgresSchema,
        is_usable: Callable[[psycopg.Connection[Any]], bool] = is_usable,
    ) -> None:
        super().__init__(
            "", "", "", "", "", schema=place.schema, originator_id_type="text"
        )  # which opens nothing
        self.pool.close()
        given = {name: str(value) for name, value in conninfo_to_dict(place.conninfo).items()}
        conninfo = make_conninfo(**_DEFAULTS | given)
        watch = self._watch = Watch(lambda: FROZEN_AFTER_S)
        pool = Pool(
            lambda: connect(conninfo, watch),
            is_usable,
            size=CONNECTIONS_MAX,
            wait_s=CONNECTION_WAIT_S,
        )
        # The library's get_connection, which maps errors, needs `open` and `connection` only.
        self.pool = cast("Any", pool)

    @contextmanager
    def get_connection(self) -> Iterator[psycopg.Connection[DictRow]]:
        """A connection, taken back from a server that stands still. Raises library errors."""
        with super().get_connection() as connection, self._watch.over(connection.fileno()):
            yield connection

    def close(self) -> None:
        """Close all connections."""
        super().close()
        if hasattr(self, "_watch"):
            self._watch.close()


def connect(conninfo: str, watch: Watch) -> psycopg.Connection[DictRow]:
    """Open a connection. Raises NotDurable, InvalidSettings, psycopg.OperationalError."""
    connection = psycopg.Connection[DictRow].connect(
        conninfo, autocommit=True, row_factory=dict_row
    )
    try:
        with watch.over(connection.fileno()):
            found = connection.execute(CONNECT).fetchone()
        assert found is not None
        _check_durable(found)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_durable(found: DictRow) -> None:
    """Refuse a server that may lose or tear what it acknowledged."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if found[name] == "off":
            raise NotDurable(name, found="off")
    if found["server_encoding"] != "UTF8":
        raise InvalidSettings("LEDGER_DATABASE_URL", reason="the database is not in UTF-8")
