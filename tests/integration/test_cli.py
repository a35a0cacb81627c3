"""The command line as a person and as a script meet it, on both databases."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import click
import psycopg
import pytest

from api.cli import main
from api.cli.progress import progress
from api.cli.reference import MARKER, rewritten
from api.cli.session import SharedOption
from ledger.domain.commands import COMMANDS
from ledger.settings import Settings
from ledger.store.place import PostgresSchema
from tests import console
from tests.exported import tree_root
from tests.terminal import Terminal

DOCUMENT: Final = Path(__file__).parent.parent.parent / "docs" / "cli.md"
YESTERDAY: Final = (date.today() - timedelta(days=1)).isoformat()
EARLIER: Final = (date.today() - timedelta(days=2)).isoformat()
MONTH: Final = YESTERDAY[:7]
#: A county at work: a project, a member with verified and pending hours, a fund with money.
COUNTY: Final = f"""
init --origin haiyan.example/hours
set-accrual-rule R1 --region 33 --num 1 --den 1 --effective-on 2020-01-01
register-organisation O1 --name 志愿者协会 --org-kind association --region 330424
open-project P1 --name 助老 --organisation O1 --region 330424 --categories elder_care \
    --opens-on 2020-01-01
register-member V0001 --region 330424001
register-member V0002 --region 330424101 --kinds volunteer,party_member
record-credential V0002 --credential social_worker --level assistant
join-organisation V0002 --organisation O1 --residency newcomer
log-hours V0001 --project P1 --service-on {YESTERDAY} --hours 2.5 --category elder_care \
    --evidence manual
verify-hours V0001-1 --as supervisor
log-hours V0002 --project P1 --service-on {YESTERDAY} --minutes 61 --category elder_care \
    --evidence system
open-fund F1 --name 公益金 --organisation O1 --region 330424 --terms-purpose 助老 \
    --terms-opens-on 2020-01-01 --terms-closes-on 2099-12-31
receive-funds F1 --source-kind charity --source-id C1 --yuan 1900.50 --document 收据1
allocate-funds F1 --target project/P1 --yuan 1000
spend-funds F1 --target project/P1 --yuan 350.20 --category food --payee-kind supplier \
    --payee 粮油店 --document 发票118
define-policy Y1 --name 公交 --dimension economic_incentive --region 330424 --threshold-hours 2 \
    --threshold-months 12 --credit-cost 60 --opens-on 2020-01-01 --closes-on 2099-12-31
