"""What policies gave, and whether a member may have an incentive."""

from datetime import UTC, date, datetime

from api.answers import Verdict
from api.queries import KnownQuery, PastQuery
from api.reading import Look, Shown, View
from ledger.domain.access import operator
from ledger.domain.grant import Eligibility, eligibility
from ledger.domain.member import find_registered
from ledger.domain.policy import find_policy
from ledger.domain.values import Code, MemberId
from ledger.store.requests import Refused
from projections.balances import PolicyBalance, policy_balance
from projections.scope import check_member, check_policy


class OfPolicy(PastQuery, frozen=True, kw_only=True):
    """One policy."""

    policy: Code


class OfEligibility(KnownQuery, frozen=True, kw_only=True):
    """A member and a policy, on a day: unless one is named today, or that of `known_at`."""

    policy: Code
    member_id: MemberId
    on: date | None = None


def show_balance(look: Look, query: OfPolicy) -> Shown:
    """What a policy granted, and the credit that was spent on it."""
    check_policy(look.live, look.caller, query.policy)
    found = policy_balance(look.standing.policy(query.policy), query.policy)
    # The legs name members wherever these are, so they are for keys without scope.
    explained = f"/v1/explain/policies/{query.policy}" if look.caller.is_whole else ""
    return Shown(found, explained)


def show_eligibility(look: Look, query: OfEligibility) -> Shown:
    """Why a member may have an incentive, or why not."""
    check_policy(look.live, look.caller, query.policy)
    check_member(look.live, look.caller, query.member_id, "member_id")
    look.saw(f"member/{query.member_id}")
    found = _eligibility(look, query)
    told = {
        name: getattr(found, name) for name in Verdict.__struct_fields__ if hasattr(found, name)
    }
    answer = Verdict(
        position=look.position,
        **told | {"reasons": [Refused.by(reason) for reason in found.reasons]},
    )
    return Shown(answer, f"/v1/explain/members/{query.member_id}")


def _eligibility(look: Look, query: OfEligibility) -> Eligibility:
    """The ledger's own verdict, on the states at the look's position.

    Whether the caller may see both is judged already, as things stand now and not as they stood.
    """
    anyone = operator(look.caller.holder)
    member = find_registered(look.books, query.member_id, anyone, "member_id")
    policy = find_policy(look.books, query.policy, anyone)
    time = look.standing.moment.time or datetime.now(UTC)
    day = query.on or look.books.rulebook.today(time)
    return eligibility(look.books, member, policy, day)


VIEWS = (
    View("/v1/policies/{policy}/balance", "policies", show_balance, OfPolicy, PolicyBalance),
    View(
        "/v1/policies/{policy}/eligibility", "eligibility", show_eligibility, OfEligibility, Verdict
    ),
)
