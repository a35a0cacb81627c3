"""What figures are asked of on the command line: `member/V0001`, `fund/F1`, `totals`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from api.cli import reading
from api.cli.reading import Look
from api.cli.session import session
from ledger.domain.errors import Forbidden, InvalidCommand
from ledger.domain.fund import find_fund
from ledger.domain.member import find_member

if TYPE_CHECKING:
    from projections.basis import Basis
    from projections.subjects import Subject

SUBJECT: Final = "member/V0001, policy/Y1, fund/F1, source/[KIND/]C1, totals, participation"


def check(subject: str, filters: Mapping[str, str]) -> None:
    """Figures and what is behind them are for auditors, within their scope.

    Raises Forbidden, NotFound.
    """
    caller = session().require_role("auditor")
    kind, _, name = subject.partition("/")
    if kind in ("totals", "participation"):
        reading.check_region(filters)
    elif kind == "member" and caller.regions:
        find_member(session().open().books(), name, caller, at="subject")
    elif kind == "fund" and (caller.regions or caller.organisations or caller.funds):
        find_fund(session().open().books(), name, caller, at="subject")
    elif kind == "source" and not (caller.regions or caller.organisations or caller.funds):
        if not caller.sees_source(name.rpartition("/")[2]):
            raise Forbidden("subject", subject=subject)
    elif kind not in ("member", "fund"):
        session().require_whole("auditor")


def basis_of(look: Look, subject: str, filters: Mapping[str, str]) -> "Basis":
    """What a subject's figures are sums of. Raises InvalidCommand, NotFound, Forbidden."""
    from projections import basis  # noqa: PLC0415 (not for --help)

    check(subject, filters)
    kind, _, name = subject.partition("/")
    if kind == "member":
        return basis.of_member(look.standing, name, filters)
    if kind == "fund":
        return basis.of_fund(look.standing, name, filters)
    if kind == "totals":
        return basis.of_totals(look.standing, filters)
    if kind == "participation":
        return basis.of_participation(look.standing, filters)
    if kind == "account" and name:
        return basis.of_account(look.standing, name, filters.get("region", ""))
    return subject_of(subject, (), {}).basis(look.standing)


def subject_of(subject: str, by: Sequence[str], filters: Mapping[str, str]) -> "Subject":
    """A subject whose moments can be compared. Raises InvalidCommand, Forbidden."""
    from projections import subjects  # noqa: PLC0415 (not for --help)

    check(subject, filters)
    if subject == "totals":
        return subjects.sums(by, filters)
    if subject == "participation":
        return subjects.people(by, filters)
    kind, _, name = subject.partition("/")
    if by or filters or not name:
        raise InvalidCommand("subject", subject=subject, known=SUBJECT)
    if kind == "source":
        source_kind, _, source = name.rpartition("/")
        return subjects.source(source, source_kind or None)
    made = {"member": subjects.member, "policy": subjects.policy, "fund": subjects.fund}.get(kind)
    if made is None:
        raise InvalidCommand("subject", subject=subject, known=SUBJECT)
    return made(name)
