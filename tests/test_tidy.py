"""The measure of the code (size, names, forbidden content) is held here."""

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

from ledger.domain.errors import REASONS

pytestmark = pytest.mark.tree

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for package in ("src/ledger", "projections", "api")
    for path in ROOT.glob(f"{package}/**/*.py")
)
EVERYTHING = [
    *SOURCES,
    *sorted((ROOT / "tests").glob("**/*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
]
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MEDIAN_MAX = 10
FILE_LINES_MAX = 400
NAMES_REFUSED = {"utils", "helpers", "common", "manager", "service", "misc"}


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and length of every function of a file."""
    return [
        (
            f"{path.name}:{node.lineno} {node.name}",
            (node.end_lineno or node.lineno) - node.lineno + 1,
        )
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def tracked_files() -> list[Path]:
    """The files git knows, or all but hidden ones where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return [p for p in ROOT.rglob("*") if p.is_file() and not p.parts[-2].startswith(".")]
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    sizes = {path.name: path.read_text(encoding="utf-8").count("\n") for path in EVERYTHING}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_sixty_lines() -> None:
    assert [f for p in EVERYTHING for f in functions(p) if f[1] > FUNCTION_LINES_MAX] == []


def test_the_median_function_has_at_most_ten_lines() -> None:
    assert (
        statistics.median(size for p in SOURCES for _, size in functions(p))
        <= FUNCTION_LINES_MEDIAN_MAX
    )


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [
        path.name for path in SOURCES if path.stem in NAMES_REFUSED or "_and_" in path.stem
    ] == []


def test_nothing_tracked_names_a_registry_host_or_a_machine_path() -> None:
    hosts = re.compile(rb"pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian")
    paths = re.compile(rb"(?<![\w.])/(work|root|home/\w+)/")
    texts = {path: path.read_bytes() for path in tracked_files() if path.name != "test_tidy.py"}
    assert [str(p) for p, text in texts.items() if hosts.search(text) or paths.search(text)] == []


def test_every_module_says_what_it_is() -> None:
    assert [
        str(p)
        for p in SOURCES
        if p.stat().st_size and not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ] == []


def test_a_rule_says_what_is_wrong_with_a_command_in_words_that_are_listed() -> None:
    """A place alone does not tell what is wrong there."""
    said = set()
    for path in (ROOT / "src/ledger/domain").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "InvalidCommand":
                facts = {fact.arg: fact.value for fact in node.keywords}
                assert "reason" in facts, f"{path.name}:{node.lineno}"
                said.add(ast.literal_eval(facts["reason"]))
    assert said == set(REASONS)
