"""Basis: what the figures of an answer are sums of, told by the log and not by the figures.

For each answer: which rows of the log matter to it, and by how much each move changes each of its
figures. A figure that is computed of others (a rate, stars) names the figures it is computed of.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ledger.domain.errors import InvalidCommand
from ledger.domain.events import RegionProfiled
from ledger.log.codec import decode
from ledger.store.log import Row
from projections import balances, participation, totals
from projections.catalogue import find_listed
from projections.filters import NO_FILTERS, agrees, check_filters, month_text
from projections.fund_parts import FOR_TARGETS, HELD
from projections.moves import Move, month_of, moves
from projections.past import rows_until
from projections.postings import CLASSES, POSTINGS, class_of
from projections.rollups import FIGURES
from projections.standing import Standing, merged
from projections.totals import project_of

#: By how much a move of the event at a position changes a figure.
Change = Callable[[int, Any, Move], int]
Changes = Mapping[str, Change]
#: Figure → commodity, class of account, sign.
Sums = Mapping[str, tuple[str, str, int]]

#: What a line of a fund is named by.
FUND_LINE: Final = ("target", "category", "receipt", "source_kind", "source_id")
#: What a line of a statement is named by.
MEMBER_LINE: Final = ("entry", "grant")
_OF_MEMBER: Final[Sums] = {**balances.SUMS, "credit_available": ("CRD", "credit", 1)}
_PER_HOUR: Final = {"fen_per_verified_hour": ("spent_fen", "verified_minutes")}
#: Distinct people are not a sum: what is told is the minutes that make them active.
_OF_PEOPLE: Final = {
    "active": ("verified_minutes",),
    "active_per_10000_registered": ("verified_minutes", "registered"),
    "active_per_10000_inhabitants": ("verified_minutes", "inhabitants"),
}
_KEYS: Final = {row.topic: totals.keys_getter(row.topic) for row in POSTINGS}
#: Events that count by themselves, whatever they move.
_COUNTED: Final = ("IncentiveGranted", "IncentiveRevoked", "RegionProfiled")


class Basis(NamedTuple):
    """What an answer's figures are sums of, at one moment."""

    standing: Standing
    #: By how much a move changes each figure that is a sum.
    changes: Changes
    #: The rows above a position, in log order, that may change these figures.
    rows: Callable[[Collection[str], int], Iterable[Row]]
    #: Figure → the sums it is computed of.
    computed: Mapping[str, tuple[str, ...]] = {}
    #: Whether a move changes the figures alike at every moment that counts it.
    is_steady: bool = True

    def sums_of(self, figure: str) -> tuple[str, ...]:
        """The sums behind a figure: itself, as a rule. Raises InvalidCommand for an unknown one."""
        if figure in self.changes:
            return (figure,)
        if figure not in self.computed:
            known = sorted({*self.changes, *self.computed})
            raise InvalidCommand("figure", allowed=", ".join(known))
        return self.computed[figure]

    def within(self, keeps: Callable[[Row], bool]) -> "Basis":
        """The same of those rows alone that are kept."""
        return self._replace(rows=lambda *of: filter(keeps, self.rows(*of)))

    def moves(self, row: Row) -> Iterator[tuple[Any, Move]]:
        """The moves of a row that the moment counts, each with its event."""
        event = decode(row.topic, row.state)
        for move in moves_of(row, event):
            if self.standing.moment.counts(row.position, move.day):
                yield event, move


def moves_of(row: Row, event: Any) -> tuple[Move, ...]:
    """The moves of a row's event; last the event itself, where it is counted."""
    return (*moves(event, row.originator_id), *_mark(row.topic, event))


def _mark(topic: str, event: Any) -> tuple[Move, ...]:
    """The event itself as one of no commodity, where it is counted."""
    if topic not in _COUNTED:
        return ()
    return (Move("", "", "", 1, event.effective_on, None),)


