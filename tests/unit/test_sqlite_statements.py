"""What the SQL of the SQLite store has to be, whatever it says."""

import re

import pytest

from ledger.store.recorder import Statements
from ledger.store.sqlite_schema import STATEMENTS


@pytest.mark.parametrize("name", Statements._fields)
def test_parameters_have_no_numbers(name: str) -> None:
    """A sequence of values goes with `?` alone: from Python 3.14 on, `?1` is a name."""
    assert re.search(r"\?\d|[:@$]\w", getattr(STATEMENTS, name).replace('":', "")) is None
