"""Random commands over few ids, so that they meet: valid ones, borderline ones, hopeless ones.

Days are drawn as distances from today, so that a failing history can be replayed on another day.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any, Final, get_args

from hypothesis import strategies as st
from msgspec import NODEFAULT
from msgspec.structs import fields, replace

from ledger.domain import commands as c
from ledger.domain import values as v

MEMBERS: Final = ["V1", "V2", "V3"]
REGIONS: Final = ["330424", "330424001", "330424101", "640122"]
FUNDS: Final = ["F1", "F2"]
HERE, AWAY = "haiyan.example/hours", "yongning.example/hours"


def today() -> date:
    """Today where the ledger is, eight hours ahead of UTC."""
    return (datetime.now(UTC) + timedelta(hours=8)).date()


Choices = list[Any]
Weights = dict[type[c.Command], int]


def often(*usual: Any, rare: Any = ()) -> Choices:
    """Mostly one of the usual values, about one time in ten a rare one."""
    return [*usual] * max(1, 9 * max(1, len(rare)) // len(usual)) + [*rare]


def some(values: Choices) -> Choices:
    """Tuples of none, one and two of the values, all alike often."""
    return [(), *((value,) for value in values), tuple(values[:2])]


def derived(owners: list[str], mark: str, numbers: int) -> Choices:
    """Ids the ledger gives out: `V1-2`, `F1-E1`."""
    known = [f"{owner}-{mark}{n}" for owner in owners for n in range(1, numbers + 1)]
    return often(*known, rare=[f"X9-{mark}1"])


def terms(day: date) -> Choices:
    """Terms around this year, with few regions and categories."""
    year = timedelta(days=300)
    wide = v.Terms(purpose="助老", opens_on=day - year, closes_on=day + year)
    return often(
        wide,
        replace(wide, regions=("330424",)),
        replace(wide, regions=("330424001",), forbidden=("meals",)),
        replace(wide, allowed=("incentive", "meals")),
        rare=[
            replace(wide, opens_on=day + timedelta(days=1)),
            replace(wide, closes_on=day - timedelta(days=1)),
            replace(wide, regions=("64",), allowed=("transport",)),
        ],
    )


SOURCES: Final[list[tuple[v.SourceKind, str]]] = [("charity", "S1"), ("welfare_lottery", "S2")]
LOTS: Final = [
    (v.Lot(receipt=receipt, source_kind=kind, source_id=source, fen=fen),)
    for receipt in ("F1-R1", "F1-R2", "F2-R1")
    for kind, source in SOURCES
    for fen in (1, 99, 500, 10_000)
]


@cache
def pools(day: date) -> dict[str, Choices]:
    """What may stand in a field, by its name; what stands there often is there more than once."""
    near = [day - timedelta(days=days) for days in range(6)]
    wide = near * 2 + [day - timedelta(days=days) for days in (-2, 31, 89, 91)]
    threshold = [v.Threshold(minutes=m, months=n) for m in (0, 0, 60, 500) for n in (1, 12)]
    return PEOPLE | HOURS_AND_RULES | INCENTIVES_AND_MONEY | {
        "effective_on": wide, "service_on": wide, "held_on": near, "opens_on": wide,
        "closes_on": [day + timedelta(days=days) for days in (-5, -1, 0, 1, 300, 300)],
        "expires_on": [day + timedelta(days=365)],
        "terms": terms(day), "threshold": threshold,
    }  # fmt: skip


Pool = dict[str, Choices]
_KINDS: Final = [("volunteer",), ("party_member",), ("volunteer", "social_worker")]
_CLOCK: Final = ["08:00", "09:00", "10:30", "23:00", "00:30"]
_WORDS: Final = some(["elder_care", "training"])

PEOPLE: Final[Pool] = {
    "origin": [HERE], "utc_offset": ["+08:00"], "currency": ["CNY"],
    "region": often(*REGIONS[:3], rare=[REGIONS[3], "33"]),
    "name": often("海盐", "x", rare=[" x", "x\n"]), "population": [380_000],
    "member": often(*MEMBERS, rare=["X9"]), "kinds": _KINDS,
    "reason_code": ["asked_for"], "credential": often("social_worker", "first_aid"),
    "level": ["l1", "l2"], "tier": ["t1", "t2"],
    "organisation": often("O1", rare=["O2", "O9"]),
    "residency": list(get_args(v.Residency)),
    "org_kind": list(get_args(v.OrgKind)),
    "holder": often("street", "office"), "roles": [("recorder",)],
    "regions": [(), ("330424",)], "organisations": [()],
    "funds": [()], "sources": [()], "key": ["none"],
}  # fmt: skip
HOURS_AND_RULES: Final[Pool] = {
    "backdating_days": often(30, 90, rare=[0, 36_600]),
    "day_minutes_max": often(480, 600, rare=[60, 1_440]),
    "levels": [(v.StarLevel(stars=1, minutes=60), v.StarLevel(stars=2, minutes=120))],
    "rule": often("R1", "R2", "R3", "R4", "R5"), "categories": _WORDS,
    "num": [0, 1, 2, 3], "den": [1, 2, 7],
    "entry_max": [30, 100, 1_000], "day_max": [50, 120],
    "note": ["0" * 64], "project": often("P1", "P2", rare=["P3", "P9"]),
    "minutes": often(1, 30, 60, 119, 120, 480, rare=[0, -1, 1_440, 2**60]),
    "category": often("elder_care", "training", rare=["meals", "other"]),
    "evidence": list(get_args(v.Evidence)), "kind": often("service", rare=["training"]),
    "team": often("O1", rare=["O2", "O9"]), "activity": often("A1", "A2", rare=["A9"]),
    "start": _CLOCK, "end": _CLOCK, "source": ["sys"],
    "source_ref": list("123456789"), "replaces": derived(MEMBERS, "", 4),
    "entry": derived(MEMBERS, "", 6), "deficit": [True, False],
    "responsible": ["zhou"], "registered": [0, 1, 5, 30],
    "attended": [0, 1, 5, 30], "served": [0, 1, 5, 30],
}  # fmt: skip
INCENTIVES_AND_MONEY: Final[Pool] = {
    "policy": often("Y1", "Y2", rare=["Y3", "Y9"]),
    "dimension": list(get_args(v.Dimension)),
    "credit_cost": often(0, 30, 60, rare=[10_000]), "fen_cost": often(0, rare=[100]),
    "quota_member": list(range(1, 4)), "quota_total": list(range(1, 5)),
    "quota_period": list(get_args(v.QuotaPeriod)),
    "document": often("bill", rare=["x" * 4_000]), "grant": derived(MEMBERS, "G", 3),
    "fund": often(*FUNDS, rare=["F3", "F9"]), "consent": ["letter"],
    "fen": often(1, 250, 1_000, rare=[10_001, 10**7, 10**13]),
    "source_kind": often("charity", "welfare_lottery"), "source_id": often("S1", "S2"),
    "target": often("project/P1", "policy/Y2", rare=["project/P2", "project/P9", "policy/Y1"]),
    "receipts": some(derived(FUNDS, "R", 3)), "payee_kind": ["supplier"],
    "payee": ["x"], "lots": LOTS,
    "expense": derived(FUNDS, "E", 3), "to_region": often("330424", "330424001", "640122"),
    "to_origin": often(HERE, AWAY), "transfer": derived(FUNDS, "T", 3),
    "from_origin": often(AWAY, rare=[HERE]), "from_region": ["640122"],
}  # fmt: skip


#: What most commands do not say.
SELDOM: Final = {"effective_on", "team", "activity", "replaces", "receipts", "to_origin", "fund",
                 "minutes", "document"}  # fmt: skip


@cache
def choices_of(kind: type[c.Command], day: date) -> dict[str, Choices]:
    """What may stand in each field of a command. What may be left out is so half of the time."""
    known, found = pools(day), {}
    for field in fields(kind):
        values = known[field.name]
        if kind is c.SetAccrualRule and field.name == "evidence":
            values = [(), ("manual",), ("system",)]
        may_lack = field.default is not NODEFAULT or field.default_factory is not NODEFAULT
        if may_lack and field.name not in {"entry", "reason_code"}:
            seldom = field.name in SELDOM and kind is not c.AcceptTransfer
            values = values + [field.default] * len(values) * (3 if seldom else 1)
        found[field.name] = values
    return found


def commands_of(kind: type[c.Command], day: date) -> st.SearchStrategy[Any]:
    """Commands of one class, for hypothesis."""
    values = {name: st.sampled_from(known) for name, known in choices_of(kind, day).items()}
    return st.builds(kind, **values).map(tidied)


def random_command(chance: Random, day: date, *weights: Weights) -> Any:
    """A command of any of these kinds, drawn without favour."""
    kinds = {kind: weight for each in weights for kind, weight in each.items()}
    (kind,) = chance.choices(list(kinds), list(kinds.values()))
    known = choices_of(kind, day)
    return tidied(kind(**{name: chance.choice(values) for name, values in known.items()}))


def tidied(command: Any) -> Any:
    """Pairs are whole more often than not, and an entry has one name."""
    if isinstance(command, c.LogHours):
        timed, sourced = command.start or command.end, command.source or command.source_ref
        return _replace(command, start=(command.start or "08:30") if timed else None,
                        end=(command.end or "11:00") if timed else None,
                        source="sys" if sourced else None,
                        source_ref=(command.source_ref or "1") if sourced else None)  # fmt: skip
    if isinstance(command, c.OpenProject) and not command.categories:
        return _replace(command, categories=("elder_care",))
    if isinstance(command, c.EntryCommand):
        if command.member and command.source and command.source_ref:
            return _replace(command, entry=None)
        return _replace(command, member=None, source=None, source_ref=None)
    if isinstance(command, c.PolicyCommand) and command.fen_cost:
        return _replace(command, fund=command.fund or "F1")
    return command


#: Fields that name something the ledger gave an id to.
AIMS: Final = ("entry", "replaces", "grant", "expense", "transfer")


def aimed(command: Any, known: dict[str, list[str]], pick: int) -> Any:
    """The command with ids that exist, most of the time: otherwise few would meet anything."""
    aims = [name for name in AIMS if getattr(command, name, None) and known.get(name)]
    if pick % 8 == 7:
        return command
    if isinstance(command, c.LogHours) and "replaces" not in aims:
        return _replace(command, replaces=None)
    return _replace(command, **{name: known[name][-1 - pick % len(known[name])] for name in aims})


def learn(known: dict[str, list[str]], command: Any, answer: dict[str, Any]) -> None:
    """Remember the ids of an answer; rejected and voided entries may be replaced."""
    for name in AIMS:
        if name in answer and answer[name] not in known.setdefault(name, []):
            known[name].append(answer[name])
    if isinstance(command, c.RejectHours | c.VoidHours):
        known.setdefault("replaces", []).append(answer["entry"])


def _replace(command: Any, **changes: Any) -> Any:
    values = {field.name: getattr(command, field.name) for field in fields(type(command))}
    return type(command)(**values | changes)


#: Kinds of commands by how often they are drawn.
HOURS: Final[Weights] = {
    c.LogHours: 5, c.VerifyHours: 5, c.RejectHours: 1, c.CorrectHours: 2, c.VoidHours: 1,
}  # fmt: skip
INCENTIVES: Final[Weights] = {
    c.GrantIncentive: 12, c.RevokeGrant: 3, c.DefinePolicy: 1, c.AmendPolicy: 1,
}  # fmt: skip
MONEY: Final[Weights] = {
    c.ReceiveFunds: 4, c.AllocateFunds: 6, c.ReleaseFunds: 2, c.SpendFunds: 6, c.ReverseSpend: 4,
    c.ReturnFunds: 2, c.SendTransfer: 4, c.AcceptTransfer: 4, c.DeclineTransfer: 2,
    c.ReceiveTransfer: 2, c.OpenFund: 1, c.AmendFund: 1,
}  # fmt: skip
REGISTRY: Final[Weights] = {
    c.RegisterMember: 2, c.ChangeMemberKinds: 2, c.MoveMember: 2, c.DeregisterMember: 1,
    c.RecordCredential: 4, c.WithdrawCredential: 2, c.JoinOrganisation: 4, c.LeaveOrganisation: 2,
    c.RegisterOrganisation: 1, c.OpenProject: 1, c.HoldActivity: 4, c.WithdrawActivity: 2,
    c.SetLimits: 1, c.SetAccrualRule: 2, c.SetStarLevels: 1, c.ProfileRegion: 1, c.OpenLedger: 1,
    c.EraseText: 1, c.IssueKey: 1, c.RevokeKey: 1,
}  # fmt: skip
#: What different people may have to do, for four eyes.
VERIFYING: Final = (c.VerifyHours, c.CorrectHours, c.VoidHours)
#: What ends things, and would end every history soon.
ENDS: Final[Weights] = {
    c.ClosePolicy: 1, c.CloseFund: 1, c.CloseProject: 1, c.DeregisterMember: 1,
}  # fmt: skip


@cache
def _wishes(kinds: tuple[type[c.Command], ...], day: date) -> st.SearchStrategy[Any]:
    made = {kind: commands_of(kind, day) for kind in kinds}
    return st.sampled_from(kinds).flatmap(lambda kind: made[kind])


def wishes(day: date, *weights: Weights) -> st.SearchStrategy[Any]:
    """Commands of any of these kinds, for hypothesis."""
    return _wishes(
        tuple(kind for each in weights for kind, weight in each.items() for _ in range(weight)), day
    )


def beginning(day: date) -> list[c.Command]:
    """A county in which commands find something: people, projects, policies, money."""
    new_year = day - timedelta(days=400)
    within = v.Terms(purpose="助老", opens_on=new_year, closes_on=day + timedelta(days=300))
    offer: dict[str, Any] = {
        "name": "x", "region": "330424", "threshold": v.Threshold(minutes=0, months=12),
        "dimension": "economic_incentive", "credit_cost": 30, "opens_on": new_year,
        "closes_on": day + timedelta(days=300), "quota_period": "month",
    }  # fmt: skip
    project: dict[str, Any] = {
        "name": "x", "categories": ("elder_care", "training"), "opens_on": new_year,
    }  # fmt: skip
    return [
        c.OpenLedger(origin=HERE),
        c.SetAccrualRule(
            rule="R1",
            region="330424",
            num=1,
            den=1,
            entry_max=110,
            day_max=150,
            effective_on=new_year,
        ),
        c.RegisterOrganisation(organisation="O1", name="x", org_kind="team", region="330424"),
        *(c.RegisterMember(member=member, region="330424001") for member in MEMBERS),
        c.OpenProject(project="P1", organisation="O1", region="330424", **project),
        c.OpenProject(project="P2", organisation="O1", region="330424101", **project),
        c.OpenFund(fund="F1", name="x", organisation="O1", region="330424", terms=within),
        c.OpenFund(fund="F2", name="x", organisation="O1", region="330424001", terms=within),
        c.ReceiveFunds(fund="F1", source_kind="charity", source_id="S1", fen=9_000, document="x"),
        c.DefinePolicy(policy="Y1", quota_total=3, quota_member=2, **offer),
        c.DefinePolicy(policy="Y2", fund="F1", fen_cost=100, **offer),
        c.AllocateFunds(fund="F1", target="policy/Y2", fen=300),
        *(
            c.LogHours(
                member=member,
                project="P1",
                service_on=day - timedelta(days=40),
                minutes=90,
                category="elder_care",
                evidence="manual",
            )
            for member in MEMBERS
        ),
        *(c.VerifyHours(entry=f"{member}-1") for member in MEMBERS),
    ]
