"""Every refusal: the docstring is the message, `code` is what clients match on.

The code is the class name in snake case, so each stands once. `at` names the
field of the command that is wrong, `facts` hold the figures behind the refusal
(integers, ids, dates as text; never a free text). The fact `reason` says in fixed
words what is wrong where code and place do not, as with every InvalidCommand.
"""

import re
from collections.abc import Iterator
from typing import ClassVar, Final

Fact = str | int | None


class LedgerError(Exception):
    """The ledger could not do this."""

    code: ClassVar[str] = "ledger_error"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, at: str = "", **facts: Fact) -> None:
        super().__init__(at)
        self.at = at
        #: Which command of several was refused (from 0).
        self.index: int | None = None
        self.facts = {name: fact for name, fact in facts.items() if fact is not None}

    @property
    def message(self) -> str:
        """The first line of the docstring."""
        return (type(self).__doc__ or self.code).strip().splitlines()[0]

    def __str__(self) -> str:
        facts = ", ".join(f"{name} {fact}" for name, fact in self.facts.items())
        place = f" [{self.at}]" if self.at else ""
        return f"{self.message}{place}" + (f" ({facts})" if facts else "")


#: What a rule says as the fact `reason` of InvalidCommand, where each field is as its type wants it.
REASONS: Final = (
    "a blank at an end",
    "a policy keeps its region",
    "a receipt has one source",
    "a sign that does not print",
    "before it opens",
    "it arrives in a fund of this log",
    "it arrives in another log",
    "it has expired already",
    "money comes from a fund",
    "more than a receipt holds",
    "more than is away",
    "more than signed up",
    "named by its id, or by member and reference",
    "no such receipt left here",
    "none are the narrowest",
    "not ascending",
    "not in Unicode's normal form C",
    "not the id of a receipt",
    "source and source_ref come together",
    "start and end come together",
    "the grant costs no money",
    "this log itself",
    "too far back",
)


class Refusal(LedgerError):
    """A rule forbids this; nothing was written."""


class NotFound(Refusal):
    """There is no such thing, or it may not be seen with this key."""


# fmt: off
# the command itself
class InvalidCommand(Refusal): """The command is not well-formed."""
class Forbidden(Refusal): """The key lacks the role or the scope for this."""
class IdempotencyMismatch(Refusal): """The command id was used before with another content."""
class Unauthenticated(Refusal): """No valid key was given."""
class CommandInFlight(Refusal): """The same command is still running; ask again."""
class AlreadyExists(Refusal): """The id is taken."""
class ReasonRequired(Refusal): """A reason code is needed for this."""
class NothingChanges(Refusal): """It already is as asked."""
class LedgerNotOpened(Refusal): """The ledger has no opening event; run init first."""

# what is not there
class MemberNotFound(NotFound): """No member has this number."""
class OrganisationNotFound(NotFound): """No organisation has this id."""
class ProjectNotFound(NotFound): """No project has this id."""
class ActivityNotFound(NotFound): """No activity has this id."""
class PolicyNotFound(NotFound): """No policy has this id."""
class FundNotFound(NotFound): """No fund has this id."""
class EntryNotFound(NotFound): """No entry has this id."""
class GrantNotFound(NotFound): """No grant has this id."""
class ExpenseNotFound(NotFound): """No expense has this id."""
class TransferNotFound(NotFound): """No transfer has this id."""
class CredentialNotFound(NotFound): """The member does not hold this credential."""
class MembershipNotFound(NotFound): """The member does not belong to this organisation."""
class KeyNotFound(NotFound): """No key has this id."""
class NoteNotFound(NotFound): """No text is kept under this hash."""
class SourceNotFound(NotFound): """No money was received from this source."""
class RegionNotFound(NotFound): """The region has no profile."""
class CheckpointNotFound(NotFound): """No such checkpoint has been signed."""
class CommandNotFound(NotFound): """No command with this id was carried out."""

# hours
class ProjectClosed(Refusal): """The day is outside the project's dates."""
class CategoryNotOffered(Refusal): """The project does not offer this category."""
class MinutesOutOfRange(Refusal): """The minutes are below one, or more than there is."""
class DayOverfull(Refusal): """The member's day would exceed the most minutes a day may have."""
class OverlappingService(Refusal): """Another entry of the member covers the same time."""
class DateInFuture(Refusal): """The day has not come yet."""
class DateTooOld(Refusal): """The day is further back than may be recorded."""
class RowConflict(Refusal): """The row was recorded before with other content."""
class EntryNotPending(Refusal): """The entry has been verified or rejected."""
class EntryNotVerified(Refusal): """The entry is not verified."""
class FourEyes(Refusal): """Someone else must do this: not the recorder, the verifier or the member."""
class EvidenceFixed(Refusal): """Time signed in and out by a system is never raised."""
class CreditSpent(Refusal): """The credit of this entry has been spent already."""

# incentives
class PolicyClosed(Refusal): """The policy is closed, or the day is outside its window."""
class NotEligible(Refusal): """The member has too few verified minutes within the window."""
class InsufficientCredit(Refusal): """The member has too little credit."""
class QuotaExhausted(Refusal): """The quota of the member or of the policy is used up."""
class GrantRevoked(Refusal): """The grant has been revoked already."""

# money
class InsufficientFunds(Refusal): """There is less money than that."""
class PurposeViolation(Refusal): """The terms of the money do not allow this."""
class FundClosed(Refusal): """The fund is closed, or the day is outside its window."""
class SourceMismatch(Refusal): """The money of this source is less than that."""
class TransferNotInTransit(Refusal): """The transfer is not in transit, or is not for this receiver."""
# fmt: on


class Unavailable(LedgerError):
    """The database cannot be reached; ask again with the same command id."""


class NotDurable(LedgerError):
    """The database does not keep what it acknowledges; the ledger refuses to start."""


class InvalidSettings(LedgerError):
    """A setting is missing, unknown or wrong."""


class CorruptLog(LedgerError):
    """A stored row is not what was written."""


class BadSegment(CorruptLog):
    """A sealed segment is not what its manifest says."""


def all_errors(kind: type[LedgerError] = LedgerError) -> Iterator[type[LedgerError]]:
    """An error and all that are of its kind, in whatever module that has been imported."""
    yield kind
    for each in kind.__subclasses__():
        yield from all_errors(each)
