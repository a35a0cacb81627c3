"""Two axes of time at a terminal: what was known, what counted, what changed and why."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from tests.terminal import EVENTS, MONTH, YESTERDAY, Terminal

#: Every figure at a terminal.
FIGURES = [
    "balance V0001", "balance policy/Y1", "balance --region 33", "statement V0001", "totals",
    "totals --where project=P1 --by month", "participation", "participation --of certified",
    "participation --of belonging", "fund F1", "source charity/C1", "trail member/V0001",
    "trail organisation/O1", "explain member/V0001 verified_minutes",
    "explain member/V0001 minutes --where entry=V0001-1",
    "explain member/V0001 credit --where grant=V0001-G1", "explain policy/Y1 grants",
    "explain fund/F1 spent_fen --where target=project/P1", "explain source/C1 received_fen",
    "explain totals logged_minutes --where project=P1", "explain participation active",
    "explain account/registered",
]  # fmt: skip
LATER = f"""
correct-hours V0001-1 --minutes 100 --reason-code typing_error --as supervisor
verify-hours V0002-1 --as supervisor
log-hours V0001 --project P1 --service-on {date.fromisoformat(YESTERDAY) - timedelta(days=3)} \
    --minutes 20 --category elder_care --evidence manual
revoke-grant V0001-G1 --reason-code declined
move-member V0001 --region 330424101
spend-funds F1 --target project/P1 --yuan 1 --category food --payee-kind supplier --payee x \
    --document y
