"""Sealing at the command line, and what goes by what is sealed."""

import hashlib
import json
from pathlib import Path

import duckdb
import msgspec
import pytest

from ledger.settings import Settings
from projections.segments import File, Manifest
from tests.opened import path_of
from tests.terminal import EVENTS, Terminal


def folder_of(terminal: Terminal) -> Path:
    return path_of(Settings(database_url=terminal.database_url)).with_suffix(".sealed")


def test_what_is_sealed_is_bound_to_the_root(sqlite_terminal: Terminal) -> None:
    sealed = sqlite_terminal.ask("seal")
    assert (sealed["until"], sealed["segments"]) == (EVENTS, 1)
    assert sealed["root"] == sqlite_terminal.ask("check")["root"]
    assert sealed["bytes"] == sum(
        p.stat().st_size for p in folder_of(sqlite_terminal).glob("*.parquet")
    )
    assert sqlite_terminal.ask("seal") == sealed


def test_a_segment_that_was_changed_is_found(sqlite_terminal: Terminal) -> None:
    sqlite_terminal.do("seal --until 10")
    (path,) = folder_of(sqlite_terminal).glob("*-000000000010.parquet")
    path.write_bytes(path.read_bytes()[:-5] + b"wrong")
    checked = sqlite_terminal.run("check")
    assert checked.exit_code == 1, checked.output
    assert "bad_segment" in checked.stderr
    rebuilt = sqlite_terminal.run("rebuild --sealed")
    assert rebuilt.exit_code == 0, rebuilt.output
    assert rebuilt.stderr.startswith("What is sealed is not used")
    assert path.name in checked.stderr
    assert path.name in rebuilt.stderr


@pytest.mark.parametrize("ending", ["parquet", "totals.parquet"])
def test_a_file_of_a_segment_that_is_gone_is_missed(sqlite_terminal: Terminal, ending: str) -> None:
    sqlite_terminal.do("seal")
    (path,) = folder_of(sqlite_terminal).glob(f"*-{EVENTS:012}.{ending}")
    path.unlink()
    checked = sqlite_terminal.run("check --json")
    assert checked.exit_code == 1, checked.output
    told = json.loads(checked.stderr)
    assert (told["code"], told["facts"]) == ("bad_segment", {"file": path.name, "error": "missing"})
    rebuilt = sqlite_terminal.run("rebuild --sealed")
    assert rebuilt.exit_code == 0, rebuilt.output
    assert path.name in rebuilt.stderr
    sqlite_terminal.do("seal")  # again, from the log
    assert sqlite_terminal.run("check").exit_code == 0


def vouched(place: Path, path: Path, query: str) -> Manifest:
    """A file of a segment made anew by a query, and a manifest that fits the columns so made."""
    duckdb.connect().execute(f"COPY ({query}) TO '{path}.new' (FORMAT parquet)")
    path.with_name(f"{path.name}.new").replace(path)
    content = path.read_bytes()
    file = File(name=path.name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    manifest = msgspec.json.decode(place.read_bytes(), type=Manifest)
    if path.name == manifest.columns.name:
        return msgspec.structs.replace(manifest, columns=file)
    of_tables = {n: file if f.name == file.name else f for n, f in manifest.sums.items()}
    return msgspec.structs.replace(manifest, sums=of_tables)


def test_columns_that_are_not_those_of_the_lines_are_found(sqlite_terminal: Terminal) -> None:
    """Also when the manifest was made to fit them."""
    sqlite_terminal.do("seal")
    (place,) = folder_of(sqlite_terminal).glob("*.json")
    path = place.with_suffix(".parquet")
    query = (
        f"SELECT * REPLACE (minutes + 1 AS minutes) FROM read_parquet('{path}') ORDER BY position"
    )
    place.write_bytes(msgspec.json.encode(vouched(place, path, query)))
    checked = sqlite_terminal.run("check --json")
    assert checked.exit_code == 1, checked.output
    error = json.loads(checked.stderr)
    logged = next(n for n, line in enumerate(sqlite_terminal.lines(), 1) if b"HoursLogged" in line)
    assert (error["code"], error["facts"]["position"]) == ("bad_segment", logged)


def test_sums_that_are_not_those_of_the_columns_are_found(sqlite_terminal: Terminal) -> None:
    """Also when the manifest was made to fit them."""
    sqlite_terminal.do("seal")
    (place,) = folder_of(sqlite_terminal).glob("*.json")
    path = place.with_suffix(".totals.parquet")
    query = f"SELECT * REPLACE (quantity * 2 AS quantity) FROM read_parquet('{path}')"
    place.write_bytes(msgspec.json.encode(vouched(place, path, query)))
    checked = sqlite_terminal.run("check --json")
    assert checked.exit_code == 1, checked.output
    error = json.loads(checked.stderr)
    assert (error["code"], error["facts"]["file"]) == ("bad_segment", path.name)
    rebuilt = sqlite_terminal.run("rebuild")  # from the log, so it is not led astray
    assert (rebuilt.exit_code, rebuilt.stderr) == (0, "")


def test_a_check_makes_figures_where_there_are_none(
    sqlite_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folded or recomputed: neither is in the way of what the check makes beside them."""
    for fewest in (EVENTS, EVENTS + 1):
        monkeypatch.setattr("projections.rebuild.REFILLED_EVENTS", fewest)
        figures = path_of(Settings(database_url=sqlite_terminal.database_url))
        figures.with_suffix(".read.db").unlink(missing_ok=True)
        checked = sqlite_terminal.run("check")
        assert (checked.exit_code, checked.stderr) == (0, ""), checked.output


def test_what_another_log_has_sealed_is_not_touched(
    sqlite_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is longer or shorter than this one."""
    folder = folder_of(sqlite_terminal)
    sqlite_terminal.do("seal --until 2")
    other = Terminal(f"sqlite:///{tmp_path}/other.db")
    other.do("init --origin huli.example/hours")
    monkeypatch.setenv("LEDGER_SEALED_FOLDER", str(folder))
    for longer in ("beyond the log", "of another log"):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        refused = other.run("seal --json")
        assert refused.exit_code == 1, refused.output
        assert json.loads(refused.stderr)["facts"]["error"] == longer
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        for number in range(3):
            other.do(
                f"register-organisation O{longer[0]}{number} --name X --org-kind agency --region 33"
            )


def test_sealing_ends_where_the_log_does(sqlite_terminal: Terminal) -> None:
    assert sqlite_terminal.run(f"seal --until {EVENTS + 1}").exit_code == 2


def test_on_postgresql_the_folder_must_be_named(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(postgres_url)
    terminal.do("init --origin haiyan.example/hours")
    result = terminal.run("seal")
    assert result.exit_code == 2
    assert "LEDGER_SEALED_FOLDER" in result.stderr
    monkeypatch.setenv("LEDGER_SEALED_FOLDER", str(tmp_path / "sealed"))
    assert terminal.ask("seal")["until"] == 1
    assert terminal.run("rebuild").exit_code == 0
