"""As much of curl as the guide needs, so that its examples can be played where there is none.

`python -m tests.curl OPTIONS URL`; the guide's address is that of the service in `SERVICE`.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

#: The address the guide names.
ADDRESS: Final = "http://127.0.0.1:8000"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    for flag in ("-s", "-i", "-N", "-G"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("--json")
    parser.add_argument("--data-binary", dest="data")
    parser.add_argument("--max-time", type=float, default=20.0)
    return parser


def _headers(told: Sequence[str]) -> list[tuple[str, str]]:
    """Headers as they are told, or as they stand in a file."""
    found = []
    for each in told:
        lines = [each] if each[0] != "@" else Path(each[1:]).read_text(encoding="utf-8").split("\n")
        found += [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines if line)]
    return found


def curl(args: Sequence[str], service: str) -> str:
    """What curl would print."""
    asked = _parser().parse_args(args)
    headers, body = _headers(asked.headers), None
    if asked.json is not None:
        headers += [("content-type", "application/json"), ("accept", "application/json")]
        body = asked.json.encode()
    elif asked.data is not None:
        data: str = asked.data
        body = Path(data[1:]).read_bytes() if data.startswith("@") else data.encode()
    method = asked.method or ("GET" if body is None else "POST")
    url = asked.url.replace(ADDRESS, service)
    with httpx.stream(method, url, headers=headers, content=body, timeout=asked.max_time) as answer:
        head = [f"{name}: {value}" for name, value in answer.headers.items()]
        text = _read(answer)
    top = "\n".join([f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}", *head, "", ""])
    return top + text if asked.i else text


def _read(answer: httpx.Response) -> str:
    """The body, as far as it has come when nothing comes any more."""
    pieces: list[str] = []
    with suppress(httpx.ReadTimeout):
        pieces += answer.iter_text()
    return "".join(pieces)


if __name__ == "__main__":
    sys.stdout.write(curl(sys.argv[1:], os.environ["SERVICE"]))
