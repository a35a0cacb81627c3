"""Signing over a real store: read back, kept first, never over what was changed or went missing."""

import threading
from collections.abc import Callable
from typing import Any, Final

import pytest

from ledger.checkpoints import Checkpoints, kept_at, last_kept
from ledger.domain.errors import (
    CheckpointNotFound,
    CommandNotFound,
    CorruptLog,
    InvalidSettings,
    LedgerNotOpened,
)
from ledger.log import checkpoint, merkle, proofs
from ledger.log.receipt import check_receipt
from ledger.receipts import Receipts, lines_at
from ledger.settings import Settings
from ledger.store import tree
from ledger.store.log import Batch, KeptCheckpoint, LogStore
from tests import rfc6962
from tests.opened import opened
from tests.signed_log import LOG_KEY, ORIGIN, OTHER_KEY, signer
from tests.tampering import Tamper, tampering
from tests.told import ROWS

SIZE: Final = len(ROWS)
#: A command of three events, from position 63 on.
GRANT: Final = "C59"


@pytest.fixture
def tamper(settings: Settings) -> Tamper:
    return tampering(settings)


def told_until(store: LogStore, size: int) -> None:
    """The story up to a position."""
    head = store.head().position
    store.append(Batch(ROWS[head:size]))


def checked(kept: KeptCheckpoint) -> checkpoint.Checkpoint:
    return checkpoint.check(kept.note, LOG_KEY.verifier, ORIGIN)


def test_a_checkpoint_signs_the_root_of_the_lines(told: LogStore) -> None:
    kept = Checkpoints(told, LOG_KEY).sign()
    leaves = [rfc6962.leaf_of(row.line()) for row in ROWS]
    assert checked(kept) == (ORIGIN, SIZE, rfc6962.root_of(leaves))
    assert last_kept(told) == kept_at(told, SIZE) == kept
    assert (kept_at(told, SIZE - 1), kept_at(told, SIZE + 1)) == (None, None)


def test_it_goes_on_where_it_was_and_reads_only_what_is_new(store: LogStore) -> None:
    told_until(store, 30)
    signing = Checkpoints(store, LOG_KEY)
    read: list[int] = []
    first = signing.sign(advance=read.append)
    assert signing.sign(advance=read.append) == first
    told_until(store, 40)
    second = signing.sign(advance=read.append)
    told_until(store, 60)
    third = Checkpoints(store, LOG_KEY).sign(advance=read.append)  # another process
    assert read == [30, 10, 20]
    assert [kept.size for kept in (first, second, third)] == [30, 40, 60]
    assert store.checkpoints(0, 10) == [first, second, third]
    assert store.checkpoints(30, 1) == [second]
    assert [checked(kept).root for kept in (first, second)] == [
        tree.root_at(store, size) for size in (30, 40)
    ]


def test_a_long_log_is_signed_in_steps(told: LogStore) -> None:
    signing = Checkpoints(told, LOG_KEY)
    sizes = [signing.sign(rows_max=25).size for _ in range(5)]
    assert sizes == [25, 50, 75, SIZE, SIZE]


