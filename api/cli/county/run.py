"""The demonstration run: the county's commands carried out by the ledger, then its figures."""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

from api.cli.county import money, places
from api.cli.county.figures import Figures, NextStep, figures_of
from api.cli.county.fraud import BUYER, hours_sold
from api.cli.county.grants import BUDGETS, Desk, policies
from api.cli.county.people import Haiyan, huli, ningxia
from api.cli.county.plan import YEAR_END, Chunk, Plan, plan_of
from api.cli.progress import Advance
from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import IssueKey
from ledger.domain.values import Role
from ledger.store.requests import Answered
from projections.bring_up import bring_up
from projections.database import Reads

#: Keys to look at the county with: holder, role, sources seen.
KEYS: Final[tuple[tuple[str, Role, tuple[str, ...]], ...]] = (
    ("county-auditor", "auditor", ()),
    ("huli-community-1", "funder", ("HL-COMMUNITY-1",)),
)
#: Commands handed over and not yet answered, about at most: chunks differ much in size, and while
#: people are made there has to be enough to decide.
UNDER_WAY: Final = 30_000
KEYS_EXPIRE: Final = date(2035, 12, 31)


class County:
    """Every command there is, in order; the same for the same plan and seed."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.seed = seed
        self.treasury = money.Haiyan(seed)
        self.desk = Desk(seed)
        #: The member who gave most, once all have been made.
        self.most = ""

    def chunks(self) -> Iterator[Chunk]:
        """What is opened, paid, served and granted in the year."""
        plan, seed, treasury, desk = self.plan, self.seed, self.treasury, self.desk
        activities = places.Activities(plan, seed)
        yield from places.opening()
        yield from places.organisations()
        yield from activities.chunks()
        yield from treasury.opening()
        yield from policies()
        yield from treasury.chunks()
        yield from money.collection()
        yield from money.collected(seed)
        desk.expenses = treasury.expenses
        people = Haiyan(plan, seed, activities.held, desk)
        yield from people.chunks()
        self.most = people.most[1]
        yield from hours_sold()
        yield from huli(plan, seed)
        yield from ningxia(seed)
        yield from desk.closing()
        yield from treasury.closing()


class Run:
    """Carries out chunks under command ids of their own, so that a run cut off can be repeated."""

    def __init__(self, ledger: Ledger, scale: Fraction, seed: int, advance: Advance) -> None:
        self.ledger = ledger
        self.name = f"demo-{scale.numerator}-{scale.denominator}-{seed}"
        self.advance = advance
        self.chunks = 0

    def carry_out(self, chunks: Iterator[Chunk]) -> None:
        """One transaction a chunk, the next decided while one is written.

        Raises the Refusal of a command that is refused.
        """
        sent: deque[tuple[int, Future[Answered]]] = deque()
        under_way = 0
        for chunk in chunks:
            self.chunks += 1
            name = f"{self.name}-{self.chunks:05}"
            answer = self.ledger.submit(
                chunk.commands,
                chunk.caller,
                command_id=name,
                # Salts are drawn too: two runs give the same hashes.
                seed=hashlib.sha256(name.encode()).digest(),
            )
            if self.chunks == 1:
                answer.result()  # opens the ledger: nothing is sent to one that is another's
            sent.append((len(chunk.commands), answer))
            under_way += len(chunk.commands)
            while under_way > UNDER_WAY:
                count, oldest = sent.popleft()
                self.advance(oldest.result().count)
                under_way -= count
        for _, answer in sent:
            self.advance(answer.result().count)

    def issue_keys(self) -> dict[str, str]:
        """The secrets of KEYS by holder, as far as they are shown for the first time."""
        secrets = {}
        for holder, role, sources in KEYS:
            command = IssueKey(
                holder=holder,
                roles=(role,),
                sources=sources,
                expires_on=KEYS_EXPIRE,
                effective_on=YEAR_END,
            )
            answer, secret = self.ledger.issue_key(
                command, operator("operator-registry"), command_id=f"{self.name}-{holder}"
            )
            self.advance(answer.count)
            if secret is not None:
                secrets[holder] = secret
        return secrets


def run_demo(
    ledger: Ledger, reads: Reads, scale: Fraction | Decimal, seed: int, advance: Advance
) -> Figures:
    """Make the county in an empty ledger and compare its figures with the published ones.

    What a run that was cut off has done already is not done again. `advance` is told how many more
    events were written, then how many were read into the figures; `plan_of(scale).steps` is about
    how many that will be. Raises ValueError for a scale not from 0.001 to 1, AlreadyExists when
    another ledger is open there.
    """
    plan = plan_of(Fraction(scale))
    county, run = County(plan, seed), Run(ledger, plan.scale, seed, advance)
    run.carry_out(county.chunks())
    secrets = run.issue_keys()
    run.carry_out(places.closing())
    bring_up(ledger.store, reads, advance)
    with reads.read() as snapshot:
        figures = figures_of(snapshot, plan)
        position = snapshot.position
    return Figures(
        scale=f"{Decimal(plan.scale.numerator) / plan.scale.denominator:f}",
        seed=seed,
        position=position,
        is_equal=all(figure.is_equal for figure in figures),
        figures=figures,
        next_steps=tuple(next_steps(county, secrets)),
    )


def next_steps(county: County, secrets: dict[str, str]) -> Iterator[NextStep]:
    """What to look at next, with ids of this very run."""
    source = KEYS[1][2][0]
    yield NextStep(
        f"from {source} in Huli to verified hours in Ningxia, fen by fen", f"source {source}"
    )
    if (secret := secrets.get(KEYS[1][0])) is not None:
        yield NextStep("the same with that funder's key", f"--key {secret} source {source}")
    yield NextStep("a fund, each receipt and project, and what went back", f"fund {money.LOTTERY}")
    yield NextStep("the member who gave most, with stars and credit", f"balance {county.most}")
    yield NextStep("that money raised, declined, sent again", f"trail fund/{money.RAISED}")
    yield NextStep("a policy that costs credit and money", f"balance policy/{max(BUDGETS)}")
    yield NextStep("hours that were sold, found out and taken back", f"trail member/{BUYER}")
    yield NextStep("hours, people and money of each town", "totals --by region:9")
    yield NextStep("who took part, by town", "participation --by region:9")
    yield NextStep("the whole log as lines, and its root", "export county.jsonl")
