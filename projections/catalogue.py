"""The catalogue: what there is, what it is called, to whom it belongs; and the rules in force.

Answers name unknown things by their errors instead of showing nothing.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from ledger.domain import errors, rulebook
from ledger.domain.errors import LedgerNotOpened, NotFound
from ledger.domain.rulebook import Rulebook
from ledger.log import codec
from projections.folding import Handler
from projections.session import Snapshot
from projections.tables import Column, Deltas, Record, Table, integers, text

CATALOGUE: Final = Table(
    "catalogue",
    (*text("type", "id"), *text("name", "kind", "organisation", "region", merge="latest")),
)
#: The events of the ledger's own stream that set rules, as they are in the log.
RULES: Final = Table(
    "rules",
    (
        *integers("position", merge="key"),
        *text("stream", "topic", merge="first"),
        Column("state", "bytes", "first"),
    ),
)
TABLES: Final = (CATALOGUE, RULES)
#: Rulebooks that are remembered: those in force, and some of the past.
RULEBOOKS_KEPT: Final = 16

#: Topic → type of thing it lists, and the field that says which kind of it.
LISTED: Final = {
    "OrganisationRegistered": ("organisation", "org_kind"),
    "ProjectOpened": ("project", None),
    "PolicyDefined": ("policy", "dimension"),
    "PolicyAmended": ("policy", "dimension"),
    "FundOpened": ("fund", None),
}
RULING: Final = ("LedgerOpened", "LimitsSet", "RegionProfiled", "StarLevelsSet", "AccrualRuleSet")
#: What is raised for a thing of a type that is not there.
NOT_FOUND: Final[Mapping[str, type[NotFound]]] = {
    "organisation": errors.OrganisationNotFound,
    "project": errors.ProjectNotFound,
    "policy": errors.PolicyNotFound,
    "fund": errors.FundNotFound,
}


class Listed(Struct, frozen=True, kw_only=True):
    """A thing with a name. `kind`: an organisation's sort, a policy's dimension."""

    type: str
    id: str
    name: str
    kind: str
    #: To whom it belongs; empty where it belongs to nobody.
    organisation: str
    region: str


class CatalogueFold:
    """What was listed and ruled since the last drain."""

    def __init__(self, _: Snapshot) -> None:
        self._listed: dict[tuple[str, str], Record] = {}
        self._rules: list[Record] = []

    def handlers(self) -> Mapping[str, Handler]:
        """Whatever has a name, and the rules of the ledger's own stream."""
        return {topic: self._handler(*how) for topic, how in LISTED.items()} | dict.fromkeys(
            RULING, self._rule
        )

    def _handler(self, listed_type: str, kind_field: str | None) -> Handler:
        def listed(_: int, owner: str, event: Any) -> None:
            kind = getattr(event, kind_field) if kind_field else ""
            owned_by = getattr(event, "organisation", "")
            self._listed[listed_type, owner] = (event.name, kind, owned_by, event.region)

        return listed

    def _rule(self, position: int, owner: str, event: Any) -> None:
        topic = type(event).__name__
        self._rules.append((position, f"ledger/{owner}", topic, codec.encode(event)))

    def drain(self) -> Deltas:
        """The deltas gathered so far; gathering begins anew."""
        listed: list[Record] = [(*key, *row) for key, row in self._listed.items()]
        deltas: Deltas = [(CATALOGUE, listed), (RULES, self._rules)]
        self._listed, self._rules = {}, []
        return deltas


def find_listed(snapshot: Snapshot, listed_type: str, listed_id: str, at: str) -> Listed:
    """What the catalogue says of a thing. Raises its NotFound error, at the field `at`."""
    rows = snapshot.once(f"{_SELECT} WHERE type = ? AND id = ?", listed_type, listed_id)
    if not rows:
        raise NOT_FOUND[listed_type](at, **{listed_type: listed_id})
    return _listed(rows[0])


def list_all(snapshot: Snapshot, listed_type: str) -> list[Listed]:
    """All things of a type, by id."""
    return [
        _listed(row) for row in snapshot.rows(f"{_SELECT} WHERE type = ? ORDER BY id", listed_type)
    ]


_SELECT: Final = "SELECT type, id, name, kind, organisation, region FROM {g}catalogue"


def _listed(row: tuple[str, ...]) -> Listed:
    return Listed(**dict(zip(Listed.__struct_fields__, row, strict=True)))


def read_rulebook(snapshot: Snapshot) -> Rulebook:
    """The rules as they stand at the snapshot, for reading only. Raises LedgerNotOpened."""
    sql = "SELECT stream, topic, state FROM {g}rules ORDER BY position"
    return snapshot.settled(sql, lambda rows: _rulebook_of(tuple(rows)))


@lru_cache(maxsize=RULEBOOKS_KEPT)
def _rulebook_of(rows: tuple[tuple[str, str, bytes], ...]) -> Rulebook:
    """The rules these events set. They change rarely, and are asked for with most figures."""
    book: Rulebook | None = None
    for stream, topic, state in rows:
        book = rulebook.evolve(book, stream, codec.decode(topic, state))
    if book is None:
        raise LedgerNotOpened
    return book
