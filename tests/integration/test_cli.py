"""The command line as a person and as a script meet it, on both databases."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from unittest.mock import Mock

import click
import pytest

from api.cli import display, main
from api.cli.progress import progress
from api.cli.reference import MARKER, rewritten
from api.cli.session import SharedOption
from ledger.domain.commands import COMMANDS
from tests import console
from tests.terminal import COUNTY, EVENTS, Terminal, run_process

DOCUMENT: Final = Path(__file__).parent.parent.parent / "docs" / "cli.md"
EARLIER: Final = (date.today() - timedelta(days=2)).isoformat()


# What commands there are


def all_commands() -> dict[str, click.Command]:
    """Every command of the program by its full name, such as `key issue`."""
    found = {}
    context = click.Context(main.program)
    for name in main.program.list_commands(context):
        command = main.find_command(name)
        assert command is not None, name
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                below = command.get_command(context, inner)
                assert below is not None
                found[f"{name} {inner}"] = below
        else:
            found[name] = command
    return found


def test_every_command_of_the_ledger_is_a_command_of_the_program() -> None:
    offered = set(all_commands())
    for op in COMMANDS:
        assert main.ELSEWHERE.get(op, op.replace("_", "-")) in offered


def test_every_command_is_found_by_one_name_only() -> None:
    names = [name for names in main.SECTIONS.values() for name in names]
    assert len(names) == len(set(names))
    assert [op for op in main.ELSEWHERE if main.find_command(op.replace("_", "-"))] == []
    assert main.find_command("log_hours") is None


def test_every_command_that_writes_the_ledger_can_be_tried_and_repeated() -> None:
    commands = all_commands()
    for op in COMMANDS:
        command = commands[main.ELSEWHERE.get(op, op.replace("_", "-"))]
        options = {option for param in command.params for option in param.opts}
        assert {"--dry-run", "--command-id", "--effective-on", "--json"} <= options, op


@pytest.mark.parametrize("name", all_commands())
def test_every_command_explains_itself_and_all_its_options(name: str) -> None:
    command = all_commands()[name]
    told = Terminal("sqlite:///nowhere.db").do(f"{name} --help")
    assert command.help
    assert command.help.split()[0] in told
    for param in command.params:
        assert getattr(param, "help", None), f"{name}: {param.opts}"
        assert param.opts[0] in told or param.make_metavar(click.Context(command)) in told
    assert [p.opts[0] for p in command.params if isinstance(p, SharedOption)] == [
        "--database", "--as", "--key", "--json",
    ]  # fmt: skip


# The document


def test_the_reference_is_what_the_program_says() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert MARKER in document
    assert rewritten(document) == document, "python -m api.cli.reference docs/cli.md"


def test_the_examples_are_what_the_program_answers(tmp_path: Path) -> None:
    document = DOCUMENT.read_text(encoding="utf-8").partition(MARKER)[0]
    played = console.play(document, tmp_path)
    assert console.masked(played) == console.masked(document), "python -m tests.console docs/cli.md"


# As a process of its own


def test_the_help_loads_nothing_heavy() -> None:
    heavy = ("fastapi", "duckdb", "psycopg", "rich", "pydantic", "sqlite3", "python_calamine")
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from api.cli.main import program\n"
        "assert CliRunner().invoke(program, ['--help']).exit_code == 0\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_exit_codes_tell_done_from_refused_from_not_understood(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    init = ("--database", url, "init", "--origin")
    assert run_process(*init, "a.example").returncode == 0
    assert run_process(*init, "a.example").returncode == 0
    refused = run_process(*init, "b.example")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Refused: already_exists.")
    misread = run_process("nonsense")
    assert (misread.returncode, misread.stdout) == (2, "")
    assert "No such command 'nonsense'" in misread.stderr


@pytest.mark.parametrize(
    "line",
    [
        "balance --wishes",
        "register-member v1 --region 33",
        "register-member V1",
        "init",
        "key",
        "--database memory balance",
        "--database sqlite:///no-such-ledger.db balance",
        "--as 王 init --origin a.example",
    ],
)
def test_what_is_not_understood_ends_with_two_and_says_why(line: str, county: Terminal) -> None:
    result = county.run(line)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_a_terminal_that_has_no_chinese_gets_escapes_and_no_traceback(county: Terminal) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "--database", county.database_url, "fund", "F1"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(r"Fund F1 (\u516c\u76ca\u91d1) of O1")


def test_json_stays_json_where_the_encoding_lacks_a_name(sqlite_terminal: Terminal) -> None:
    sqlite_terminal.do(
        "open-fund F8 --name 'José 𠮷' --organisation O1 --region 330424 --terms-purpose 助老"
        " --terms-opens-on 2026-01-01 --terms-closes-on 2026-12-31"
    )
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "--database", sqlite_terminal.database_url,
         "--json", "fund", "F8"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True, encoding="latin-1", timeout=60, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["name"] == "José 𠮷"


def test_a_reader_that_goes_away_is_no_disaster(sqlite_terminal: Terminal) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m api.cli.main --database $URL export | head -n 1"],
        env=os.environ | {"URL": sqlite_terminal.database_url},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["topic"] == "LedgerOpened"
    assert "Traceback" not in done.stderr


def test_the_tailer_follows_until_it_is_told_to_stop(sqlite_terminal: Terminal) -> None:
    command = [sys.executable, "-m", "api.cli.main", "--database", sqlite_terminal.database_url]
    tailer = subprocess.Popen([*command, "project"], stdout=subprocess.PIPE, text=True)
    try:
        sqlite_terminal.do("register-member V0003 --region 33")
        deadline = time.monotonic() + 30
        while sqlite_terminal.ask("totals --no-catch-up")["position"] < EVENTS + 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        tailer.send_signal(signal.SIGTERM)
        told, _ = tailer.communicate(timeout=30)
    finally:
        tailer.kill()
    assert (tailer.returncode, told) == (0, f"The figures are true at position {EVENTS + 1}.\n")


# Writing


def test_init_is_done_once_and_may_be_said_again(database_url: str) -> None:
    terminal = Terminal(database_url)
    assert terminal.run("init --origin a.example --dry-run").exit_code == 0
    assert terminal.ask("export /dev/null")["last"] == 0
    assert terminal.ask("init --origin a.example")["position"] == 1
    assert terminal.ask("init --origin a.example") == {"origin": "a.example", "opened": True}
    assert terminal.run("init --origin b.example").exit_code == 1
    assert terminal.ask("export /dev/null")["last"] == 1


def test_a_dry_run_answers_alike_and_writes_nothing(terminal: Terminal) -> None:
    line = "register-member V0009 --region 33 --command-id C9"
    before = terminal.lines()
    tried = terminal.ask(f"{line} --dry-run")
    assert (tried["dry_run"], tried["result"], tried["count"]) == (True, {"member": "V0009"}, 1)
    assert terminal.lines() == before
    done = terminal.ask(line)
    assert (done["dry_run"], done["result"], done["count"]) == (False, tried["result"], 1)
    assert "nothing was written" in terminal.do("move-member V0009 --region 35 --dry-run")


def test_a_key_that_is_only_tried_has_no_secret(sqlite_terminal: Terminal) -> None:
    issue = "key issue bob --roles recorder --expires-on 2099-01-01"
    assert "secret" not in sqlite_terminal.ask(f"{issue} --dry-run")
    assert sqlite_terminal.ask("key list") == {"keys": []}
    first = sqlite_terminal.ask(f"{issue} --command-id K1")
    again = sqlite_terminal.ask(f"{issue} --command-id K1")
    assert (again["secret"], again["replayed"]) == (None, True)
    assert again["result"] == first["result"]


def test_a_command_said_again_has_its_effect_once(terminal: Terminal) -> None:
    line = "register-member V0009 --region 33 --command-id C9"
    first, again = terminal.ask(line), terminal.ask(line)
    assert again == first | {"replayed": True}
    assert terminal.do(line).startswith(f"register-member: done before, at position {EVENTS + 1}.")


def test_after_a_lost_connection_the_id_to_repeat_with_is_told(tmp_path: Path) -> None:
    nowhere = Terminal(f"postgresql:///ledger?host={tmp_path}")
    result = nowhere.run("register-member V1 --region 33")
    assert result.exit_code == 1
    assert result.stderr.startswith("Failed: unavailable.")
    assert re.search(r"the same again, with --command-id [0-9a-f]{32}", result.stderr)


def test_an_answer_that_finds_no_room_is_told_and_can_be_asked_for_again(
    sqlite_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "register-member V0009 --region 33"
    with monkeypatch.context() as patch:
        patch.setattr(display, "sheet", Mock(side_effect=OSError(errno.ENOSPC, "no room")))
        result = sqlite_terminal.run(line)
    assert result.exit_code == 1
    found = re.search(r"Error: no room .*--command-id ([0-9a-f]{32})", result.stderr)
    assert found is not None
    assert "done before" in sqlite_terminal.do(f"{line} --command-id {found[1]}")


def test_each_command_has_an_id_of_its_own(sqlite_terminal: Terminal) -> None:
    ids = [
        sqlite_terminal.ask(f"register-member V1{n} --region 33")["command_id"]
        for n in "ab".upper()
    ]
    assert all(re.fullmatch(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", each) for each in ids)
    assert len(set(ids)) == 2


# Long work


def test_progress_is_shown_to_those_who_watch_only(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (False, True):
        with progress("lines", 100, unit="lines", shown=shown) as advance:
            for _ in range(10):
                advance(10)
        told = capsys.readouterr()
        assert told.out == ""
        assert bool(told.err) is shown


def test_a_bar_with_a_rate_is_drawn_on_a_terminal(sqlite_terminal: Terminal) -> None:
    done = subprocess.run(
        ["script", "-qec", f"{sys.executable} -m api.cli.main check", "/dev/null"],
        env=os.environ | {"LEDGER_DATABASE_URL": sqlite_terminal.database_url, "TERM": "xterm"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert re.search(r"lines .*18 lines .*/s", done.stdout)
    assert "The log is right" in done.stdout


# Files


def test_an_import_tells_what_became_of_each_row(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    head = "志愿者编号,项目,服务日期,服务时长(小时),类别,信用/荣誉\n"
    file.write_text(
        head + f"V0001,P1,{EARLIER},1.5,elder_care,荣誉\nV9999,P1,{EARLIER},1,elder_care,荣誉\n"
    )
    tried = terminal.run(f"import {file} --dry-run --json")
    assert (tried.exit_code, json.loads(tried.stdout)["refused"]) == (1, {"member_not_found": 1})
    assert terminal.ask("export /dev/null")["last"] == EVENTS
    done = terminal.run(f"import {file} --json")
    told = json.loads(done.stdout)
    assert (told["kept"], told["refused"]) == (1, {"member_not_found": 1})
    assert Path(told["rejects"]).exists()
    again = terminal.run(f"import {file}")
    assert again.exit_code == 1
    assert terminal.ask("export /dev/null")["last"] == EVENTS + 1


def test_files_and_folders_whose_names_are_not_utf_8_are_files_and_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an archive made on an office's machine leaves them."""
    folder = tmp_path / os.fsdecode("海盐".encode("gb18030"))
    folder.mkdir()
    monkeypatch.chdir(folder)
    terminal = Terminal("sqlite:///ledger.db")
    terminal.do_all(COUNTY)
    file = os.fsdecode("三月.csv".encode("gb18030"))
    row = f"V0009,P1,{EARLIER},1,elder_care\n"
    Path(file).write_text(f"志愿者编号,项目,日期,时长,类别\n{row}")
    assert terminal.run(f"import {file}").exit_code == 1
    told = json.loads(terminal.run(f"import {file} --json").stdout)
    assert (told["file"], told["refused"]) == (file, {"member_not_found": 1})
    assert Path(told["rejects"]).exists()
    monkeypatch.setenv("LEDGER_SEALED_FOLDER", str(folder / "sealed"))
    sealing = terminal.run("seal")
    assert (sealing.exit_code, "the folder's name is not UTF-8" in sealing.stderr) == (2, True)
    monkeypatch.setenv("LEDGER_SEALED_FOLDER", str(tmp_path / "sealed"))
    assert terminal.run("seal").exit_code == 0


