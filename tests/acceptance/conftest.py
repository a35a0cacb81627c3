"""Random histories on each database."""

from collections.abc import Iterator

import pytest

from ledger.settings import Settings
from tests.hindsight import History


@pytest.fixture
def history(settings: Settings) -> Iterator[History]:
    """A ledger with nothing in it yet, and its read models."""
    made = History(settings)
    yield made
    made.pasts.close()
    made.reads.close()
    made.ledger.close()