record-credential V0001 --credential social_worker --level assistant
join-organisation V0001 --organisation O1 --residency native
deregister-member V0002 --reason-code moved_away
"""


def test_what_was_told_is_told_again(terminal: Terminal) -> None:
    given = {line: terminal.do(line) for line in FIGURES}
    asked = datetime.now(UTC).isoformat()
    terminal.do_all(LATER)
    for line, told in given.items():
        for known_at in (EVENTS, asked):
            assert terminal.do(f"{line} --known-at {known_at}") == told, line
    assert terminal.do("totals") != given["totals"]


def test_a_day_bounds_what_counts(terminal: Terminal) -> None:
    terminal.do_all(LATER)
    day = date.fromisoformat(YESTERDAY) - timedelta(days=1)
    told = terminal.ask(f"balance V0001 --as-of {day}")
    assert (told["as_of"], told["pending_minutes"], told["verified_minutes"]) == (
        day.isoformat(), 20, 0,
    )  # fmt: skip
    assert f", as of {day}:" in terminal.do(f"totals --as-of {day}")
    (entry,) = terminal.ask(f"statement V0001 --as-of {day}")["entries"]
    assert (entry["entry"], entry["minutes"]) == ("V0001-2", 20)
    explained = terminal.ask(f"explain totals logged_minutes --as-of {day}")
    assert explained["sums"] == {"logged_minutes": 20}


def test_a_restatement_names_each_event_and_its_reason(terminal: Terminal) -> None:
    terminal.do_all(LATER)
    told = terminal.ask(f"restate {MONTH} --published-at {EVENTS} --where project=P1")
    changed = {each["figure"]: each["change"] for each in told["figures"]}
    assert changed["reversed_minutes"] == 50
    sums: dict[str, int] = {}
    for event in told["events"]:
        for figure, change in event["changes"].items():
            sums[figure] = sums.get(figure, 0) + change
    assert {figure: n for figure, n in sums.items() if n} == changed
    shown = terminal.do(f"restate {MONTH}..{MONTH} --published-at {EVENTS}")
    for part in ("published", "typing_error", "HoursCorrected", "-0.83 h", "V0001-1"):
        assert part in shown
    assert shown.splitlines()[1].split() == ["figure", "published", "now", "change"]
    past = terminal.do(f"restate {MONTH} --published-at {EVENTS} --known-at {EVENTS + 2}")
    assert past.splitlines()[1].split()[1:-1] == ["published", "known", "then"]
    people = terminal.ask(f"restate {MONTH} --published-at {EVENTS} --of participation")
    (active,) = [each for each in people["figures"] if each["figure"] == "active"]
    assert (active["before"], active["after"]) == (1, 2)


def test_a_difference_says_from_where_to_where(terminal: Terminal) -> None:
    terminal.do_all(LATER)
    shown = terminal.do(f"diff member/V0001 --from-known-at {EVENTS} --limit 1")
    assert f"from position {EVENTS} to position {EVENTS + 10}:" in shown
    assert "There are 2 more: --skip 1" in shown
    rest = terminal.ask(f"diff member/V0001 --from-known-at {EVENTS} --skip 1")
    assert (len(rest["events"]), rest["events_total"]) == (2, 3)
    assert "nothing" in terminal.do(f"diff fund/F1 --from-known-at {EVENTS} --known-at {EVENTS}")
    day = date.fromisoformat(YESTERDAY)
    along = terminal.ask(f"diff totals --from-as-of {day - timedelta(days=1)} --as-of {day}")
    assert {each["figure"]: each["before"] for each in along["figures"]}["logged_minutes"] == 20


def test_an_explained_line_is_named(terminal: Terminal) -> None:
    """The heading says which part of a figure the events add up to."""
    shown = terminal.do("explain fund/F1 spent_fen --where target=project/P1")
    assert shown.startswith(f"spent fen of fund/F1 (target project/P1), at position {EVENTS}:\n")
    told = terminal.ask("explain totals logged_minutes --where project=P1")
    assert told["filters"] == {"project": "P1"}
    account = terminal.do("explain account/registered/330424001/party_member+volunteer")
    assert account.startswith(
        "registered/330424001/party_member+volunteer of "
        f"account/registered/330424001/party_member+volunteer, at position {EVENTS}:\n"
    )
    whole = terminal.do("explain totals logged_minutes")
    assert whole.startswith(f"logged minutes of totals, at position {EVENTS}:\n")


def test_an_unknown_subject_is_told_those_there_are(terminal: Terminal) -> None:
    asked = {"explain project/P1 x": True, "diff project/P1 --from-known-at 1": False}
    for line, has_accounts in asked.items():
        told = terminal.run(f"{line} --json").stderr
        assert "fund/F1" in told
        assert ("account/ACCOUNT" in told) is has_accounts, told


def test_proofs_stand_beside_the_legs(terminal: Terminal) -> None:
    told = terminal.ask("explain fund/F1 spent_fen --proofs --proof-size 16")
    (proof,) = told["proofs"]
    assert (proof["size"], len(proof["hashes"])) == (16, 4)
    assert terminal.lines()[proof["position"] - 1].decode() == proof["line"]
    shown = terminal.do("explain fund/F1 spent_fen --proofs --proof-size 16")
    assert proof["root"] in shown
    assert all(step in shown for step in proof["hashes"])


@pytest.mark.parametrize(
    ("line", "code", "place"),
    [
        ("totals --known-at 99", 2, "--known-at"),
        ("totals --known-at tomorrow", 2, "--known-at"),
        ("totals --known-at 2099-01-01T00:00:00Z", 2, "--known-at"),
        ("totals --as-of 2025-02-30", 2, "--as-of"),
        ("balance V0001 --known-at 1", 1, "member_not_found"),
        ("diff totals", 2, "--from-known-at"),
        ("diff totals --from-known-at 99", 2, "--from-known-at"),
        ("diff wishes --from-known-at 1", 2, "subject"),
        ("diff member/V0001 --by month --from-known-at 1", 2, "subject"),
        ("diff fund/F9 --from-known-at 1", 1, "fund_not_found"),
        ("restate May --published-at 1", 2, "May"),
        ("restate 2025-13 --published-at 1", 2, "month"),
        ("restate 2025-05", 2, "--published-at"),
        ("restate 2025-05 --published-at 99", 2, "--published-at"),
        ("restate 2025-05 --published-at 4 --known-at 3", 2, "--published-at"),
        ("explain totals wealth", 2, "figure"),
        ("explain totals", 2, "figure"),
        ("explain wishes x", 2, "subject"),
        ("explain totals/330424 verified_minutes", 2, "subject"),
        ("explain participation/330424 active", 2, "subject"),
        ("explain source/C1 received_fen --where fund=F1", 2, "subject"),
        ("explain policy/Y1 granted --where member=V0001", 2, "subject"),
        ("explain account/registered --where member=V0001", 2, "member"),
        ("explain account/registered --where region=33042", 2, "region"),
        ("explain fund/F1 spent_fen --proofs --proof-size 2", 2, "--proof-size"),
        ("explain fund/F1 spent_fen --where colour=red", 2, "colour"),
        ("statement V0009", 1, "member_not_found"),
    ],
)
def test_what_cannot_be_told_is_refused(line: str, code: int, place: str, county: Terminal) -> None:
    result = county.run(line)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert place in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        "totals",
        "explain totals verified_minutes",
        "diff totals --from-known-at 1",
        "restate 2025-05 --published-at 1",
        "statement V0001",
        "explain policy/Y1 grants",
        "explain account/belongs",
        "explain source/C1 spent_fen",
        "diff policy/Y1 --from-known-at 1",
    ],
)
def test_a_key_sees_no_more_of_the_past_than_of_the_present(
    line: str, sqlite_terminal: Terminal
) -> None:
    secret = sqlite_terminal.ask(
        "key issue away --roles auditor --regions 64 --expires-on 2099-12-31"
    )["secret"]
    result = sqlite_terminal.run(f"{line} --key {secret}")
    assert result.exit_code == 1
    assert "forbidden" in result.stderr or "not_found" in result.stderr


#: What is asked that is nothing → a word of what is said.
NOTHING: Final = {
    "restate 2025-06..2025-04 --published-at 3": "lies before 2025-06",
    "totals --where from_month=2025-06 --where to_month=2025-05": "lies before 2025-06",
    "restate 2025-13 --published-at 3": "form",
    "trail nothing/x": "organisation",
    "explain account/nonsense/HY": "unallocated",
    "export --after 10 --until 5": "--until 5 lies before",
    "bundle county.tar.gz": ".zip or .tar",
    "totals --known-at tomorrow": "nor an RFC 3339 time",
}


@pytest.mark.parametrize("asked", NOTHING)
def test_what_cannot_be_is_an_error_that_says_why(asked: str, sqlite_terminal: Terminal) -> None:
    result = sqlite_terminal.run(asked)
    assert (result.exit_code, NOTHING[asked] in result.stderr) == (2, True), result.output
    assert "%2B" not in result.stderr


def test_an_account_is_explained_in_the_unit_of_what_moves(sqlite_terminal: Terminal) -> None:
    hours = sqlite_terminal.do("explain account/verified/V0001")
    assert "+2.50 h" in hours
    assert hours.endswith("Together: verified/V0001 2.50 h\n")
    assert "Together: unallocated 900.50 yuan" in sqlite_terminal.do("explain account/unallocated")
