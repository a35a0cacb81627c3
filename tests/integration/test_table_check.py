"""What is kept beside the log and was changed there: named by the check, on each database."""

import json
from typing import Any, Final

import pytest

from ledger.settings import Settings
from ledger.store.log import LogStore
from ledger.table_check import PAGE, check_tables
from tests.batches import after_head, answer, entries
from tests.opened import on_sqlite
from tests.signed_log import LOG_KEY
from tests.tampering import Tamper, tampering
from tests.terminal import EVENTS, Terminal

#: A command of two events behind the county, and one of one event behind it.
TWO, ONE = "zz-1", "zz-2"


@pytest.fixture
def desk(terminal: Terminal) -> Terminal:
    terminal.do(f"grant-incentive V0001 --policy Y1 --command-id {TWO}")
    terminal.do(f"register-member V0009 --region 330424001 --command-id {ONE}")
    return terminal


@pytest.fixture
def tamper(desk: Terminal) -> Tamper:
    return tampering(Settings(database_url=desk.database_url))


def fault(terminal: Terminal) -> dict[str, Any]:
    """What the check refuses, `at` and facts together."""
    result = terminal.run("check --no-figures --json")
    assert result.exit_code == 1, result.output
    error = json.loads(result.stderr)
    assert error["code"] == "corrupt_log"
    return {"at": error["at"], **error["facts"]}


#: What is done to the row of the command of two events.
MOVES: Final = {
    "one earlier": "first_position = first_position - 1",
    "one later": "first_position = first_position + 1",
    "the first of all": "first_position = 1",
    "behind the end": "first_position = 900",
    "before the beginning": "first_position = -5",
    "beyond any number": "first_position = 9223372036854775807",
    "one event fewer": "count = 1",
    "one event more": "count = 3",
    "no events": "count = 0",
    "fewer than none": "count = -1",
    "another id": f"command_id = '{TWO}b'",
}


@pytest.mark.parametrize("name", MOVES)
def test_a_command_that_points_elsewhere_is_named(
    name: str, desk: Terminal, tamper: Tamper
) -> None:
    assert desk.ask("check --no-figures")["lines"] == EVENTS + 3
    tamper.do(f"UPDATE commands SET {MOVES[name]} WHERE command_id = ?", TWO)
    found = fault(desk)
    assert (found["at"], found["command_id"].removesuffix("b")) == ("commands", TWO)


@pytest.mark.parametrize(("first", "is_right"), [(1, True), (7, True), (EVENTS + 4, True),
                                                 (EVENTS + 5, False), (-1, False)])  # fmt: skip
def test_a_command_that_wrote_nothing_stands_behind_a_position(
    first: int, *, is_right: bool, desk: Terminal, tamper: Tamper
) -> None:
    tamper.do(
        "INSERT INTO commands (command_id, body_hash, first_position, count, answer) "
        "VALUES (?, ?, ?, 0, ?)", "nothing", b"hash", first, b"[]",
    )  # fmt: skip
    if is_right:
        desk.do("check --no-figures")
    else:
        assert fault(desk)["command_id"] == "nothing"


def test_the_first_wrong_of_many_pages_of_commands_is_named(
    store: LogStore, settings: Settings
) -> None:
    """Positions fall as ids rise, and there are more than a page has."""
    count = 2 * PAGE + 3
    batch = after_head(store, entries("V1", 1, count))
    rows = [answer(f"cmd-V1-{n}", n, 1) for n in range(1, count + 1)]
    store.append(batch._replace(commands=rows))
    check_tables(store)
    tamper = tampering(settings)
    wrong = sorted(row.command_id for row in rows)[PAGE + 7 :: 50]
    for command_id in wrong:
        tamper.do("UPDATE commands SET count = 2 WHERE command_id = ?", command_id)
    with pytest.raises(Exception, match="commands") as raised:
        check_tables(store)
    assert raised.value.facts["command_id"] == wrong[0]  # type: ignore[attr-defined]


def test_a_text_that_is_not_that_of_its_digest_is_named(desk: Terminal, tamper: Tamper) -> None:
    tamper.do("UPDATE notes SET text = ? WHERE digest = (SELECT max(digest) FROM notes)", b"other")
    found = fault(desk)
    assert (found["at"], len(found["digest"])) == ("notes", 64)


def test_an_erased_text_is_right_as_long_as_nothing_is_left_of_it(
    desk: Terminal, tamper: Tamper
) -> None:
    digest = "(SELECT min(digest) FROM notes)"
    blank = b"\0" * 16
    tamper.do(f"UPDATE notes SET salt = ?, text = ? WHERE digest = {digest}", blank, blank)
    desk.do("check --no-figures")
    tamper.do(f"UPDATE notes SET text = ? WHERE digest = {digest}", b"left over")
    assert "left of it" in fault(desk)["error"]


@on_sqlite
@pytest.mark.parametrize(
    ("change", "at"),
    [
        ("commands SET first_position = 'x'", "commands"),
        ("commands SET answer = 'x'", "commands"),
        ("notes SET text = 'x'", "notes"), ("notes SET salt = 7", "notes"),
        ("checkpoints SET note = CAST(note AS TEXT)", "checkpoint"),
        ("checkpoints SET verifier = x'00'", "checkpoint"),
    ],
)  # fmt: skip
def test_what_a_file_takes_though_it_is_of_another_type_is_found(
    change: str, at: str, desk: Terminal, tamper: Tamper, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:  # fmt: skip
    from ledger.log.signer import write_signer  # noqa: PLC0415

    key = tmp_path / "log.key"
    key.write_text(write_signer(LOG_KEY))
    key.chmod(0o600)
    monkeypatch.setenv("LEDGER_SIGNING_KEY_FILE", str(key))
    desk.do("checkpoint")
    desk.do("check --no-figures")
    tamper.do(f"UPDATE {change}")
    assert fault(desk)["at"] == at
