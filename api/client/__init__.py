"""A client of the service, over httpx: typed calls that may be repeated safely.

    with Client("http://127.0.0.1:8000", secret) as ledger:
        answer = ledger.hours.log(member="V0001", project="P001", …)
        ledger.members.balance("V0001", min_position=answer.position)

It shares the commands and the forms of answers with the service, and none of its code.
"""

from api.answers import CloudEvent, LineResult, ListedKey, LookAt, Verdict
from api.client.client import Client
from api.client.door import Answer, Patience
from api.client.errors import ProblemError, ServiceError, UnreachableError
from api.client.events import Page

__all__ = [
    "Answer", "Client", "CloudEvent", "LineResult", "ListedKey", "LookAt", "Page", "Patience",
    "ProblemError", "ServiceError", "UnreachableError", "Verdict",
]  # fmt: skip
