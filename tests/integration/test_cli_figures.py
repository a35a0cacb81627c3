"""Figures on the command line: right, limited, explained, and never empty by mistake."""

import pytest

from tests.terminal import EVENTS, MONTH, Terminal


def test_a_balance_is_the_sum_of_what_happened(terminal: Terminal) -> None:
    told = terminal.ask("balance V0001")
    expected = {
        "position": EVENTS, "member": "V0001", "verified_minutes": 150, "pending_minutes": 0,
        "credit_earned": 150, "credit_spent": 60, "credit_available": 90,
    }  # fmt: skip
    assert told | expected == told
    for line in (
        f"Member V0001 (volunteer) of 330424001, at position {EVENTS}:",
        "verified (h)",
        "2.50",
    ):
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
    assert [(row["region"], row["month"]) for row in grouped["rows"]] == [("330424", MONTH)]
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
    line: str, place: str, county: Terminal
) -> None:
    result = county.run(line)
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


def test_a_figure_is_called_the_same_where_there_is_none(sqlite_terminal: Terminal) -> None:
    sqlite_terminal.do(
        "open-fund F2 --name 空 --organisation O1 --region 330424 --terms-purpose 助老"
        " --terms-opens-on 2020-01-01 --terms-closes-on 2099-12-31"
    )
    sqlite_terminal.do(
        "receive-funds F2 --source-kind charity --source-id C2 --yuan 1 --document 收据2"
    )
    for line in ("fund F2", "source C2"):
        shown = sqlite_terminal.do(line)
        assert "  yuan per verified hour  –\n" in shown
        assert "fen" not in shown
    assert "  yuan per verified hour  140.08\n" in sqlite_terminal.do("fund F1")


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
    line: str, commodity: str, account: str, expected: int, county: Terminal
) -> None:
    assert explained(county, line, commodity, account) == expected


def test_an_explanation_says_when_there_is_more(county: Terminal) -> None:
    told = county.do("balance V0001 --explain --explain-limit 1")
    assert "HoursLogged" not in told
    assert "There are more than these 1: --explain-limit" in told
    assert "HoursLogged" in county.do("balance V0001 --explain")
