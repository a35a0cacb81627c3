"""The HTTP guide, played: its `$ …` lines and its `>>> …` lines in order, against a real service.

`python -m tests.guide docs/http.md` writes what the service answers now into the document; a test
compares. The service is started where the document does so, with the figures kept up to date.
"""

import ast
import io
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, chdir, redirect_stdout
from doctest import DocTestParser
from pathlib import Path
from typing import Any, Final

from api.bounds import Bounds
from ledger.settings import Settings
from tests import console
from tests.curl import ADDRESS, curl
from tests.http_service import listening

BLOCK: Final = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: A stream says nothing but events, and soon.
BOUNDS: Final = Bounds(stream_ping_s=60, stream_pause_s=0.05)


class Guide:
    """A desk in an empty folder, where a guide is played."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        self._service = ""
        #: What the Python lines know.
        self.names: dict[str, Any] = {}
        self._environment = {
            "LOGNAME": console.PERSON,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        }
        console.make_programs(folder / "bin", hourledger="-m api.cli.main", curl="-m tests.curl")

    def play(self, document: str) -> str:
        """The document with each example's real answer."""
        return BLOCK.sub(self._block, document)

    def _block(self, block: re.Match[str]) -> str:
        kind, text = block.groups()
        answers = self._commands(text) if kind == "console" else self._statements(text)
        return f"```{kind}\n{''.join(answers)}```"

    def _commands(self, block: str) -> Iterator[str]:
        for command in console.commands_of(block):
            yield f"$ {command}\n"
            answer = self._run(command.replace("\\\n", " "))
            yield answer if not answer or answer.endswith("\n") else answer + "\n"

    def _run(self, command: str) -> str:
        if command.startswith("hourledger serve"):
            self.serve(Settings(database_url="sqlite:///ledger.db"))
            return ""
        if command.startswith("curl ") and not console.SHELL.search(command):
            return curl(shlex.split(command)[1:], self._service)
        return console.run(command, self._environment | {"SERVICE": self._service})

    def serve(self, settings: Settings) -> None:
        """Start the service; it is stopped with the guide."""
        self._service = self._stack.enter_context(listening(settings, bounds=BOUNDS))

    def _statements(self, block: str) -> Iterator[str]:
        for example in DocTestParser().get_examples(block):
            first, *rest = example.source.splitlines()
            yield "".join([f">>> {first}\n", *(f"... {line}".rstrip() + "\n" for line in rest)])
            yield self._execute(example.source.replace(ADDRESS, self._service))

    def _execute(self, source: str) -> str:
        """What an interactive Python would print, an error by its last line."""
        told = io.StringIO()
        with redirect_stdout(told):
            try:
                exec(
                    compile(ast.Interactive(ast.parse(source).body), "guide", "single"), self.names
                )
            except Exception as error:  # noqa: BLE001 (shown, as everything is)
                print("Traceback (most recent call last):\n  …")
                print("".join(traceback.format_exception_only(error)), end="")
        return told.getvalue()


def play(document: str, folder: Path, settings: Settings | None = None, **names: Any) -> str:
    """A document played in an empty folder.

    With a service over these settings from the start, and names that its Python lines know.
    """
    (folder / "bin").mkdir()
    (folder / "desk").mkdir()
    with ExitStack() as stack, chdir(folder / "desk"):
        guide = Guide(folder, stack)
        guide.names.update(names)
        if settings is not None:
            guide.serve(settings)
        return guide.play(document)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        with tempfile.TemporaryDirectory() as desk:
            path.write_text(play(path.read_text(encoding="utf-8"), Path(desk)), encoding="utf-8")