def held(commodity: str, state: str, sign: int) -> Change:
    """How moves change what accounts of a class hold."""

    def change(_: int, __: Any, move: Move) -> int:
        if move.commodity != commodity:
            return 0
        side = (class_of(move.target) == state) - (class_of(move.source) == state)
        return sign * side * move.quantity

    return change


def _held_all(sums: Sums) -> dict[str, Change]:
    return {name: held(*sum_) for name, sum_ in sums.items()}


def _within(changes: Changes, keeps: Callable[[Any, Move], bool]) -> dict[str, Change]:
    """The same changes, of those moves alone that are kept."""

    def narrowed(change: Change) -> Change:
        def within(position: int, event: Any, move: Move) -> int:
            found = change(position, event, move)
            return found if found and keeps(event, move) else 0

        return within

    return {name: narrowed(change) for name, change in changes.items()}


def of_member(standing: Standing, member: str, filters: Mapping[str, str] = NO_FILTERS) -> Basis:
    """Figures of `member_balance`; of one `entry` or `grant` of the statement, when named.

    Raises InvalidCommand, MemberNotFound.
    """
    _check_names(filters, MEMBER_LINE)
    balances.member_balance(standing.member(member), member)
    changes = _held_all(_OF_MEMBER)
    if filters:
        changes |= _OF_GRANT if "grant" in filters else _OF_ENTRY
    changes = _within(changes, lambda event, _: _names(event, filters))
    computed = {"stars": ("verified_minutes",)}
    return Basis(standing, changes, _rows_of(standing, f"member/{member}"), computed)


def _rows_of(standing: Standing, *streams: str) -> Callable[[Collection[str], int], Iterable[Row]]:
    return lambda _, after: (row for row in standing.rows(*streams) if row.position > after)


def _logged(_: int, __: Any, move: Move) -> int:
    return move.quantity * (class_of(move.source) == "served")


def _cost(_: int, __: Any, move: Move) -> int:
    return move.quantity * (class_of(move.target) == "redeemed")


def _given(_: int, event: Any, move: Move) -> int:
    is_grant = type(event).__name__ == "IncentiveGranted" and not move.commodity
    return int(event.fen) if is_grant else 0


#: Figures of a statement's lines, where these have others than the balance.
_OF_ENTRY: Final[Changes] = {"minutes": _logged, "credit": held("CRD", "issued", -1)}
_OF_GRANT: Final[Changes] = {"credit": _cost, "fen": _given}


def _names(event: Any, filters: Mapping[str, str]) -> bool:
    return all(getattr(event, name, None) == wanted for name, wanted in filters.items())


def _check_names(filters: Mapping[str, str], allowed: Collection[str]) -> None:
    for name in filters:
        if name not in allowed:
            raise InvalidCommand(name, allowed=", ".join(allowed))


def of_policy(standing: Standing, policy: str) -> Basis:
    """Figures of `policy_balance`. Raises PolicyNotFound."""
    find_listed(standing.policy(policy), "policy", policy, "policy")

    def granted(_: int, event: Any, move: Move) -> int:
        return (not move.commodity) * (type(event).__name__ == "IncentiveGranted")

    def revoked(_: int, event: Any, move: Move) -> int:
        return (not move.commodity) * (type(event).__name__ == "IncentiveRevoked")

    changes: dict[str, Change] = {
        "granted": granted,
        "revoked": revoked,
        "grants": lambda *of: granted(*of) - revoked(*of),
        "credit_redeemed": held("CRD", "redeemed", 1),
    }
    within = _within(changes, lambda event, _: getattr(event, "policy", None) == policy)
    return Basis(
        standing,
        within,
        lambda _, after: (row for row in standing.granted(policy) if row.position > after),
    )


def of_fund(standing: Standing, fund: str, filters: Mapping[str, str] = NO_FILTERS) -> Basis:
    """Figures of `fund_usage`: of the whole, or of a line that FUND_LINE names.

    Raises InvalidCommand, FundNotFound.
    """
    _check_names(filters, FUND_LINE)
    find_listed(standing.fund(fund), "fund", fund, "fund")
    return _of_funds(standing, [fund], filters)


