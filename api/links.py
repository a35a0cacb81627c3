"""Where an answer leads: links of the OpenAPI document, from an id given to all that take it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ledger.domain import commands as c

#: Command → what it gives an id to; the id stands in its answer under this name.
GIVEN: Final[Mapping[type[c.Command], str]] = {
    c.RegisterMember: "member", c.LogHours: "entry", c.GrantIncentive: "grant",
    c.RegisterOrganisation: "organisation", c.OpenProject: "project", c.HoldActivity: "activity",
    c.DefinePolicy: "policy", c.OpenFund: "fund", c.SpendFunds: "expense",
    c.SendTransfer: "transfer", c.IssueKey: "key",
}  # fmt: skip


def add_links(document: dict[str, Any]) -> None:
    """Tell, behind each answer that gives an id, which operations take it in their path."""
    given = {c.op_of(kind.__name__): name for kind, name in GIVEN.items()}
    operations = list(_operations(document))
    for giver in operations:
        name = given.get(giver["operationId"])
        if name is not None:
            takers = [taker for taker in operations if name in _names_in_path(taker)]
            giver["responses"]["201"]["links"] = {
                taker["operationId"]: {
                    "operationId": taker["operationId"],
                    "parameters": {name: f"$response.body#/{name}"},
                }
                for taker in takers
            }


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _names_in_path(operation: dict[str, Any]) -> set[str]:
    return {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
