"""What binds money in a fund binds it where it is sent: another fund sets nothing free."""

from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.events import TransferSent
from tests.money import accept, money, receive, send, spend, terms, two_counties
from tests.scenario import ELSEWHERE, REGION, Scenario, open_project

NO_BANQUET = terms(forbidden=("banquet",))
NARROWER = terms(forbidden=("banquet", "wages"), regions=(ELSEWHERE,))


def amended(**changes: Any) -> Scenario:
    """Two counties, the fund of the first on these terms; the other has a project."""
    amend = c.AmendFund(fund="F1", terms=terms(**changes), consent="letter")
    return two_counties(1000).given(amend, open_project("P9", organisation="O9", region=ELSEWHERE))


def test_what_a_fund_forbids_stays_forbidden_elsewhere() -> None:
    ledger = amended(forbidden=("banquet",)).given(send(600), accept())
    assert money(ledger, "F9").stock.receipts["F1-R1"].terms == (NO_BANQUET,)
    ledger.given(c.AllocateFunds(fund="F9", target="project/P9", fen=600))
    there: dict[str, Any] = {"fund": "F9", "target": "project/P9"}
    ledger.when(spend(1, category="banquet", **there)).then_refused(
        "purpose_violation", at="category"
    )
    ledger.given(spend(1, category="meals", **there))


def test_terms_given_lie_within_those_of_the_fund() -> None:
    ledger = amended(forbidden=("banquet",))
    ledger.when(send(1, terms=terms())).then_refused("purpose_violation", at="terms")
    ledger.when(send(1, terms=NARROWER)).then_event(TransferSent, terms=NARROWER)


@pytest.mark.parametrize(
    ("own", "travels"),
    [(NARROWER, NARROWER), (terms(), NO_BANQUET), (NO_BANQUET, NO_BANQUET)],
)
def test_of_the_funds_and_the_receipts_terms_the_narrower_travel(own: Any, travels: Any) -> None:
    ledger = amended(forbidden=("banquet",)).given(receive(100, terms=own))
    wish = send(100, receipts=("F1-R2",))
    ledger.when(wish).then_event(TransferSent, terms=travels)


def test_where_neither_are_narrower_they_have_to_be_given() -> None:
    ledger = amended(forbidden=("banquet",)).given(receive(100, terms=terms(regions=(ELSEWHERE,))))
    wish = send(100, receipts=("F1-R2",))
    ledger.when(wish).then_refused("invalid_command", at="terms", receipts=1)
    ledger.when(send(100, receipts=("F1-R2",), terms=NARROWER)).then_event(TransferSent)


def test_terms_that_restrict_nothing_but_time_do_not_travel() -> None:
    two_counties(1000).when(send(1)).then_event(TransferSent, terms=None)
    amended(regions=(REGION, ELSEWHERE)).when(send(1)).then_event(
        TransferSent, terms=terms(regions=(REGION, ELSEWHERE))
    )