def of_source(
    standing: Standing, source_id: str, funds: Collection[str], source_kind: str | None = None
) -> Basis:
    """Figures of `source_usage`; `funds` are those it tells of."""
    kind = {"source_kind": source_kind} if source_kind else {}
    # Hours stand beside each fund, and are not added up over funds.
    return money_of(_of_funds(standing, funds, {"source_id": source_id, **kind}))


def money_of(found: Basis) -> Basis:
    """The same without hours."""
    told = {name: change for name, change in found.changes.items() if name.endswith("fen")}
    return found._replace(changes=told, computed={})


def _of_funds(standing: Standing, funds: Collection[str], filters: Mapping[str, str]) -> Basis:
    def keeps(event: Any, move: Move) -> bool:
        return agrees({n: getattr(move.lot, n, getattr(event, n, "")) for n in filters}, filters)

    def rows(figures: Collection[str], after: int) -> Iterable[Row]:
        paid = sorted(projects) if "verified_minutes" in figures else ()
        served = (_served(standing.listed(f"project/{project}", after)) for project in paid)
        return merged((row for row in own if row.position > after), *served)

    def verified(position: int, event: Any, move: Move) -> int:
        return minutes(position, event, move) * (getattr(event, "project", "") in projects)

    own, minutes = standing.rows(*(f"fund/{fund}" for fund in funds)), held("MIN", "verified", 1)
    money: dict[str, Change] = {name: held("FEN", state, 1) for state, name in HELD.items()}
    projects, crossed = _touched(Basis(standing, {}, rows), own, keeps)
    money["received_fen"] = _received(crossed)
    money["transferred_fen"] = lambda _, __, m: _crossing(m, crossed, 1)
    changes = _within(money, keeps) | {"verified_minutes": verified}
    return Basis(standing, changes, rows, _PER_HOUR, is_steady=False)


def _served(rows: Iterable[Row]) -> Iterator[Row]:
    """Those of members: what other funds did for a project is not this fund's."""
    return (row for row in rows if row.originator_id.startswith("member/"))


def _touched(
    basis: Basis, rows: Iterable[Row], keeps: Callable[[Any, Move], bool]
) -> tuple[set[str], dict[str, int]]:
    """Projects that have or had money of these rows, and what crossed to or from other regions.

    A transfer between two funds of one answer comes to nothing: the money has not left.
    """
    projects, crossed = set[str](), defaultdict[str, int](int)
    for row in rows:
        for event, move in basis.moves(row):
            if move.lot is None or not keeps(event, move):
                continue
            for account, side in ((move.source, -1), (move.target, 1)):
                if class_of(account) in FOR_TARGETS:
                    projects.add(project_of(account.split("/", 2)[2]))
                elif class_of(account) == "transferred":
                    crossed[account] += side * move.quantity
    return projects - {""}, crossed


def _crossing(move: Move, crossed: Mapping[str, int], sign: int) -> int:
    """By how much a move changes what crossed for good: outwards (1), or inwards (-1)."""
    for account, side in ((move.source, -1), (move.target, 1)):
        if sign * crossed.get(account, 0) > 0:
            return sign * side * move.quantity
    return 0


def _received(crossed: Mapping[str, int]) -> Change:
    """What came in: from sources, and from other regions."""

    def change(_: int, __: Any, move: Move) -> int:
        return move.quantity * (class_of(move.source) == "source") + _crossing(move, crossed, -1)

    return change


def of_totals(standing: Standing, filters: Mapping[str, str] = NO_FILTERS) -> Basis:
    """Figures of `totals` within filters. Raises InvalidCommand, NotFound.

    Without a project or organisation the whole log is read.
    """
    check_filters(standing.named(filters), filters, totals.FILTERS)
    told = [name for name in FIGURES if not filters or name not in totals.WHOLE_ONLY]

    def keeps(event: Any, move: Move) -> bool:
        keys = dict(zip(totals.DIMENSIONS, _KEYS[type(event).__name__](event), strict=True))
        return agrees(keys | {"month": month_text(month_of(move.day))}, filters)

    changes = _within(_held_all({name: FIGURES[name] for name in told}), keeps)
    return Basis(standing, changes, lambda _, after: _candidates(standing, filters, after))


