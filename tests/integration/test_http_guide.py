"""The HTTP guide: its examples are played, and its reference is what the routes say."""

import re
import tempfile
from pathlib import Path

from api.errors import STATUS
from api.reference import MARKER, rewritten
from api.routes.table import routes
from ledger.domain import commands as c
from ledger.settings import Settings
from tests import console, guide
from tests.http_service import LONG_AGO, issue, open_ledger

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "http.md"
README = ROOT / "README.md"


def test_the_examples_are_what_the_service_answers(tmp_path: Path) -> None:
    document = GUIDE.read_text(encoding="utf-8").partition(MARKER)[0]
    played = guide.play(document, tmp_path)
    assert console.masked(played) == console.masked(document), "python -m tests.guide docs/http.md"


def test_the_reference_is_what_the_routes_say() -> None:
    document = GUIDE.read_text(encoding="utf-8")
    assert MARKER in document
    assert rewritten(document) == document, "python -m api.reference docs/http.md"


def test_every_route_and_every_code_is_in_the_reference() -> None:
    reference = GUIDE.read_text(encoding="utf-8").partition(MARKER)[2]
    listed = re.findall(r"^\| `((?:GET|POST) \S+?)`", reference, re.MULTILINE)
    assert sorted(listed) == sorted(f"{r.method} {r.path.replace(':path', '')}" for r in routes())
    codes = re.findall(r"^\| (\d{3}) \| `(\w+)` \| \S", reference, re.MULTILINE)
    assert {code: int(status) for status, code in codes} == dict(STATUS)


def test_each_user_has_a_chapter() -> None:
    document = GUIDE.read_text(encoding="utf-8")
    assert {"## A service", "## A funder", "## An auditor"} <= set(document.splitlines())


def test_the_client_in_the_tour_answers_so(tmp_path: Path) -> None:
    """`python -m tests.integration.test_http_guide` writes what it answers now into the tour."""
    document = README.read_text(encoding="utf-8")
    assert console.masked(toured(document, tmp_path)) == console.masked(document)


def toured(document: str, folder: Path) -> str:
    """The tour with the client's real answers, at the place of the tour where it stands."""
    settings = Settings(database_url=f"sqlite:///{folder}/ledger.db")
    open_ledger(
        settings,
        c.RegisterOrganisation(
            organisation="HY-O1", name="武原街道社工站", org_kind="agency", region="330424001"
        ),
        c.OpenProject(
            project="P001", name="邻里助老", organisation="HY-O1", region="330424001",
            categories=("elder_care",), opens_on=LONG_AGO,
        ),
        c.RegisterMember(member="V0001", region="330424001"),
    )  # fmt: skip
    key = issue(settings, "station", "recorder")
    secret = key["authorization"].removeprefix("Bearer ")
    return guide.play(document, folder, settings, secret=secret)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as desk:
        README.write_text(toured(README.read_text(encoding="utf-8"), Path(desk)), encoding="utf-8")
