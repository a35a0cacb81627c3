"""Clients that write and read without end, as clients should: the same again until it is told."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import httpx

from tests.http_service import Key, post

WRITERS: Final = 4
READS: Final = ("/v1/members/V1/balance", "/v1/members/V2/statement", "/v1/totals")


class Load:
    """What was written and told, who was told to ask again, and how long anyone waited."""

    def __init__(self, address: str, key: Key) -> None:
        self._address, self._key = address, key
        self._ending = threading.Event()
        #: Name of a write → its answer.
        self.told: dict[str, dict[str, Any]] = {}
        #: Answers by what was asked ("write" or "read") and status.
        self.answers: Counter[tuple[str, int]] = Counter()
        #: The longest anyone waited for an answer, in seconds.
        self.waited_s = 0.0
        self.errors: list[str] = []

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """All clients at work."""
        work = [self._read, *(partial(self._write, n) for n in range(WRITERS))]
        threads = [threading.Thread(target=self._guarded, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join(90)

    def register(self, client: httpx.Client, name: str) -> httpx.Response:
        """The write of a name: it registers a member of that number."""
        return post(client, "/v1/members", {"member": name, "region": "330424"}, self._key, name)

    def _write(self, worker: int, client: httpx.Client) -> None:
        number = 0
        while not self._ending.is_set():
            name = f"W{worker}N{number}"
            answer = self._ask("write", partial(self.register, client, name))
            if answer is not None:
                self.told[name] = answer.json()
                number += 1

    def _read(self, client: httpx.Client) -> None:
        while not self._ending.is_set():
            for path in READS:
                self._ask("read", partial(client.get, path, headers=self._key))
            time.sleep(0.05)

    def _ask(self, what: str, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
        """The answer, unless it is to ask again, with the seconds to wait. Else it is an error."""
        began = time.monotonic()
        answer = ask()
        self.waited_s = max(self.waited_s, time.monotonic() - began)
        self.answers[what, answer.status_code] += 1
        if answer.is_success:
            return answer
        is_said = answer.status_code == 503 and answer.headers.get("retry-after", "").isdecimal()
        if not is_said:
            self.errors.append(f"{what}: {answer.status_code} {answer.text[:500]}")
        time.sleep(0.1)  # it says a second or more; a test is less patient
        return None

    def _guarded(self, work: Callable[[httpx.Client], None]) -> None:
        try:
            with httpx.Client(base_url=self._address, timeout=60, verify=False) as client:
                work(client)
        except Exception as error:  # noqa: BLE001 (told to the test)
            self.errors.append(repr(error))
