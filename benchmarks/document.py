"""The last results in a Markdown file, between two marks."""

from pathlib import Path
from typing import Any

from benchmarks.running import Result
from benchmarks.table import table

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
HEADINGS = {
    "start": "Start",
    "bulk_load": "Bulk load",
    "http_commands": "Single commands over HTTP",
    "http_batch": "Batches over HTTP",
    "tailer": "Tailer",
    "county": "Demonstration county",
    "http_reads": "Reads over HTTP",
    "rebuild": "Rebuild",
    "storage": "Storage",
    "warm_command": "Warm commands",
    "growth": "Growth",
    "proofs": "Proofs and checkpoints",
    "hidden": "What lies outside a scope beside what does not exist",
    "verify_bundle": "The auditor's program beside reading and writing the same lines as JSON",
    "columns": "Recomputation from sealed segments",
}


def written(path: Path, result: Result) -> str:
    """The text of a file with these results in place of the last ones."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{results(result)}\n\n{END}{after}"


def results(result: Result) -> str:
    """All tables, each under its heading."""
    machine = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    sizes = ", ".join(f"{name} {value}" for name, value in result.options.items())
    parts = [f"{machine}.", f"{sizes}."]
    for name, rows in result.rows.items():
        if rows:
            parts += [f"### {HEADINGS[name]}", table(rows)]
        if rows and name == "growth":
            parts.append("![Cost by size of the log](growth.svg)")
    for name, lines in result.told.items():
        parts += [f"### {HEADINGS[name]}", _as_table(lines)]
    parts += [f"`{name}` failed and is not whole." for name in result.failed]
    return "\n\n".join(parts)


def _as_table(lines: list[dict[str, Any]]) -> str:
    """Lines of JSON as a table each, one below the other; like ones share a heading."""
    parts: list[str] = []
    before: tuple[str, ...] = ()
    for line in lines:
        names = tuple(line)
        if names != before:
            parts += ["", f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
        parts.append(f"| {' | '.join(map(str, line.values()))} |")
        before = names
    return "\n".join(parts).strip()
