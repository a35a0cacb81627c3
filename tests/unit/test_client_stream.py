"""The client's stream of events, against a service made of answers."""

import json
import time
from itertools import count
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api import openapi
from api.client import CloudEvent, Patience, UnreachableError, events
from tests.unit.test_client import Service, client_of


def stream(*told: dict[str, Any]) -> httpx.Response:
    """One that has spoken, given some events, and ended."""
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in told)
    headers = {"content-type": "text/event-stream"}
    return httpx.Response(200, content=f": ping\n\n{text}", headers=headers)


@pytest.mark.parametrize(("stood_s", "is_there"), [(86_400.0, True), (0.0, False)])
def test_a_stream_in_which_nothing_happens_is_followed_for_ever(
    stood_s: float, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it ends, as when the service is started anew each night."""
    now, pauses = count(0.0, stood_s), list[float]()
    monkeypatch.setattr(time, "sleep", pauses.append)
    clock = SimpleNamespace(monotonic=lambda: next(now))
    monkeypatch.setattr(events, "time", clock, raising=False)
    happened = openapi.example(CloudEvent)
    service = Service(*(stream() for _ in range(30)), stream(happened))
    following = client_of(service).events.follow(topics=["FundClosed"])
    if is_there:
        assert next(following).subject == happened["subject"]
        assert max(pauses) <= Patience().pause_s
    else:
        with pytest.raises(UnreachableError):
            next(following)
