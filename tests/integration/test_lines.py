"""Lines put together by the database are those that rows give, on each database."""

from ledger.store.log import Batch, LogStore
from tests.told import ROWS


def test_lines_are_those_of_the_rows(told: LogStore) -> None:
    for after, limit in ((0, 1), (3, 20), (0, len(ROWS)), (len(ROWS) - 1, 5)):
        expected = b"\n".join(row.line() for row in told.select_rows(after, limit))
        assert told.select_lines(after, limit) == expected


def test_at_the_end_there_are_no_lines(told: LogStore) -> None:
    assert told.select_lines(len(ROWS), 10) == b""


def test_a_line_holds_whatever_bytes_the_state_has(store: LogStore) -> None:
    state = '{"名":"a\\"b\\\\c"}'.encode()
    row = ROWS[0]._replace(state=state)
    store.append(Batch([row]))
    assert store.select_lines(0, 1) == row.line()
