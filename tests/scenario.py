"""Given, when, then for rules: a small county in memory, with the real rules and nothing else.

    ledger = county_at_work()
    ledger.given(log_hours(minutes=150))
    ledger.when(verify_hours(minutes=120)).then_event(HoursVerified, minutes=120, declined=30)
    ledger.when(verify_hours()).then_refused("entry_not_pending", at="entry")

A command is carried out by whoever has its role, unless `by` says otherwise; the
people of different roles are different holders. What is decided is applied to
the books at once, and two things hold at every step: a rule changes no state,
and each event reads back from its bytes as it was.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from ledger.domain import commands as c
from ledger.domain.access import ROLES, Caller
from ledger.domain.decision import Act, Decision
from ledger.domain.errors import LedgerNotOpened, Refusal
from ledger.domain.events import Event
from ledger.domain.values import Role, Threshold, day_of
from ledger.log import codec

if TYPE_CHECKING:
    from ledger.domain.rulebook import Rulebook

E = TypeVar("E", bound=Event)

ORIGIN: Final = "haiyan.example/hours"
#: Haiyan county, two of its towns, the county of the other end of a transfer.
REGION, TOWN, OTHER_TOWN, ELSEWHERE = "330424", "330424001", "330424101", "640522"
#: Monday; the clock starts at nine in the morning at +08:00.
TODAY: Final = date(2025, 6, 16)
NINE: Final = datetime(2025, 6, 16, 1, 0, tzinfo=UTC)
#: The day most service of the tests is done on.
SATURDAY: Final = date(2025, 6, 14)


def caller(holder: str, *roles: Role, key: str = "", **scope: Any) -> Caller:
    """Someone with these roles; scopes as in `Caller` (`members`, `regions`, `funds` …)."""
    return Caller(holder=holder, key=key or f"{holder}-key", roles=frozenset(roles), **scope)


ADMIN = caller("civil-affairs", "admin")
RECORDER = caller("association", "recorder")
VERIFIER = caller("street-office", "verifier")
OTHER_VERIFIER = caller("audit-office", "verifier")
GRANTER = caller("benefits-office", "granter")
TREASURER = caller("finance", "treasurer")
#: Who carries a command out when nothing else is said.
STANDING: Final[dict[Role, Caller]] = {
    "admin": ADMIN,
    "recorder": RECORDER,
    "verifier": VERIFIER,
    "granter": GRANTER,
    "treasurer": TREASURER,
}


class MemoryBooks:
    """States of all streams in a dictionary; `Books` as the rules see them."""

    def __init__(self) -> None:
        self.states: dict[str, object] = {}
        self.origin: str | None = None
        #: Bytes of the states looked at so far, while that is watched.
        self._looked: dict[str, bytes] | None = None

    @property
    def rulebook(self) -> "Rulebook":
        """State of the ledger stream. Raises LedgerNotOpened."""
        if self.origin is None:
            raise LedgerNotOpened
        return cast("Rulebook", self.get(f"ledger/{self.origin}"))

    def get(self, stream: str) -> object | None:
        """State of a stream, None when it has no events."""
        state = self.states.get(stream)
        if self._looked is not None and stream not in self._looked:
            self._looked[stream] = pickle.dumps(state)
        return state

    def apply(self, stream: str, event: Event) -> None:
        """Fold one more event into its stream."""
        from ledger.domain import rules  # noqa: PLC0415 (so that scenarios import before all nouns exist)

        if stream.startswith("ledger/"):
            self.origin = stream.removeprefix("ledger/")
        self.states[stream] = rules.evolve(self.states.get(stream), stream, event)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Assert that the body changes no state it looks at."""
        looked = self._looked = {}
        try:
            yield
        finally:
            self._looked = None
            for stream, before in looked.items():
                assert pickle.dumps(self.states.get(stream)) == before, f"{stream} was changed"


