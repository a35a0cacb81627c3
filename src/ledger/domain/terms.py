"""What terms allow: regions, spending categories, a window of days. Pure."""

from collections.abc import Sequence
from datetime import date

from msgspec.structs import replace

from ledger.domain.errors import FundClosed, InvalidCommand, PurposeViolation, Refusal
from ledger.domain.values import Terms, check_name


def settled_terms(terms: Terms, at: str = "terms") -> Terms:
    """Terms with sorted lists. Raises InvalidCommand: unclean purpose, closes before it opens."""
    check_name(terms.purpose, f"{at}.purpose")
    if terms.closes_on < terms.opens_on:
        opens_on = terms.opens_on.isoformat()
        raise InvalidCommand(f"{at}.closes_on", reason="before it opens", opens_on=opens_on)
    return replace(
        terms,
        regions=tuple(sorted(set(terms.regions))),
        allowed=tuple(sorted(set(terms.allowed))),
        forbidden=tuple(sorted(set(terms.forbidden))),
    )


def allows_region(terms: Terms, region: str) -> bool:
    """Whether money may go to a region: it lies in one of the terms' regions, if there are any."""
    return not terms.regions or region.startswith(terms.regions)


def allows_category(terms: Terms, category: str) -> bool:
    """Whether money may be spent on a category; forbidden wins over allowed."""
    return category not in terms.forbidden and (not terms.allowed or category in terms.allowed)


def restricts(terms: Terms) -> bool:
    """Whether terms say for what, or where, money may be used, and not only when."""
    return bool(terms.regions or terms.allowed or terms.forbidden)


def refusal_of(terms: Sequence[Terms], region: str, on: date, at: str) -> Refusal | None:
    """Why terms keep money from a region on a day: by purpose, by window, or not at all (None)."""
    if not all(allows_region(each, region) for each in terms):
        return PurposeViolation(at, region=region)
    for each in terms:
        if not each.opens_on <= on <= each.closes_on:
            return FundClosed(
                "effective_on",
                day=on.isoformat(),
                opens_on=each.opens_on.isoformat(),
                closes_on=each.closes_on.isoformat(),
            )
    return None


def is_within(inner: Terms, outer: Terms) -> bool:
    """Whether all that the inner terms allow, the outer allow too; purposes are for people."""
    return (
        outer.opens_on <= inner.opens_on
        and inner.closes_on <= outer.closes_on
        and (bool(inner.regions) or not outer.regions)
        and all(allows_region(outer, region) for region in inner.regions)
        and (bool(inner.allowed) or not outer.allowed)
        and all(
            allows_category(outer, category) or category in inner.forbidden
            for category in inner.allowed
        )
        and not any(allows_category(inner, category) for category in outer.forbidden)
    )
