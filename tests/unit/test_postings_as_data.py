"""The posting table as data: a second interpreter reads it as JSON, and flows agree with moves."""

import json
import re
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings

from ledger.domain import events as e
from projections.moves import FLOWS, ROUTES, Route, month_of, moves
from projections.postings import POSTINGS, M, class_of
from tests.strategies import events


def text_of(state: dict[str, Any], name: str) -> str:
    """A name in a template, as the table's own text explains it."""
    value = state.get(name)
    if isinstance(value, list):
        return "+".join(value)
    return "-" if value is None else str(value)


def account(template: str, state: dict[str, Any]) -> str:
    """An account's name from the template alone."""
    for needed in re.findall(r"{(\w+)\?}", template):
        if state.get(needed) is None:
            return "world"
    return re.sub(r"{([\w.]+)\??}", lambda found: text_of(state, found[1]), template)


def by_the_book(table: list[list[str]], stream: str, line: dict[str, Any]) -> list[Any]:
    """The moves of an event in JSON by a table in JSON: all a stranger would have."""
    kind, _, owner = stream.partition("/")
    found = []
    for topic, commodity, source, target, quantity, day in table:
        if topic != line["topic"]:
            continue
        state = line["state"] | ({} if kind in line["state"] else {kind: owner})
        lots = state["lots"] if quantity == "lots.fen" else [{}]
        for lot in lots:
            keys = state | {f"lots.{name}": value for name, value in lot.items()}
            amount = 1 if quantity == "1" else keys[quantity]
            if amount:
                named = M[state["kind"]] if commodity == "M" else commodity
                found.append(
                    [named, account(source, keys), account(target, keys), amount, keys[day]]
                )
    return found


@given(event=events())
@settings(max_examples=100, deadline=None)
def test_the_table_as_json_is_all_it_takes(event: e.Event) -> None:
    topic = type(event).__name__
    table = json.loads(msgspec.json.encode(POSTINGS))
    owners = {"member": "V1", "fund": "F1"}
    wanted = {name for row in POSTINGS if row.topic == topic for name in owners if name in str(row)}
    stream = f"{wanted.pop()}/X1" if wanted else "activity/X1"
    line = {"topic": topic, "state": json.loads(msgspec.json.encode(event))}
    found = [[*move[:4], move.day.isoformat()] for move in moves(event, stream)]
    assert found == by_the_book(table, stream, line)


@given(event=events())
@settings(max_examples=100, deadline=None)
def test_flows_are_the_moves_between_classes_of_accounts(event: e.Event) -> None:
    topic = type(event).__name__
    if topic not in FLOWS:
        return
    expected: Counter[tuple[Route, int]] = Counter()
    for move in moves(event, "x/X1"):
        route = Route(move.commodity, class_of(move.source), class_of(move.target))
        expected[route, month_of(move.day)] += move.quantity
    found: Counter[tuple[Route, int]] = Counter()
    for index, month, quantity in FLOWS[topic](event):
        assert quantity
        found[ROUTES[index], month] += quantity
    assert found == expected
