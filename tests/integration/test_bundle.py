"""Bundles, written on both databases and proved by their own program."""

import errno
import json
import os
import re
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Final
from unittest.mock import Mock

import pytest

from api.cli.county.run import run_demo
from api.evidence.bundle import _StreamProof, verify_program
from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import EraseText
from ledger.settings import Settings
from ledger.signing import FILE_VARIABLE
from projections.database import open_reads
from tests.bundles import KEY, bundle, key_file, lines_of, verify
from tests.signed_log import signer
from tests.terminal import EVENTS, Terminal

#: Of the demonstration county; its full size would be 1.
SCALE: Final = Fraction(1, 20 if os.environ.get("TEST_LONG") else 1000)
DEMO_KEY: Final = signer("county.example/demo")
#: One that sent money, one that received it, one with the most projects.
DEMO_FUNDS: Final = ("HL-NB25", "NX-NB25", "HY-WL25")


def test_a_bundle_is_proved_by_its_own_program(terminal: Terminal, tmp_path: Path) -> None:
    for number, options in enumerate(("", "--member V0001", "--fund F1 --with-notes")):
        folder = bundle(terminal, tmp_path / f"b{number}", options)
        assert verify(folder, "--key", KEY).text.endswith("PROVED.\n"), options
        page = (folder / "README.md").read_text(encoding="utf-8")
        listed = re.findall(r"^\| `(.+)` \|", page, re.MULTILINE)
        assert {*listed, "README.md"} == {path.name for path in folder.iterdir()}, options
        without = verify(folder)
        assert without.code == 0
        assert "TAKEN FROM THE FOLDER" in without.text
        assert without.text.endswith("PROVED, if the key is the operator's.\n")


def test_the_whole_log_is_in_its_bundle(terminal: Terminal, tmp_path: Path) -> None:
    folder = bundle(terminal, tmp_path / "b")
    assert lines_of(folder) == terminal.lines()
    figures = [json.loads(line) for line in lines_of(folder, "figures.jsonl")]
    assert {figure[0] for figure in figures} == {
        "total", "member", "active", "heads", "grants", "fund"
    }  # fmt: skip
    assert ["member", "V0001", {
        "registered": 1, "verified_minutes": 150, "credit_earned": 150, "credit_spent": 60,
        "credit_available": 90,
    }] in figures  # fmt: skip


