"""Imports point one way: api → projections → ledger → its store → its log → its domain."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.tree

ROOT = Path(__file__).parent.parent
#: Each layer may import those above it in this list, and itself.
LAYERS = [
    ("ledger.domain", ROOT / "src/ledger/domain"),
    ("ledger.log", ROOT / "src/ledger/log"),
    ("ledger.store", ROOT / "src/ledger/store"),
    ("ledger", ROOT / "src/ledger"),
    ("projections", ROOT / "projections"),
    ("api", ROOT / "api"),
]
#: What only some layers may know, by the package's name.
ONLY_IN = {
    "fastapi": {"api"},
    "starlette": {"api"},
    "click": {"api"},
    "rich": {"api"},
    "duckdb": {"projections"},
    "psycopg": {"ledger.store", "projections"},
    "sqlite3": {"ledger.store", "projections"},
}
PURE = {"ledger.domain", "ledger.log"}
IMPURE = {
    "os",
    "sqlite3",
    "psycopg",
    "socket",
    "pathlib",
    "threading",
    "time",
    "subprocess",
    "random",
}


def layer_of(path: Path) -> str:
    return next(name for name, folder in LAYERS if path.is_relative_to(folder))


def is_for_types_only(node: ast.AST) -> bool:
    """Whether this is an `if TYPE_CHECKING:` block."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports_of(path: Path) -> set[str]:
    """Modules a file imports at run time."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for block in [n for n in ast.walk(tree) if is_for_types_only(n)]:
        assert isinstance(block, ast.If)
        block.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = [path for _, folder in LAYERS[3:] for path in sorted(folder.glob("**/*.py"))]
MODULES = {
    ".".join(
        p.relative_to(ROOT / "src" if p.is_relative_to(ROOT / "src") else ROOT)
        .with_suffix("")
        .parts
    ): p
    for p in FILES
}


def target_layer(module: str) -> str | None:
    names = [name for name, _ in LAYERS if module == name or module.startswith(name + ".")]
    return max(names, key=len) if names else None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    order = [name for name, _ in LAYERS]
    own = order.index(layer_of(path))
    # The library use is `ledger.application`; below it nothing may look up.
    wrong = [
        m for m in imports_of(path) if (t := target_layer(m)) is not None and order.index(t) > own
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_databases_and_doors_stay_in_their_layers(path: Path) -> None:
    own = layer_of(path)
    roots = {module.split(".")[0] for module in imports_of(path)}
    assert {r for r in roots if r in ONLY_IN and own not in ONLY_IN[r]} == set()
    if own in PURE:
        assert roots & IMPURE == set()


def test_there_is_no_import_circle() -> None:
    graph = {
        name: {m for m in imports_of(path) if m in MODULES and m != name}
        for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail, name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
