"""A ledger under random commands, two writers at once, and everything that must hold throughout.

`run_machine` drives it with hypothesis; the tests say on which database and for how long.
"""

import os
from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.domain.access import ROLES, Caller
from ledger.domain.errors import IdempotencyMismatch, Refusal
from ledger.log import merkle
from ledger.settings import Settings
from ledger.store.requests import Refused
from projections.database import open_reads
from projections.rebuild import digests, rebuild
from projections.replay import replayed
from projections.runner import catch_up
from tests import wishes as w
from tests.audit import Audit
from tests.comparison import differences
from tests.recount import Recount
from tests.scenario import OTHER_VERIFIER, STANDING

#: Long histories, many of them; for the run that takes hours.
LONG: Final = os.environ.get("TEST_LONG") == "1"


class Done(NamedTuple):
    """A command that was accepted, and what was answered."""

    command: c.Command
    caller: Caller
    result: dict[str, Any]
    first_position: int
    events: int


def none(found: list[Any]) -> None:
    """Nothing was found; otherwise say what, also where assertions are not rewritten."""
    if found:
        raise AssertionError("\n".join(map(str, found)))


#: Drawn when the module is read, so that strategies are made once.
TODAY: Final = w.today()
WHO: Final = st.integers(0, 3)
PICK: Final = st.integers(0, 63)


