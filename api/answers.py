"""The forms of answers that are the door's own, for the server and for its client.

What figures look like is for the read models to say (`projections`).
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from ledger.domain.errors import Fact
from ledger.domain.values import GrantInputs, Role
from ledger.store.requests import Refused, Result

Hash = Annotated[str, Meta(examples=["XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="])]
SignedNote = Annotated[str, Meta(examples=["haiyan.example/hours\n8\nXcnaeacG…\n\n— haiyan…\n"])]
Proof = Annotated[str, Meta(examples=["c2sp.org/tlog-proof@v1\nindex 41\n…"])]
VerifierKey = Annotated[str, Meta(examples=["haiyan.example/hours+2f6c0a4d+AZ…"])]


class Place(Struct, frozen=True):
    """One thing that is wrong, and the field it stands in."""

    at: str
    detail: str


class Problem(Struct, frozen=True, kw_only=True):
    """A refusal. Match on `code`; `at` names the field, `facts` are the figures behind it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    at: str
    facts: dict[str, str | int]
    errors: list[Place]
    request_id: str


class Written(Struct, frozen=True, kw_only=True):
    """The answer to a command: `count` events from `first_position`, true at `position`.

    Beside these stand the ids and figures the command gave. Without events, and in a dry run,
    `first_position` is 0. `replayed`: the command was carried out before, with this answer.
    `signed_receipt`: that the events stand there; absent where the service has no signing key.
    """

    command_id: str
    position: int
    first_position: int
    count: int
    replayed: bool
    dry_run: bool
    signed_receipt: str = ""


#: Command → the ids and figures it gives, beside `Written` or in a result line. Some come only
#: where there is one: an `expense` if the grant costs money, the `fund` that took a transfer,
#: `already` if there is nothing to write.
GIVES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("set_limits", "profile_region", "set_star_levels"), ("region",)),
    "open_ledger": ("origin",), "set_accrual_rule": ("rule",), "erase_text": ("note",),
    **dict.fromkeys(
        ("register_member", "change_member_kinds", "move_member", "deregister_member",
         "record_credential", "withdraw_credential", "join_organisation", "leave_organisation"),
        ("member",),
    ),
    "log_hours": ("entry", "already"),
    **dict.fromkeys(("verify_hours", "reject_hours", "correct_hours", "void_hours"), ("entry",)),
    **dict.fromkeys(("define_policy", "amend_policy", "close_policy"), ("policy", "version")),
    "grant_incentive": ("grant", "expense"), "revoke_grant": ("grant",),
    "register_organisation": ("organisation",), "open_project": ("project",),
    "close_project": ("project", "closes_on"),
    **dict.fromkeys(("hold_activity", "withdraw_activity"), ("activity",)),
    **dict.fromkeys(("open_fund", "amend_fund", "close_fund"), ("fund",)),
    "receive_funds": ("receipt", "fen"),
    **dict.fromkeys(("allocate_funds", "release_funds"), ("fund", "target", "fen")),
    **dict.fromkeys(("spend_funds", "reverse_spend"), ("expense", "fen")),
    "return_funds": ("fund", "source_id", "fen"),
    **dict.fromkeys(("send_transfer", "decline_transfer"), ("transfer",)),
    **dict.fromkeys(("accept_transfer", "receive_transfer"), ("transfer", "fund")),
    **dict.fromkeys(("issue_key", "revoke_key"), ("key",)),
}  # fmt: skip


class LineResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a line (from 1; empty lines are none).

    `done`: with the ids and figures the command gave, true at `position`. `refused`: with the
    code. `skipped`: not tried, since an earlier line stopped the batch. `unknown`: the database
    went away; send the same again under the same key. `signed_receipt`: on the last line done of
    those written together, that they stand there; absent where the service has no signing key.
    """

    line: int
    outcome: Literal["done", "refused", "skipped", "unknown"]
    position: int = 0
    replayed: bool = False
    result: Result | None = None
    code: str = ""
    message: str = ""
    at: str = ""
    facts: dict[str, Fact] = {}
    signed_receipt: str = ""


class CloudEvent(Struct, frozen=True, kw_only=True):
    """An event of the log (CloudEvents 1.0). `sequence` is its position, zero-padded."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    sequence: str
    recordedtime: str
    data: dict[str, Any]

    @property
    def position(self) -> int:
        """Where it stands in the log."""
        return int(self.sequence)


class ListedCheckpoint(Struct, frozen=True, kw_only=True):
    """A checkpoint as it was signed, and the public key that signed it."""

    size: int
    verifier: VerifierKey
    note: SignedNote


class Inclusion(Struct, frozen=True, kw_only=True):
    """That `leaf` stands at `position` (leaf `index`, from 0) in the tree of `size`.

    `tlog_proof` is the same as a C2SP text, where a checkpoint of that size was signed.
    """

    position: int
    index: int
    size: int
    leaf: Hash
    root: Hash
    hashes: list[Hash]
    tlog_proof: Proof | None


class Consistency(Struct, frozen=True, kw_only=True):
    """That the tree of `to` begins with the tree of `from`.

    `proof` is the same as a C2SP text, where a checkpoint of the size `to` was signed.
    """

    from_: int = field(name="from")
    to: int
    from_root: Hash
    to_root: Hash
    hashes: list[Hash]
    proof: Proof | None


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether a member may have an incentive on a day, why not, and how far from it."""

    position: int
    member: str
    policy: str
    version: int
    on: date
    eligible: bool
    #: All that forbids it, what is checked first in front; codes as in refusals.
    reasons: list[Refused]
    inputs: GrantInputs
    minutes_needed: int
    minutes_missing: int
    credit_cost: int
    credit_missing: int
    quota_member: int | None
    quota_total: int | None


class ListedKey(Struct, frozen=True, kw_only=True):
    """A key; empty scopes show everything of that sort. Nothing is told of its secret."""

    key: str
    holder: str
    member: str | None
    roles: tuple[Role, ...]
    regions: tuple[str, ...]
    organisations: tuple[str, ...]
    funds: tuple[str, ...]
    sources: tuple[str, ...]
    expires_on: date
    revoked: bool


class LookAt(Struct, frozen=True, kw_only=True):
    """Who looked when, in which way, in which request."""

    at: str
    holder: str
    key: str
    about: str
    way: str
    request: str
