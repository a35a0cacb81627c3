"""The auditor's guide answers as it says, played in an empty folder."""

from pathlib import Path

import pytest

from tests import console

DOCUMENT = Path(__file__).parents[2] / "docs" / "evidence.md"


@pytest.mark.xdist_group("demo")
def test_the_examples_of_the_document_answer_as_it_says(tmp_path: Path) -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    played = console.play(document, tmp_path)
    assert console.masked(played) == console.masked(document), (
        "python -m tests.console docs/evidence.md"
    )