class LedgerMachine(RuleBasedStateMachine):
    """Two applications on one log and its read models."""

    #: Set by `run_machine`: a new database for every history.
    new_settings: Callable[[], Settings]

    def __init__(self) -> None:
        super().__init__()
        made = type(self).new_settings()
        self.reads = open_reads(made.read_models)
        self.writers = [Ledger(made, create=True), Ledger(made)]
        self.known: dict[str, list[str]] = {}
        self.done: dict[str, Done] = {}
        self.commands = 0
        for command in w.beginning(TODAY):
            self.execute(self.writers[0], command, 0)

    # doing

    def caller(self, command: c.Command, who: int) -> Caller:
        """Whoever has the role; corrections and verifications are at times someone else's."""
        if who == 0 and isinstance(command, w.VERIFYING):
            return OTHER_VERIFIER
        return STANDING[ROLES[type(command)]]

    def head(self) -> int:
        """The last position."""
        return self.writers[0].store.head().position

    def execute(self, ledger: Ledger, command: c.Command, who: int) -> None:
        """Do it; what is refused writes nothing, what is accepted says where it stands."""
        self.commands += 1
        command_id, before = f"c{self.commands}", self.head()
        caller = self.caller(command, who)
        try:
            answer = ledger.execute(command, caller, command_id=command_id)
        except Refusal:
            assert self.head() == before
            return
        assert not answer.replayed
        assert self.head() == before + answer.count == answer.position
        assert answer.first_position == (before + 1 if answer.count else 0)
        w.learn(self.known, command, answer.result)
        if answer.count:
            self.done[command_id] = Done(
                command, caller, answer.result, answer.first_position, answer.count
            )

    def aim(self, command: c.Command, pick: int) -> c.Command:
        """The command with ids that there are."""
        aimed: c.Command = w.aimed(command, self.known, pick)
        return aimed

    # rules: one for each noun, so that they are drawn evenly

    @rule(command=w.wishes(TODAY, w.HOURS), pick=PICK, who=WHO, writer=st.integers(0, 1))
    def hours(self, command: c.Command, pick: int, who: int, writer: int) -> None:
        self.execute(self.writers[writer], self.aim(command, pick), who)

    @rule(command=w.wishes(TODAY, w.HOURS), pick=PICK, who=WHO, writer=st.integers(0, 1))
    def more_hours(self, command: c.Command, pick: int, who: int, writer: int) -> None:
        self.execute(self.writers[writer], self.aim(command, pick), who)

    @rule(command=w.wishes(TODAY, w.INCENTIVES), pick=PICK, writer=st.integers(0, 1))
    def incentives(self, command: c.Command, pick: int, writer: int) -> None:
        self.execute(self.writers[writer], self.aim(command, pick), 1)

    @rule(command=w.wishes(TODAY, w.MONEY), pick=PICK, writer=st.integers(0, 1))
    def money(self, command: c.Command, pick: int, writer: int) -> None:
        self.execute(self.writers[writer], self.aim(command, pick), 1)

    @rule(command=w.wishes(TODAY, w.REGISTRY), pick=PICK, writer=st.integers(0, 1))
    def registry(self, command: c.Command, pick: int, writer: int) -> None:
        self.execute(self.writers[writer], self.aim(command, pick), 1)

    @rule(seed=st.integers(0, 2**32), count=st.integers(1, 12), writer=st.integers(0, 1))
    def burst(self, seed: int, count: int, writer: int) -> None:
        """Several at a time, drawn without hypothesis' love of what is simple."""
        chance = Random(seed)
        for _ in range(count):
            wish = w.random_command(chance, TODAY, w.HOURS, w.INCENTIVES, w.MONEY)
            self.execute(self.writers[writer], self.aim(wish, chance.randrange(64)), seed % 4)

    @precondition(lambda self: self.commands > 40)
    @rule(command=w.wishes(TODAY, w.ENDS), sure=st.integers(0, 7))
    def end_something(self, command: c.Command, sure: int) -> None:
        if sure == 7:
            self.execute(self.writers[0], command, 1)

    # rules: the ways in

    @rule(command=w.wishes(TODAY, w.HOURS, w.INCENTIVES, w.MONEY), pick=PICK)
    def dry_run_then_do(self, command: c.Command, pick: int) -> None:
        """A dry run changes nothing and says what the command then does."""
        command, before = self.aim(command, pick), self.head()
        caller, ledger = self.caller(command, 1), self.writers[0]
        said: object
        try:
            dry = ledger.execute(command, caller, command_id="dry", dry_run=True)
            said = (dry.result, dry.count)
            assert dry.first_position == 0
        except Refusal as refusal:
            said = (refusal.code, refusal.at, refusal.facts)
        assert self.head() == before
        self.commands += 1
        done: object
        try:
            answer = ledger.execute(command, caller, command_id=f"c{self.commands}")
            done = (answer.result, answer.count)
            w.learn(self.known, command, answer.result)
        except Refusal as refusal:
            done = (refusal.code, refusal.at, refusal.facts)
        assert said == done

    @rule(
        commands=st.lists(w.wishes(TODAY, w.HOURS, w.MONEY, w.INCENTIVES), max_size=6),
        pick=PICK,
        on_error=st.sampled_from(["atomic", "stop", "continue"]),
        dry_run=st.booleans(),
        writer=st.integers(0, 1),
    )
    def batch(
        self, commands: list[c.Command], pick: int, on_error: Any, dry_run: bool, writer: int
    ) -> None:
        """Many commands under one id: all, the first, or what is not refused."""
        self.commands += 1
        wanted, before = [self.aim(command, pick) for command in commands], self.head()
        caller = STANDING["admin"]
        ledger = self.writers[writer]
        how: dict[str, Any] = {"command_id": f"c{self.commands}", "on_error": on_error}
        try:
            answered = ledger.execute_many(wanted, caller, dry_run=dry_run, **how)
        except Refusal:
            assert on_error == "atomic"
            assert self.head() == before
            return
        assert self.head() == before + (0 if dry_run else answered.count)
        refused = [isinstance(outcome, Refused) for outcome in answered.outcomes]
        if on_error == "stop":
            assert not any(refused[:-1])
        assert len(refused) == len(wanted) or (on_error == "stop" and refused[-1])
        assert not (any(refused) and on_error == "atomic")
        if dry_run:
            return
        for command, outcome in zip(wanted, answered.outcomes, strict=False):
            if isinstance(outcome, dict):
                w.learn(self.known, command, outcome)
        if answered.count:
            again = ledger.execute_many(wanted, caller, **how)
            assert again.replayed
            assert (again.outcomes, again.count) == (answered.outcomes, answered.count)
            assert self.head() == before + answered.count

    @precondition(lambda self: self.done)
    @rule(pick=st.integers(0, 10**6), writer=st.integers(0, 1))
    def replay(self, pick: int, writer: int) -> None:
        """The same command id again: the first answer, from either writer, nothing written."""
        command_id = list(self.done)[pick % len(self.done)]
        done, before = self.done[command_id], self.head()
        answer = self.writers[writer].execute(done.command, done.caller, command_id=command_id)
        assert answer.replayed
        assert answer.result == done.result
        assert (answer.first_position, answer.count) == (done.first_position, done.events)
        other = c.RegisterMember(member="Z1", region="33")
        try:
            self.writers[writer].execute(other, STANDING["admin"], command_id=command_id)
        except IdempotencyMismatch:
            assert self.head() == before
        else:
            raise AssertionError("another body was taken under the same command id")

    @rule(limit=st.integers(1, 40))
    def project_some(self, limit: int) -> None:
        """Read models are brought up in batches of any size, while writing goes on."""
        assert catch_up(self.writers[1].store, self.reads, limit) == self.head()

    # what must hold

    def teardown(self) -> None:
        try:
            self.check()
        finally:
            for writer in self.writers:
                writer.close()
            self.reads.close()

    def check(self) -> None:
        """The log is sound by its lines alone, and the read models say what it says."""
        store = self.writers[0].store
        lines = [row.line() for row in store.select_rows(0, 10**6)]
        recount = Recount(lines)
        none(recount.faults)
        none(Audit(lines).faults)
        head = store.head()
        assert (head.position, merkle.root(head.frontier)) == (len(lines), recount.root)
        assert self.once_each(recount)
        catch_up(store, self.reads, 7)
        with self.reads.read() as snapshot:
            none(differences(recount, snapshot, w.today().isoformat()))
            with replayed(store, head.position) as replay:
                assert digests(replay.snapshot()) == digests(snapshot)
        none(rebuild(store, self.reads).differences)

    def once_each(self, recount: Recount) -> bool:
        """Every accepted command has its events where its answer said, and no others."""
        return all(
            recount.commands[command_id]
            == (done.first_position, done.first_position + done.events - 1)
            for command_id, done in self.done.items()
        )


def run_machine(new_settings: Callable[[], Settings], *, examples: int, steps: int) -> None:
    """Histories of so many steps on databases of this sort. Failing ones are made small."""
    machine: Any = type("Machine", (LedgerMachine,), {"new_settings": staticmethod(new_settings)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples * (50 if LONG else 1),
            stateful_step_count=steps * (3 if LONG else 1),
            deadline=None,
            phases=[Phase.generate] if LONG else [Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            database=None,
        ),
    )
