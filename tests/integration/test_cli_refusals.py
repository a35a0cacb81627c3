"""Every refusal of the design, shown on the command line by real commands, with its place."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ledger.application import Ledger
from ledger.domain import errors
from ledger.domain.errors import CommandInFlight, LedgerError, NotFound, Refusal
from ledger.settings import Settings
from tests.postgres_server import PostgresServer
from tests.terminal import Terminal

#: One world serves all cases: they are to run in one process.
pytestmark = pytest.mark.xdist_group("cli-refusals")

TODAY: Final = date.today()

#: What every case finds: an organisation, a project, who has which key; `{…}` is filled in.
WORLD: Final = """
set-limits 33 --backdating-days 60 --day-hours-max 12 --effective-on 2020-01-01
set-accrual-rule R1 --region 33 --num 1 --den 1 --effective-on 2020-01-01
register-organisation O1 --name 志愿者协会 --org-kind association --region 330424
open-project P1 --name 助老 --organisation O1 --region 330424 --categories elder_care,training \
    --opens-on {long_ago}
open-project P2 --name 已结 --organisation O1 --region 330424 --categories elder_care \
    --opens-on {long_ago}
close-project P2 --closes-on {last_week} --reason-code done
"""


#: The codes of the design's table of rules.
DESIGN: Final = """
forbidden idempotency_mismatch command_in_flight member_not_found project_not_found project_closed
minutes_out_of_range day_overfull overlapping_service date_in_future date_too_old row_conflict
entry_not_pending four_eyes entry_not_verified reason_required evidence_fixed credit_spent
policy_closed not_eligible insufficient_credit quota_exhausted insufficient_funds purpose_violation
fund_closed source_mismatch transfer_not_in_transit
"""


class Case(NamedTuple):
    """A refusal: what comes first, the command that is refused, and at which field."""

    code: str
    at: str
    #: One command a line, the last of them refused. `{m}` is a member number of this case alone,
    #: `{f}` a fund, `{l}` a policy, `{log}` a well-formed log-hours of that member.
    script: str


REGISTER = "register-member {m} --region 330424001\n"
LOGGED = REGISTER + "{log} --hours 2 --as clerk\n"
VERIFIED = LOGGED + "verify-hours {m}-1 --as supervisor\n"
POLICY = (
    "define-policy {l} --name 公交 --dimension economic_incentive --region 330424"
    " --threshold-hours 1 --threshold-months 12 --opens-on {long_ago} --closes-on {next_year}"
)
OFFERED = VERIFIED + POLICY + " --credit-cost 60\n"
FUND = (
    "open-fund {f} --name 公益金 --organisation O1 --region 330424 --terms-purpose 助老"
    " --terms-regions 33,64 --terms-forbidden wages --terms-opens-on {long_ago}"
    " --terms-closes-on {next_year}\n"
)
RECEIVED = (
    FUND
    + "receive-funds {f} --source-kind charity --source-id C1 --yuan 100 --document 收据1\n"
    + "receive-funds {f} --source-kind agency --source-id A1 --yuan 100 --document 收据2\n"
)
ALLOCATED = RECEIVED + "allocate-funds {f} --target project/P1 --yuan 150\n"
SPEND = "spend-funds {f} --target project/P1 --payee-kind supplier --payee 甲 --document 票1"
SENT = RECEIVED + "send-transfer {f} --to-region 640522 --yuan 10\n"

CASES: Final = [
    # the command itself
    Case("forbidden", "op", "register-member {m} --region 33 --key {recorder}"),
    Case("forbidden", "region", "register-member {m} --region 35 --key {scoped}"),
    Case("unauthenticated", "", "register-member {m} --region 33 --key hl_nobody_nothing"),
    Case(
        "idempotency_mismatch",
        "command_id",
        "register-member {m} --region 33 --command-id {m}\n"
        "register-member {m} --region 3304 --command-id {m}",
    ),
    Case("invalid_command", "entry", "verify-hours --member {m}"),
    Case("already_exists", "member", REGISTER + REGISTER),
    Case("reason_required", "reason_code", VERIFIED + "void-hours {m}-1"),
    Case("nothing_changes", "region", REGISTER + "move-member {m} --region 330424001"),
    # what is not there
    Case("member_not_found", "member", "move-member {m} --region 33"),
    Case("member_not_found", "member", REGISTER + "move-member {m} --region 35 --key {elsewhere}"),
    Case("organisation_not_found", "organisation",
         REGISTER + "join-organisation {m} --organisation NONE --residency native"),
    Case("project_not_found", "project", REGISTER + "{log} --hours 1 --project NONE"),
    Case("activity_not_found", "activity", "withdraw-activity NONE --reason-code error"),
    Case("policy_not_found", "policy", REGISTER + "grant-incentive {m} --policy NONE"),
    Case("fund_not_found", "fund", "close-fund NONE --reason-code done"),
    Case("entry_not_found", "entry", REGISTER + "verify-hours {m}-1"),
    Case("grant_not_found", "grant", REGISTER + "revoke-grant {m}-G1 --reason-code error"),
    Case("expense_not_found", "expense", FUND + "reverse-spend {f}-E1 --reason-code error"),
    Case("transfer_not_found", "transfer", FUND + "decline-transfer {f}-T1 --reason-code error"),
    Case("credential_not_found", "credential",
         REGISTER + "withdraw-credential {m} --credential social_worker --reason-code error"),
    Case("membership_not_found", "organisation",
         REGISTER + "leave-organisation {m} --organisation O1"),
    Case("key_not_found", "key", "key revoke NONE --reason-code lost"),
    Case("note_not_found", "note", "erase-text " + "0" * 64),
    Case("source_not_found", "source", "source charity/NONE"),
    # hours
    Case("project_closed", "service_on", REGISTER + "{log} --hours 1 --project P2"),
    Case("category_not_offered", "category", REGISTER + "{log} --hours 1 --category first_aid"),
    Case("minutes_out_of_range", "minutes", REGISTER + "{log} --minutes 0"),
    Case("minutes_out_of_range", "minutes",
         REGISTER + "{log} --minutes 61 --start 09:00 --end 10:00"),
    Case("minutes_out_of_range", "minutes", LOGGED + "verify-hours {m}-1 --hours 3 --as chief"),
    Case("day_overfull", "minutes", LOGGED + "{log} --hours 10.5 --start 10:00 --end 22:00"),
    Case("overlapping_service", "start",
         REGISTER + "{log} --hours 1 --start 09:00 --end 11:00\n"
         "{log} --hours 1 --start 10:30 --end 12:00"),
    Case("date_in_future", "service_on", REGISTER + "{log} --hours 1 --service-on {next_week}"),
    Case("date_in_future", "effective_on",
         "register-member {m} --region 33 --effective-on {next_week}"),
    Case("date_too_old", "service_on", REGISTER + "{log} --hours 1 --service-on {last_quarter}"),
    Case("row_conflict", "service_on", LOGGED + "{log} --hours 3"),
    Case("row_conflict", "source_ref",
         REGISTER + "{log} --hours 1 --source S --source-ref 7\n"
         "{log} --hours 2 --source S --source-ref 7"),
    Case("entry_not_pending", "entry", VERIFIED + "reject-hours {m}-1 --reason-code error"),
    Case("entry_not_verified", "entry", LOGGED + "void-hours {m}-1 --reason-code error"),
    Case("four_eyes", "entry", LOGGED + "verify-hours {m}-1 --as clerk"),
    Case("four_eyes", "entry",
         LOGGED + "verify-hours {m}-1 --minutes 60 --as supervisor\n"
         "correct-hours {m}-1 --minutes 90 --reason-code error --as supervisor"),
    Case("evidence_fixed", "minutes",
         REGISTER + "{log} --hours 2 --evidence system --as clerk\n"
         "verify-hours {m}-1 --minutes 60 --as supervisor\n"
         "correct-hours {m}-1 --minutes 90 --reason-code error --as chief"),
    Case("credit_spent", "deficit",
         OFFERED + "grant-incentive {m} --policy {l}\nvoid-hours {m}-1 --reason-code error"),
    # incentives
    Case("policy_closed", "policy",
         OFFERED + "close-policy {l} --reason-code done\ngrant-incentive {m} --policy {l}"),
    Case("not_eligible", "member",
         LOGGED + POLICY + "\ngrant-incentive {m} --policy {l}"),
    Case("insufficient_credit", "member",
         VERIFIED + POLICY + " --credit-cost 121\ngrant-incentive {m} --policy {l}"),
    Case("quota_exhausted", "member",
         VERIFIED + POLICY + " --quota-member 1\n" + "grant-incentive {m} --policy {l}\n" * 2),
    Case("quota_exhausted", "policy",
         VERIFIED + POLICY + " --quota-total 1\n" + "grant-incentive {m} --policy {l}\n" * 2),
    Case("insufficient_funds", "policy",
         VERIFIED + FUND + POLICY + " --yuan-cost 5 --fund {f}\ngrant-incentive {m} --policy {l}"),
    Case("grant_revoked", "grant",
         OFFERED + "grant-incentive {m} --policy {l}\n"
         + "revoke-grant {m}-G1 --reason-code error\n" * 2),
    # money
    Case("insufficient_funds", "fen",
         RECEIVED + "allocate-funds {f} --target project/P1 --yuan 200.01"),
    Case("insufficient_funds", "fen", ALLOCATED + SPEND + " --category food --yuan 150.01"),
    Case("insufficient_funds", "fen", ALLOCATED + "send-transfer {f} --to-region 64 --yuan 50.01"),
    Case("purpose_violation", "category", ALLOCATED + SPEND + " --category wages --yuan 1"),
    Case("purpose_violation", "to_region", RECEIVED + "send-transfer {f} --to-region 35 --yuan 1"),
    Case("fund_closed", "fund",
         ALLOCATED + "close-fund {f} --reason-code done\n" + SPEND + " --category food --yuan 1"),
    Case("source_mismatch", "source_id",
         RECEIVED + "return-funds {f} --source-kind charity --source-id C1 --yuan 100.01"
         " --reason-code unspent"),
    Case("insufficient_funds", "fen",
         RECEIVED + "return-funds {f} --source-kind charity --source-id C1 --yuan 200.01"
         " --reason-code unspent"),
    Case("transfer_not_in_transit", "transfer",
         SENT + "decline-transfer {f}-T1 --reason-code error\n" * 2),
]  # fmt: skip


#: The keys of the cases.
KEYS: Final = {
    "recorder": "--roles recorder",
    "scoped": "--roles admin --regions 3304",
    "elsewhere": "--roles admin --regions 35",
}
#: Refusals that no command of the ledger meets; each has a test of its own, here or with evidence.
ELSEWHERE: Final = {
    "command_in_flight", "ledger_not_opened", "checkpoint_not_found", "command_not_found"
}  # fmt: skip
#: Nothing raises it: a region without a profile has figures, but nothing to divide them by.
NEVER: Final = {"region_not_found"}
#: Every how many cases one is shown on PostgreSQL too.
SAMPLE: Final = 6


def words_for(number: int) -> dict[str, str]:
    """What `{…}` stands for in the case of this number: ids of its own, days around today."""

    def day(distance: int) -> str:
        return (TODAY + timedelta(days=distance)).isoformat()

    m = f"V{number:04}"
    return {
        "m": m, "f": f"F{number:04}", "l": f"L{number:04}",
        "log": f"log-hours {m} --project P1 --service-on {day(-3)} --category elder_care"
        " --evidence manual",
        "last_week": day(-7), "next_week": day(7), "last_quarter": day(-100),
        "long_ago": day(-300), "next_year": day(365),
    }  # fmt: skip


class World(NamedTuple):
    """A terminal in front of an open ledger, and the secrets of the keys."""

    terminal: Terminal
    secrets: dict[str, str]

    def refuse(self, number: int, case: Case) -> None:
        """Play a case, and hold its last command against the refusal it is to meet."""
        words = words_for(number) | self.secrets
        *before, last = case.script.strip().splitlines()
        self.terminal.do_all("\n".join(before), **words)
        head = self.terminal.ask("export /dev/null")["last"]
        told = self.terminal.run(last, **words)
        as_json = self.terminal.run(f"{last} --json", **words)
        error = json.loads(as_json.stderr)
        exit_code = 2 if case.code == "invalid_command" else 1
        assert (error["code"], error["at"]) == (case.code, case.at)
        assert (told.exit_code, as_json.exit_code) == (exit_code, exit_code)
        assert told.stderr.startswith(f"Refused: {case.code}. {error['message']}\n")
        assert (told.stdout, as_json.stdout) == ("", "")
        assert self.terminal.ask("export /dev/null")["last"] == head


def new_world(url: str) -> World:
    """A ledger with what every case finds."""
    terminal, words = Terminal(url), words_for(0)
    terminal.do("init --origin refusals.example")
    terminal.do_all(WORLD, **words)
    issue = "key issue {holder} {scope} --expires-on {next_year}"
    return World(
        terminal,
        {
            holder: terminal.ask(issue, holder=holder, scope=scope, **words)["secret"]
            for holder, scope in KEYS.items()
        },
    )


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return new_world(f"sqlite:///{tmp_path_factory.mktemp('refusals')}/ledger.db")


@pytest.fixture(scope="module")
def postgres_world(postgres_server: PostgresServer) -> World:
    return new_world(f"{postgres_server.url}&schema=refusals")


NUMBERED: Final = [
    pytest.param(number, case, id=f"{case.code}-{case.at}")
    for number, case in enumerate(CASES, start=1)
]


@pytest.mark.parametrize(("number", "case"), NUMBERED)
def test_a_refusal_is_told_with_its_code_and_its_place(
    number: int, case: Case, sqlite_world: World
) -> None:
    sqlite_world.refuse(number, case)


@pytest.mark.parametrize(("number", "case"), NUMBERED[::SAMPLE])
def test_a_refusal_is_told_on_postgresql_as_well(
    number: int, case: Case, postgres_world: World
) -> None:
    postgres_world.refuse(number, case)


def test_a_ledger_that_is_not_open_refuses_everything(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(Settings(database_url=url), create=True).close()
    result = Terminal(url).run("register-member V0001 --region 33")
    assert result.exit_code == 1
    assert result.stderr.startswith("Refused: ledger_not_opened. ")
    assert "hourledger init --origin NAME" in result.stderr
    assert Terminal(url).ask("export /dev/null")["last"] == 0


def test_a_command_in_flight_is_told_with_its_id(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes two processes and bad luck to meet one, so here the ledger only says so."""
    terminal = Terminal(sqlite_url)
    terminal.do("init --origin refusals.example")

    def busy(*_: object, **__: object) -> None:
        raise CommandInFlight("command_id")

    monkeypatch.setattr(Ledger, "execute", busy)
    result = terminal.run("register-member V0001 --region 33 --command-id C7")
    assert result.exit_code == 1
    assert result.stderr.startswith("Refused: command_in_flight. ")
    assert "C7" in result.stderr


def codes_of(kind: type[LedgerError]) -> Iterator[str]:
    """The codes of all refusals below a class."""
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from codes_of(below)
            if below is not NotFound:
                yield below.code


def test_every_code_of_the_errors_is_shown_here() -> None:
    assert {case.code for case in CASES} | ELSEWHERE == set(codes_of(Refusal)) - NEVER


def test_every_code_of_the_design_is_shown_here() -> None:
    assert set(DESIGN.split()) <= {case.code for case in CASES} | ELSEWHERE