def of_participation(standing: Standing, filters: Mapping[str, str] = NO_FILTERS) -> Basis:
    """Figures of `participation` within filters. Raises InvalidCommand, NotFound.

    Without a project or organisation, or for registered members, the whole log is read.
    """
    check_filters(standing.named(filters), filters, participation.FILTERS)
    of_members = {n: v for n, v in filters.items() if n in participation.OF_MEMBERS}
    verified = {"verified_minutes": held("MIN", "verified", 1)}
    changes = {
        **_within(verified, lambda event, _: agrees(participation.keys_of(event), filters)),
        "registered": lambda _, __, move: _heads(move, of_members),
        "inhabitants": _inhabitants(standing, filters.get("region", "")),
    }

    def rows(figures: Collection[str], after: int) -> Iterable[Row]:
        if "registered" in figures:
            return _all_rows(standing, after)
        profiles = (row for row in standing.ledger_rows() if row.position > after)
        return merged(profiles, _candidates(standing, filters, after))

    return Basis(standing, changes, rows, _OF_PEOPLE)


def active_of(found: Basis) -> Basis:
    """The same of active members alone: who is registered has no organisation or project."""
    told = {name: found.changes[name] for name in _OF_PEOPLE["active"]}
    return found._replace(changes=told, computed={"active": _OF_PEOPLE["active"]})


def _inhabitants(standing: Standing, region: str) -> Change:
    """Inhabitants are as the last profile says: each changes them by what it says more."""
    last, more = 0, dict[int, int]()
    for row in standing.ledger_rows():
        event: Any = decode(row.topic, row.state)
        of_region = isinstance(event, RegionProfiled) and event.region == region
        if of_region and standing.moment.counts(row.position, event.effective_on):
            more[row.position], last = event.population - last, event.population
    return lambda position, _, move: more.get(position, 0) * (not move.commodity)


def of_account(standing: Standing, account: str, region: str = "") -> Basis:
    """What is in an account such as `belongs/O1/native`, or in all below `belongs`.

    Of events recorded in a region, when it is named. The whole log is read. Raises InvalidCommand
    for a class of accounts that the posting table does not have.
    """
    if class_of(account) not in CLASSES:
        raise InvalidCommand("account", allowed=", ".join(CLASSES))

    def within(name: str) -> bool:
        return name == account or name.startswith(f"{account}/")

    def change(_: int, event: Any, move: Move) -> int:
        side = within(move.target) - within(move.source)
        return side * move.quantity * str(getattr(event, "region", "")).startswith(region)

    return Basis(standing, {account: change}, lambda _, after: _all_rows(standing, after))


def _heads(move: Move, filters: Mapping[str, str]) -> int:
    """How a move changes the members registered in a region, of a kind."""
    change = 0
    for account, side in ((move.source, -1), (move.target, 1)):
        state, *rest = account.split("/")
        if move.commodity == "HED" and state == "registered":
            region, kinds = rest
            keys = {"region": region, "member_kinds": kinds.split("+")}
            change += side * move.quantity * agrees(keys, filters)
    return change


def _candidates(standing: Standing, filters: Mapping[str, str], after: int) -> Iterable[Row]:
    """The rows that may have to do with the filters: by positions if these help, or all."""
    for entity in ("project", "organisation"):
        if entity in filters:
            return standing.listed(f"{entity}/{filters[entity]}", after)
    return _all_rows(standing, after)


def _all_rows(standing: Standing, after: int) -> Iterator[Row]:
    """The log above a position, as far as the moment knows."""
    return rows_until(standing.store, after, standing.moment.position)
