"""Where the money of a fund or a source is, and what it did; minutes only as sums."""

from api.queries import PastQuery
from api.reading import Look, Shown, View
from ledger.domain.values import Code, SourceKind
from projections.fund_usage import FundUsage, SourceUsage, fund_usage, source_usage
from projections.scope import check_fund, check_source


class OfFund(PastQuery, frozen=True, kw_only=True):
    """One fund."""

    fund: Code


class OfSource(PastQuery, frozen=True, kw_only=True):
    """One source of money; `source_kind` only where an id stands for several."""

    source: Code
    source_kind: SourceKind | None = None


def show_fund(look: Look, query: OfFund) -> Shown:
    """Each fen of a fund from receipt to spending, and the verified minutes beside it."""
    check_fund(look.live, look.caller, query.fund)
    look.saw(f"fund/{query.fund}")
    found = fund_usage(look.standing.fund(query.fund), query.fund)
    return Shown(found, f"/v1/explain/funds/{query.fund}")


def show_source(look: Look, query: OfSource) -> Shown:
    """The money of one source, fund by fund."""
    check_source(look.caller, query.source)
    found = source_usage(look.standing.source(query.source), query.source, query.source_kind)
    for fund in found.funds:
        look.saw(f"fund/{fund.fund}")
    kind = f"?source_kind={query.source_kind}" if query.source_kind else ""
    return Shown(found, f"/v1/explain/sources/{query.source}{kind}")


VIEWS = (
    View("/v1/funds/{fund}/usage", "funds", show_fund, OfFund, FundUsage),
    View("/v1/sources/{source}/usage", "sources", show_source, OfSource, SourceUsage),
)
