"""A command that had nothing to write is remembered like any other, on each database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from msgspec.structs import replace

from ledger.application import Ledger
from ledger.domain.access import operator
from ledger.domain.commands import (
    LogHours,
    OpenLedger,
    OpenProject,
    RegisterMember,
    RegisterOrganisation,
)
from ledger.domain.errors import IdempotencyMismatch
from ledger.settings import Settings

BOSS = operator("boss")
TODAY = datetime.now(UTC).date()
ROW = LogHours(
    member="V1", project="P1", service_on=TODAY, minutes=30, category="elder_care",
    evidence="manual", source="signin", source_ref="1",
)  # fmt: skip
PLACE: Final[dict[str, Any]] = {"name": "x", "region": "330424"}


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """A ledger with one entry."""
    with Ledger(settings, create=True) as ledger:
        ledger.execute(OpenLedger(origin="t.example"), BOSS)
        ledger.execute_many(
            [
                RegisterOrganisation(organisation="O1", org_kind="team", **PLACE),
                OpenProject(project="P1", organisation="O1", categories=("elder_care",),
                            opens_on=TODAY, **PLACE),
                RegisterMember(member="V1", region="330424"),
                ROW,
            ],
            BOSS,
        )  # fmt: skip
        yield ledger


def test_already_there_is_the_answer_for_ever_under_its_command_id(ledger: Ledger) -> None:
    # given a row that is in the ledger already, asked for under a name of its own
    first = ledger.execute(ROW, BOSS, command_id="again")
    assert (first.result["already"], first.count, first.first_position) == (True, 0, 0)
    # when more is written, and the same is asked again
    ledger.execute(RegisterMember(member="V2", region="330424"), BOSS)
    second = ledger.execute(ROW, BOSS, command_id="again")
    # then the first answer is given, true at the position it was true at
    assert second.replayed
    assert (second.result, second.position) == (first.result, first.position)
    assert (second.count, second.first_position) == (0, 0)


def test_another_content_under_that_id_is_refused(ledger: Ledger) -> None:
    ledger.execute(ROW, BOSS, command_id="again")
    head = ledger.store.head()
    other = replace(ROW, source_ref="2", minutes=45)
    with pytest.raises(IdempotencyMismatch):
        ledger.execute(other, BOSS, command_id="again")
    assert ledger.store.head() == head
