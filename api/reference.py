"""The reference of the HTTP interface, as Markdown, made from the routes themselves.

`python -m api.reference docs/http.md` writes it anew behind the marker in that file; a test
compares.
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from api.errors import RETRY_AFTER_S, STATUS
from api.routes.table import VIEWS, Route, routes
from api.ways import ISSUE_KEY, WAYS
from ledger.domain.access import ALSO, ROLES
from ledger.domain.errors import REASONS, all_errors
from projections.scope import READERS

#: What stands behind this line is written by the program.
MARKER: Final = "<!-- made by `python -m api.reference docs/http.md`; do not edit below -->"
#: Routes that are neither a command nor a figure → who may.
OTHERS: Final = {
    "/v1/batch": "of each line",
    "/v1/events": "auditor",
    "/v1/log/checkpoint": "any",
    "/v1/log/checkpoints": "any",
    "/v1/log/proof/inclusion": "any",
    "/v1/log/proof/consistency": "any",
}


def reference() -> str:
    """The whole reference."""
    return "\n".join([*_routes(), "", *_errors(), "", *_reasons()]) + "\n"


def _routes() -> Iterator[str]:
    yield from ("## Routes", "", "`admin` may do everything. Every read takes `min_position`.")
    for tag, group in groupby(sorted(routes(), key=_tag), key=_tag):
        yield from ("", f"### {tag.capitalize().replace('-', ' ')}", "")
        yield from ("| Route | Role | |", "|---|---|---|")
        for route in sorted(group, key=lambda route: (route.path, route.method)):
            name = f"`{route.method} {route.path.replace(':path', '')}`{_parameters(route)}"
            yield f"| {name} | {role_of(route)} | {route.operation['summary']}. |"


def _tag(route: Route) -> str:
    tag: str = route.operation["tags"][0]
    return tag


def _parameters(route: Route) -> str:
    """What may stand behind a `?`."""
    told = [p["name"] for p in route.operation.get("parameters", ()) if p["in"] == "query"]
    names = ", ".join(f"`{name}`" for name in told if name not in ("min_position", "dry_run"))
    return f"<br>{names}" if names else ""


def role_of(route: Route) -> str:
    """Who may, besides `admin`."""
    for way in (*WAYS, ISSUE_KEY):
        if route.method == "POST" and way.path == route.path:
            roles = {ROLES[way.kind], *ALSO.get(way.kind, ())}
            return ", ".join(sorted(roles))
    for view in VIEWS:
        if route.method == "GET" and view.path == route.path:
            return ", ".join(sorted(READERS[view.what])) or "admin"
    return OTHERS.get(route.path, "no key")


def _errors() -> Iterator[str]:
    """Each code with its status and its meaning."""
    told = {kind.code: (kind.__doc__ or "").split("\n")[0] for kind in all_errors()}
    yield from ("## Errors", "", "| Status | `code` | |", "|---|---|---|")
    for code, status in sorted(STATUS.items(), key=lambda item: (item[1], item[0])):
        again = " Comes with `Retry-After`." if code in (*RETRY_AFTER_S, "rate_limited") else ""
        yield f"| {status} | `{code}` | {told[code]}{again} |"


def _reasons() -> Iterator[str]:
    """What is said of a command that is not well-formed."""
    yield "The fact `reason` of `invalid_command` says what is expected at `at`, or what is wrong:"
    yield ""
    yield from (f"- {reason}" for reason in REASONS)


def rewritten(document: str) -> str:
    """A document with the reference behind its marker made anew."""
    head, marker, _ = document.partition(MARKER)
    return f"{head.rstrip()}\n\n{MARKER}\n\n{reference()}" if marker else document


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
