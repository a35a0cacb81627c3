"""Read models of the whole story, folded once."""

from collections.abc import Iterator

import pytest

from ledger.store import writer as writing
from ledger.store.place import SqliteFile
from projections.database import open_reads
from projections.runner import catch_up
from projections.session import Snapshot
from tests.desk import Desk
from tests.told import STORE


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """A view of the read models of the whole story."""
    reads = open_reads(SqliteFile(tmp_path_factory.mktemp("reads") / "reads.db"))
    catch_up(STORE, reads)
    with reads.read() as snapshot:
        yield snapshot
    reads.close()


@pytest.fixture(params=[100, 0], ids=["looking", "alone"])
def desk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Its writers look around before each group, or take themselves for the only ones at once."""
    monkeypatch.setattr(writing, "LOOKS_MIN", request.param)
    monkeypatch.setattr(writing, "PATIENCE_S", 0.5)
    desk = Desk()
    yield desk
    desk.writer.close()
