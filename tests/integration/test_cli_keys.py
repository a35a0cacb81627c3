"""Keys on the command line: who acts, and what they may see."""

import getpass
import json
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from api.cli.main import program
from ledger.log.signer import write_signer
from tests.signed_log import LOG_KEY
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


def test_a_refused_key_is_told_what_it_lacks(sqlite_terminal: Terminal) -> None:
    """A role, or that it has a scope at all."""

    def needs(roles: str, line: str) -> str:
        issue = f"key issue {roles} --roles {roles} --regions 330424 --expires-on 2099-01-01"
        told = sqlite_terminal.run(f"{line} --key {sqlite_terminal.ask(issue)['secret']} --json")
        found: str = json.loads(told.stderr)["facts"]["needs"]
        return found

    assert needs("auditor", "export") == "a key without scope"
    assert needs("auditor", "check --no-figures") == "a key without scope"
    assert needs("recorder", "export") == "auditor"
    assert needs("recorder", "fund F1") == needs("recorder", "source C1") == "auditor, funder"


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


@pytest.mark.parametrize("error", [KeyError("uid not found: 12345"), OSError("no name")])
def test_a_user_without_a_name_says_who_acts(
    county: Terminal, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As whoever runs in a container under a number alone."""
    monkeypatch.setattr(getpass, "getuser", Mock(side_effect=error))
    url = ["--database", county.database_url]
    result = CliRunner().invoke(program, [*url, "totals"])
    assert (result.exit_code, "--as HOLDER" in result.stderr) == (2, True)
    assert CliRunner().invoke(program, [*url, "--as", "office", "totals"]).exit_code == 0


@pytest.mark.parametrize(
    ("line", "scope", "code"),
    [
        ("totals", "auditor --regions 3304", "forbidden"),
        ("totals --where region=3304", "auditor --regions 3304", ""),
        ("totals --where region=35", "auditor --regions 3304", "forbidden"),
        ("participation", "auditor --regions 3304", "forbidden"),
        ("participation --where region=330424", "auditor --regions 3304", ""),
        *(
            (
                f"{asked} --where region={region} --where project=P1",
                f"auditor --regions {region}",
                code,
            )
            for region, code in (("330424", ""), ("35", "project_not_found"))
            for asked in (
                "totals",
                "participation",
                "explain totals verified_minutes",
                "explain participation active",
                "diff totals --from-known-at 1",
                f"restate {YESTERDAY[:7]} --published-at 1 --of participation",
            )
        ),
        ("participation --where region=330424 --by project", "auditor --regions 3304", "forbidden"),
        (
            "participation --where region=330424 --where service_region=3304 --by project,month",
            "auditor --regions 3304",
            "",
        ),
        (
            "diff participation --where region=330424 --by organisation --from-known-at 1",
            "auditor --regions 3304",
            "forbidden",
        ),
        (
            "totals --where region=35 --where organisation=O1",
            "auditor --regions 35",
            "organisation_not_found",
        ),
        ("balance", "auditor --regions 3304", "forbidden"),
        ("balance --region 330424", "auditor --regions 3304", ""),
        ("balance V0001", "auditor --regions 35", "member_not_found"),
        ("balance policy/Y1", "auditor --regions 35", "policy_not_found"),
        ("balance V0001", "funder --sources C1", "forbidden"),
        ("fund F1", "auditor", ""),
        ("fund F1", "auditor --regions 35", "fund_not_found"),
        ("fund F1", "auditor --funds F2", "fund_not_found"),
        ("fund F1", "auditor --sources C1", ""),
        ("fund F1", "auditor --sources C2", "fund_not_found"),
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
        ("trail fund/F1", "auditor --sources C1", ""),
        ("trail fund/F1", "auditor --sources C2", "fund_not_found"),
        ("trail member/V0001", "auditor --organisations O1", "forbidden"),
        ("explain fund/F1 received_fen", "auditor --sources C1", ""),
        ("explain fund/F1 received_fen", "auditor --sources C2", "fund_not_found"),
        ("explain source/C1 received_fen", "auditor --sources C1", ""),
        ("explain source/C1 received_fen", "auditor --sources C2", "source_not_found"),
        ("explain member/V0001 pending_minutes", "auditor --regions 35", "member_not_found"),
        ("explain policy/Y1 grants", "auditor --regions 330424", "forbidden"),
        ("diff fund/F1 --from-known-at 1", "auditor --sources C1", ""),
        ("diff fund/F1 --from-known-at 1", "auditor --sources C2", "fund_not_found"),
        ("diff member/V0001 --from-known-at 1", "auditor --regions 35", "member_not_found"),
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


def test_a_list_of_events_names_nothing_outside_the_scope(
    sqlite_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody from elsewhere served here, and somebody from here served elsewhere."""
    monkeypatch.setenv("LEDGER_SIGNING_KEY", write_signer(LOG_KEY))
    sqlite_terminal.do_all(f"""
        register-member V9 --region 640522
        open-project P9 --name 助老 --organisation O1 --region 640522 --categories elder_care \
            --opens-on 2020-01-01
        log-hours V9 --project P1 --service-on {YESTERDAY} --minutes 7 --category elder_care \
            --evidence manual
        log-hours V0001 --project P9 --service-on {YESTERDAY} --minutes 9 --category elder_care \
            --evidence manual
    """)
    issue = "key issue eve --roles auditor --regions 330424 --expires-on 2099-01-01"
    secret = sqlite_terminal.ask(issue)["secret"]
    of_region = "--where region=330424"
    for line, outside in (
        (f"explain totals pending_minutes {of_region}", "V9"),
        (f"totals {of_region} --explain", "V9"),
        (f"diff totals {of_region} --from-known-at 1", "V9"),
        (f"restate {YESTERDAY[:7]} --published-at 1 {of_region}", "V9"),
        ("trail project/P1", "V9"),
        ("explain member/V0001 pending_minutes", "P9"),
        ("balance V0001 --explain", "P9"),
        ("diff member/V0001 --from-known-at 1", "V0001-2"),
        ("trail member/V0001", "V0001-2"),
    ):
        assert outside in sqlite_terminal.do(line), line
        told = sqlite_terminal.do(f"{line} --key {secret}")
        assert "V0001" in told, line
        assert outside not in told, line
    pending = [
        sqlite_terminal.ask(f"explain member/V0001 pending_minutes{by}")["sums"]
        for by in ("", f" --key {secret}")
    ]
    assert pending[0] == pending[1]
    hidden = sqlite_terminal.ask(
        f"explain member/V0001 minutes --where entry=V0001-2 --key {secret}"
    )
    assert hidden["legs"] == []
    for options, exit_code in ((f"--member V0001 --key {secret}", 1), ("--member V0001", 0),
                               (f"--fund F1 --key {secret}", 0)):  # fmt: skip
        target = tmp_path / f"bundle{len(options)}"
        assert sqlite_terminal.run(f"bundle {target} {options}").exit_code == exit_code, options


def test_an_import_knows_what_its_key_sees_by_name_and_nothing_else(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    """What another county calls so neither is told nor stands in the way."""
    opened = (
        "register-organisation O2 --name 外县协会 --org-kind association --region 640122",
        *(
            f"open-project {project} --name {name} --organisation O2 --region 640122"
            " --categories elder_care --opens-on 2020-01-01"
            for project, name in (("P8", "助老"), ("P9", "助学"))
        ),
    )
    sqlite_terminal.do_all("\n".join(opened))
    secret = sqlite_terminal.ask(
        "key issue eve --roles recorder --regions 330424 --expires-on 2099-01-01"
    )["secret"]
    file = tmp_path / "hours.csv"
    head, row = (
        "志愿者编号,项目,日期,开始时间,时长,类别\n",
        f"V0001,{{}},{YESTERDAY},{{}},1,elder_care\n",
    )
    file.write_text(head + row.format("助老", "5:00") + row.format("助学", "6:30"))
    told = json.loads(sqlite_terminal.run(f"import {file} --json --key {secret}").stdout)
    assert told["minutes"] == {"P1": 60}
    reason = "'助学' is not a project's id (or its exact name)"
    assert [sample["reason"] for sample in told["samples"]] == [reason]
