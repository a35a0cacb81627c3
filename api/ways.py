"""Which command is posted where: one table, for the server's routes and for the client.

A path names fields of its command in braces; they are taken from there and may not stand in the
body.
"""

import re
from typing import Final, NamedTuple

from ledger.domain import commands as c


class Way(NamedTuple):
    """One route: where a command is posted to."""

    path: str
    kind: type[c.Command]

    @property
    def ids(self) -> tuple[str, ...]:
        """The fields of the command that stand in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def op(self) -> str:
        """The command's name."""
        return c.op_of(self.kind.__name__)


#: The busiest first: routes are looked through in this order.
WAYS: Final = (
    Way("/v1/hours", c.LogHours),
    Way("/v1/hours/{entry}/verify", c.VerifyHours),
    Way("/v1/hours/{entry}/reject", c.RejectHours),
    Way("/v1/hours/{entry}/correct", c.CorrectHours),
    Way("/v1/hours/{entry}/void", c.VoidHours),
    Way("/v1/members", c.RegisterMember),
    Way("/v1/members/{member}/kinds", c.ChangeMemberKinds),
    Way("/v1/members/{member}/move", c.MoveMember),
    Way("/v1/members/{member}/deregister", c.DeregisterMember),
    Way("/v1/members/{member}/credentials", c.RecordCredential),
    Way("/v1/members/{member}/credentials/{credential}/withdraw", c.WithdrawCredential),
    Way("/v1/grants", c.GrantIncentive),
    Way("/v1/grants/{grant}/revoke", c.RevokeGrant),
    Way("/v1/organisations", c.RegisterOrganisation),
    Way("/v1/organisations/{organisation}/members", c.JoinOrganisation),
    Way("/v1/organisations/{organisation}/members/{member}/leave", c.LeaveOrganisation),
    Way("/v1/projects", c.OpenProject),
    Way("/v1/projects/{project}/close", c.CloseProject),
    Way("/v1/activities", c.HoldActivity),
    Way("/v1/activities/{activity}/withdraw", c.WithdrawActivity),
    Way("/v1/policies", c.DefinePolicy),
    Way("/v1/policies/{policy}/amend", c.AmendPolicy),
    Way("/v1/policies/{policy}/close", c.ClosePolicy),
    Way("/v1/funds", c.OpenFund),
    Way("/v1/funds/{fund}/amend", c.AmendFund),
    Way("/v1/funds/{fund}/close", c.CloseFund),
    Way("/v1/funds/{fund}/receipts", c.ReceiveFunds),
    Way("/v1/funds/{fund}/allocations", c.AllocateFunds),
    Way("/v1/funds/{fund}/releases", c.ReleaseFunds),
    Way("/v1/funds/{fund}/expenses", c.SpendFunds),
    Way("/v1/funds/{fund}/returns", c.ReturnFunds),
    Way("/v1/funds/{fund}/transfers", c.SendTransfer),
    Way("/v1/funds/{fund}/arrivals", c.ReceiveTransfer),
    Way("/v1/expenses/{expense}/reverse", c.ReverseSpend),
    Way("/v1/transfers/{transfer}/accept", c.AcceptTransfer),
    Way("/v1/transfers/{transfer}/decline", c.DeclineTransfer),
    Way("/v1/limits", c.SetLimits),
    Way("/v1/regions", c.ProfileRegion),
    Way("/v1/star-levels", c.SetStarLevels),
    Way("/v1/accrual-rules", c.SetAccrualRule),
    Way("/v1/notes/{note}/erase", c.EraseText),
    Way("/v1/keys/{key}/revoke", c.RevokeKey),
)  # fmt: skip

#: As many of them are asked for more often than anything is read.
BUSIEST: Final = 5

#: A command with a handler of its own, for its answer holds a secret. `open_ledger` has no way at
#: all: a key is needed before anything is asked here.
ISSUE_KEY: Final = Way("/v1/keys", c.IssueKey)
