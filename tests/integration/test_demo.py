"""The demonstration county in a real ledger: figures, repeated, cut off, on two databases."""

import json
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from api.cli.county.figures import Figures, figures_of
from api.cli.county.fraud import BUYER
from api.cli.county.plan import HAIYAN, HULI, NINGXIA, ORIGIN, plan_of
from api.cli.county.run import run_demo
from api.cli.main import program
from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import OpenLedger
from ledger.domain.errors import AlreadyExists
from ledger.settings import Settings
from projections.database import Reads, open_reads
from tests import console, figures
from tests.audit import Audit
from tests.postgres_server import PostgresServer
from tests.recount import Recount

#: The county is made once, by the one process that runs these tests.
pytestmark = pytest.mark.xdist_group("demo")

ROOT = Path(__file__).parents[2]
SCALE = Fraction(1, 1000)
SEED = 7


class Made(NamedTuple):
    """A county that was made, and what it said."""

    ledger: Ledger
    reads: Reads
    found: Figures


@contextmanager
def opened(url: str) -> Iterator[tuple[Ledger, Reads]]:
    """The ledger at a URL and its read models."""
    settings = Settings(database_url=url)
    ledger = Ledger(settings, create=True)
    reads = open_reads(settings.read_models)
    with closing(ledger), closing(reads):
        yield ledger, reads


@pytest.fixture(scope="module")
def counties(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Made]]:
    """The same county on both databases, for all tests that only look."""
    folder = tmp_path_factory.mktemp("county")
    urls = {
        "sqlite": f"sqlite:///{folder}/county.db",
        "postgres": f"{postgres_server.url}&schema=county",
    }
    with ExitStack() as stack:
        made = {}
        for name, url in urls.items():
            ledger, reads = stack.enter_context(opened(url))
            made[name] = Made(ledger, reads, demo(ledger, reads))
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def county(request: pytest.FixtureRequest, counties: dict[str, Made]) -> Made:
    return counties[request.param]


class CutOffError(Exception):
    """Stands for whatever ends a process."""


def demo(ledger: Ledger, reads: Reads, scale: Fraction = SCALE, seed: int = SEED) -> Figures:
    return run_demo(ledger, reads, scale, seed, lambda _: None)


def lines_of(ledger: Ledger) -> list[bytes]:
    head = ledger.store.head().position
    return [row.line() for row in ledger.store.select_rows(0, head)]


def without_what_differs(lines: list[bytes]) -> list[Any]:
    """The log but for recorded times, command ids and the ids of keys."""
    kept = []
    for line in map(json.loads, lines):
        del line["state"]["timestamp"], line["state"]["command_id"]
        if line["originator_id"].startswith("key/"):
            line["originator_id"] = "key"
        kept.append(line)
    return kept


def test_the_figures_equal_the_published_ones(county: Made) -> None:
    assert [figure.cells() for figure in county.found.figures if not figure.is_equal] == []
    assert county.found.is_equal
    assert county.found.position == county.ledger.store.head().position


def test_the_figures_equal_a_recount_from_the_lines(counties: dict[str, Made]) -> None:
    recount = Recount(lines_of(counties["sqlite"].ledger))
    assert recount.faults == []
    haiyan = figures.ALL.narrowed(region=HAIYAN)
    assert figures.amount(recount, "MIN", "verified", haiyan) == 11_390 * 60
    assert len(figures.distinct_members(recount, within=haiyan)) == 72
    assert figures.registered(recount, haiyan) == 140
    assert figures.amount(recount, "FEN", "received", haiyan) == 1_900_000_000
    assert figures.balance(recount, BUYER)["available"] == -120


def test_every_event_could_be_accepted(counties: dict[str, Made]) -> None:
    assert Audit(lines_of(counties["sqlite"].ledger)).faults == []


def test_both_databases_get_the_same_log_and_figures(counties: dict[str, Made]) -> None:
    one, other = counties["sqlite"], counties["postgres"]
    logs = [without_what_differs(lines_of(made.ledger)) for made in (one, other)]
    assert logs[0] == logs[1]
    assert one.found.figures == other.found.figures


def test_the_same_run_again_adds_nothing(county: Made) -> None:
    again = demo(county.ledger, county.reads)
    assert again.position == county.found.position
    assert again.figures == county.found.figures
    # Secrets are shown once.
    assert any("--key" in step.arguments for step in county.found.next_steps)
    assert not any("--key" in step.arguments for step in again.next_steps)


def test_another_county_does_not_go_into_the_same_ledger(county: Made) -> None:
    with pytest.raises(AlreadyExists):
        demo(county.ledger, county.reads, seed=SEED + 1)
    assert county.ledger.store.head().position == county.found.position


@pytest.mark.parametrize("origin", [ORIGIN, "other.example/hours"])
def test_a_ledger_in_use_is_left_as_it_was(sqlite_url: str, origin: str) -> None:
    """What is written stays for ever: not one event of the county may get there."""
    with opened(sqlite_url) as (ledger, reads):
        ledger.execute(OpenLedger(origin=origin), operator("registry"))
        with pytest.raises(AlreadyExists):
            demo(ledger, reads)
        assert ledger.store.head().position == 1


def test_a_figure_that_differs_is_said(county: Made) -> None:
    with county.reads.read() as snapshot:
        found = figures_of(snapshot, plan_of(2 * SCALE))
    wrong = {figure.name: figure.cells() for figure in found if not figure.is_equal}
    assert wrong["registered members"] == (
        "Haiyan", "registered members", "140,000", "280", "140", "≠"
    )  # fmt: skip
    assert wrong["verified service hours"][-3:] == ("22,780.00 h", "11,390.00 h", "≠")
    assert "policies" not in wrong


def test_afterwards_the_archive_is_closed(county: Made) -> None:
    rulebook = county.ledger.rulebook
    today = rulebook.today(datetime.now(UTC))
    for code in (HAIYAN, HULI, NINGXIA):
        assert rulebook.limits(code, today).backdating_days == 60


def test_a_run_that_was_cut_off_goes_on(database_url: str, counties: dict[str, Made]) -> None:
    done = 0

    def cut_off(events: int) -> None:
        nonlocal done
        done += events
        if done > 9_000:
            raise CutOffError

    with opened(database_url) as (ledger, reads):
        with pytest.raises(CutOffError):
            run_demo(ledger, reads, SCALE, SEED, cut_off)
        found = demo(ledger, reads)
        log = without_what_differs(lines_of(ledger))
    assert found.is_equal
    assert log == without_what_differs(lines_of(counties["sqlite"].ledger))


def test_on_the_command_line_equal_figures_end_well_and_others_do_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/towns & villages.db"

    def say(*words: str) -> Result:
        return CliRunner().invoke(program, ["--database", url, *words])

    made = say("demo", "--scale", "0.001", "--seed", str(SEED))
    assert made.exit_code == 0, made.output
    assert "≠" not in made.output
    steps = [line for line in made.output.splitlines() if line.startswith("    hourledger")]
    assert {tuple(shlex.split(step)[:3]) for step in steps} == {("hourledger", "--database", url)}
    assert say("register-member", "V1", "--region", HAIYAN, "--as", "wang").exit_code == 0
    again = say("demo", "--scale", "0.001", "--seed", str(SEED))
    assert again.exit_code == 1
    assert "≠" in again.output


def test_the_example_of_the_document_answers_as_it_says(tmp_path: Path) -> None:
    document = (ROOT / "docs/demo.md").read_text(encoding="utf-8")
    assert console.masked(console.play(document, tmp_path)) == console.masked(document)
