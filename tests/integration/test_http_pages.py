"""Pages of one answer over HTTP: all of them are true at the moment of the first, whatever comes.

What is asked for is told on several pages, and between the first and the others the log grows.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.cursors import pack
from ledger.application import Ledger
from ledger.domain import commands as c
from ledger.settings import Settings
from tests.http_service import (
    LONG_AGO,
    OPERATOR,
    TODAY,
    YESTERDAY,
    Key,
    issue,
    open_ledger,
    refused,
    started,
)
from tests.integration.test_http_reads import SUPERVISOR, get, month_at_work, verify


def county_at_work() -> list[c.Command]:
    """A month, and a second project with hours of its own that no money was given to."""
    other = [
        c.LogHours(member=f"V{n}", project="P2", service_on=YESTERDAY - timedelta(days=3),
                   minutes=7 * n, category="elder_care", evidence="manual")
        for n in (1, 2)
    ]  # fmt: skip
    return [
        *month_at_work(),
        c.OpenProject(project="P2", name="助幼", organisation="O1", region="330424",
                      categories=("elder_care",), opens_on=LONG_AGO),
        *other,
    ]  # fmt: skip


@pytest.fixture
def county(settings: Settings) -> Settings:
    open_ledger(settings, *county_at_work())
    verify(settings, "V2-1", "V2-2", "V3-1", "V1-2", "V1-5", "V2-5")
    return settings


@pytest.fixture
def key(county: Settings) -> Key:
    return issue(county, "auditor", "auditor", "admin")


@pytest.fixture
def client(county: Settings, key: Key) -> Iterator[httpx.Client]:
    ledger = Ledger(county)
    head = ledger.store.head().position
    ledger.close()
    with started(county) as client:
        get(client, key, "/v1/totals", min_position=head)
        yield client


def grow(settings: Settings, client: httpx.Client, key: Key) -> None:
    """Money for the second project, and more hours of the first, which the figures then have."""
    ledger = Ledger(settings)
    log = c.LogHours(member="V1", project="P1", service_on=YESTERDAY, minutes=5,
                     category="elder_care", evidence="manual")  # fmt: skip
    ledger.execute(log, OPERATOR)
    ledger.execute(c.VerifyHours(entry="V1-6"), SUPERVISOR)
    given = c.AllocateFunds(fund="F1", target="project/P2", fen=100)
    position = ledger.execute(given, OPERATOR).position
    ledger.close()
    get(client, key, "/v1/totals", min_position=position)


def pages(client: httpx.Client, key: Key, county: Settings, path: str) -> list[Any]:
    """All pages, of two things each; the log grows behind the first."""
    answer = client.get(httpx.URL(path).copy_merge_params({"limit": 2}), headers=key)
    assert answer.status_code == 200, answer.text
    found = [answer.json()]
    grow(county, client, key)
    while "next" in answer.links:
        answer = client.get(answer.links["next"]["url"], headers=key)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        assert answer.headers["ledger-position"] == str(found[-1]["position"])
    assert len(found) > 1
    return found


def test_all_pages_of_a_difference_compare_the_same_moments(
    client: httpx.Client, key: Key, county: Settings
) -> None:
    """Also where only a day is named to compare with: its position is the later answer's."""
    told = pages(client, key, county, f"/v1/diff/totals?from_as_of={LONG_AGO}")
    first = told[0]
    for page in told:
        for part in ("before", "after", "figures", "causes", "events_total"):
            assert page[part] == first[part], part
    events = [event for page in told for event in page["events"]]
    assert len(events) == first["events_total"]
    verified = sum(event["changes"].get("verified_minutes", 0) for event in events)
    assert [verified] == [
        f["change"] for f in first["figures"] if f["figure"] == "verified_minutes"
    ]


@pytest.mark.parametrize("axis", ["", f"&as_of={TODAY}"])
def test_all_pages_of_an_explanation_are_of_one_moment(
    client: httpx.Client, key: Key, county: Settings, axis: str
) -> None:
    """Also where what comes later says what counts: a project that a fund pays for from then on."""
    path = f"/v1/explain/funds/F1?figure=verified_minutes{axis}"
    told = pages(client, key, county, path)
    (position,) = {page["position"] for page in told}
    usage = get(client, key, f"/v1/funds/F1/usage?known_at={position}{axis}")
    changes = [leg["change"] for page in told for leg in page["legs"]]
    assert sum(changes) == usage["verified_minutes"]


#: List → the places that no page of it ends at.
NO_PLACES = {
    "/v1/explain/totals": ([1, 2**63 - 1], [1, 2**80], [1, -1], [-1, 1]),
    "/v1/diff/totals?from_known_at=1": ([1, 2**63 - 1], [1, -1], [-1, 1]),
    "/v1/trail/project/P1": (2**80, -1),
    "/v1/members/V1/statement": (2**80, -1),
    "/v1/members": ("V1\0",),
    "/v1/looks?about=log": ("2026\0",),
}


def test_what_no_page_gave_out_is_no_cursor(client: httpx.Client, key: Key) -> None:
    for path, places in NO_PLACES.items():
        for place in places:
            url = httpx.URL(path).copy_merge_params({"cursor": pack(place)})
            refused(client.get(url, headers=key), 422, "invalid_command", "cursor")
    refused(client.get("/v1/looks?about=%00", headers=key), 422, "invalid_command", "about")
