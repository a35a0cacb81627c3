"""Examples in documents, played: `$ …` lines of console blocks, in order, in an empty folder.

`python -m tests.console docs/cli.md` writes what the program answers now into the document; a test
compares. A line of the program alone runs in this process, anything with a pipe in a shell.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from api.cli.main import program

BLOCK: Final = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
SHELL: Final = re.compile(r"[|><;&$`]")
#: What differs from run to run, and what stands for it when two runs are compared.
VARIES: Final = (
    (re.compile(r"hl_[0-9a-f]{16}_[\w-]{32}"), "<secret>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"[A-Za-z0-9+/]{43,}={0,2}"), "<base64>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<command id>"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "<key>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+08:00)?"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<day>"),
    (re.compile(r"\b\d{4}-\d\d\b"), "<month>"),
    (re.compile(r"─+"), "─"),
    (re.compile(r" +"), " "),
)
#: The operator of the examples.
PERSON: Final = "wang"


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return text


def play(document: str, folder: Path) -> str:
    """The document with each example's real answer, played in an empty folder."""
    environment = {
        "LOGNAME": PERSON,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
    }
    (folder / "bin").mkdir()
    make_programs(folder / "bin", hourledger="-m api.cli.main")
    (folder / "desk").mkdir()
    with chdir(folder / "desk"):
        return BLOCK.sub(lambda block: "".join(_answers(block[0], environment)), document)


def make_programs(folder: Path, **arguments: str) -> None:
    """Make programs of this Python, each with its arguments; `python3` is this one, too."""
    for name, said in {"python3": "", **arguments}.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {said} "$@"\n')
        script.chmod(0o755)


def _answers(block: str, environment: dict[str, str]) -> Iterator[str]:
    """Each command of a block and what it answers now."""
    for command in commands_of(block):
        yield f"$ {command}\n"
        answer = run(command.replace("\\\n", " "), environment)
        yield answer if not answer or answer.endswith("\n") else answer + "\n"


def commands_of(block: str) -> Iterator[str]:
    """The commands of a block; one may go on after a backslash."""
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line.removeprefix("$ ")
            while command.endswith("\\"):
                command += "\n" + next(lines)
            yield command


def run(command: str, environment: dict[str, str]) -> str:
    """What a command prints, stdout and stderr as they come."""
    if command.startswith("hourledger ") and not SHELL.search(command):
        result = CliRunner().invoke(
            program, shlex.split(command)[1:], env=environment, prog_name="hourledger"
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output
    done = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        with tempfile.TemporaryDirectory() as desk:
            path.write_text(play(path.read_text(encoding="utf-8"), Path(desk)), encoding="utf-8")
