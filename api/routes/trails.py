"""The audit trail of one thing, and who has looked at it."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from api.answers import LookAt
from api.cursors import unpack
from api.queries import Cursor, Limit, PastQuery, ReadQuery
from api.reading import Look, Shown, View
from ledger.domain.errors import Forbidden, NotFound
from projections.scope import require_whole
from projections.trail import Trail, trail
from projections.visibility import check_trail

Kind = Literal[
    "actor", "activity", "fund", "incoming", "key", "ledger", "member", "organisation", "policy",
    "project",
]  # fmt: skip
#: What a look can be at, such as `member/V0001`, `members/` or `looks/fund/F1`.
About = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._/+-]{1,350}$(?!\n)", examples=["member/V0001"])]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,150}$(?!\n)", examples=["V0001"])]


class OfEntity(PastQuery, frozen=True, kw_only=True):
    """One thing's events, a page at a time."""

    type: Kind
    id: Id
    cursor: Cursor | None = None
    limit: Limit = 100


class OfLooks(ReadQuery, frozen=True, kw_only=True):
    """At what someone looked: `member/V0001`, `fund/F1`, `members/330424`, `log`."""

    about: About
    cursor: Cursor | None = None
    limit: Limit = 100


class LooksAt(Struct, frozen=True, kw_only=True):
    """The last looks at something, the latest first."""

    position: int
    looks: list[LookAt]


#: Seconds looks may take to be written before they are asked for; those of this process.
LOOKS_WAIT_S: Final = 1.0
#: What a treasurer reads, who is no auditor.
OF_TREASURERS: Final = ("fund",)


def show_trail(look: Look, query: OfEntity) -> Shown:
    """Everything that happened to something, event by event, with before and after."""
    _check(look, query)
    entity = f"{query.type}/{query.id}"
    look.saw(entity)
    after = unpack(query.cursor, int) if query.cursor else 0
    try:
        found: Any = trail(
            look.store,
            look.standing.lists(),
            entity,
            after,
            query.limit,
            visibility=look.visibility,
        )
    except NotFound as missing:
        missing.at = "id"  # what is one word there is two fields here
        raise
    return Shown(found, "", found.after)


def _check(look: Look, query: OfEntity) -> None:
    """Whether this is for the caller. Raises Forbidden, NotFound."""
    caller = look.caller
    if not caller.roles & {"auditor", "admin"} and query.type not in OF_TREASURERS:
        raise Forbidden("type", needs="auditor")
    check_trail(look.live, lambda: look.books, caller, query.type, query.id)


def show_looks(look: Look, query: OfLooks) -> Shown:
    """Who looked at the data of a member or fund, the latest first."""
    require_whole(look.caller)
    look.saw(f"looks/{query.about}")
    before = unpack(query.cursor, str) if query.cursor else "9999"
    look.looks.flush(LOOKS_WAIT_S)
    found = look.looks.looks_at(query.about, query.limit + 1, before)
    page = [LookAt(**each._asdict()) for each in found[: query.limit]]
    more = page[-1].at if len(found) > query.limit else None
    return Shown(LooksAt(position=look.position, looks=page), "", more)


VIEWS = (
    View("/v1/trail/{type}/{id:path}", "trail", show_trail, OfEntity, Trail),
    View("/v1/looks", "log", show_looks, OfLooks, LooksAt),
)
