"""What callers in Python hand over is checked like what comes over a wire."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.access import operator
from ledger.domain.commands import Command, EntryCommand, LogHours, SetStarLevels, VerifyHours
from ledger.domain.errors import InvalidCommand
from ledger.domain.values import StarLevel
from ledger.store.requests import Request

RIGHT = LogHours(
    member="V1", project="P1", service_on=date(2025, 6, 1), minutes=1, category="x",
    evidence="manual",
)  # fmt: skip


def ask(*commands: Command) -> Request:
    return Request(commands=commands, caller=operator("boss"), command_id="c1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("project", "P 1"),
        ("project", "P1\ud800"),
        ("project", "P1\n"),
        ("minutes", "1"),
        ("minutes", True),
        ("minutes", 2**70),
        ("service_on", "2025-06-31"),
        ("category", ["x"]),
        ("evidence", "hearsay"),
        ("member", None),
        ("effective_on", 1),
    ],
)
def test_one_malformed_command_among_many_is_named(field: str, value: Any) -> None:
    """Many are checked by the distinct values of each field; the index is told all the same."""
    wrong = replace(RIGHT, **{field: value})
    with pytest.raises(InvalidCommand) as refused:
        ask(*[RIGHT] * 30, VerifyHours(entry="V1-1"), wrong, RIGHT)
    assert refused.value.index == 31
    with pytest.raises(InvalidCommand) as refused:
        ask(wrong)
    assert refused.value.index == 0


@pytest.mark.parametrize("stars", [1.5, True, 1.0])
def test_a_number_in_a_structure_does_not_hide_behind_one_that_equals_it(stars: Any) -> None:
    right = SetStarLevels(region="33", levels=(StarLevel(stars=1, minutes=60),))
    wrong = SetStarLevels(region="33", levels=(StarLevel(stars=stars, minutes=60),))
    with pytest.raises(InvalidCommand) as refused:
        ask(right, wrong)
    assert refused.value.index == 1


def test_what_is_no_command_is_refused_among_many_too() -> None:
    with pytest.raises(InvalidCommand) as refused:
        ask(RIGHT, EntryCommand(entry="V1-1"))
    assert refused.value.index == 1


def test_the_hash_of_a_request_is_that_of_its_lines() -> None:
    """So a batch is recognised however it came, and another body told apart."""
    first, second = replace(RIGHT, minutes=2), VerifyHours(entry="V1-1")
    assert ask(first, second).body_hash == ask(first, second).body_hash
    assert ask(first, second).body_hash != ask(second, first).body_hash
    assert ask(first, second).body_hash != ask(first).body_hash


def test_the_same_lines_of_another_person_or_asked_otherwise_are_another_request() -> None:
    mine = ask(RIGHT)
    theirs = Request(commands=[RIGHT], caller=operator("clerk"), command_id="c1")
    assert mine.body_hash != theirs.body_hash
    loose = Request(commands=[RIGHT], caller=operator("boss"), command_id="c1", on_error="continue")
    assert mine.body_hash != loose.body_hash
