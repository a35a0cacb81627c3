"""A log in which money is spent that was not there: every hash fits, and it is refused."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from ledger.domain.errors import CorruptLog
from ledger.settings import Settings
from ledger.store.log import Row
from projections.overdrawn import MOVING, Overdrawn
from projections.postings import POSTINGS
from tests.tampering import hashed, tampering
from tests.terminal import Terminal
from tests.told import ROWS

#: Topic of the line that takes too much → the account it takes it from.
TAKERS: Final = {"FundsAllocated": "unallocated/F1", "FundsSpent": "allocated/F1/project/P1"}
FEN: Final = re.compile(rb'"fen":(\d+)')


def taking(rows: list[Row], topic: str, more: int) -> tuple[list[Row], int]:
    """The rows with `more` fen in the first line of a topic, hashed anew; and its position."""
    (position, *_) = [row.position for row in rows if row.topic == topic]
    state = FEN.sub(lambda fen: b'"fen":%d' % (int(fen[1]) + more), rows[position - 1].state)
    rows[position - 1] = rows[position - 1]._replace(state=state)
    return hashed(rows), position


@pytest.mark.parametrize("topic", TAKERS)
def test_what_takes_more_than_there_is_is_named(
    topic: str, terminal: Terminal, tmp_path: Path
) -> None:
    tamper = tampering(Settings(database_url=terminal.database_url))
    rows, position = taking(tamper.rows(), topic, 200_000)
    tamper.put(rows)
    file = tmp_path / "lines"
    file.write_bytes(b"".join(row.line() + b"\n" for row in rows))
    for asked in ("check --no-figures", f"check --lines {file}"):
        result = terminal.run(f"{asked} --json")
        assert result.exit_code == 1, result.output
        error = json.loads(result.stderr)
        assert (error["code"], error["facts"]["position"]) == ("corrupt_log", position)
        assert f"fen more from {TAKERS[topic]} than there is" in error["facts"]["error"]


@pytest.mark.parametrize(("more", "is_right"), [(90_050, True), (90_051, False)])
def test_an_account_may_be_emptied_to_the_last_fen(
    more: int, *, is_right: bool, sqlite_terminal: Terminal
) -> None:
    """The county has 1900.50 yuan and allocates 1000 of them."""
    stored = tampering(Settings(database_url=sqlite_terminal.database_url)).rows()
    rows, position = taking(stored, "FundsAllocated", more)
    money = Overdrawn()
    if is_right:
        money.take(rows[:position])
    else:
        with pytest.raises(CorruptLog):
            money.take(rows[:position])


def test_the_story_overdraws_nothing_and_has_every_topic_of_money() -> None:
    Overdrawn().take(ROWS)
    of_money = {row.topic for row in POSTINGS if row.commodity == "FEN"}
    assert of_money - MOVING == {"TransferAccepted"}  # from transit to another county
    assert {row.topic for row in ROWS} >= of_money
