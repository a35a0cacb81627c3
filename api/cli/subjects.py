"""What figures are asked of on the command line: `member/V0001`, `fund/F1`, `totals`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from api.cli.reading import Look
from ledger.domain.access import Caller
from ledger.domain.errors import Forbidden, InvalidCommand

if TYPE_CHECKING:
    from projections.basis import Basis
    from projections.subjects import Subject

SUBJECT: Final = "member/V0001, policy/Y1, fund/F1, source/[KIND/]C1, totals, participation"
#: What can be explained: single accounts, too.
EXPLAINED: Final = SUBJECT + ", account/ACCOUNT"


def check(look: Look, subject: str, filters: Mapping[str, str], by: Sequence[str] = ()) -> None:
    """Figures and what is behind them are for auditors, within their scope.

    Raises Forbidden, NotFound.
    """
    from projections import scope  # noqa: PLC0415 (not for --help)

    caller, live = look.now.require_role("auditor"), look.standing.live
    kind, _, name = subject.partition("/")
    if kind in ("totals", "participation"):
        _check_region(caller, filters)
        scope.check_named(live, caller, filters)
        if kind == "participation":
            scope.check_apart(caller, by, filters)
    elif kind == "member":
        scope.check_member(live, caller, name, "subject")
    elif kind == "fund":
        scope.check_fund(live, caller, name, "subject")
    elif kind == "source":
        scope.check_source(caller, name.rpartition("/")[2], "subject")
    else:
        look.now.require_whole("auditor")


def _check_region(caller: Caller, filters: Mapping[str, str]) -> None:
    """A key with regions asks for sums of these alone; one with another scope, for none.

    Raises Forbidden.
    """
    scoped = caller.organisations or caller.funds or caller.sources
    if scoped or not caller.sees_region(filters.get("region", "")):
        raise Forbidden("region", region=filters.get("region"))


def basis_of(look: Look, subject: str, filters: Mapping[str, str]) -> "Basis":
    """What a subject's figures are sums of. Raises InvalidCommand, NotFound, Forbidden."""
    from projections import basis  # noqa: PLC0415 (not for --help)
    from projections.filters import check_filters  # noqa: PLC0415

    check(look, subject, filters)
    kind, _, name = subject.partition("/")
    if kind == "member":
        found = basis.of_member(look.standing, name, filters)
        # An entry that is named is seen or it is as if it were not: no sum is to be kept true.
        return found.within(look.visibility.sees) if "entry" in filters else found
    if kind == "fund":
        return basis.of_fund(look.standing, name, filters)
    if subject == "totals":
        return basis.of_totals(look.standing, filters)
    if subject == "participation":
        return basis.of_participation(look.standing, filters)
    if kind == "account" and name:
        check_filters(look.standing.live, filters, ("region",))
        return basis.of_account(look.standing, name, filters.get("region", ""))
    return subject_of(look, subject, (), filters, EXPLAINED).basis(look.standing)


def subject_of(
    look: Look, subject: str, by: Sequence[str], filters: Mapping[str, str], known: str = SUBJECT
) -> "Subject":
    """A subject whose moments can be compared. Raises InvalidCommand, Forbidden.

    `known`: the subjects there are, for whoever names another one.
    """
    from projections import subjects  # noqa: PLC0415 (not for --help)

    check(look, subject, filters, by)
    if subject == "totals":
        return subjects.sums(by, filters)
    if subject == "participation":
        return subjects.people(by, filters)
    kind, _, name = subject.partition("/")
    makers = {"member": subjects.member, "policy": subjects.policy, "fund": subjects.fund}
    made = makers.get(kind, _source if kind == "source" else None)
    if made is None or not name:
        raise InvalidCommand("subject", subject=subject, known=known)
    if by or filters:
        raise InvalidCommand("subject", subject=subject, reason="without --by and --where")
    return made(name)


def _source(name: str) -> "Subject":
    """A source by its id, with its kind in front where that is told."""
    from projections import subjects  # noqa: PLC0415 (not for --help)

    kind, _, source = name.rpartition("/")
    return subjects.source(source, kind or None)
