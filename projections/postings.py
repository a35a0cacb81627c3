"""The posting table: what every event means in numbers. No other code knows.

A move takes a quantity of a commodity from one account to another, so each
commodity sums to zero by construction. Every balance, total and usage figure is
a sum of moves.

The table is data: it is read here, exported in audit bundles, and joined as
VALUES in one columnar query. To read a row:

- account: `class/rest`. `{field}` is the event's field; a list is joined by `+`,
  an absent field is `-`; with `{field?}` an absent field makes the account `world`.
  A name that is no field of the event (`member`, `fund`) is the type of the
  event's stream and stands for that stream's id.
- quantity: a field, or `1`. `lots.fen` gives one move for each lot, and the
  accounts may then name fields of the lot (`{lots.source_id}`).
- commodity `M` is what `M` says of the event's `kind`.
- date: the field with the day the move counts on.

A quantity of zero moves nothing.
"""

from typing import Final, NamedTuple

#: Stands in the log's opening event; a change of the table is a new version.
POSTINGS_VERSION: Final = 1
#: Service minutes, training minutes, credit-minutes, fen, person-times, activities, heads.
COMMODITIES: Final = ("MIN", "TRN", "CRD", "FEN", "PPL", "ACT", "HED")
M: Final = {"service": "MIN", "training": "TRN"}


class Posting(NamedTuple):
    """One row of the table: one leg of one type of event."""

    topic: str
    commodity: str
    source: str
    target: str
    quantity: str
    date: str


# fmt: off
_HOURS: Final = (
    ("HoursLogged", "M", "served/{project}", "pending/{member}", "minutes", "service_on"),
    ("HoursVerified", "M", "pending/{member}", "verified/{member}", "minutes", "service_on"),
    ("HoursVerified", "M", "pending/{member}", "refused/{project}", "declined", "service_on"),
    ("HoursVerified", "CRD", "issued/{region}", "credit/{member}", "credit", "effective_on"),
    ("HoursRejected", "M", "pending/{member}", "refused/{project}", "minutes", "service_on"),
    ("HoursCorrected", "M", "verified/{member}", "reversed/{project}", "before", "service_on"),
    ("HoursCorrected", "M", "reversed/{project}", "verified/{member}", "after", "service_on"),
    ("HoursCorrected", "CRD", "credit/{member}", "issued/{region}", "credit_before", "effective_on"),  # noqa: E501 (a leg, a line)
    ("HoursCorrected", "CRD", "issued/{region}", "credit/{member}", "credit_after", "effective_on"),
    ("HoursVoided", "M", "verified/{member}", "reversed/{project}", "minutes", "service_on"),
    ("HoursVoided", "CRD", "credit/{member}", "issued/{region}", "credit", "effective_on"),
    ("IncentiveGranted", "CRD", "credit/{member}", "redeemed/{policy}", "credit", "effective_on"),
    ("IncentiveRevoked", "CRD", "redeemed/{policy}", "credit/{member}", "credit", "effective_on"),
)
_MONEY: Final = (
    ("FundsReceived", "source/{lots.source_kind}/{lots.source_id}", "unallocated/{fund}"),
    ("FundsAllocated", "unallocated/{fund}", "allocated/{fund}/{target}"),
    ("FundsReleased", "allocated/{fund}/{target}", "unallocated/{fund}"),
    ("FundsSpent", "allocated/{fund}/{target}", "spent/{fund}/{target}"),
    ("SpendReversed", "spent/{fund}/{target}", "allocated/{fund}/{target}"),
    ("FundsReturned", "unallocated/{fund}", "returned/{source_kind}/{source_id}"),
    ("TransferSent", "unallocated/{fund}", "transit/{transfer}"),
    ("TransferAccepted", "transit/{transfer}", "transferred/{from_origin}/{transfer}"),
    ("TransferDeclined", "transit/{transfer}", "unallocated/{fund}"),
    ("TransferReceived", "transferred/{from_origin}/{transfer}", "unallocated/{fund}"),
)
_ACTIVITIES: Final = (
    ("ActivityHeld", "PPL", "world", "registered/{project}", "registered", "held_on"),
    ("ActivityHeld", "PPL", "world", "attended/{project}", "attended", "held_on"),
    ("ActivityHeld", "PPL", "world", "served/{project}", "served", "held_on"),
    ("ActivityHeld", "ACT", "world", "held/{project}", "1", "held_on"),
    ("ActivityWithdrawn", "PPL", "registered/{project}", "world", "registered", "held_on"),
    ("ActivityWithdrawn", "PPL", "attended/{project}", "world", "attended", "held_on"),
    ("ActivityWithdrawn", "PPL", "served/{project}", "world", "served", "held_on"),
    ("ActivityWithdrawn", "ACT", "held/{project}", "world", "1", "held_on"),
)
_CERTIFIED: Final = (
    "certified/{credential}/{level_before?}/{tier_before}",
    "certified/{credential}/{level_after?}/{tier_after}",
)
_HEADS: Final = (
    ("MemberRegistered", "world", "registered/{region}/{kinds}"),
    ("MemberDeregistered", "registered/{region}/{kinds}", "world"),
    ("MemberMoved", "registered/{region_before}/{kinds}", "registered/{region_after}/{kinds}"),
    ("MemberKindsChanged", "registered/{region}/{kinds_before}", "registered/{region}/{kinds_after}"),  # noqa: E501 (a leg, a line)
    ("CredentialRecorded", *_CERTIFIED),
    ("CredentialWithdrawn", *_CERTIFIED),
    ("MemberJoined", "world", "belongs/{organisation}/{residency}"),
    ("MemberLeft", "belongs/{organisation}/{residency}", "world"),
)

POSTINGS: Final[tuple[Posting, ...]] = (
    *(Posting(*row) for row in _HOURS),
    *(Posting(topic, "FEN", a, b, "lots.fen", "effective_on") for topic, a, b in _MONEY),
    *(Posting(*row) for row in _ACTIVITIES),
    *(Posting(topic, "HED", a, b, "1", "effective_on") for topic, a, b in _HEADS),
)

#: Topics that are known to move nothing; every topic is either here or in the table.
MOVES_NOTHING: Final = frozenset({
    "LedgerOpened", "LimitsSet", "RegionProfiled", "StarLevelsSet", "AccrualRuleSet", "TextErased",
    "OrganisationRegistered", "ProjectOpened", "ProjectClosed",
    "PolicyDefined", "PolicyAmended", "PolicyClosed", "PolicyQuotaTaken", "PolicyQuotaFreed",
    "FundOpened", "FundAmended", "FundClosed", "TransferClaimed", "KeyIssued", "KeyRevoked",
})
# fmt: on


def class_of(account: str) -> str:
    """The class of an account or of its template: what stands before the first `/`."""
    return account.partition("/")[0]


#: All classes of accounts there are, by name.
CLASSES: Final = tuple(
    sorted({class_of(account) for row in POSTINGS for account in (row.source, row.target)})
)
