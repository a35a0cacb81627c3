"""The log on the command line: exported, checked, and its figures made anew."""

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

import psycopg
import pytest

from api.cli import export
from api.cli.export import Written
from api.cli.session import Session
from ledger.domain.errors import CorruptLog
from ledger.settings import Settings
from ledger.store import writer
from ledger.store.place import PostgresSchema
from projections.rebuild import Rebuilt, rebuild
from projections.two_engines import Parting, TwoEngines
from tests.exported import tree_root
from tests.http_service import started
from tests.terminal import EVENTS, Terminal, at_work, run_process


def test_the_lines_of_an_export_hash_to_its_root(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    told = terminal.ask(f"export {file}")
    lines = file.read_bytes().splitlines()
    assert (told["lines"], told["last"], told["root"]) == (EVENTS, EVENTS, tree_root(lines).hex())
    result = terminal.run("export")
    assert result.stdout.encode() == file.read_bytes()
    assert tree_root(lines).hex() in result.stderr
    part = terminal.run("export --after 3 --until 7")
    assert part.stdout.encode().splitlines() == lines[3:7]
    assert tree_root(lines[:7]).hex() in part.stderr
    for beyond in ("--after", "--until"):
        refused = terminal.run(f"export {beyond} 99")
        assert refused.exit_code == 2
        assert f"{beyond} 99 is beyond the last line, {EVENTS}." in refused.stderr
    assert terminal.ask(f"export {file} --after {EVENTS}")["lines"] == 0


def test_an_export_is_whole_or_leaves_what_was_there(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, link, before = tmp_path / "log.jsonl", tmp_path / "link", b"of last month"
    file.write_bytes(before)
    file.chmod(0o640)
    link.symlink_to(file)
    modes: list[int] = []

    def fail(now: Session, half: IO[bytes], *_: int) -> Written:
        half.write(b"half")
        modes.append(os.fstat(half.fileno()).st_mode & 0o777)
        raise CorruptLog("hashes")

    with monkeypatch.context() as patch:
        patch.setattr(export, "write_lines", fail)
        assert terminal.run(f"export {link}").exit_code == 1
    assert (file.read_bytes(), sorted(tmp_path.glob(".*.part"))) == (before, [])
    assert modes == [0o640]  # who may not read the file reads nothing of what takes its place
    terminal.do(f"export {link}")
    assert (len(file.read_bytes().splitlines()), link.is_symlink()) == (EVENTS, True)
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.glob(".*.part")) == []


#: The program, whose exports come to no end.
_ENDLESS: Final = """
import signal, sys, time
import duckdb
from api.cli import export, main

def write_lines(now, file, *_):
    file.write(b"half")
    print("begun", flush=True)
    while where == "within":
        duckdb.execute("SELECT sum(a.range * b.range) FROM range(1000000) a, range(200) b")
    time.sleep(60)

export.write_lines = write_lines
sys.argv, where = sys.argv[:-1], sys.argv[-1]
# Whoever is started in the background may have been told to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
main.main()
"""


@pytest.mark.parametrize("where", ["between", "within"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_an_export_that_is_told_to_stop_leaves_nothing(
    sqlite_terminal: Terminal, tmp_path: Path, number: signal.Signals, code: int, where: str
) -> None:
    """Nor a traceback: also where it is within a statement of the columnar engine."""
    file = tmp_path / "log.jsonl"
    command = [sys.executable, "-c", _ENDLESS, "--database", sqlite_terminal.database_url]
    with subprocess.Popen(
        [*command, "export", str(file), where], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as exporting:
        assert exporting.stdout
        assert exporting.stdout.readline() == b"begun\n"
        assert list(tmp_path.glob(".log.jsonl.*.part")) != []
        time.sleep(0.3)
        exporting.send_signal(number)
        try:
            _, said = exporting.communicate(timeout=30)
        finally:
            exporting.kill()
    assert (exporting.returncode, b"Traceback" in said) == (code, False)
    assert list(tmp_path.glob("*log.jsonl*")) == []


def test_an_export_over_a_file_of_another_stays_theirs(terminal: Terminal, tmp_path: Path) -> None:
    file, mine = tmp_path / "log.jsonl", (os.geteuid(), os.getegid())
    file.touch(0o600)
    owner = mine if mine[0] else (1234, 1235)  # only root can give files away
    os.chown(file, *owner)
    terminal.do(f"export {file}")
    assert (file.stat().st_uid, file.stat().st_gid) == owner


@pytest.mark.parametrize("fails", ["open", "replace"])
def test_an_export_goes_where_no_other_file_can_stand(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """A folder that takes no file, or a file that is mounted by itself."""
    file, do = tmp_path / "log.jsonl", getattr(Path, fails)
    file.write_bytes(b"of last month")

    def refuse(path: Path, *asked: Any, **how: Any) -> Any:
        if path.suffix == ".part":
            raise OSError(errno.EBUSY, "busy")
        return do(path, *asked, **how)

    monkeypatch.setattr(Path, fails, refuse)
    terminal.do(f"export {file}")
    assert len(file.read_bytes().splitlines()) == EVENTS
    assert sorted(tmp_path.glob(".*.part")) == []


def test_an_export_into_a_pipe_goes_through_it(terminal: Terminal, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(pipe.read_bytes)
        terminal.do(f"export {pipe}")
        assert len(read.result(30).splitlines()) == EVENTS
    assert pipe.is_fifo()


def test_an_export_to_stdout_by_its_name_holds_the_lines_alone(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    """And goes where stdout goes: behind what stands there, when it is to be added."""
    asked = ("--database", sqlite_terminal.database_url, "--as", "clerk", "export", "/dev/stdout")
    lines, file = sqlite_terminal.do("export"), tmp_path / "all.jsonl"
    done = run_process(*asked)
    assert (done.returncode, done.stdout) == (0, lines)
    assert done.stderr.startswith(f"Lines written: {EVENTS}.")
    file.write_text("before\n")
    with file.open("a") as stdout:
        command = [sys.executable, "-m", "api.cli.main", *asked]
        subprocess.run(command, stdout=stdout, check=True, timeout=60)
    assert file.read_text() == "before\n" + lines
    program = [sys.executable, "-m", "api.cli.main", *asked[:-1], str(file)]
    subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', *program], check=True, timeout=60)
    assert file.read_text() == lines


def test_a_sound_ledger_passes_the_check(terminal: Terminal) -> None:
    told = terminal.ask("check")
    root = tree_root(terminal.lines()).hex()
    expected = {"lines": EVENTS, "root": root, "signed": 0, "figures": True, "differences": []}
    assert told == expected
    assert terminal.do("check").startswith(f"The log is right: {EVENTS} lines with root {root}.")
    assert "figures" not in terminal.do("check --no-figures")


def test_a_rebuild_beside_it_does_not_end_a_check(
    sqlite_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare, found = TwoEngines.compare, list[Rebuilt]()

    def overtaken(engines: TwoEngines) -> list[Parting]:
        if not found:
            found.append(rebuild(engines._store, engines._reads))
        return compare(engines)

    monkeypatch.setattr(TwoEngines, "compare", overtaken)
    assert "The figures are what the log says" in sqlite_terminal.do("check")
    assert len(found) == 1


#: What is done to a row behind the log's back (None: it is taken out), and where.
TAMPERINGS: Final[dict[str, tuple[int, str | None]]] = {
    "a changed quantity": (9, "state = replace(CAST(state AS TEXT), ':150', ':151')"),
    "a line that is not canonical": (5, "state = CAST(state AS TEXT) || ' '"),
    "another topic": (5, "topic = 'Wish'"),
    "another stream": (5, "originator_id = 'member/V7'"),
    "a version left out": (9, "originator_version = 9"),
    "a row taken out": (7, None),
    "the first row taken out": (1, None),
    "the last row taken out": (EVENTS, None),
    "hashes of another row": (7, "hashes = (SELECT hashes FROM stored_events WHERE rowid = 5)"),
    "hashes cut short": (8, "hashes = substr(hashes, 1, 32)"),
    "an earlier time": (
        6,
        "state = replace(CAST(state AS TEXT), 'timestamp\":\"2', 'timestamp\":\"1')",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_changed_in_the_log_is_named_by_its_position(
    name: str, sqlite_terminal: Terminal
) -> None:
    sqlite_terminal.do("project --once")
    position, change = TAMPERINGS[name]
    sql = f"UPDATE stored_events SET {change}" if change else "DELETE FROM stored_events"
    with sqlite3.connect(sqlite_terminal.database_url.removeprefix("sqlite:///")) as database:
        for refused in ("update", "delete"):
            database.execute(f"DROP TRIGGER stored_events_refuse_{refused}")
        database.execute(f"{sql} WHERE rowid = ?", (position,))
    result = sqlite_terminal.run("check --json")
    assert result.exit_code == 1, result.output
    error = json.loads(result.stderr)
    assert (error["code"], error["facts"]["position"]) == ("corrupt_log", position)
    assert f"{position}" in sqlite_terminal.run("check").stderr


def test_what_was_changed_is_found_on_postgresql_as_well(postgres_url: str) -> None:
    terminal = at_work(postgres_url)
    place = Settings(database_url=postgres_url).log
    assert isinstance(place, PostgresSchema)
    with psycopg.connect(place.conninfo) as database:
        database.execute(f"ALTER TABLE {place.schema}.stored_events DISABLE TRIGGER ALL".encode())
        database.execute(
            f"UPDATE {place.schema}.stored_events SET originator_id = 'member/V7'"
            " WHERE originator_id = 'member/V0001' AND originator_version = 2".encode()
        )
    result = terminal.run("check --json")
    assert result.exit_code == 1, result.output
    assert json.loads(result.stderr)["facts"]["position"] == 9


def test_figures_that_are_not_what_the_log_says_are_named_and_made_anew(
    sqlite_terminal: Terminal,
) -> None:
    sqlite_terminal.do("project --once")
    path = Path(sqlite_terminal.database_url.removeprefix("sqlite:///"))
    with sqlite3.connect(path.with_name("ledger.read.db")) as database:
        database.execute("UPDATE g1_members SET verified_minutes = 151 WHERE member = 'V0001'")
    told = sqlite_terminal.run("check")
    assert told.exit_code == 1
    assert told.stderr.startswith("Wrong: table members of the figures is not what the log says.")
    assert sqlite_terminal.ask("balance V0001")["verified_minutes"] == 151
    (difference,) = json.loads(sqlite_terminal.run("rebuild --json").stdout)["differences"]
    assert difference["table"] == "members"
    assert sqlite_terminal.ask("balance V0001")["verified_minutes"] == 150
    assert sqlite_terminal.do("rebuild").endswith("they are as they were.\n")
    assert sqlite_terminal.run("check").exit_code == 0


def test_a_log_that_is_ahead_of_the_clock_is_told(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written goes on there: time never goes back, and somebody has to know."""
    terminal = Terminal(sqlite_url)
    with monkeypatch.context() as clock:
        clock.setattr(writer, "EPOCH", datetime.now(UTC) + timedelta(days=1))
        told = terminal.run("init --origin t.example")
    assert (told.exit_code, told.stderr) == (0, "")
    said = terminal.run("check").stderr
    assert said.startswith("Note: the last event is 23:59:")
    assert "ahead of this machine's clock" in said
    assert terminal.run("check --json").stderr == ""
    with started(Settings(database_url=sqlite_url)) as client:
        ahead = client.get("/metrics").text.partition("\nhourledger_log_ahead_seconds ")[2]
    assert 86_000 < float(ahead.partition("\n")[0]) < 86_400