def test_an_import_takes_an_id_for_itself_whatever_else_is_called_so(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    """Nor is a name that two projects have the third one's that is written alike."""
    for project, name in (("P2", "P1"), ("P3", "阅读A"), ("P4", "阅读A"), ("P5", "阅读a")):
        sqlite_terminal.do(
            f"open-project {project} --name {name} --organisation O1 --region 330424"
            " --categories elder_care --opens-on 2020-01-01"
        )
    file = tmp_path / "hours.csv"
    head, row = (
        "志愿者编号,项目,日期,开始时间,时长,类别\n",
        f"V0001,{{}},{EARLIER},{{}},1,elder_care\n",
    )
    file.write_text(head + row.format("P1", "8:00") + row.format("阅读A", "10:00"))
    done = sqlite_terminal.run(f"import {file} --json")
    told = json.loads(done.stdout)
    assert told["minutes"] == {"P1": 60}
    assert told["samples"][0]["reason"] == "'阅读A' is the name of several; write the id"


def test_what_stands_in_a_file_cannot_move_the_cursor(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    """Neither a header that is read, nor one that is not, nor the file's own name."""
    file = tmp_path / "hours\x1b[2J.csv"
    head = "志愿者编号,项\x1b目,服务日期,服务时长(小时),类别,姓　名\x1b[2J\n"
    file.write_text(head + f"V9,P1,{EARLIER},1,elder_care,x\n")
    told = sqlite_terminal.run(f"import {file} --map '项\x1b目=project'").output
    assert f"import {tmp_path}/hours\ufffd[2J.csv: " in told
    assert f"in {tmp_path}/hours\ufffd[2J.rejects.csv: " in told
    assert "项\ufffd目 " in told
    assert "Not read, not kept: 姓 名\ufffd[2J\n" in told
    assert "\x1b" not in told


def test_what_an_import_is_told_has_a_form(county: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text("a\n1\n")
    for wrong in ("--map x", "--default x", "--value project=P1", "--unit days", "--sheet"):
        result = county.run(f"import {file} {wrong}")
        assert (result.exit_code, result.stdout) == (2, ""), wrong
    assert county.run("import nothing.csv").exit_code == 2