def test_many_threads_sign_one_history(store: LogStore) -> None:
    signing, found = Checkpoints(store, LOG_KEY), list[KeptCheckpoint]()
    told_until(store, 10)

    def work() -> None:
        found.extend(signing.sign() for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for size in range(11, 31):
        told_until(store, size)
    for thread in threads:
        thread.join()
    assert len(found) == 30
    assert {checked(kept).root for kept in found} <= {
        tree.root_at(store, size) for size in range(10, 31)
    }


def test_each_key_has_checkpoints_of_its_own(told: LogStore) -> None:
    ours, theirs = Checkpoints(told, LOG_KEY).sign(), Checkpoints(told, OTHER_KEY).sign()
    assert ours.note != theirs.note
    assert sorted(told.checkpoints(0, 1)) == sorted([ours, theirs])
    assert told.checkpoints(SIZE, 9) == []
    assert told.last_checkpoint(ours.verifier) == ours
    assert told.last_checkpoint(theirs.verifier) == theirs


def test_what_cannot_be_signed_is_told(store: LogStore) -> None:
    with pytest.raises(LedgerNotOpened):
        Checkpoints(store, LOG_KEY).sign()
    with pytest.raises(CheckpointNotFound):
        last_kept(store)
    told_until(store, 5)
    with pytest.raises(InvalidSettings):
        Checkpoints(store, signer("huli.example/hours")).sign()
    with pytest.raises(InvalidSettings):
        Receipts(store, signer("huli.example/hours")).of_command(
            str(_command_of(store, 3)),
        )
    assert store.checkpoints(0, 9) == []


def _command_of(store: LogStore, position: int) -> str:
    (row,) = store.select_positions([position])
    command_id = row.state.split(b'"command_id":"')[1].split(b'"')[0].decode()
    if command_id not in store.glance([command_id])[1]:
        _answer(store, command_id, position)
    return command_id


def _answer(store: LogStore, command_id: str, position: int, count: int = 1) -> None:
    from tests.batches import answer  # noqa: PLC0415

    store.append(Batch([], [answer(command_id, position, count)]))


@pytest.mark.parametrize("change", ["UPDATE", "DELETE"])
def test_what_was_signed_is_never_changed(told: LogStore, change: str) -> None:
    recorder: Any = told
    Checkpoints(told, LOG_KEY).sign()
    prefix = recorder.statements.last_checkpoint.split("FROM ")[1].split(" ")[0]
    sql = {"UPDATE": f"UPDATE {prefix} SET size = 3", "DELETE": f"DELETE FROM {prefix}"}[change]
    with pytest.raises(Exception, match="append-only"), recorder.transaction() as inside:
        inside.execute(sql)


def test_another_root_of_the_same_size_is_not_kept(told: LogStore) -> None:
    kept = Checkpoints(told, LOG_KEY).sign()
    told.keep_checkpoint(kept)  # the same again is fine
    with pytest.raises(CorruptLog):
        told.keep_checkpoint(kept._replace(note=kept.note + b"x"))
    assert told.checkpoints(0, 9) == [kept]


# what was changed behind the log's back


CHANGES: Final[dict[str, Callable[[Tamper], object]]] = {
    "a line": lambda t: t.set(45, state=ROWS[44].state.replace(b"2025", b"2024", 1)),
    "a line and its leaf": lambda t: t.rewrite(45),
    "hashes alone": lambda t: t.set(45, hashes=ROWS[45].hashes),
    "a row taken out": lambda t: t.delete(45),
    "two rows swapped": lambda t: t.swap(45, 46),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_new_is_signed_over_changed_lines(
    name: str, store: LogStore, tamper: Tamper
) -> None:
    """The change lies behind the last checkpoint, so reading back comes across it."""
    told_until(store, 40)
    before = Checkpoints(store, LOG_KEY).sign()
    told_until(store, SIZE)
    CHANGES[name](tamper)
    with pytest.raises(CorruptLog) as raised:
        Checkpoints(store, LOG_KEY).sign()
    assert raised.value.facts["position"] in (45, 46)
    assert store.checkpoints(0, 9) == [before]


@pytest.mark.parametrize("name", ["a line and its leaf", "hashes alone"])
def test_nothing_is_built_on_a_tree_that_is_not_the_signed_one(
    name: str, told: LogStore, tamper: Tamper
) -> None:
    """The change lies before the last checkpoint and reaches the nodes it rests on."""
    Checkpoints(told, LOG_KEY).sign()
    if name == "hashes alone":
        tamper.set(64, hashes=bytes(len(ROWS[63].hashes)))
    else:
        tamper.forge(10)
    with pytest.raises(CorruptLog):
        Checkpoints(told, LOG_KEY).sign()


@pytest.mark.parametrize("cut", [1, 20, SIZE - 1])
def test_a_log_that_lost_its_end_signs_nothing_more(
    cut: int, told: LogStore, tamper: Tamper, settings: Settings
) -> None:
    signing = Checkpoints(told, LOG_KEY)
    signing.sign()
    tamper.cut(SIZE - cut)
    for again in (signing, Checkpoints(told, LOG_KEY)):
        with pytest.raises(CorruptLog) as raised:
            again.sign()
        assert raised.value.facts["position"] == SIZE - cut + 1
    with opened(settings.database_url) as log, pytest.raises(CorruptLog):
        Checkpoints(log, LOG_KEY).sign()


def test_a_proof_from_a_gap_is_an_error_not_a_proof(told: LogStore, tamper: Tamper) -> None:
    tamper.delete(40)
    with pytest.raises(CorruptLog):
        tree.prove_inclusion(told, 39, SIZE)
    with pytest.raises(CorruptLog):
        tree.frontier_at(told, 40)


# proofs and receipts from the store


def test_proofs_come_from_the_stored_nodes(told: LogStore) -> None:
    leaves = [rfc6962.leaf_of(row.line()) for row in ROWS]
    for size in (1, 2, 31, 32, 33, SIZE):
        for position in range(1, size + 1, 3):
            path = tree.prove_inclusion(told, position, size)
            assert path == rfc6962.path_of(position - 1, leaves[:size])
            growth = tree.prove_consistency(told, position, size)
            assert growth == rfc6962.proof_of(position, leaves[:size])
    with pytest.raises(proofs.BadProof):
        tree.prove_inclusion(told, 0, 5)


def test_a_receipt_says_what_the_log_holds(told: LogStore) -> None:
    _answer(told, GRANT, 63, 3)
    receipt = check_receipt(Receipts(told, LOG_KEY).of_command(GRANT), LOG_KEY.verifier)
    assert (receipt.command_id, receipt.positions) == (GRANT, range(63, 66))
    assert receipt.leaves == [merkle.leaf_hash(row.line()) for row in ROWS[62:65]]
    assert receipt.recorded.encode() in ROWS[62].state
    assert lines_at(told, [63, 64, 500]) == {63: ROWS[62].line(), 64: ROWS[63].line()}


def test_there_is_no_receipt_for_what_wrote_nothing(told: LogStore) -> None:
    _answer(told, "clerk/k-0", 0, 0)
    for command_id in ("clerk/k-0", "never"):
        with pytest.raises(CommandNotFound):
            Receipts(told, LOG_KEY).of_command(command_id)


def test_no_receipt_is_given_for_a_changed_line(told: LogStore, tamper: Tamper) -> None:
    _answer(told, GRANT, 63, 3)
    tamper.set(64, state=ROWS[63].state.replace(b"2025", b"2024", 1))
    with pytest.raises(CorruptLog) as raised:
        Receipts(told, LOG_KEY).of_command(GRANT)
    assert raised.value.facts["position"] == 64


@pytest.mark.parametrize(
    ("first", "count", "wrong"), [(60, 3, 60), (62, 3, 62), (63, 4, 66), (-1, 3, -1)]
)
def test_no_receipt_is_given_where_the_table_of_commands_points_elsewhere(
    first: int, count: int, wrong: int, told: LogStore
) -> None:
    """Nothing has signed that table: someone in the database may have changed a row of it."""
    _answer(told, GRANT, first, count)
    with pytest.raises(CorruptLog) as raised:
        Receipts(told, LOG_KEY).of_command(GRANT)
    assert (raised.value.at, raised.value.facts["position"]) == ("commands", wrong)