class Outcome:
    """What became of a command; `then_…` assert and can be chained."""

    def __init__(self, decision: Decision | None, refusal: Refusal | None) -> None:
        self._decision = decision
        self.refusal = refusal

    @property
    def decision(self) -> Decision:
        """The decision. Raises the refusal when there is none."""
        if self._decision is None:
            assert self.refusal is not None
            raise self.refusal
        return self._decision

    @property
    def events(self) -> list[Event]:
        """The decided events, in log order. Raises the refusal."""
        return [event for _, event in self.decision.events]

    @property
    def answer(self) -> dict[str, str | int | bool]:
        """What the caller is told. Raises the refusal."""
        return self.decision.answer

    def event(self, kind: type[E]) -> E:
        """The one event of this kind."""
        (found,) = [event for event in self.events if type(event) is kind]
        return found

    def then_events(self, *kinds: type[Event]) -> Self:
        """Events of exactly these kinds were decided, in this order."""
        assert [type(event).__name__ for event in self.events] == [kind.__name__ for kind in kinds]
        return self

    def then_event(self, kind: type[Event], /, **expected: object) -> Self:
        """Exactly one event of this kind was decided, and has these fields."""
        event = self.event(kind)
        assert {name: getattr(event, name) for name in expected} == expected
        return self

    def then_in(self, *streams: str) -> Self:
        """The events went to these streams, in this order."""
        assert [stream for stream, _ in self.decision.events] == list(streams)
        return self

    def then_answer(self, **expected: str | int | bool) -> Self:
        """The answer is exactly this."""
        assert self.answer == expected
        return self

    def then_nothing(self) -> Self:
        """The command was accepted, and nothing had to be written."""
        return self.then_events()

    def then_refused(self, code: str, at: str | None = None, **facts: object) -> Self:
        """The command was refused with this code, at this field, with (at least) these facts."""
        assert self.refusal is not None, f"not refused: {self._decision}"
        assert (self.refusal.code, self.refusal.at) == (code, self.refusal.at if at is None else at)
        assert {name: self.refusal.facts.get(name) for name in facts} == facts
        return self


class Scenario:
    """One log in memory, a clock, and everything that happened so far."""

    def __init__(self, now: datetime = NINE) -> None:
        self.books = MemoryBooks()
        self.now = now
        #: Every event so far with its stream, in log order.
        self.log: list[tuple[str, Event]] = []
        #: Kept texts by digest.
        self.notes: dict[str, str] = {}
        self._commands = 0

    def given(self, *commands: c.Command, by: Caller | None = None) -> Self:
        """Carry these out; all must be accepted."""
        for command in commands:
            assert self.when(command, by=by).decision is not None
        return self

    def when(self, command: c.Command, by: Caller | None = None) -> Outcome:
        """Carry this out, and say what became of it."""
        try:
            decision = self.decide(command, by)
        except Refusal as refusal:
            return Outcome(None, refusal)
        for stream, event in decision.events:
            self.happened(stream, event)
        self.notes.update({note.digest: note.text for note in decision.notes})
        if decision.erase:
            self.notes.pop(decision.erase, None)
        return Outcome(decision, None)

    def decide(self, command: c.Command, by: Caller | None = None) -> Decision:
        """What would be decided; nothing happens (a dry run). Raises Refusal."""
        from ledger.domain import rules  # noqa: PLC0415 (as in MemoryBooks.apply)

        self._commands += 1
        act = self.act(command, by or STANDING[ROLES[type(command)]])
        with self.books.unchanged():
            return rules.decide(command, self.books, act)

    def act(self, command: c.Command, by: Caller) -> Act:
        """The doing of a command by someone, now."""
        today = self.today
        command_id = f"C{self._commands}"
        return Act(
            caller=by,
            command_id=command_id,
            now=self.now,
            today=today,
            effective_on=command.effective_on or today,
            seed=command_id.encode(),
        )

    def happened(self, stream: str, event: Event) -> None:
        """Let an event happen that reads back from its bytes as it was."""
        assert codec.decode(type(event).__name__, codec.encode(event)) == event
        self.log.append((stream, event))
        self.books.apply(stream, event)

    @property
    def today(self) -> date:
        """The calendar day at +08:00."""
        return day_of(self.now, "+08:00")

    def later(self, **delta: float) -> Self:
        """Advance the clock, e.g. `later(days=3)`."""
        self.now += timedelta(**delta)
        return self

    def state(self, stream: str) -> Any:
        """The state of a stream that must be there, e.g. `member/V0001`."""
        return self.books.states[stream]

    def replayed(self) -> MemoryBooks:
        """The books again, from the events alone."""
        books = MemoryBooks()
        for stream, event in self.log:
            books.apply(stream, event)
        return books


