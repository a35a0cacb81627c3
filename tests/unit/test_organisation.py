"""Organisations: registering, scope."""

from typing import Any

import pytest

from ledger.domain.commands import RegisterOrganisation
from ledger.domain.errors import CorruptLog, OrganisationNotFound
from ledger.domain.events import OrganisationRegistered, ProjectOpened
from ledger.domain.organisation import evolve, find_organisation
from tests.scenario import ADMIN, ELSEWHERE, REGION, TOWN, caller, county


def register(organisation: str = "O1", **changes: str) -> RegisterOrganisation:
    wish = {"name": "海盐县志愿者协会", "org_kind": "association", "region": REGION}
    return RegisterOrganisation(organisation=organisation, **wish | changes)  # type: ignore[arg-type]


def test_an_organisation_is_registered_in_its_own_stream() -> None:
    ledger = county()
    (
        ledger.when(register())
        .then_in("organisation/O1")
        .then_event(
            OrganisationRegistered, name="海盐县志愿者协会", org_kind="association", region=REGION
        )
        .then_answer(organisation="O1")
    )
    found = find_organisation(ledger.books, "O1", ADMIN)
    assert (found.id, found.region, found.org_kind) == ("O1", REGION, "association")


def test_an_id_is_taken_once() -> None:
    county().given(register()).when(register(name="另一个")).then_refused(
        "already_exists", at="organisation", organisation="O1"
    )


@pytest.mark.parametrize("name", [" 协会", "协会\n", "a\u200bb", "e\u0301"])
def test_a_name_is_clean(name: str) -> None:
    county().when(register(name=name)).then_refused("invalid_command", at="name")


def test_nobody_registers_outside_their_region() -> None:
    elsewhere = caller("other-county", "admin", regions=(ELSEWHERE,))
    county().when(register(), by=elsewhere).then_refused("forbidden", at="region")


def test_nobody_registers_an_organisation_that_is_not_theirs() -> None:
    bound = caller("bound", "admin", organisations=("O7",))
    county().when(register(), by=bound).then_refused("forbidden", at="organisation")
    county().when(register("O7"), by=bound).then_event(OrganisationRegistered)


@pytest.mark.parametrize("scope", [{"regions": (TOWN,)}, {"organisations": ("O7",)}])
def test_out_of_scope_looks_like_not_there(scope: dict[str, Any]) -> None:
    books = county().given(register()).books
    unseen, missing = caller("bound", "admin", **scope), ADMIN
    with pytest.raises(OrganisationNotFound) as one:
        find_organisation(books, "O1", unseen, "team")
    with pytest.raises(OrganisationNotFound) as other:
        find_organisation(books, "O8", missing, "team")
    assert one.value.at == other.value.at == "team"


def test_its_stream_holds_one_event() -> None:
    ledger = county().given(register())
    state, (stream, event) = ledger.state("organisation/O1"), ledger.log[-1]
    with pytest.raises(CorruptLog):
        evolve(state, stream, event)
    with pytest.raises(CorruptLog):
        evolve(None, stream, ledger.log[0][1])
    assert not isinstance(event, ProjectOpened)
