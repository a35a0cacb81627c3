"""The published figures beside the ledger's, as its read models answer them."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from msgspec import Struct

from api.cli.county.money import ARRIVED, RAISED
from api.cli.county.people import TIERS
from api.cli.county.places import NEIGHBOURS
from api.cli.county.plan import (
    HAIYAN,
    HULI,
    NATIVES,
    NEWCOMERS,
    POLICIES,
    PROJECTS,
    RAISED_HAIYAN,
    TRANSFERRED,
    Plan,
)
from api.cli.quantities import hours, yuan
from projections.catalogue import list_all
from projections.fund_usage import fund_usage
from projections.participation import belonging, certified, participation
from projections.session import Snapshot
from projections.totals import totals

Unit = Literal["", "minutes", "fen"]
#: How a quantity is shown: numbers as they are, minutes as hours, fen as yuan.
_SHOWN: Final[dict[Unit, Callable[[int], str]]] = {
    "": "{:,}".format,
    "minutes": lambda minutes: f"{hours(minutes)} h",
    "fen": lambda fen: f"{yuan(fen)} yuan",
}
_DIMENSIONS: Final = 3


class Figure(Struct, frozen=True, kw_only=True):
    """One published figure: as it is, as it must be at the scale, as the ledger has it."""

    county: str
    name: str
    published: int
    scaled: int
    ledger: int
    #: What the three count: heads and the like, whole minutes, or fen.
    unit: Unit = ""

    @property
    def is_equal(self) -> bool:
        """Whether the ledger has what it must have."""
        return self.scaled == self.ledger

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        show = _SHOWN[self.unit]
        counts = (show(self.published), show(self.scaled), show(self.ledger))
        return self.county, self.name, *counts, "=" if self.is_equal else "≠"


class NextStep(Struct, frozen=True):
    """Something to try: what it shows, and the words after `hourledger` and its database."""

    shows: str
    arguments: str


class Figures(Struct, frozen=True, kw_only=True):
    """What the demonstration came to, and what to try next with it."""

    #: As a decimal, such as 0.01.
    scale: str
    seed: int
    #: Events in the log, and what the figures are true at.
    position: int
    is_equal: bool
    figures: tuple[Figure, ...]
    next_steps: tuple[NextStep, ...]

    def table(self) -> list[tuple[str, ...]]:
        """The figures as text: county, figure, published, scaled, ledger, = or ≠."""
        return [figure.cells() for figure in self.figures]


HEADING: Final = ("county", "figure", "published", "× scale", "ledger", "equal")


def figures_of(snapshot: Snapshot, plan: Plan) -> tuple[Figure, ...]:
    """All published figures. Raises NotFound where the county is not in the ledger."""
    return (*_people(snapshot, plan), *_learning(snapshot, plan), *_money(snapshot),
            *_huli(snapshot, plan))  # fmt: skip


def _haiyan(name: str, published: int, scaled: int, ledger: int, unit: Unit = "") -> Figure:
    return Figure(
        county="Haiyan", name=name, published=published, scaled=scaled, ledger=ledger, unit=unit
    )


def _total(snapshot: Snapshot, figure: str, **filters: str) -> int:
    """One figure of the totals of a slice."""
    (row,) = totals(snapshot, (), filters).rows
    return int(row[figure])


def _people(snapshot: Snapshot, plan: Plan) -> Iterator[Figure]:
    """Who is registered and active, what they did, who is certified."""
    (row,) = participation(snapshot, (), {"region": HAIYAN}).rows
    minutes = _total(snapshot, "verified_minutes", region=HAIYAN)
    served = _total(snapshot, "person_times_served", region=HAIYAN)
    holders = certified(snapshot, {"region": HAIYAN})
    social_workers = sum(each.members for each in holders)
    tiers = len({each.tier for each in holders if each.members > 0})
    yield _haiyan("registered members", 140_000, plan.registered, row["registered"])
    yield _haiyan("active members", 72_000, plan.active, row["active"])
    yield _haiyan("verified service hours", 11_390_000 * 60, plan.minutes, minutes, "minutes")
    yield _haiyan("person-times served", 100_000, plan.served, served)
    yield _haiyan("certified social workers", 2_900, plan.certified, social_workers)
    yield _haiyan("tiers of social workers", len(TIERS), len(TIERS), tiers)


def _learning(snapshot: Snapshot, plan: Plan) -> Iterator[Figure]:
    """Examined and trained."""
    for name, published, scaled, figure, kind in (
        ("registered for the exam", 2_000, plan.exam_registered, "registered", "exam"),
        ("attended the exam (88 %)", 1_760, plan.exam_attended, "attended", "exam"),
        ("training attendances", 600, plan.trained, "attended", "training"),
    ):
        counted = _total(snapshot, f"person_times_{figure}", region=HAIYAN, kind=kind)
        yield _haiyan(name, published, scaled, counted)


def _money(snapshot: Snapshot) -> Iterator[Figure]:
    """Policies, projects and the money behind them, whole at any scale."""
    policies = list_all(snapshot, "policy")
    rows = totals(snapshot, ("project",), {"region": HAIYAN}).rows
    projects = [row for row in rows if row["project"] and row["verified_minutes"]]
    paid = [row for row in projects if row["fen_spent"]]
    raised = _total(snapshot, "fen_received", region=HAIYAN)
    yield _haiyan("policies", POLICIES, POLICIES, len(policies))
    dimensions = len({policy.kind for policy in policies})
    yield _haiyan("dimensions of policies", _DIMENSIONS, _DIMENSIONS, dimensions)
    yield _haiyan("projects, served and paid for", PROJECTS, PROJECTS, len(paid))
    yield _haiyan(
        "purchase, lottery and charity money", RAISED_HAIYAN, RAISED_HAIYAN, raised, "fen"
    )


def _huli(snapshot: Snapshot, plan: Plan) -> Iterator[Figure]:
    """Social workers, the neighbour team, and the money sent to Ningxia."""
    holders = sum(each.members for each in certified(snapshot, {"region": HULI}))
    sessions = _total(snapshot, "activities", region=HULI, kind="supervision")
    team = belonging(snapshot, {"organisation": NEIGHBOURS})
    heads = {each.residency: each.members for each in team}
    usage = fund_usage(snapshot, RAISED)
    raised = sum(s.received_fen for s in usage.sources if s.source_kind in {"community", "agency"})
    arrived = fund_usage(snapshot, ARRIVED).received_fen
    rows: tuple[tuple[str, int, int, int, Unit], ...] = (
        ("certified social workers", 1_500, plan.certified_huli, holders, ""),
        ("supervisions", 500, plan.supervisions, sessions, ""),
        ("newcomers in the neighbour team", NEWCOMERS, NEWCOMERS, heads.get("newcomer", 0), ""),
        ("natives in the neighbour team", NATIVES, NATIVES, heads.get("native", 0), ""),
        ("raised by communities and agencies", TRANSFERRED, TRANSFERRED, raised, "fen"),
        ("transferred to Ningxia", TRANSFERRED, TRANSFERRED, usage.transferred_fen, "fen"),
        ("arrived in Ningxia", TRANSFERRED, TRANSFERRED, arrived, "fen"),
    )
    for name, published, scaled, ledger, unit in rows:
        yield Figure(
            county="Huli",
            name=name,
            published=published,
            scaled=scaled,
            ledger=ledger,
            unit=unit,
        )