# Commands with everything filled in; name what the test is about.


def register(member: str = "V0001", region: str = TOWN, **changes: Any) -> c.RegisterMember:
    """A volunteer of the first town."""
    return c.RegisterMember(member=member, region=region, **changes)


def open_project(project: str = "P001", **changes: Any) -> c.OpenProject:
    """A project of O1 in the county since new year, with four categories."""
    wish: dict[str, Any] = {
        "name": "邻里助老",
        "organisation": "O1",
        "region": REGION,
        "categories": ("child_care", "elder_care", "environment", "training"),
        "opens_on": date(2025, 1, 1),
    }
    return c.OpenProject(project=project, **wish | changes)


def log_hours(member: str = "V0001", minutes: int = 120, **changes: Any) -> c.LogHours:
    """Two hours of elder care last Saturday, filled in afterwards."""
    wish: dict[str, Any] = {
        "project": "P001",
        "service_on": SATURDAY,
        "category": "elder_care",
        "evidence": "manual",
    }
    return c.LogHours(member=member, minutes=minutes, **wish | changes)


def timed(start: str, end: str, **changes: Any) -> c.LogHours:
    """Half an hour somewhere within a stretch of time."""
    return log_hours(**{"minutes": 30, "start": start, "end": end, **changes})


def from_sheet(ref: str = "2025-06/1", **changes: Any) -> c.LogHours:
    """A row of a spreadsheet."""
    return log_hours(source="sheet", source_ref=ref, **changes)


def verify_hours(entry: str = "V0001-1", **changes: Any) -> c.VerifyHours:
    """Verify an entry in full."""
    return c.VerifyHours(entry=entry, **changes)


def served(*minutes: int, member: str = "V0001") -> list[c.Command]:
    """So many entries of a member, logged and verified."""
    rows = [(str(n), each) for n, each in enumerate(minutes, 1)]
    return [
        command
        for ref, each in rows
        for command in (
            from_sheet(ref, member=member, minutes=each),
            c.VerifyHours(member=member, source="sheet", source_ref=ref),
        )
    ]


def accrual(rule: str = "R1", **changes: Any) -> c.SetAccrualRule:
    """One credit-minute a verified minute, in the whole county, since 2025."""
    wish: dict[str, Any] = {
        "region": REGION,
        "num": 1,
        "den": 1,
        "effective_on": date(2025, 1, 1),
    }
    return c.SetAccrualRule(rule=rule, **wish | changes)


def policy_terms(policy: str = "Y1", **changes: Any) -> dict[str, Any]:
    """A free bus card for two verified hours within a year: costs an hour of credit."""
    wish: dict[str, Any] = {
        "policy": policy,
        "name": "公交优惠",
        "dimension": "economic_incentive",
        "region": REGION,
        "threshold": Threshold(minutes=120, months=12),
        "credit_cost": 60,
        "opens_on": date(2025, 1, 1),
        "closes_on": date(2025, 12, 31),
    }
    return wish | changes


def amend_policy(**changes: Any) -> c.AmendPolicy:
    """The policy of `policy_terms`, changed."""
    return c.AmendPolicy(**policy_terms(**changes))


def define_policy(policy: str = "Y1", **changes: Any) -> c.DefinePolicy:
    """Offer the policy of `policy_terms`."""
    return c.DefinePolicy(**policy_terms(policy, **changes))


def county() -> Scenario:
    """The ledger of Haiyan county, open, with its region profiled; nobody in it yet."""
    return Scenario().given(
        c.OpenLedger(origin=ORIGIN),
        c.ProfileRegion(region=REGION, name="海盐县", population=460_000, source="census 2020"),
    )


def county_at_work() -> Scenario:
    """Also organisations O1 and O2, project P001 of O1, V0001 and V0002, one accrual rule."""
    return county().given(
        c.RegisterOrganisation(
            organisation="O1", name="海盐县志愿者协会", org_kind="association", region=REGION
        ),
        c.RegisterOrganisation(
            organisation="O2", name="武原街道", org_kind="community", region=TOWN
        ),
        open_project(),
        register("V0001"),
        register("V0002", region=OTHER_TOWN),
        accrual(),
    )