grant-incentive V0001 --policy Y1
"""
EVENTS: Final = 18


@pytest.fixture
def terminal(database_url: str) -> Terminal:
    """In front of a county at work, on each database."""
    terminal = Terminal(database_url)
    terminal.do_all(COUNTY)
    return terminal


@pytest.fixture
def sqlite_terminal(sqlite_url: str) -> Terminal:
    """The same on SQLite alone, for what the database has no part in."""
    terminal = Terminal(sqlite_url)
    terminal.do_all(COUNTY)
    return terminal


def lines_of(terminal: Terminal) -> list[bytes]:
    return terminal.do("export").encode().splitlines()


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


def run_process(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program as a shell runs it."""
    return subprocess.run(
        [sys.executable, "-m", "api.cli.main", *args],
        capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


def test_the_help_is_fast_and_loads_nothing_heavy() -> None:
    heavy = ("fastapi", "duckdb", "psycopg", "rich", "pydantic", "sqlite3", "python_calamine")
    script = (
        "import sys, time\n"
        "from click.testing import CliRunner\n"
        "from api.cli.main import program\n"
        "assert CliRunner().invoke(program, ['--help']).exit_code == 0\n"
        f"print([name for name in {heavy} if name in sys.modules], time.process_time())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    loaded, seconds = done.stdout.rsplit(maxsplit=1)
    assert loaded == "[]"
    assert float(seconds) < 0.4


def test_exit_codes_tell_done_from_refused_from_not_understood(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    init = ("--database", url, "init", "--origin")
    assert run_process(*init, "a.example").returncode == 0
    assert run_process(*init, "a.example").returncode == 0
    refused = run_process(*init, "b.example")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Refused: already_exists.")
    for wrong in (
        ("nonsense",),
        ("balance", "--wishes"),
        ("register-member", "v1", "--region", "33"),
        ("--database", "memory", "balance"),
        ("--database", f"{url}x", "balance"),
    ):
        done = run_process(*wrong)
        assert (done.returncode, done.stdout) == (2, ""), wrong
        assert done.stderr
        assert "Traceback" not in done.stderr


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


# Who acts


def test_a_key_acts_with_its_roles_and_its_scope(terminal: Terminal) -> None:
    issued = terminal.ask("key issue bob --roles recorder --regions 3304 --expires-on 2099-01-01")
    secret, key = issued["secret"], issued["result"]["key"]
    hours = f"log-hours V0001 --project P1 --service-on {YESTERDAY} --category elder_care"
    logged = terminal.ask(f"{hours} --evidence manual --minutes 5 --start 01:00 --end 02:00 --key {secret}")
    state = json.loads(lines_of(terminal)[logged["position"] - 1])["state"]
    assert (state["actor"], state["key"]) == ("bob", key)
    assert terminal.run(f"register-member V9 --region 330424 --key {secret}").exit_code == 1
    assert terminal.run(f"balance V0001 --key {secret}").exit_code == 1
    terminal.do(f"key revoke {key} --reason-code lost")
    refused = terminal.run(f"reject-hours V0001-2 --reason-code error --key {secret} --json")
    assert json.loads(refused.stderr)["code"] == "unauthenticated"
    (listed,) = terminal.ask("key list")["keys"]
    assert listed | {"holder": "bob", "roles": ["recorder"], "revoked": True} == listed
    assert secret not in terminal.do("key list") + terminal.do("key list --json")


def test_a_key_may_stand_in_the_environment(
    sqlite_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = "key issue eve --roles auditor --regions 330424001 --expires-on 2099-01-01"
    secret = sqlite_terminal.ask(issue)["secret"]
    monkeypatch.setenv("LEDGER_KEY", secret)
    url = ("--database", sqlite_terminal.database_url)
    assert run_process(*url, "balance", "V0001").returncode == 0
    hidden = run_process(*url, "balance", "V0002", "--json")
    assert json.loads(hidden.stderr)["code"] == "member_not_found"
    both = run_process(*url, "--as", "eve", "balance", "V0001")
    assert (both.returncode, "exclude each other" in both.stderr) == (2, True)


@pytest.mark.parametrize(
    ("line", "scope", "code"),
    [
        ("totals", "auditor --regions 3304", "forbidden"),
        ("totals --where region=3304", "auditor --regions 3304", ""),
        ("totals --where region=35", "auditor --regions 3304", "forbidden"),
        ("participation", "auditor --regions 3304", "forbidden"),
        ("participation --where region=330424", "auditor --regions 3304", ""),
        ("balance", "auditor --regions 3304", "forbidden"),
        ("balance --region 330424", "auditor --regions 3304", ""),
        ("balance V0001", "auditor --regions 35", "member_not_found"),
        ("balance policy/Y1", "auditor --regions 35", "policy_not_found"),
        ("balance V0001", "funder --sources C1", "forbidden"),
        ("fund F1", "auditor", ""),
        ("fund F1", "auditor --regions 35", "fund_not_found"),
        ("fund F1", "auditor --funds F2", "fund_not_found"),
        ("fund F1", "funder --sources C1", ""),
        ("fund F1", "funder --sources C2", "fund_not_found"),
        ("fund F1", "funder --funds F1", ""),
        ("fund F1", "funder", "fund_not_found"),
        ("fund F1", "recorder", "forbidden"),
        ("source C1", "funder --sources C1", ""),
        ("source C1", "funder --sources C2", "source_not_found"),
        ("source C1", "funder", "source_not_found"),
        ("source C1", "auditor", ""),
        ("source C1", "auditor --funds F1", "forbidden"),
        ("trail member/V0001", "auditor", ""),
        ("trail member/V0001", "auditor --regions 35", "member_not_found"),
        ("trail project/P1", "auditor --organisations O2", "project_not_found"),
        ("trail actor/clerk", "auditor --regions 33", "forbidden"),
        ("trail fund/F1", "funder --sources C1", "forbidden"),
        ("export", "funder --sources C1", "forbidden"),
        ("export", "auditor --regions 33", "forbidden"),
        ("check", "auditor --regions 33", "forbidden"),
        ("key list", "auditor", "forbidden"),
        ("rebuild", "auditor", "forbidden"),
        ("project --once", "auditor", "forbidden"),
    ],
)
def test_a_key_reads_within_its_scope(
    line: str, scope: str, code: str, scoped: Terminal
) -> None:
    issue = f"key issue reader --roles {scope} --expires-on 2099-01-01"
    result = scoped.run(f"{line} --json --key {scoped.ask(issue)['secret']}")
    if code:
        assert (result.exit_code, result.stdout) == (1, "")
        assert json.loads(result.stderr)["code"] == code
    else:
        assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def scoped(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """One county for all who read with a key."""
    terminal = Terminal(f"sqlite:///{tmp_path_factory.mktemp('scoped')}/ledger.db")
    terminal.do_all(COUNTY)
    return terminal


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
    before = lines_of(terminal)
    tried = terminal.ask(f"{line} --dry-run")
    assert (tried["dry_run"], tried["result"], tried["count"]) == (True, {"member": "V0009"}, 1)
    assert lines_of(terminal) == before
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


def test_each_command_has_an_id_of_its_own(sqlite_terminal: Terminal) -> None:
    ids = [sqlite_terminal.ask(f"register-member V1{n} --region 33")["command_id"] for n in "ab".upper()]
    assert all(re.fullmatch(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", each) for each in ids)
    assert len(set(ids)) == 2


# Figures


def test_a_balance_is_the_sum_of_what_happened(terminal: Terminal) -> None:
    told = terminal.ask("balance V0001")
    expected = {
        "position": EVENTS, "member": "V0001", "verified_minutes": 150, "pending_minutes": 0,
        "credit_earned": 150, "credit_spent": 60, "credit_available": 90,
    }  # fmt: skip
    assert told | expected == told
    for line in (f"Member V0001 (volunteer) of 330424001, at position {EVENTS}:", "verified (h)", "2.50"):
        assert line in terminal.do("balance V0001")
    policy = terminal.ask("balance policy/Y1")
    assert (policy["grants"], policy["credit_redeemed"]) == (1, 60)


def test_members_are_listed_a_page_at_a_time(sqlite_terminal: Terminal) -> None:
    first = sqlite_terminal.ask("balance --region 33 --limit 1")
    (member,) = first["members"]
    assert (member["member"], first["position"]) == ("V0001", EVENTS)
    assert "There may be more: --after V0001" in sqlite_terminal.do("balance --limit 1")
    assert "V0002" in sqlite_terminal.do("balance --after V0001")
    assert sqlite_terminal.ask("balance --region 35")["members"] == []


def test_totals_are_grouped_and_limited(terminal: Terminal) -> None:
    (row,) = terminal.ask("totals")["rows"]
    expected = {
        "logged_minutes": 211, "verified_minutes": 150, "fen_received": 190_050,
        "fen_spent": 35_020,
    }  # fmt: skip
    assert row | expected == row
    grouped = terminal.ask(f"totals --by region:6,month --where project=P1 --where month={MONTH}")
    assert [(row["region"], row["month"]) for row in grouped["rows"]] == [("330424", MONTH)] or (
        MONTH != date.today().isoformat()[:7]
    )
    assert terminal.ask(f"totals --where from_month={MONTH} --by evidence")["rows"]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("totals --by wishes", "--by"),
        ("totals --by region:5", "--by"),
        ("totals --where wishes=1", "wishes"),
        ("totals --where month=2025", "month"),
        ("totals --where month", "--where month"),
        ("totals --where month=2025-01 --where month=2025-02", "--where month=2025-02"),
        ("participation --by wishes", "--by"),
        ("participation --of certified --by region", "--by"),
        ("trail wishes/1", "entity"),
        ("balance --limit 0", "--limit"),
    ],
)
def test_a_figure_that_does_not_exist_is_no_empty_answer(
    line: str, place: str, scoped: Terminal
) -> None:
    result = scoped.run(line)
    assert (result.exit_code, result.stdout) == (2, "")
    assert place in result.stderr


def test_participation_counts_people_once(terminal: Terminal) -> None:
    (row,) = terminal.ask("participation")["rows"]
    assert (row["registered"], row["active"]) == (2, 1)
    rows = terminal.ask("participation --by region:9")["rows"]
    assert [(row["region"], row["active"]) for row in rows] == [("330424001", 1), ("330424101", 0)]
    (certified,) = terminal.ask("participation --of certified")["certified"]
    assert (certified["credential"], certified["members"]) == ("social_worker", 1)
    (belonging,) = terminal.ask("participation --of belonging")["belonging"]
    assert (belonging["residency"], belonging["members"]) == ("newcomer", 1)


def test_a_fund_shows_where_each_fen_is(terminal: Terminal) -> None:
    fund = terminal.ask("fund F1")
    expected = {
        "received_fen": 190_050, "unallocated_fen": 90_050, "allocated_fen": 64_980,
        "spent_fen": 35_020, "verified_minutes": 150,
    }  # fmt: skip
    assert fund | expected == fund
    shown = terminal.do("fund F1")
    assert all(text in shown for text in ("1,900.50", "350.20", "Sources:", "charity", "food"))


def test_a_source_shows_where_its_money_went(terminal: Terminal) -> None:
    assert terminal.ask("source charity/C1")["spent_fen"] == 35_020
    assert terminal.ask("source C1") == terminal.ask("source charity/C1")
    assert terminal.run("source agency/C1").exit_code == 1
    assert "In fund F1 (公益金) of O1:" in terminal.do("source C1")


def test_a_trail_tells_what_was_before_and_after(terminal: Terminal) -> None:
    terminal.do("move-member V0001 --region 330424101")
    last = terminal.ask("trail member/V0001")["entries"][-1]
    assert last["changes"] == {"region": ["330424001", "330424101"]}
    assert "region 330424001 → 330424101" in terminal.do("trail member/V0001")
    page = terminal.ask("trail actor/clerk --limit 2")
    assert [entry["position"] for entry in page["entries"]] == [1, 2]
    after = terminal.ask(f"trail actor/clerk --limit 2 --after {page['after']}")
    assert [entry["position"] for entry in after["entries"]] == [3, 4]
    assert "There are more: --after 2" in terminal.do("trail actor/clerk --limit 2")
    assert "19,0" not in terminal.do("trail fund/F1")
    assert "1,900.50 yuan of F1-R1 (charity/C1)" in terminal.do("trail fund/F1")


def test_figures_may_be_read_as_they_stand(terminal: Terminal) -> None:
    assert terminal.ask("totals")["position"] == EVENTS
    terminal.do("register-member V0003 --region 33")
    assert terminal.ask("totals --no-catch-up")["position"] == EVENTS
    assert terminal.ask("project --once") == {"position": EVENTS + 1}
    assert terminal.ask("totals --no-catch-up")["position"] == EVENTS + 1


def explained(terminal: Terminal, line: str, commodity: str, account: str) -> int:
    """What the moves behind a figure add up to in a class of accounts."""
    moves = terminal.ask(f"{line} --explain --explain-limit 1000")["moves"]
    return sum(
        move["quantity"] * (move["target"].startswith(account) - move["source"].startswith(account))
        for move in moves
        if move["commodity"] == commodity
    )


@pytest.mark.parametrize(
    ("line", "commodity", "account", "expected"),
    [
        ("balance V0001", "MIN", "verified/", 150),
        ("balance V0001", "CRD", "credit/", 90),
        ("balance policy/Y1", "CRD", "redeemed/", 60),
        ("totals", "MIN", "pending/", 61),
        ("totals --where region=3304", "FEN", "spent/", 35_020),
        ("totals --where region=35", "FEN", "spent/", 0),
        ("totals --where project=P1", "FEN", "spent/", 35_020),
        ("totals --where organisation=O1", "MIN", "verified/", 150),
        ("totals --where evidence=system", "MIN", "pending/", 61),
        ("totals --where kind=training", "MIN", "pending/", 0),
        (f"totals --where month={MONTH}", "MIN", "verified/", 150),
        ("totals --where to_month=2020-01", "MIN", "verified/", 0),
        ("participation", "MIN", "verified/", 150),
        ("participation --where member_kind=party_member", "MIN", "verified/", 0),
        ("participation --where service_region=330424", "MIN", "verified/", 150),
        ("participation --of certified", "HED", "certified/", 1),
        ("participation --of belonging", "HED", "belongs/", 1),
        ("fund F1", "FEN", "spent/", 35_020),
        ("source C1", "FEN", "unallocated/", 90_050),
    ],
)
def test_the_moves_behind_a_figure_add_up_to_it(
    line: str, commodity: str, account: str, expected: int, scoped: Terminal
) -> None:
    assert explained(scoped, line, commodity, account) == expected


def test_an_explanation_says_when_there_is_more(scoped: Terminal) -> None:
    told = scoped.do("balance V0001 --explain --explain-limit 1")
    assert "HoursLogged" not in told
    assert "There are more than these 1: --explain-limit" in told
    assert "HoursLogged" in scoped.do("balance V0001 --explain")


# The log


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
    assert terminal.run("export --after 99").exit_code == 2
    assert terminal.ask(f"export {file} --after {EVENTS}")["lines"] == 0


def test_a_sound_ledger_passes_the_check(terminal: Terminal) -> None:
    told = terminal.ask("check")
    root = tree_root(lines_of(terminal)).hex()
    assert told == {"lines": EVENTS, "root": root, "figures": True, "differences": []}
    assert terminal.do("check").startswith(f"The log is right: {EVENTS} lines with root {root}.")
    assert "figures" not in terminal.do("check --no-figures")


#: What is done to the log behind its back, and at which position the check finds it.
TAMPERINGS: Final = {
    "a changed quantity": ("UPDATE {log} SET state = replace(CAST(state AS TEXT), '\"minutes\":150', '\"minutes\":151') WHERE {position} = 9", 9),
    "a line that is not canonical": ("UPDATE {log} SET state = CAST(state AS TEXT) || ' ' WHERE {position} = 5", 5),
    "another topic": ("UPDATE {log} SET topic = 'Wish' WHERE {position} = 5", 5),
    "another stream": ("UPDATE {log} SET originator_id = 'member/V7' WHERE {position} = 5", 5),
    "a version left out": ("UPDATE {log} SET originator_version = 9 WHERE {position} = 9", 9),
    "a row taken out": ("DELETE FROM {log} WHERE {position} = 7", 7),
    "the first row taken out": ("DELETE FROM {log} WHERE {position} = 1", 1),
    "the last row taken out": ("DELETE FROM {log} WHERE {position} = 18", 18),
    "hashes of another row": ("UPDATE {log} SET hashes = (SELECT hashes FROM {log} WHERE {position} = 5) WHERE {position} = 7", 7),
    "hashes cut short": ("UPDATE {log} SET hashes = substr(hashes, 1, 32) WHERE {position} = 8", 8),
    "an earlier time": ("UPDATE {log} SET state = replace(CAST(state AS TEXT), '\"timestamp\":\"2', '\"timestamp\":\"1') WHERE {position} = 6", 6),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_changed_in_the_log_is_named_by_its_position(
    name: str, sqlite_terminal: Terminal
) -> None:
    sqlite_terminal.do("project --once")
    sql, position = TAMPERINGS[name]
    with sqlite3.connect(sqlite_terminal.database_url.removeprefix("sqlite:///")) as database:
        for change in ("update", "delete"):
            database.execute(f"DROP TRIGGER stored_events_refuse_{change}")
        database.execute(sql.format(log="stored_events", position="rowid"))
    result = sqlite_terminal.run("check --json")
    assert result.exit_code == 1, result.output
    error = json.loads(result.stderr)
    assert (error["code"], error["facts"]["position"]) == ("corrupt_log", position)
    assert f"{position}" in sqlite_terminal.run("check").stderr


def test_what_was_changed_is_found_on_postgresql_as_well(postgres_url: str) -> None:
    terminal = Terminal(postgres_url)
    terminal.do_all(COUNTY)
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


def test_what_an_import_is_told_has_a_form(scoped: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text("a\n1\n")
    for wrong in ("--map x", "--default x", "--value project=P1", "--unit days", "--sheet"):
        result = scoped.run(f"import {file} {wrong}")
        assert (result.exit_code, result.stdout) == (2, ""), wrong
    assert scoped.run("import nothing.csv").exit_code == 2

