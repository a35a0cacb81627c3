"""Lines put together by the database are those that rows give, on each database."""

from collections.abc import Sequence

from ledger.store.log import LINES_TOGETHER, Batch, LogStore, Row
from tests.told import ROWS


def text(rows: Sequence[Row]) -> bytes:
    return b"".join(row.line() + b"\n" for row in rows)


def joined(found: tuple[list[bytes], list[bytes]]) -> tuple[bytes, bytes]:
    apart, others = found
    return b"".join(apart), b"".join(others)


def test_lines_are_those_of_the_rows(told: LogStore) -> None:
    for after, limit in ((0, 1), (3, 20), (0, len(ROWS)), (len(ROWS) - 1, 5)):
        assert joined(told.select_lines(after, limit)) == (
            b"",
            text(told.select_rows(after, limit)),
        )


def test_at_the_end_there_are_no_lines(told: LogStore) -> None:
    assert told.select_lines(len(ROWS), 10) == ([], [])


def test_lines_of_some_topics_come_apart_from_all_others(told: LogStore) -> None:
    topics = ("HoursLogged", "FundOpened")
    for after, limit in ((0, len(ROWS)), (7, 30)):
        rows = told.select_rows(after, limit)
        expected = tuple(
            text([row for row in rows if (row.topic in topics) is is_apart])
            for is_apart in (True, False)
        )
        assert joined(told.select_lines(after, limit, topics)) == expected
    assert told.select_lines(len(ROWS), 10, topics) == ([], [])


def test_lines_are_joined_in_the_order_of_positions(store: LogStore) -> None:
    """Beyond what a database joins at once."""
    count = 2 * LINES_TOGETHER + 1
    rows = [ROWS[0]._replace(position=n, originator_version=n) for n in range(1, count + 1)]
    store.append(Batch(rows))
    together = LINES_TOGETHER
    for after, until in ((0, count), (0, together), (1, together + 2), (5, count + 9)):
        found = store.select_lines(after, until - after)
        assert joined(found) == (b"", text(rows[after:until]))


def test_a_line_holds_whatever_bytes_the_state_has(store: LogStore) -> None:
    state = '{"名":"a\\"b\\\\c"}'.encode()
    row = ROWS[0]._replace(state=state)
    store.append(Batch([row]))
    assert store.select_lines(0, 1) == ([], [row.line() + b"\n"])
