"""A recount by hledger, which knows nothing of us: its balances equal ours."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest

from api.cli.county.run import run_demo
from ledger.application import Ledger
from ledger.settings import Settings
from projections import balances
from projections.database import Reads, open_reads
from projections.hledger import amount_of
from projections.rollups import FIGURES
from projections.totals import totals
from tests.terminal import YESTERDAY, Terminal

SCALE: Final = Fraction(1, 100 if os.environ.get("TEST_LONG") else 1000)
#: (account, commodity) → quantity, in minutes, credit-minutes, fen, people.
Balances = Counter[tuple[str, str]]
AMOUNT: Final = re.compile(r"¥(?P<yuan>-?[0-9]+\.[0-9]{2})|(?P<count>-?[0-9]+) (?P<name>[A-Z]{3})")


@pytest.fixture(scope="module")
def counties(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demonstration county with its read models."""
    folder = tmp_path_factory.mktemp("county")
    settings = Settings(database_url=f"sqlite:///{folder}/county.db")
    ledger, reads = Ledger(settings, create=True), open_reads(settings.read_models)
    run_demo(ledger, reads, SCALE, 7, lambda _: None)
    reads.close()
    ledger.close()
    return settings


@pytest.fixture(scope="module")
def journal(counties: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "county.journal"
    Terminal(counties.database_url).do(f"export {path} --format hledger")
    return path


def read_amount(text: str) -> tuple[str, int]:
    """`150 MIN` and `¥-19.05` as a commodity and a quantity of its smallest unit."""
    found = AMOUNT.fullmatch(text)
    assert found, text
    if found["yuan"]:
        return "FEN", int(found["yuan"].replace(".", ""))
    return found["name"], int(found["count"])


def summed_up(journal: str) -> Balances:
    """The postings of a journal, summed up by a few lines of Python."""
    sums: Balances = Counter()
    for line in journal.splitlines():
        if line.startswith("    "):
            account, _, amount = line.strip().partition("  ")
            commodity, quantity = read_amount(amount)
            sums[account, commodity] += quantity
    return sums


def by_hledger(journal: Path) -> Balances:
    """The balances that hledger tells."""
    done = subprocess.run(
        ["hledger", "-f", str(journal), "balance", "--flat", "-N", "-E", "-O", "csv"],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    rows = list(csv.reader(io.StringIO(done.stdout.decode())))[1:]
    sums: Balances = Counter()
    for account, amounts in rows:
        for amount in amounts.split(", ") if amounts != "0" else ():
            commodity, quantity = read_amount(amount)
            sums[account, commodity] += quantity
    return sums


def by_us(reads: Reads) -> Balances:
    """The same accounts, as the read models have them."""
    sums: Balances = Counter()
    with reads.read() as snapshot:
        for row in balances.member_balances(snapshot, limit=10**6):
            sums[f"pending:{row.member}", "MIN"] += row.pending_minutes
            sums[f"verified:{row.member}", "MIN"] += row.verified_minutes
            sums[f"pending:{row.member}", "TRN"] += row.training_pending_minutes
            sums[f"verified:{row.member}", "TRN"] += row.training_verified_minutes
            sums[f"credit:{row.member}", "CRD"] += row.credit_available
        for account, fen in snapshot.rows("SELECT account, fen FROM {g}usage"):
            sums[account.replace("/", ":"), "FEN"] += fen
        for account, heads in snapshot.rows("SELECT account, heads FROM {g}heads"):
            sums[account.replace("/", ":"), "HED"] += heads
    return sums


def is_known(account: str, commodity: str) -> bool:
    """Whether the read models keep this account."""
    kept = {"pending", "verified"} if commodity in {"MIN", "TRN"} else {"credit"}
    return commodity in {"FEN", "HED"} or account.partition(":")[0] in kept


def told(sums: Balances) -> dict[tuple[str, str], int]:
    """The balances that are not zero."""
    return {key: quantity for key, quantity in sums.items() if quantity}


def test_the_journal_sums_up_to_our_figures(counties: Settings, journal: Path) -> None:
    theirs = told(summed_up(journal.read_text(encoding="utf-8")))
    reads = open_reads(counties.read_models)
    assert {key: q for key, q in theirs.items() if is_known(*key)} == told(by_us(reads))
    reads.close()


@pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed")
def test_hledger_tells_our_balances_in_hours_credit_and_yuan(
    counties: Settings, journal: Path
) -> None:
    theirs = by_hledger(journal)
    assert told(theirs) == told(summed_up(journal.read_text(encoding="utf-8")))
    classes: Balances = Counter()
    for (account, commodity), quantity in theirs.items():
        classes[account.partition(":")[0], commodity] += quantity
    reads = open_reads(counties.read_models)
    with reads.read() as snapshot:
        (ours,) = totals(snapshot).rows
    reads.close()
    named = {name: sign * classes[account, c] for name, (c, account, sign) in FIGURES.items()}
    assert named == ours


def test_a_journal_can_begin_and_end_anywhere(sqlite_terminal: Terminal) -> None:
    journal = sqlite_terminal.do("export --format hledger --after 9 --until 10")
    verified_on = json.loads(sqlite_terminal.lines()[9])["state"]["effective_on"]
    assert journal.partition("\n\n")[2] == (
        f"{YESTERDAY} (10) HoursVerified  ; stream:member/V0001\n"
        "    pending:V0001  -150 MIN\n"
        "    verified:V0001  150 MIN\n"
        f"\n{verified_on} (10) HoursVerified  ; stream:member/V0001\n"
        "    issued:330424  -150 CRD\n"
        "    credit:V0001  150 CRD\n"
    )


@pytest.mark.parametrize(
    ("commodity", "quantity", "text"),
    [("FEN", 190050, "¥1900.50"), ("FEN", -5, "¥-0.05"), ("MIN", -150, "-150 MIN")],
)
def test_quantities_stay_exact(commodity: str, quantity: int, text: str) -> None:
    assert amount_of(commodity, quantity) == text
    assert read_amount(text) == (commodity, quantity)