def test_a_funder_sees_the_money_and_the_hours_and_no_members_lines(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = bundle(terminal, tmp_path / "b", "--fund F1")
    told = terminal.ask("fund F1")
    ((kind, fund, page),) = [json.loads(line) for line in lines_of(folder, "figures.jsonl")]
    assert (kind, fund) == ("fund", "F1")
    assert page["all"] == {
        "received": told["received_fen"],
        "unallocated": told["unallocated_fen"],
        "allocated": told["allocated_fen"],
        "spent": told["spent_fen"],
    }
    assert page["targets"] == {"project/P1": {"allocated": 64980, "spent": 35020}}
    assert page["categories"] == {"food": {"spent": 35020}}
    assert page["verified_minutes"] == {"P1": told["verified_minutes"]} == {"P1": 150}
    streams = [json.loads(line)["originator_id"] for line in lines_of(folder)]
    assert set(streams[1:]) == {"fund/F1"}
    assert b"V0001" not in b"".join(path.read_bytes() for path in folder.iterdir())
    spoken = verify(folder).text
    assert "  fund F1: allocated 649.80 yuan, received 1,900.50 yuan, " in spoken
    assert "  targets project/P1: allocated 649.80 yuan, spent 350.20 yuan\n" in spoken
    assert "Signed, but in no line here: P1: verified 2.50 h\n" in spoken


def test_a_member_takes_home_their_lines_and_figures(terminal: Terminal, tmp_path: Path) -> None:
    folder = bundle(terminal, tmp_path / "b", "--member V0001")
    (figure,) = [json.loads(line) for line in lines_of(folder, "figures.jsonl")]
    told = terminal.ask("balance V0001")
    assert figure[2] == {name: told[name] + 0 for name in figure[2]}
    assert b"V0002" not in (folder / "lines.jsonl").read_bytes()
    assert "  member V0001: credit_available 1.50 h, credit_earned 2.50 h, " in verify(folder).text


def test_texts_come_along_only_when_asked_for_and_not_when_erased(
    terminal: Terminal, tmp_path: Path
) -> None:
    assert not (bundle(terminal, tmp_path / "without", "--fund F1") / "notes.jsonl").exists()
    folder = bundle(terminal, tmp_path / "with", "--fund F1 --with-notes")
    notes = {json.loads(line)["text"]: json.loads(line) for line in lines_of(folder, "notes.jsonl")}
    assert set(notes) == {"收据1", "粮油店", "发票118"}
    terminal.do(f"erase-text {notes['粮油店']['digest']}")
    later = bundle(terminal, tmp_path / "later", "--fund F1 --with-notes")
    assert "粮油店" not in (later / "notes.jsonl").read_text(encoding="utf-8")
    assert verify(later, "--key", KEY).code == 0


def test_a_text_that_is_erased_meanwhile_does_not_come_along(
    sqlite_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erased is erased, also for whoever began to write before."""
    folder = bundle(sqlite_terminal, tmp_path / "before", "--fund F1 --with-notes")
    notes = {json.loads(line)["text"]: json.loads(line) for line in lines_of(folder, "notes.jsonl")}
    prove = _StreamProof.write

    def erase(proof: _StreamProof, to: Path) -> None:
        ledger = Ledger(Settings(database_url=sqlite_terminal.database_url))
        ledger.execute(EraseText(note=notes["粮油店"]["digest"]), operator("clerk"))
        ledger.close()
        prove(proof, to)

    monkeypatch.setattr(_StreamProof, "write", erase)
    folder = bundle(sqlite_terminal, tmp_path / "b", "--fund F1 --with-notes")
    told = (folder / "notes.jsonl").read_text(encoding="utf-8")
    assert ("收据1" in told, "粮油店" in told) == (True, False)
    assert verify(folder, "--key", KEY).code == 0


def test_a_bundle_is_signed_where_its_figures_stand(terminal: Terminal, tmp_path: Path) -> None:
    bundle(terminal, tmp_path / "first")
    terminal.do("register-member V0009 --region 330424001")
    folder = bundle(terminal, tmp_path / "second", "--fund F1")
    assert (folder / "checkpoint").read_text(encoding="utf-8").split("\n")[1] == str(EVENTS + 1)
    assert verify(folder, "--key", KEY).code == 0


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".ZIP"])
def test_an_archive_is_the_same_bytes_whenever_it_is_made(
    sqlite_terminal: Terminal, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (
        bundle(sqlite_terminal, tmp_path / name / f"f1{suffix}", "--fund F1")
        for name in ("one", "two")
    )
    assert one.read_bytes() == two.read_bytes()
    shutil.unpack_archive(one, tmp_path, suffix[1:].lower())
    assert verify(tmp_path / "f1", "--key", KEY).code == 0


#: Who may not see the lines → what they are told.
REFUSED: Final = {
    "bundle {target} --fund F9": "fund_not_found",
    "bundle {target} --member V9": "member_not_found",
    "bundle {target} --member V0001 --key {clerk}": "forbidden",
    "bundle {target} --key {town}": "forbidden",
    "bundle {target} --fund F1 --key {town}": "fund_not_found",
    "bundle {target} --member V0001 --key {town}": "member_not_found",
}


def test_a_bundle_is_for_those_who_may_see_its_lines(
    sqlite_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(key_file(tmp_path)))
    issue = "key issue {name} --roles {role} --expires-on 2099-01-01"
    clerk = sqlite_terminal.ask(issue, name="clerk", role="recorder")["secret"]
    town = sqlite_terminal.ask(issue + " --regions 3505", name="town", role="auditor")["secret"]
    for line, code in REFUSED.items():
        result = sqlite_terminal.run(line, target=str(tmp_path / "b"), clerk=clerk, town=town)
        assert result.exit_code == 1, line
        assert code in result.stderr, line
        assert not (tmp_path / "b").exists()


def test_nothing_is_written_without_a_key_or_over_what_is_there(
    sqlite_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b"
    result = sqlite_terminal.run(f"bundle {target}")
    assert "keygen" in result.stderr
    assert not target.exists()
    monkeypatch.setenv(FILE_VARIABLE, str(key_file(tmp_path, signer("other.example/log"))))
    assert "the key is not of this log" in sqlite_terminal.run(f"bundle {target}").stderr
    monkeypatch.setenv(FILE_VARIABLE, str(key_file(tmp_path)))
    target.mkdir()
    result = sqlite_terminal.run(f"bundle {target}")
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert list(target.iterdir()) == []
    assert sqlite_terminal.run("bundle x --fund F1 --member V0001").exit_code == 2


def test_what_finds_no_room_leaves_nothing(
    sqlite_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is no misunderstanding: said in another way it would find none either."""
    monkeypatch.setenv(FILE_VARIABLE, str(key_file(tmp_path)))
    (tmp_path / "to").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", Mock(side_effect=OSError(errno.ENOSPC, "No room")))
        for name in ("b", "b.zip"):
            result = sqlite_terminal.run(f"bundle {tmp_path}/to/{name}")
            assert (result.exit_code, result.stderr) == (
                1,
                f"Error: {tmp_path}/to/{name}: No room\n",
            )
        patch.setattr(Path, "write_bytes", Mock(side_effect=OSError("IO Error: no room")))
        result = sqlite_terminal.run(f"bundle {tmp_path}/to/b")
        assert (result.exit_code, result.stderr) == (1, "Error: IO Error: no room\n")
    assert list((tmp_path / "to").iterdir()) == []
    result = sqlite_terminal.run(f"bundle {tmp_path}/missing/b")
    assert (result.exit_code, f"{tmp_path}/missing/b: No such file" in result.stderr) == (1, True)


def test_the_demonstration_county_is_proved(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/county.db"
    settings = Settings(database_url=url)
    ledger = Ledger(settings, create=True)
    reads = open_reads(settings.read_models)
    run_demo(ledger, reads, SCALE, 7, lambda _: None)
    reads.close()
    ledger.close()
    terminal, key = Terminal(url), str(DEMO_KEY.verifier)
    streams = ["", "--member HY000002", *(f"--fund {fund} --with-notes" for fund in DEMO_FUNDS)]
    for number, options in enumerate(streams):
        folder = bundle(terminal, tmp_path / f"b{number}", options, DEMO_KEY)
        verdict = verify(folder, "--key", key)
        assert verdict.text.endswith("PROVED.\n"), f"{options}: {verdict.text}"


def test_the_program_that_is_handed_on_is_the_one_that_is_told(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    folder = bundle(sqlite_terminal, tmp_path / "b")
    assert (folder / "verify.py").read_bytes() == verify_program()
    assert KEY in (folder / "README.md").read_text(encoding="utf-8")
