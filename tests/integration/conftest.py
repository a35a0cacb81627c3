"""Read models on each database, their digests, and terminals in front of a county."""

from collections.abc import Iterator

import pytest

from ledger.settings import Settings
from ledger.store.log import Batch, LogStore
from ledger.store.place import SqliteFile
from projections.database import Reads, open_reads
from projections.runner import catch_up
from tests.terminal import Terminal, at_work
from tests.told import ROWS, STORE, digests_of


@pytest.fixture
def reads(settings: Settings) -> Iterator[Reads]:
    """Empty read models on each database."""
    reads = open_reads(settings.read_models)
    yield reads
    reads.close()


@pytest.fixture
def told(store: LogStore) -> LogStore:
    """The whole story in a log on each database."""
    store.append(Batch(ROWS))
    return store


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digest of every table after the story, folded in one go into a file."""
    reads = open_reads(SqliteFile(tmp_path_factory.mktemp("reads") / "reads.db"))
    catch_up(STORE, reads)
    found = digests_of(reads)
    reads.close()
    return found


@pytest.fixture
def terminal(database_url: str) -> Terminal:
    """In front of a county at work, on each database."""
    return at_work(database_url)


@pytest.fixture
def sqlite_terminal(sqlite_url: str) -> Terminal:
    """The same on SQLite alone, for what the database has no part in."""
    return at_work(sqlite_url)


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """One county for all tests of a module that only look."""
    return at_work(f"sqlite:///{tmp_path_factory.mktemp('county')}/ledger.db")
