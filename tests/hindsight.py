"""Every answer the ledger gives about its figures, asked of one moment, to be compared.

`answers` asks for all there is: a refusal is an answer too, told by its code.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from random import Random
from typing import Final

import msgspec

from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.access import ROLES, Caller
from ledger.domain.errors import LedgerError, Refusal
from ledger.settings import Settings
from ledger.states import States
from projections import balances, basis, fund_usage, participation, statement, totals, trail
from projections.database import Reads, open_reads
from projections.explain import legs
from projections.moments import Moment
from projections.past import Pasts
from projections.standing import Standing
from tests import wishes as w
from tests.comparison import GROUPINGS, PLACES
from tests.scenario import OTHER_VERIFIER, STANDING, caller

AUDITOR: Final = caller("court-of-audit", "auditor")
MEMBERS: Final = [*w.MEMBERS, "X9"]
POLICIES: Final = ["Y1", "Y2", "Y9"]
SLICES: Final[list[dict[str, str]]] = [
    {"project": "P1"}, {"organisation": "O1"}, {"project": "P2", "organisation": "O1"},
    {"region": "330424001"}, {"evidence": "manual"}, {"project": "P9"},
]  # fmt: skip
ENTITIES: Final = [
    *(f"member/{each}" for each in MEMBERS), *(f"fund/{each}" for each in w.FUNDS),
    *(f"policy/{each}" for each in POLICIES), "project/P1", "organisation/O1", "actor/finance",
    f"ledger/{w.HERE}",
]  # fmt: skip

Question = Callable[[Standing], object]


def questions(on: date) -> Iterator[tuple[str, Question]]:
    """All that is asked, by name; stars are asked for a day."""
    yield "members", lambda at: balances.member_balances(at.whole(), limit=100, on=on)
    yield "certified", lambda at: participation.certified(at.whole())
    yield "belonging", lambda at: participation.belonging(at.whole())
    for by in GROUPINGS:
        yield f"totals by {by}", partial(_totals, by, {})
    for by in PLACES:
        yield f"people by {by}", partial(_people, by, {})
    for filters in SLICES:
        yield f"totals {filters}", partial(_totals, ["month"], filters)
        yield f"people {filters}", partial(_people, ["region"], filters)
    yield from _of_things(on)


def _of_things(on: date) -> Iterator[tuple[str, Question]]:
    """Questions about one thing each, answered from few streams."""
    for member in MEMBERS:
        yield f"{member} has", partial(_member, member, on)
        yield f"{member} did", partial(_statement, member)
        yield f"{member} why", partial(_why, basis.of_member, member)
    for policy in POLICIES:
        yield f"{policy} gave", partial(_policy, policy)
        yield f"{policy} why", partial(_why, basis.of_policy, policy)
    for fund in w.FUNDS:
        yield f"{fund} used", partial(_fund, fund)
        yield f"{fund} why", partial(_why, basis.of_fund, fund)
    for _, source in w.SOURCES:
        yield f"{source} used", partial(_source, source)
    for entity in ENTITIES:
        yield f"{entity} trail", partial(_trail, entity)


def _totals(by: Sequence[str], filters: Mapping[str, str], at: Standing) -> object:
    return totals.totals(at.slice(filters), by, filters)


def _people(by: Sequence[str], filters: Mapping[str, str], at: Standing) -> object:
    return participation.participation(at.whole(), by, filters)


def _member(member: str, on: date, at: Standing) -> object:
    return balances.member_balance(at.member(member), member, on)


def _policy(policy: str, at: Standing) -> object:
    return balances.policy_balance(at.policy(policy), policy)


def _fund(fund: str, at: Standing) -> object:
    return fund_usage.fund_usage(at.fund(fund), fund)


def _source(source: str, at: Standing) -> object:
    return fund_usage.source_usage(at.source(source), source)


def _trail(entity: str, at: Standing) -> object:
    return trail.trail(at.store, at.lists(), entity)


def _statement(member: str, at: Standing) -> object:
    books = States(at.store, until=at.moment.position)
    return statement.statement(books, at, member, AUDITOR, limit=1000)


def _why(of: Callable[[Standing, str], basis.Basis], name: str, at: Standing) -> Mapping[str, int]:
    return _sums(of(at, name))


def _sums(of: basis.Basis) -> Mapping[str, int]:
    """What the legs of each figure come to."""
    return {name: sum(leg.change for leg in legs(of, name)) for name in of.changes}


def answers(at: Standing, on: date) -> dict[str, object]:
    """What is answered to every question."""
    return {name: _answer(ask, at) for name, ask in questions(on)}


def _answer(ask: Question, at: Standing) -> object:
    try:
        return msgspec.to_builtins(ask(at))
    except LedgerError as error:
        return error.code


def live(ledger: Ledger, chance: Random, commands: int, day: date) -> Iterator[int]:
    """A random history, command by command; the position after each that wrote something."""
    known: dict[str, list[str]] = {}
    for command in w.beginning(day):
        yield ledger.execute(command, _caller(command, 1)).position
    for _ in range(commands):
        wish = w.random_command(chance, day, w.HOURS, w.INCENTIVES, w.MONEY, w.REGISTRY)
        command = w.aimed(wish, known, chance.randrange(64))
        try:
            answer = ledger.execute(command, _caller(command, chance.randrange(4)))
        except Refusal:
            continue
        w.learn(known, command, answer.result)
        if answer.count:
            yield answer.position


class History:
    """A ledger and its read models."""

    def __init__(self, settings: Settings) -> None:
        self.ledger = Ledger(settings, create=True)
        self.reads: Reads = open_reads(settings.read_models)
        self.pasts = Pasts(self.ledger.store)

    @contextmanager
    def at(self, position: int | None = None, as_of: date | None = None) -> Iterator[Standing]:
        """Everything as it stood; as the tables in use stand when no position is given."""
        with self.reads.read() as snapshot:
            moment = Moment(snapshot.position if position is None else position, as_of)
            with Standing(self.ledger.store, snapshot, self.pasts, moment) as standing:
                yield standing

    def lines(self) -> list[bytes]:
        """The log as it would be exported."""
        return [row.line() for row in self.ledger.store.select_rows(0, 10**6)]


def _caller(command: c.Command, who: int) -> Caller:
    if who == 0 and isinstance(command, w.VERIFYING):
        return OTHER_VERIFIER
    return STANDING[ROLES[type(command)]]
