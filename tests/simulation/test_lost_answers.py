"""Committed, and the answer lost: asked again there is one effect, and the first answer.

Also what two processes do to each other between the looks of one decision, step by step.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.errors import EntryNotPending, IdempotencyMismatch, Unavailable
from ledger.settings import Settings
from ledger.store.log import Batch
from tests.cutting_proxy import CuttingProxy
from tests.postgres_server import PostgresServer
from tests.scenario import STANDING
from tests.simulation.programs import found_county, judged
from tests.simulation.workers import deed

ADMIN, VERIFIER = STANDING["admin"], STANDING["verifier"]
#: What is marked below stands in the state of the event, so only the insertion has it.
MARK = b'"command_id":"cut"'
SOCKET = ".s.PGSQL.5432"


@pytest.fixture
def proxy(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[CuttingProxy]:
    with CuttingProxy(tmp_path, Path(str(postgres_server.socket_directory))) as made:
        yield made


@pytest.fixture
def beside(
    proxy: CuttingProxy, postgres_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> Settings:
    """Settings of a ledger whose lines go through the proxy."""
    found_county(Settings(database_url=postgres_url))
    here = postgres_server.url_at(tmp_path)
    return Settings(database_url=here + postgres_url.removeprefix(postgres_server.url))


@pytest.mark.parametrize(
    ("size", "mark"),
    [(3, MARK), (700, b"COMMIT")],  # one statement; a transaction around COPY
)
def test_a_line_cut_between_commit_and_answer(
    beside: Settings, proxy: CuttingProxy, size: int, mark: bytes
) -> None:
    ledger = Ledger(beside)
    before = ledger.store.head().position
    many = [command for n in range(3, 3 + 3 * size, 3) for command in deed("x", n)][:size]
    proxy.cut("after", mark)
    answered = ledger.execute_many(many, ADMIN, command_id="cut")
    assert (answered.first_position, answered.count) == (before + 1, size)
    assert answered.replayed
    assert ledger.store.head().position == before + size
    again = ledger.execute_many(many, ADMIN, command_id="cut")
    assert (again.outcomes, again.first_position) == (answered.outcomes, answered.first_position)
    ledger.close()
    assert judged(beside).commands["cut"] == (before + 1, before + size)


def test_a_server_gone_between_commit_and_answer(
    beside: Settings, proxy: CuttingProxy, tmp_path: Path
) -> None:
    """The caller is told in bounded time that nobody knows, and asks again when it is back."""
    ledger = Ledger(beside)
    before, began = ledger.store.head().position, time.monotonic()
    proxy.cut("after", MARK)
    (tmp_path / SOCKET).rename(tmp_path / "away")
    with pytest.raises(Unavailable):
        ledger.execute_many(deed("x", 3), ADMIN, command_id="cut")
    assert time.monotonic() - began < 30
    (tmp_path / "away").rename(tmp_path / SOCKET)
    answered = ledger.execute_many(deed("x", 3), ADMIN, command_id="cut")
    assert answered.replayed
    assert (answered.first_position, answered.count) == (before + 1, 3)
    with pytest.raises(IdempotencyMismatch):
        ledger.execute_many(deed("y", 3), ADMIN, command_id="cut")
    ledger.close()
    assert judged(beside).position == before + 3


@pytest.mark.parametrize("told", ["after it was written", "before it was written"])
def test_an_error_of_unknown_outcome(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """On each database: the store says it does not know; the command ids do."""
    found_county(settings)
    ledger = Ledger(settings)
    before, append = ledger.store.head().position, ledger.store.append
    troubles = ["once"]

    def lose(batch: Batch) -> None:
        if troubles and told == "before it was written":
            troubles.pop()
            raise Unavailable(reason="test")
        append(batch)
        if troubles:
            troubles.pop()
            raise Unavailable(reason="test")

    monkeypatch.setattr(ledger.store, "append", lose)
    answered = ledger.execute_many(deed("x", 3), ADMIN, command_id="cut")
    assert not troubles
    assert answered.first_position == before + 1
    assert answered.replayed is (told == "after it was written")
    ledger.close()
    assert judged(settings).position == before + 3


def between(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, look: str, happens: Callable[[], Any]
) -> list[str]:
    """Let something happen once, after one of the store's looks and before it is used."""
    original: Any = getattr(ledger.store, look)
    waiting = [look]

    def looked(*arguments: Any) -> Any:
        if not waiting:
            return original(*arguments)
        # What is read as it is asked for must be asked for before, and what the name says after.
        if look == "glance":
            found = original(*arguments)
            waiting.clear()
            happens()
            return found
        waiting.clear()
        happens()
        return original(*arguments)

    monkeypatch.setattr(ledger.store, look, looked)
    return waiting


@pytest.mark.parametrize("look", ["glance", "head", "select_streams"])
@pytest.mark.parametrize("warm", [False, True])
def test_the_same_command_elsewhere_in_between(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, look: str, *, warm: bool
) -> None:
    """Another process does the very command while we look: we give its answer, not a refusal."""
    found_county(settings)
    here, elsewhere = Ledger(settings), Ledger(settings)
    entry = elsewhere.execute(deed("x", 1)[0], ADMIN).result["entry"]
    verify = c.VerifyHours(entry=str(entry))
    if warm:
        here.execute(deed("y", 2)[0], ADMIN)
    waiting = between(
        here, monkeypatch, look, lambda: elsewhere.execute(verify, VERIFIER, command_id="same")
    )
    answer = here.execute(verify, VERIFIER, command_id="same")
    done = elsewhere.execute(verify, VERIFIER, command_id="same")
    assert (answer.first_position, answer.count) == (done.first_position, done.count)
    assert answer.result == done.result
    if not waiting:
        assert answer.replayed
    here.close()
    elsewhere.close()
    assert judged(settings).commands["same"] == (done.first_position, done.first_position)


@pytest.mark.parametrize("look", ["glance", "head", "select_streams"])
def test_another_command_elsewhere_in_between(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    """Another process rejects the entry while we look: ours is refused, honestly."""
    found_county(settings)
    here, elsewhere = Ledger(settings), Ledger(settings)
    entry = str(elsewhere.execute(deed("x", 1)[0], ADMIN).result["entry"])
    reject = c.RejectHours(entry=entry, reason_code="other")
    waiting = between(here, monkeypatch, look, lambda: elsewhere.execute(reject, VERIFIER))
    with pytest.raises(EntryNotPending):
        here.execute(c.VerifyHours(entry=entry), VERIFIER)
    assert not waiting
    here.close()
    elsewhere.close()
    judged(settings)
