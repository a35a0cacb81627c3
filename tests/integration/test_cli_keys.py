"""Keys on the command line: who acts, and what they may see."""

import json

import pytest

from tests.terminal import YESTERDAY, Terminal, run_process


def test_a_key_acts_with_its_roles_and_its_scope(terminal: Terminal) -> None:
    issued = terminal.ask("key issue bob --roles recorder --regions 3304 --expires-on 2099-01-01")
    secret, key = issued["secret"], issued["result"]["key"]
    hours = f"log-hours V0001 --project P1 --service-on {YESTERDAY} --category elder_care"
    logged = terminal.ask(
        f"{hours} --evidence manual --minutes 5 --start 01:00 --end 02:00 --key {secret}"
    )
    state = json.loads(terminal.lines()[logged["position"] - 1])["state"]
    assert (state["actor"], state["key"]) == ("bob", key)
    assert terminal.run(f"register-member V9 --region 330424 --key {secret}").exit_code == 1
    assert terminal.run(f"balance V0001 --key {secret}").exit_code == 1
    again = "key issue eve --roles recorder --expires-on 2099-01-01 --dry-run"
    assert terminal.do(again).startswith("key issue: would be done ")
    revoked = terminal.do(f"key revoke {key} --reason-code lost")
    assert revoked.startswith("key revoke: done, at position ")
    refused = terminal.run(f"reject-hours V0001-2 --reason-code error --key {secret} --json")
    assert json.loads(refused.stderr)["code"] == "unauthenticated"
    (listed,) = terminal.ask("key list")["keys"]
    assert listed | {"holder": "bob", "roles": ["recorder"], "revoked": True} == listed
    assert secret not in terminal.do("key list") + terminal.do("key list --json")


def test_nobody_verifies_their_own_hours_by_leaving_the_key_out(terminal: Terminal) -> None:
    secret = terminal.ask(
        "key issue alice --roles verifier --member V0001 --expires-on 2099-01-01"
    )["secret"]
    hours = f"log-hours V0001 --project P1 --service-on {YESTERDAY} --category elder_care"
    entry = terminal.ask(f"{hours} --evidence manual --minutes 5 --start 01:00 --end 02:00")
    for who in (f"--key {secret}", "--as alice"):
        refused = terminal.run(f"verify-hours {entry['result']['entry']} {who} --json")
        assert json.loads(refused.stderr)["code"] == "four_eyes"


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
def test_a_key_reads_within_its_scope(line: str, scope: str, code: str, county: Terminal) -> None:
    issue = f"key issue reader --roles {scope} --expires-on 2099-01-01"
    result = county.run(f"{line} --json --key {county.ask(issue)['secret']}")
    if code:
        assert (result.exit_code, result.stdout) == (1, "")
        assert json.loads(result.stderr)["code"] == code
    else:
        assert result.exit_code == 0, result.output
