"""The command line as a test uses it: in this process, one call a line."""

import json
import shlex
import subprocess
import sys
from datetime import date, timedelta
from typing import Any, Final

from click.testing import CliRunner, Result

from api.cli.main import program

YESTERDAY: Final = (date.today() - timedelta(days=1)).isoformat()
#: The month that day is in.
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


class Terminal:
    """Someone at a terminal, on one database; who acts is `holder` unless a line says otherwise."""

    def __init__(self, database_url: str, holder: str = "clerk") -> None:
        self.database_url = database_url
        self.holder = holder

    def run(self, line: str, **words: str) -> Result:
        """Run one line, `{word}` filled in."""
        args = shlex.split(line.format_map(words) if words else line)
        acting = [] if {"--as", "--key"} & set(args) else ["--as", self.holder]
        return CliRunner().invoke(program, ["--database", self.database_url, *acting, *args])

    def do(self, line: str, **words: str) -> str:
        """Run a line that must be done; what it printed."""
        result = self.run(line, **words)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, f"{line}\n{result.output}"
        return result.stdout

    def do_all(self, script: str, **words: str) -> None:
        """Run each line of a script; all must be done."""
        for line in script.replace("\\\n", " ").strip().splitlines():
            self.do(line.strip(), **words)

    def ask(self, line: str, **words: str) -> Any:
        """Run a line that must be done, and read its JSON."""
        return json.loads(self.do(f"{line} --json", **words))

    def lines(self) -> list[bytes]:
        """The log as exported."""
        return self.do("export").encode().splitlines()


def at_work(database_url: str) -> Terminal:
    """In front of a new county at work."""
    terminal = Terminal(database_url)
    terminal.do_all(COUNTY)
    return terminal


def run_process(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program as a shell runs it."""
    return subprocess.run(
        [sys.executable, "-m", "api.cli.main", *args],
        capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip
