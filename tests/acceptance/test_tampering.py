"""Whatever is changed in a log is found by the check, and its place is named.

Exported lines against the checkpoint that was signed for them, and rows in both databases, changed
by someone who may do anything there: whose hashes fit, and who takes the guards away. What the
check says of clean logs is tested as well: nothing.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import pytest

from ledger.checkpoints import Checkpoints
from ledger.domain.errors import CorruptLog
from ledger.line_check import LineCheck, check_stored, rows_of_lines, signed_roots
from ledger.log import merkle
from ledger.log.proofs import BadProof, check_inclusion
from ledger.settings import Settings
from ledger.store.log import Batch, LogStore, Row
from tests.batches import hours
from tests.opened import on_sqlite
from tests.signed_log import LOG_KEY, SignedLog, signer
from tests.tampering import Tamper, changed, hashed, tampering
from tests.terminal import Terminal
from tests.told import ROWS

pytestmark = pytest.mark.timeout(3 * 3600)
LONG: Final = os.environ.get("TEST_LONG") == "1"
#: Events of the log that is tampered with; those in a database; lines of which every bit is tried.
SIZE, STORED, LINES = (10_000, 300, 200) if LONG else (500, len(ROWS), 8)
#: Random bits tried by the full check; random changes of each sort; clean logs.
BITS, CHANGES, CLEAN = (500, 100, 1_000) if LONG else (25, 8, 40)


def story(size: int) -> list[Row]:
    """A log of this size: the story, and then hours after hours."""
    week = 7 * 86_400
    more = [
        Row(0, each.originator_id, each.originator_version, each.topic, each.state, b"")
        for each in (hours(f"L{n % 97}", n // 97 + 1, week + n) for n in range(size - len(ROWS)))
    ]
    return hashed([*ROWS, *more][:size])


STORY: Final = story(SIZE)
EXPORT: Final = [row.line() for row in STORY]
SIGNED: Final = SignedLog(EXPORT, signer())


def check_lines(lines: Sequence[bytes], signed: dict[int, bytes]) -> LineCheck:
    """The full check of exported lines. Raises CorruptLog."""
    check = LineCheck(signed, exported=True)
    for row in rows_of_lines(lines):
        check.take(row)
    check.end()
    return check


WHOLE: Final = {SIZE: SIGNED.roots[SIZE]}


def found_at(lines: Sequence[bytes], signed: dict[int, bytes]) -> tuple[int, int]:
    """The stretch of positions that the check names; (0, 0) when it finds nothing."""
    try:
        check_lines(lines, signed)
    except CorruptLog as error:
        first = error.facts["position"]
        assert isinstance(first, int)
        last = error.facts.get("last", first)
        assert isinstance(last, int)
        return first, last
    return 0, 0


# exported lines


def test_a_topic_in_a_stream_of_another_type_is_refused() -> None:
    (place,) = [n for n, row in enumerate(STORY) if row.topic == "LimitsSet"]
    for stream in ("fund/world", "organisation/O9", "ledger", "ledger/"):
        row = STORY[place]
        lie = Row(row.position, stream, 1, row.topic, row.state, b"").line()
        with pytest.raises(CorruptLog) as refused:
            check_lines([*EXPORT[:place], lie], {})
        assert refused.value.facts["position"] == place + 1
        assert "stream" in str(refused.value.facts["error"])


def test_every_bit_of_a_line_is_under_its_leaf_and_its_proof() -> None:
    chance = Random(1)
    others = chance.sample(range(2, SIZE - 2), LINES - 4)
    root = SIGNED.roots[SIZE]
    for index in (0, 1, SIZE - 2, SIZE - 1, *others):
        line, path = EXPORT[index], SIGNED.path(index, SIZE)
        check_inclusion(merkle.leaf_hash(line), index, SIZE, path, root)
        for bit in range(len(line) * 8):
            lie = bytearray(line)
            lie[bit // 8] ^= 1 << bit % 8
            leaf = merkle.leaf_hash(bytes(lie))
            assert leaf != SIGNED.leaves[index]
            with pytest.raises(BadProof):
                check_inclusion(leaf, index, SIZE, path, root)


def test_random_bits_are_found_by_the_full_check() -> None:
    chance = Random(2)
    for _ in range(BITS):
        index = chance.randrange(SIZE)
        lie = bytearray(EXPORT[index])
        lie[chance.randrange(len(lie))] ^= 1 << chance.randrange(8)
        first, last = found_at([*EXPORT[:index], bytes(lie), *EXPORT[index + 1 :]], WHOLE)
        # Another stream or time may be wrong only by what comes later; nothing earlier is blamed.
        assert first
        assert last >= index + 1


def _swapped(lines: list[bytes], chance: Random) -> int:
    one, other = sorted(chance.sample(range(len(lines)), 2))
    lines[one], lines[other] = lines[other], lines[one]
    return one


def _moved(lines: list[bytes], chance: Random) -> int:
    origin, target = chance.sample(range(len(lines)), 2)
    lines.insert(target, lines.pop(origin))
    return min(origin, target)


def _deleted(lines: list[bytes], chance: Random) -> int:
    at = chance.randrange(len(lines))
    del lines[at]
    return at


def _doubled(lines: list[bytes], chance: Random) -> int:
    at = chance.randrange(len(lines))
    lines.insert(at, lines[at])
    return at + 1


def _inserted(lines: list[bytes], chance: Random) -> int:
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines.insert(at, lines[other])
    return at if other != at else at + 1


def _torn(lines: list[bytes], chance: Random) -> int:
    at = chance.randrange(len(lines))
    lines[at] = lines[at][: chance.randrange(len(lines[at]))]
    return at


def _blank(lines: list[bytes], chance: Random) -> int:
    at = chance.randrange(len(lines))
    lines.insert(at, b"")
    return at


@pytest.mark.parametrize("change", [_swapped, _moved, _deleted, _doubled, _inserted, _torn, _blank])
def test_lines_in_the_wrong_place_are_named(
    change: Callable[[list[bytes], Random], int],
) -> None:
    chance = Random(3)
    for _ in range(CHANGES):
        lines = list(EXPORT)
        index = change(lines, chance)
        assert found_at(lines, WHOLE) == (index + 1, index + 1)


def test_a_tail_cut_at_any_length_is_missed() -> None:
    check = LineCheck(WHOLE, exported=True)
    for size, row in enumerate(rows_of_lines(EXPORT)):
        with pytest.raises(CorruptLog) as raised:
            check.end()
        assert raised.value.facts["position"] == size + 1
        check.take(row)
    check.end()


def test_a_history_written_anew_is_found_between_two_checkpoints() -> None:
    """Every line is right by itself, every hash fits: only what was signed tells."""
    chance = Random(4)
    middle = SIZE // 2
    signed = {size: SIGNED.roots[size] for size in (middle, SIZE)}
    for _ in range(CHANGES):
        index = chance.randrange(SIZE)
        row = changed(STORY[index])
        lines = [*EXPORT[:index], row.line(), *EXPORT[index + 1 :]]
        assert found_at(lines, {}) == (0, 0)
        assert found_at(lines, signed) == ((1, middle) if index < middle else (middle + 1, SIZE))


def test_an_old_backup_that_went_on_is_found_under_a_newer_checkpoint() -> None:
    chance = Random(5)
    for _ in range(CHANGES):
        backup = chance.randrange(1, SIZE - 1)
        forked = [*EXPORT[:backup], *(changed(row).line() for row in STORY[backup:])]
        signed = {backup: SIGNED.roots[backup], **WHOLE}
        assert found_at(forked, signed) == (backup + 1, SIZE)
        assert found_at(EXPORT[:backup], signed) == (backup + 1, backup + 1)


def test_clean_logs_raise_no_alarm(tmp_path: Path) -> None:
    chance = Random(6)
    for _ in range(CLEAN):
        size = chance.randint(1, 400 if LONG else 120)
        rows = STORY[:size] if chance.random() < 0.5 else story(size)
        sizes = chance.sample(range(1, size + 1), min(size, 3))
        signed = {each: SIGNED.roots[each] for each in sizes}
        check = check_lines([row.line() + b"\n" for row in rows], signed)
        assert (check.root, check.signed_until) == (SIGNED.roots[size], max(sizes))
        stored = LineCheck(signed)
        for row in rows:
            stored.take(row)
        stored.end()


# databases


@pytest.fixture
def county(store: LogStore) -> LogStore:
    """A log in each database, signed half way and at its end."""
    signing = Checkpoints(store, LOG_KEY)
    for part in (STORY[: STORED // 2], STORY[STORED // 2 : STORED]):
        store.append(Batch(part))
        signing.sign()
    return store


@pytest.fixture
def tamper(county: LogStore, settings: Settings) -> Tamper:
    return tampering(settings)


def place_of(store: LogStore, signed: dict[int, bytes]) -> int:
    """The position that the check names first, 0 when it finds nothing."""
    try:
        check_stored(store, signed, lambda _: None)
    except CorruptLog as error:
        position = error.facts["position"]
        assert isinstance(position, int)
        return position
    return 0


def test_a_clean_database_raises_no_alarm(county: LogStore) -> None:
    signed = signed_roots(county)
    assert sorted(signed) == [STORED // 2, STORED]
    check = check_stored(county, signed, lambda _: None)
    assert (check.signed_until, check.root) == (STORED, SIGNED.roots[STORED])


#: What is done in the database → the position that must be named, of which there are STORED.
LATE: Final = STORED - 5
DEEDS: Final[dict[str, tuple[Callable[[Tamper], object], int]]] = {
    "a quantity": (lambda t: t.set(40, state=changed(STORY[39]).state), 40),
    "a quantity and its leaf": (lambda t: t.rewrite(40), 40),
    "a line and every hash over it": (lambda t: t.forge(40), 1),
    "a late line and every hash over it": (lambda t: t.forge(LATE), STORED // 2 + 1),
    "the stream": (lambda t: t.set(40, originator_id="member/V77"), 40),
    "the version": (lambda t: t.set(40, originator_version=99), 40),
    "the topic": (lambda t: t.set(40, topic="Wish"), 40),
    "the hashes": (lambda t: t.set(40, hashes=STORY[40].hashes), 40),
    "no hashes": (lambda t: t.set(40, hashes=b""), 40),
    "the first": (lambda t: t.set(1, state=changed(STORY[0]).state), 1),
    "the last": (lambda t: t.set(STORED, state=b"{"), STORED),
    "a space": (lambda t: t.set(40, state=STORY[39].state + b" "), 40),
    "rows swapped": (lambda t: t.swap(30, 50), 30),
    "neighbours swapped": (lambda t: t.swap(40, 41), 40),
    "a row moved": (lambda t: t.put(_renumbered(_move(t.rows(), 49, 29))), 30),
    "a row deleted": (lambda t: t.delete(40), 40),
    "the first row deleted": (lambda t: t.delete(1), 1),
    "a row deleted and the rest moved up": (lambda t: t.put(_renumbered(_without(t, 40))), 40),
    "the same with every hash over it": (lambda t: t.put(hashed(_mended(_without(t, LATE)))),
                                         STORED),
    "a row doubled": (lambda t: t.put(_renumbered(_with(t, 40, 41))), 42),
    "a row inserted": (lambda t: t.put(_renumbered(_with(t, 10, 41))), 42),
    "a row added after the end": (lambda t: t.put(_renumbered(_with(t, 10, STORED))), STORED + 1),
    "everything": (lambda t: t.cut(0), 1),
}  # fmt: skip


def _renumbered(rows: Sequence[Row]) -> list[Row]:
    return [row._replace(position=n) for n, row in enumerate(rows, start=1)]


def _move(rows: list[Row], origin: int, target: int) -> list[Row]:
    rows.insert(target, rows.pop(origin))
    return rows


def _without(tamper: Tamper, position: int) -> list[Row]:
    return [row for row in tamper.rows() if row.position != position]


def _with(tamper: Tamper, position: int, behind: int) -> list[Row]:
    """Another row like one that is there, of a version that no index refuses."""
    rows = tamper.rows()
    twin = rows[position - 1]
    rows.insert(behind, twin._replace(originator_version=twin.originator_version + 1000))
    return rows


def _mended(rows: Sequence[Row]) -> list[Row]:
    """The versions of each stream without a gap."""
    versions: dict[str, int] = {}
    mended = []
    for row in rows:
        version = versions[row.originator_id] = versions.get(row.originator_id, 0) + 1
        mended.append(row._replace(originator_version=version))
    return mended


@pytest.mark.parametrize("name", DEEDS)
def test_what_is_done_in_a_database_is_found_and_its_place_is_named(
    name: str, county: LogStore, tamper: Tamper
) -> None:
    deed, place = DEEDS[name]
    signed = signed_roots(county)
    deed(tamper)
    assert place_of(county, signed) == place


def test_a_tail_cut_from_a_database_at_any_length_is_missed(
    county: LogStore, tamper: Tamper
) -> None:
    signed = signed_roots(county)
    for size in range(STORED - 1, -1, -1):
        tamper.cut(size)
        assert place_of(county, signed) == size + 1


@on_sqlite
@pytest.mark.parametrize(
    "columns",
    [
        {"state": "text"}, {"state": 7}, {"topic": b"HoursLogged"}, {"originator_id": b"member/V1"},
        {"originator_version": "x"}, {"hashes": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_file_takes_though_it_is_of_another_type_is_found(
    columns: dict[str, object], county: LogStore, tamper: Tamper
) -> None:
    tamper.set(40, **columns)
    assert place_of(county, {}) == 40


def forked(backup: int) -> list[Row]:
    """Other rows for the end of the log, from a backup on."""
    others = [changed(row) for row in STORY[backup:STORED]]
    return hashed([*STORY[:backup], *others])[backup:]


def test_an_old_backup_under_a_newer_checkpoint(
    county: LogStore, tamper: Tamper, settings: Settings, tmp_path: Path
) -> None:
    """Log and kept checkpoints are those of then; only the auditor's own note is of now."""
    note = tmp_path / "checkpoint"
    kept = county.last_checkpoint()
    assert kept is not None
    note.write_bytes(kept.note)
    terminal = Terminal(settings.database_url)
    asked = "check --no-figures --json --checkpoint {note} --log-key {key}"
    words = {"note": str(note), "key": str(LOG_KEY.verifier)}
    assert terminal.run(asked, **words).exit_code == 0
    tamper.cut(STORED - 20)
    tamper.forget_checkpoints()
    assert terminal.run("check --no-figures").exit_code == 0
    result = terminal.run(asked, **words)
    assert result.exit_code == 1
    assert f'"position":{STORED - 19}' in result.stderr
    county.append(Batch(forked(STORED - 20)))
    result = terminal.run(asked, **words)
    assert result.exit_code == 1
    assert '"position":1,' in result.stderr
