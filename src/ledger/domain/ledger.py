"""What is done in the ledger's own stream: opening it, the dated tables, profiles, erasure.

What these events come to is the `rulebook`.
"""

from itertools import pairwise
from typing import Final

from msgspec import structs

from ledger.domain.access import require_region
from ledger.domain.commands import (
    Command,
    EraseText,
    OpenLedger,
    ProfileRegion,
    SetAccrualRule,
    SetLimits,
    SetStarLevels,
)
from ledger.domain.decision import Act, Books, Decision, Rule
from ledger.domain.errors import AlreadyExists, Forbidden, InvalidCommand, LedgerNotOpened
from ledger.domain.events import (
    AccrualRuleSet,
    Event,
    LedgerOpened,
    LimitsSet,
    RegionProfiled,
    StarLevelsSet,
    TextErased,
)
from ledger.domain.values import check_name, day_of

#: More than this is a slip of the pen; it also keeps dates within the calendar.
BACKDATING_DAYS_MAX: Final = 36_525
#: The posting table that figures of this log are made with.
POSTINGS_VERSION: Final = 1


def open_ledger(command: OpenLedger, books: Books, act: Act) -> Decision:
    """Open the log, once. Raises AlreadyExists."""
    try:
        opened = books.rulebook
    except LedgerNotOpened:
        # The day there, which nobody could know before the offset was named.
        day = command.effective_on or day_of(act.now, command.utc_offset)
        act = structs.replace(act, effective_on=day)
        event = LedgerOpened(
            origin=command.origin,
            utc_offset=command.utc_offset,
            currency=command.currency,
            postings_version=POSTINGS_VERSION,
            **act.stamp(),
        )
        return Decision(
            events=[(f"ledger/{command.origin}", event)], answer={"origin": command.origin}
        )
    raise AlreadyExists("origin", origin=opened.origin)


def set_limits(command: SetLimits, books: Books, act: Act) -> Decision:
    """Set a region's limits from a day on. Raises Forbidden, InvalidCommand."""
    require_region(act.caller, command.region)
    if command.backdating_days > BACKDATING_DAYS_MAX:
        most = BACKDATING_DAYS_MAX
        raise InvalidCommand("backdating_days", reason="too far back", days_max=most)
    event = LimitsSet(
        region=command.region,
        backdating_days=command.backdating_days,
        day_minutes_max=command.day_minutes_max,
        **act.stamp(),
    )
    return _entered(books, event, region=command.region)


def profile_region(command: ProfileRegion, books: Books, act: Act) -> Decision:
    """Record a region's name and inhabitants. Raises Forbidden, InvalidCommand (unclean name)."""
    require_region(act.caller, command.region)
    for at, text in (("name", command.name), ("source", command.source)):
        check_name(text, at)
    event = RegionProfiled(
        region=command.region,
        name=command.name,
        population=command.population,
        source=command.source,
        **act.stamp(),
    )
    return _entered(books, event, region=command.region)


def set_star_levels(command: SetStarLevels, books: Books, act: Act) -> Decision:
    """Set a region's star levels from a day on: more stars for more minutes.

    Raises Forbidden, InvalidCommand when stars or minutes do not rise from level to level.
    """
    require_region(act.caller, command.region)
    for a, b in pairwise(command.levels):
        if b.stars <= a.stars or b.minutes <= a.minutes:
            raise InvalidCommand("levels", reason="not ascending", stars=b.stars, minutes=b.minutes)
    event = StarLevelsSet(region=command.region, levels=command.levels, **act.stamp())
    return _entered(books, event, region=command.region)


def set_accrual_rule(command: SetAccrualRule, books: Books, act: Act) -> Decision:
    """Say what verified minutes earn from a day on. Raises Forbidden, AlreadyExists.

    Verified hours keep their rule by its id, so an id names one rule for ever; a change is a
    new rule with a later day.
    """
    require_region(act.caller, command.region)
    if command.rule in books.rulebook.accruals:
        raise AlreadyExists("rule", rule=command.rule)
    event = AccrualRuleSet(
        rule=command.rule,
        region=command.region,
        categories=tuple(sorted(set(command.categories))),
        evidence=tuple(sorted(set(command.evidence))),
        num=command.num,
        den=command.den,
        entry_max=command.entry_max,
        day_max=command.day_max,
        **act.stamp(),
    )
    return _entered(books, event, rule=command.rule)


def erase_text(command: EraseText, books: Books, act: Act) -> Decision:
    """Erase a kept text; that there is one, the decider checks. Raises Forbidden.

    A hash does not say whose text it is, so a key with a scope may erase none.
    """
    if not act.caller.is_whole:
        raise Forbidden("note")
    decision = _entered(books, TextErased(note=command.note, **act.stamp()), note=command.note)
    decision.erase = command.note
    return decision


def _entered(books: Books, event: Event, **answer: str) -> Decision:
    """One more event in the ledger stream."""
    return Decision(events=[(f"ledger/{books.rulebook.origin}", event)], answer={**answer})


RULES: Final[dict[type[Command], Rule]] = {
    OpenLedger: open_ledger,
    SetLimits: set_limits,
    ProfileRegion: profile_region,
    SetStarLevels: set_star_levels,
    SetAccrualRule: set_accrual_rule,
    EraseText: erase_text,
}
