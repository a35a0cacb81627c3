"""Who may do what: callers, the role each command needs, and what a scope shows.

What lies outside a caller's scope looks as if it did not exist.
"""

from collections.abc import Collection
from datetime import date
from typing import Final

from msgspec import Struct

from ledger.domain import commands as c
from ledger.domain.errors import Forbidden
from ledger.domain.values import Role

#: The role each command needs; `admin` may do everything.
ROLES: Final[dict[type[c.Command], Role]] = {
    **dict.fromkeys((c.LogHours, c.RejectHours, c.HoldActivity, c.WithdrawActivity), "recorder"),
    **dict.fromkeys((c.VerifyHours, c.CorrectHours, c.VoidHours), "verifier"),
    **dict.fromkeys((c.GrantIncentive, c.RevokeGrant), "granter"),
    **dict.fromkeys(
        (c.OpenFund, c.AmendFund, c.CloseFund, c.ReceiveFunds, c.AllocateFunds, c.ReleaseFunds,
         c.SpendFunds, c.ReverseSpend, c.ReturnFunds, c.SendTransfer, c.AcceptTransfer,
         c.DeclineTransfer, c.ReceiveTransfer),
        "treasurer",
    ),
    **dict.fromkeys(
        (c.OpenLedger, c.SetLimits, c.ProfileRegion, c.SetStarLevels, c.SetAccrualRule,
         c.EraseText, c.RegisterMember, c.ChangeMemberKinds, c.MoveMember, c.DeregisterMember,
         c.RecordCredential, c.WithdrawCredential, c.JoinOrganisation, c.LeaveOrganisation,
         c.DefinePolicy, c.AmendPolicy, c.ClosePolicy, c.RegisterOrganisation, c.OpenProject,
         c.CloseProject, c.IssueKey, c.RevokeKey),
        "admin",
    ),
}  # fmt: skip

#: Verifiers reject what recorders may also reject.
ALSO: Final[dict[type[c.Command], frozenset[Role]]] = {c.RejectHours: frozenset({"verifier"})}


class Caller(Struct, frozen=True, kw_only=True):
    """Who acts: a holder with one of its keys. Empty scopes show everything of that sort."""

    holder: str
    key: str
    roles: frozenset[Role]
    #: Members the holder is, by any of the holder's keys.
    members: frozenset[str] = frozenset()
    regions: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    funds: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    expires_on: date | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the key has no scope at all."""
        return not (self.regions or self.organisations or self.funds or self.sources)

    def sees_region(self, region: str) -> bool:
        """Whether the region lies in one of the caller's region prefixes."""
        return not self.regions or region.startswith(self.regions)

    def sees_organisation(self, organisation: str) -> bool:
        """Whether the organisation is one of the caller's."""
        return not self.organisations or organisation in self.organisations

    def sees_fund(self, fund: str) -> bool:
        """Whether the fund is one of the caller's."""
        return not self.funds or fund in self.funds

    def sees_source(self, source_id: str) -> bool:
        """Whether the source of money is one of the caller's."""
        return not self.sources or source_id in self.sources

    def sees_one_of(self, sources: Collection[str]) -> bool:
        """Whether one of these sources of money is the caller's."""
        return not self.sources or any(own in sources for own in self.sources)


def operator(holder: str, members: frozenset[str] = frozenset()) -> Caller:
    """The operator at the machine itself, who needs no key; `members` are those they are."""
    return Caller(holder=holder, key="operator", roles=frozenset({"admin"}), members=members)


def require_role(caller: Caller, command: type[c.Command]) -> None:
    """Refuse a caller without the command's role, with `forbidden`."""
    roles = caller.roles
    if "admin" in roles or ROLES[command] in roles or ALSO.get(command, frozenset()) & roles:
        return
    raise Forbidden("op", needs=ROLES[command])


def require_region(caller: Caller, region: str) -> None:
    """Refuse, with `forbidden`, to set up anything in a region outside the caller's scope."""
    if not caller.sees_region(region):
        raise Forbidden("region", region=region)
