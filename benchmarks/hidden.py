"""What lies outside a scope beside what does not exist: are both answered in like time.

Medians of many requests in turn, as a ratio; near 1 is what is wanted. What a test holds is that
the statements are the same (`tests/integration/test_http_scopes.py`).
"""

import json
import statistics
import tempfile
import time

from tests.http_counties import HERE, NOBODYS, THEIRS, Ids, World, world_of

REQUESTS = 400
#: What is asked, and whose key asks.
ASKED = (
    ("/v1/members/{member}/balance", "verifier", {"regions": (HERE,)}),
    ("/v1/members/{member}/statement", "verifier", {"regions": (HERE,)}),
    ("/v1/trail/project/{project}", "auditor", {"organisations": ("O1",)}),
    ("/v1/funds/{fund}/usage", "funder", {"sources": ("S1",)}),
)


def _seconds(world: World, url: str, ids: Ids, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    answer = world.read(url, ids, headers)
    assert answer.status_code == 404
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each route."""
    with tempfile.TemporaryDirectory() as folder:
        for world in world_of(f"sqlite:///{folder}/ledger.db"):
            for url, role, scope in ASKED:
                key = world.key(role, **scope)  # type: ignore[arg-type]  # a role, as listed
                took: dict[str, list[float]] = {"theirs": [], "nobodys": []}
                for _ in range(REQUESTS):
                    took["theirs"].append(_seconds(world, url, THEIRS, key))
                    took["nobodys"].append(_seconds(world, url, NOBODYS, key))
                theirs, nobodys = map(statistics.median, took.values())
                told = {"benchmark": "hidden", "route": url, "ratio": round(theirs / nobodys, 3)}
                print(json.dumps(told))


if __name__ == "__main__":
    main()
