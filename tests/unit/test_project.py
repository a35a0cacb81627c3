"""Projects: opening, closing, scope."""

from datetime import date
from typing import Any

import pytest

from ledger.domain.commands import CloseProject
from ledger.domain.errors import CorruptLog, ProjectNotFound
from ledger.domain.events import ProjectClosed, ProjectOpened
from ledger.domain.project import evolve, find_project
from tests.scenario import ADMIN, ELSEWHERE, REGION, TOWN, caller, county_at_work, open_project


def close(closes_on: date = date(2025, 6, 30)) -> CloseProject:
    return CloseProject(project="P001", closes_on=closes_on, reason_code="completed")


def test_a_project_opens_with_its_categories_in_order() -> None:
    ledger = county_at_work()
    (
        ledger.when(open_project("P002", categories=("tea", "elder_care", "tea")))
        .then_in("project/P002")
        .then_event(
            ProjectOpened, organisation="O1", region=REGION, categories=("elder_care", "tea")
        )
        .then_answer(project="P002")
    )
    found = find_project(ledger.books, "P002", ADMIN)
    assert (found.id, found.organisation, found.region) == ("P002", "O1", REGION)
    assert (found.opens_on, found.closes_on) == (date(2025, 1, 1), None)


def test_a_project_may_lie_in_another_region_than_its_organisation() -> None:
    county_at_work().when(open_project("P002", region=ELSEWHERE)).then_event(ProjectOpened)


def test_a_project_belongs_to_an_organisation_that_is_there() -> None:
    county_at_work().when(open_project("P002", organisation="O8")).then_refused(
        "organisation_not_found", at="organisation"
    )


def test_a_project_id_is_taken_once() -> None:
    county_at_work().when(open_project("P001")).then_refused("already_exists", at="project")


def test_a_project_has_a_clean_name() -> None:
    county_at_work().when(open_project("P002", name="a\tb")).then_refused(
        "invalid_command", at="name"
    )


def test_nobody_opens_a_project_outside_their_region_or_organisations() -> None:
    elsewhere = caller("other-county", "admin", regions=(ELSEWHERE,))
    county_at_work().when(open_project("P002"), by=elsewhere).then_refused("forbidden", at="region")
    bound = caller("bound", "admin", organisations=("O2",))
    for organisation in ("O1", "O8"):
        county_at_work().when(
            open_project("P002", organisation=organisation), by=bound
        ).then_refused("forbidden", at="organisation")


def test_an_organisation_out_of_the_region_is_not_found() -> None:
    town = caller("town", "admin", regions=(TOWN,))
    county_at_work().when(open_project("P002", region=TOWN), by=town).then_refused(
        "organisation_not_found"
    )
    county_at_work().when(open_project("P002", region=TOWN, organisation="O2"), by=town).then_event(
        ProjectOpened
    )


@pytest.mark.parametrize("day", [date(2025, 1, 1), date(2025, 3, 1), date(2026, 3, 1)])
def test_a_project_closes_on_any_day_since_it_opened(day: date) -> None:
    ledger = county_at_work()
    (
        ledger.when(close(day))
        .then_in("project/P001")
        .then_event(
            ProjectClosed, organisation="O1", region=REGION, closes_on=day, reason_code="completed"
        )
        .then_answer(project="P001", closes_on=day.isoformat())
    )
    project = find_project(ledger.books, "P001", ADMIN)
    assert project.runs_on(day)
    assert not project.runs_on(date.fromordinal(day.toordinal() + 1))
    assert not project.runs_on(date(2024, 12, 31))


def test_a_project_does_not_close_before_it_opens() -> None:
    county_at_work().when(close(date(2024, 12, 31))).then_refused(
        "invalid_command", at="closes_on", opens_on="2025-01-01"
    )


def test_a_project_closes_once() -> None:
    county_at_work().given(close()).when(close(date(2025, 7, 1))).then_refused(
        "project_closed", at="project", closes_on="2025-06-30"
    )


@pytest.mark.parametrize("scope", [{"regions": (TOWN,)}, {"organisations": ("O2",)}])
def test_a_project_out_of_scope_looks_like_not_there(scope: dict[str, Any]) -> None:
    ledger, unseen = county_at_work(), caller("bound", "admin", **scope)
    ledger.when(close(), by=unseen).then_refused("project_not_found", at="project", project="P001")
    with pytest.raises(ProjectNotFound):
        find_project(ledger.books, "P009", ADMIN)


def test_a_project_stream_begins_with_its_opening() -> None:
    ledger = county_at_work().given(close())
    (_, opened) = next(found for found in ledger.log if found[0] == "project/P001")
    stream, closed = ledger.log[-1]
    with pytest.raises(CorruptLog):
        evolve(None, stream, closed)
    with pytest.raises(CorruptLog):
        evolve(ledger.state(stream), stream, opened)
