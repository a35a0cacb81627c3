"""Evidence on the command line: keys, checkpoints, proofs, receipts, a witness; and refusals."""

import base64
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import Result

from ledger.log import checkpoint, tlog_proof
from ledger.log.receipt import check_receipt
from ledger.log.signer import parse_signer
from ledger.receipts import Receipts
from tests import rfc6962
from tests.opened import on_sqlite
from tests.signed_log import OTHER_KEY
from tests.terminal import EVENTS, Terminal

ORIGIN: Final = "haiyan.example/hours"


class Desk:
    """A terminal with a folder, and a signing key in it."""

    def __init__(self, terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.terminal, self.folder = terminal, folder
        self.run(f"keygen {folder}/log.key")
        self.verifier = self.json(f"keygen {folder}/other.key --name {ORIGIN}")["verifier"]
        monkeypatch.setenv("LEDGER_SIGNING_KEY_FILE", f"{folder}/log.key")
        text = terminal.do(f"checkpoint --output {folder}/first")
        assert text == ""
        self.log_key = self.json("checkpoint")["verifier"]
        (folder / "log.pub").write_text(f"{self.log_key}\n")

    def run(self, line: str) -> Result:
        return self.terminal.run(line.replace("@", f"{self.folder}/"))

    def do(self, line: str) -> str:
        return self.terminal.do(line.replace("@", f"{self.folder}/"))

    def json(self, line: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.do(f"{line} --json"))
        return found

    def refused(self, line: str, code: str, exit_code: int = 1) -> None:
        result = self.run(f"{line} --json")
        assert result.exit_code == exit_code, result.output
        assert json.loads(result.stderr)["code"] == code

    def misused(self, line: str, word: str) -> None:
        result = self.run(line)
        assert (result.exit_code, word in result.stderr) == (2, True), result.output

    def path(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture
def desk(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(terminal, tmp_path, monkeypatch)


@pytest.fixture
def sqlite_desk(sqlite_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(sqlite_terminal, tmp_path, monkeypatch)


def test_a_key_is_made_once_and_never_printed(sqlite_desk: Desk) -> None:
    path = sqlite_desk.path("log.key")
    secret = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret.startswith(f"PRIVATE+KEY+{ORIGIN}+")
    sqlite_desk.refused("keygen @log.key", "invalid_settings", 2)
    sqlite_desk.refused("keygen @missing/log.key", "invalid_settings", 2)
    sqlite_desk.misused("keygen @w.key --witness", "--name")
    sqlite_desk.misused("keygen @w.key --name 'a b'", "--name")
    assert path.read_text().strip() == secret
    said = sqlite_desk.run("keygen @another.key")
    for word in (secret, sqlite_desk.path("another.key").read_text().strip()):
        assert word.split("+", 4)[4] not in said.output
    database = Path(sqlite_desk.terminal.database_url.removeprefix("sqlite:///"))
    for file in database.parent.glob("ledger*"):
        assert secret.split("+", 4)[4].encode() not in file.read_bytes()


def test_what_is_written_over_stays_until_the_new_is_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk without room, a checkpoint that was signed before is not lost for one that is."""
    before = (desk.folder / "first").read_bytes()
    desk.terminal.do("register-member V7 --region 330424")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        desk.refused("checkpoint --output @first", "invalid_settings", 2)
    assert (desk.folder / "first").read_bytes() == before
    desk.do("checkpoint --output @first")
    assert (desk.folder / "first").read_bytes() != before


def test_evidence_to_stdout_by_its_name_is_added_where_stdout_is(sqlite_desk: Desk) -> None:
    """As an export is: behind `>>` what stood in the file stays."""
    file, database = sqlite_desk.path("all"), sqlite_desk.terminal.database_url
    file.write_text("before\n")
    asked = ["--database", database, "--as", "clerk", "checkpoint", "--output", "/dev/stdout"]
    with file.open("a") as stdout:
        command = [sys.executable, "-m", "api.cli.main", *asked]
        subprocess.run(command, stdout=stdout, check=True, timeout=60)
    assert file.read_bytes() == b"before\n" + sqlite_desk.path("first").read_bytes()


def test_a_checkpoint_is_signed_kept_and_shown_again(desk: Desk) -> None:
    verifier = checkpoint.parse_verifier(desk.log_key)
    leaves = [rfc6962.leaf_of(line) for line in desk.terminal.lines()]
    found = checkpoint.check(desk.path("first").read_bytes(), verifier, ORIGIN)
    assert (found.size, found.root) == (EVENTS, rfc6962.root_of(leaves))
    desk.do("register-member V0009 --region 330424001")
    told = desk.json("checkpoint")
    assert told["size"] == EVENTS + 1
    assert desk.do("checkpoint") == told["note"]
    assert desk.do(f"checkpoint --size {EVENTS}").encode() == desk.path("first").read_bytes()
    listed = json.loads(desk.do("checkpoint --list --json"))["checkpoints"]
    assert [each["size"] for each in listed] == [EVENTS, EVENTS + 1]
    desk.refused("checkpoint --size 3", "checkpoint_not_found")
    desk.refused("checkpoint --output @missing/file", "invalid_settings", 2)


def test_without_a_key_the_last_checkpoint_is_shown_and_called_that(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = sqlite_desk
    assert "Nothing was signed" not in desk.run("checkpoint").stderr
    monkeypatch.delenv("LEDGER_SIGNING_KEY_FILE")
    desk.do("register-member V0009 --region 330424001")
    result = desk.run("checkpoint")
    assert result.stdout.encode() == desk.path("first").read_bytes()
    assert f"of {EVENTS} lines; the log has {EVENTS + 1}." in result.stderr


def test_without_a_key_and_a_checkpoint_there_is_nothing_to_show(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    assert "No checkpoint" in sqlite_terminal.do("checkpoint --list")
    for line in ("checkpoint", "proof inclusion 3", "proof consistency 3"):
        assert sqlite_terminal.run(line).exit_code == 1
    assert sqlite_terminal.run("receipt issue x").exit_code == 2
    result = sqlite_terminal.run(f"check --checkpoint {__file__}")
    assert (result.exit_code, "--log-key" in result.stderr) == (2, True)


def test_a_key_of_another_log_signs_nothing(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_desk.do("keygen @huli.key --name huli.example/hours")
    monkeypatch.setenv("LEDGER_SIGNING_KEY_FILE", str(sqlite_desk.path("huli.key")))
    sqlite_desk.refused("checkpoint", "invalid_settings", 2)


def test_each_event_is_proved_and_checked_from_files_alone(desk: Desk) -> None:
    lines = desk.terminal.lines()
    verifier = checkpoint.parse_verifier(desk.log_key)
    for position in (1, 7, EVENTS):
        desk.do(f"proof inclusion {position} --output @proof")
        desk.path("line").write_bytes(lines[position - 1] + b"\n")
        proof, found = tlog_proof.verify_inclusion(
            desk.path("proof").read_bytes(), rfc6962.leaf_of(lines[position - 1]), verifier
        )
        assert (proof.index, found.size) == (position - 1, EVENTS)
        asked = "proof check @proof --log-key @log.pub"
        assert f"position {position}" in desk.do(f"{asked} --line @line --checkpoint @first")
        leaf = rfc6962.leaf_of(lines[position - 1])
        desk.do(f"{asked} --leaf {leaf.hex()}")
        desk.do(f"{asked} --leaf {base64.b64encode(leaf).decode()}")
        desk.refused(f"{asked} --leaf {'00' * 32}", "bad_proof")
        desk.refused(asked.replace("@log.pub", desk.verifier) + " --line @line", "bad_checkpoint")
        desk.misused(asked, "--line")
    desk.refused(f"proof inclusion {EVENTS + 1}", "invalid_command", 2)
    desk.refused(f"proof inclusion {EVENTS} --size 4", "checkpoint_not_found")


def test_growth_is_proved_and_checked_from_files_alone(desk: Desk) -> None:
    desk.do("register-member V0009 --region 330424001")
    desk.do("checkpoint --output @second")
    told = json.loads(desk.do(f"proof consistency {EVENTS} --json --output @growth"))
    assert told["proof"].encode() == desk.path("growth").read_bytes()
    said = desk.do("proof check @growth --older @first --checkpoint @second --log-key @log.pub")
    assert f"from {EVENTS} events to {EVENTS + 1}" in said
    desk.refused("proof check @growth --older @second", "bad_proof")
    desk.refused("proof check @growth --older @first --checkpoint @first", "bad_checkpoint")
    desk.misused("proof check @growth", "--older")
    desk.misused("proof check @growth --older @first --line @first", "--line")
    desk.do("proof inclusion 3 --output @third")
    desk.misused("proof check @third --line @first --older @first", "--older")
    desk.misused("proof check @nothing", "@nothing".replace("@", f"{desk.folder}/"))
    desk.refused("proof consistency 99", "invalid_command", 2)


# receipts


def test_a_receipt_is_held_against_the_log_and_against_proofs(desk: Desk) -> None:
    desk.do("grant-incentive V0001 --policy Y1 --command-id again")  # several events
    receipt = desk.do("receipt issue again --output @receipt")
    assert receipt == ""
    read = check_receipt(desk.path("receipt").read_bytes(), checkpoint.parse_verifier(desk.log_key))
    assert read.command_id == "again"
    assert len(read.leaves) == 2
    desk.do("checkpoint --output @second")
    assert "the log of" in desk.do("receipt check @receipt --checkpoint @second")
    desk.refused("receipt check @receipt --checkpoint @first", "bad_receipt")  # it ends before
    first, last = read.positions[0], read.positions[-1]
    for position in read.positions:
        desk.do(f"proof inclusion {position} --output @p{position}")
    asked = "receipt check @receipt --log-key @log.pub --checkpoint @second"
    assert "the checkpoint of" in desk.do(f"{asked} --proof @p{first} --proof @p{last}")
    desk.refused(f"{asked} --proof @p{first}", "bad_receipt")
    desk.do("proof inclusion 3 --output @p3")
    desk.refused(f"{asked} --proof @p3", "bad_proof")
    desk.refused("receipt check @first", "bad_receipt")
    desk.refused(f"receipt check @receipt --log-key {desk.verifier}", "bad_receipt")
    desk.refused("receipt issue never", "command_not_found")


def test_a_leaf_alone_does_not_say_whose_event_it_is(desk: Desk) -> None:
    """A signed receipt for a command that never was, over the leaf of another one's event."""
    desk.do("register-member V0009 --region 330424001 --command-id c9")
    desk.do("receipt issue c9 --output @true")
    secret = parse_signer(desk.path("log.key").read_text())
    body = checkpoint.parse_note(desk.path("true").read_bytes()).body
    desk.path("false").write_bytes(secret.sign(body.replace(b"\nc9\n", b"\nnever-sent\n")))
    desk.do("checkpoint --output @second")
    position = EVENTS + 1
    desk.do(f"proof inclusion {position} --output @proof")
    desk.path("line").write_bytes(desk.terminal.lines()[EVENTS] + b"\n")
    desk.path("first-line").write_bytes(desk.terminal.lines()[0])
    asked = "receipt check @{} --log-key @log.pub"
    assert "the log of" in desk.do(asked.format("true"))
    desk.refused(asked.format("false"), "bad_receipt")
    proved = asked + " --proof @proof --checkpoint @second"
    for name in ("true", "false"):
        assert f"Only the leaf was proved at {position}" in desk.do(proved.format(name))
        assert desk.json(proved.format(name))["lines_not_seen"] == [position]
    assert "as the receipt says" in desk.do(proved.format("true") + " --line @line")
    assert desk.json(proved.format("true") + " --line @line")["lines_not_seen"] == []
    desk.refused(proved.format("false") + " --line @line", "bad_receipt")
    for other in ("@first-line", "@second"):
        desk.refused(proved.format("true") + f" --line {other}", "bad_receipt")


def test_answers_in_json_carry_their_receipt(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = checkpoint.parse_verifier(desk.log_key)
    line = "register-member V0009 --region 330424001 --command-id c9"
    told = json.loads(desk.do(f"{line} --json"))
    read = check_receipt(told["signed_receipt"].encode(), verifier)
    assert (read.command_id, read.first) == ("c9", told["first_position"])
    assert json.loads(desk.do(f"{line} --json"))["signed_receipt"] == told["signed_receipt"]
    assert "signed_receipt" not in json.loads(desk.do(f"{line} --json --dry-run".replace("9", "8")))

    def broken(*_: object) -> bytes:
        raise OSError

    monkeypatch.setattr(Receipts, "of_command", broken)
    result = desk.run("register-member V0010 --region 330424001 --json")
    assert (result.exit_code, "signed_receipt" in json.loads(result.stdout)) == (0, False)
    assert "No receipt" in result.stderr


@on_sqlite
def test_a_wrong_setting_is_told_before_anything_is_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_SIGNING_KEY_FILE", str(desk.path("log.pub")))
    before = len(desk.terminal.lines())
    desk.refused("register-member V0009 --region 330424001", "invalid_settings", 2)
    assert len(desk.terminal.lines()) == before


# check


def test_the_check_holds_a_log_against_what_was_signed(desk: Desk) -> None:
    said = desk.do("check --no-figures --checkpoint @first --log-key @log.pub")
    assert f"The first {EVENTS} lines are those that were signed." in said
    desk.do("export @log.jsonl")
    told = desk.json("check --lines @log.jsonl --checkpoint @first")
    assert (told["lines"], told["signed"]) == (EVENTS, EVENTS)
    lines = desk.path("log.jsonl").read_bytes()
    desk.path("log.jsonl").write_bytes(lines.replace(b"330424001", b"330424002", 1))
    desk.refused("check --lines @log.jsonl --checkpoint @first", "corrupt_log")
    desk.do("check --lines @log.jsonl")  # by itself it is a log like any other
    assert "--figures are in the database" in desk.run("check --lines @log.jsonl --figures").stderr
    desk.refused("check --no-figures --checkpoint @log.jsonl", "bad_checkpoint")
    forged = OTHER_KEY.sign(checkpoint.parse_note(desk.path("first").read_bytes()).body)
    desk.path("forged").write_bytes(forged)
    desk.refused("check --no-figures --checkpoint @forged", "bad_checkpoint")


def test_what_another_key_has_signed_is_not_the_logs_word(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone in the database may put a list of their own there; the log's key tells."""
    desk = sqlite_desk
    assert desk.json("check --no-figures")["signed"] == EVENTS
    asked = f"check --no-figures --log-key {desk.verifier}"
    assert desk.json(asked)["signed"] == 0
    monkeypatch.delenv("LEDGER_SIGNING_KEY_FILE")
    assert "by whatever key" in desk.do("check --no-figures")
    assert "by whatever key" not in desk.do("check --no-figures --log-key @log.pub")


def test_after_a_change_of_keys_all_is_signed_with_the_new_one(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the old one has signed the log at the same size, whichever stands first."""
    desk = sqlite_desk
    desk.path("line").write_bytes(desk.terminal.lines()[6] + b"\n")
    for name in ("new1", "new2", "new3"):
        public = desk.json(f"keygen @{name}.key")["verifier"]
        monkeypatch.setenv("LEDGER_SIGNING_KEY_FILE", str(desk.path(f"{name}.key")))
        desk.do("checkpoint --output @now")
        for size in ("", f"--size {EVENTS}"):
            desk.do(f"proof inclusion 7 --output @proof {size}")
            desk.do(f"proof check @proof --line @line --log-key {public} --checkpoint @now")
            desk.do(f"proof consistency 5 --output @growth {size}")
            assert desk.path("now").read_bytes() in desk.path("growth").read_bytes()


# a witness


def test_a_witness_of_a_database_and_of_a_folder(desk: Desk) -> None:
    desk.do("keygen @w.key --witness --name witness.example/w1")
    (desk.folder / "out").mkdir()
    public = desk.json("keygen @w2.key --witness --name witness.example/w2")["verifier"]
    watch = "witness observe {} --state @seen --witness-key @w.key --log-key @log.pub"
    told = desk.json(watch.format(""))
    assert (told["before"], told["size"]) == (0, EVENTS)
    desk.do("register-member V0009 --region 330424001")
    desk.do("checkpoint --output @out/checkpoint")
    desk.do("export @out/log.jsonl")
    told = desk.json(watch.format("@out"))
    assert (told["before"], told["size"]) == (EVENTS, EVENTS + 1)
    result = desk.run(watch.format("@out") + " --output @cosigned")
    assert f"continues the {EVENTS + 1} seen before" in result.stderr
    desk.refused(f"witness check @cosigned --witness-key {public}", "bad_checkpoint")
    desk.refused("witness check @first --witness-key " + public, "bad_checkpoint")
    desk.path("out/checkpoint").write_bytes(desk.path("first").read_bytes())
    desk.refused(watch.format("@out"), "log_rolled_back")
    no_address = ("http://[::1", "http://127.0.0.1:nine")
    for missing in ("@nowhere", "http://127.0.0.1:9", *no_address):
        desk.refused(watch.format(missing), "log_not_reached")
    desk.refused(watch.format("http://127.0.0.1:9") + " --key clé", "log_not_reached")
    desk.refused(watch.format("@out").replace("@w.key", "@log.key"), "invalid_settings", 2)
    desk.refused("witness check-fork @first", "bad_proof")


def test_a_witness_of_bundles(sqlite_desk: Desk) -> None:
    """One of the whole log has all its lines; one of a member shows too few."""
    desk = sqlite_desk
    desk.do("keygen @w.key --witness --name witness.example/w1")
    watch = "witness observe {} --state @seen --witness-key @w.key"
    desk.do("bundle @one")
    assert desk.json(watch.format("@one"))["before"] == 0
    desk.do("register-member V0009 --region 330424001")
    desk.do("bundle @two")
    desk.do("bundle @part --member V0001")
    desk.refused(watch.format("@part"), "log_not_reached")
    told = desk.json(watch.format("@two"))
    assert (told["before"], told["size"]) == (EVENTS, EVENTS + 1)


def test_a_folder_with_too_few_lines_proves_nothing(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    desk.do("keygen @w.key --witness --name witness.example/w1")
    (desk.folder / "out").mkdir()
    watch = "witness observe {} --state @seen --witness-key @w.key"
    desk.do(watch.format(""))
    desk.do("export @out/log.jsonl")
    desk.do("register-member V0009 --region 330424001")
    desk.do("checkpoint --output @out/checkpoint")
    desk.refused(watch.format("@out"), "log_not_reached")
    desk.do("export @out/more.jsonl")
    desk.refused(watch.format("@out"), "log_not_reached")
    desk.path("out/log.jsonl").unlink()
    desk.do(watch.format("@out"))
