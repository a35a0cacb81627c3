"""The command line as a test uses it: in this process, one call a line."""

import json
import shlex
from typing import Any

from click.testing import CliRunner, Result

from api.cli.main import program


class Terminal:
    """Someone at a terminal, on one database; who acts is `holder` unless a line says otherwise."""

    def __init__(self, database_url: str, holder: str = "clerk") -> None:
        self.database_url = database_url
        self.holder = holder

    def run(self, line: str, **words: str) -> Result:
        """Run one line, `{word}` filled in."""
        args = shlex.split(line.format_map(words) if words else line)
        acting = [] if {"--as", "--key"} & set(args) else ["--as", self.holder]
        return CliRunner().invoke(program, ["--database", self.database_url, *acting, *args])

    def do(self, line: str, **words: str) -> str:
        """Run a line that must be done; what it printed."""
        result = self.run(line, **words)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, f"{line}\n{result.output}"
        return result.stdout

    def do_all(self, script: str, **words: str) -> None:
        """Run each line of a script; all must be done."""
        for line in script.replace("\\\n", " ").strip().splitlines():
            self.do(line.strip(), **words)

    def ask(self, line: str, **words: str) -> Any:
        """Run a line that must be done, and read its JSON."""
        return json.loads(self.do(f"{line} --json", **words))
