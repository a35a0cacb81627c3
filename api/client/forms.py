"""What figures look like: the read models' own structs, loaded when the first one is read.

Whoever only writes never loads the read models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from projections.balances import MemberBalance, PolicyBalance
    from projections.differences import Difference
    from projections.explain import Leg
    from projections.fund_usage import FundUsage, SourceUsage
    from projections.participation import Belonging, Certified, Participation
    from projections.statement import StatedEntry, Statement
    from projections.totals import Totals
    from projections.trail import Entry

#: Module of the read models → its structs.
PLACES: Final = {
    "balances": ("MemberBalance", "PolicyBalance"),
    "differences": ("Difference",),
    "explain": ("Leg",),
    "fund_usage": ("FundUsage", "SourceUsage"),
    "participation": ("Belonging", "Certified", "Participation"),
    "statement": ("StatedEntry", "Statement"),
    "totals": ("Totals",),
    "trail": ("Entry",),
}


def __getattr__(name: str) -> Any:
    for module, names in PLACES.items():
        if name in names:
            return getattr(import_module(f"projections.{module}"), name)
    raise AttributeError(name)


__all__ = [
    "Belonging", "Certified", "Difference", "Entry", "FundUsage", "Leg", "MemberBalance",
    "Participation", "PolicyBalance", "SourceUsage", "StatedEntry", "Statement", "Totals",
]  # fmt: skip
