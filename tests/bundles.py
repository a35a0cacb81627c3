"""Bundles as an auditor has them: written by the program, checked by `verify.py` on its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.log import merkle
from ledger.log.checkpoint import Checkpoint
from ledger.log.signer import Signer
from ledger.signing import FILE_VARIABLE, write_key
from tests.signed_log import signer
from tests.terminal import Terminal

LOG_KEY: Final = signer()
KEY: Final = str(LOG_KEY.verifier)


class Verdict(NamedTuple):
    """What `verify.py` said, and its exit code."""

    code: int
    text: str


def verify(folder: Path, *words: str) -> Verdict:
    """Run a bundle's own program in an empty folder; `-S`: nothing that is installed is there."""
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(folder / "verify.py"), *words],
            cwd=elsewhere, env={}, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    return Verdict(done.returncode, done.stdout + done.stderr)


def key_file(folder: Path, key: Signer = LOG_KEY) -> Path:
    """The private key in a file."""
    path = folder / f"{key.verifier.key_id.hex()}.key"
    if not path.exists():
        write_key(path, key)
    return path


def bundle(terminal: Terminal, target: Path, options: str = "", key: Signer = LOG_KEY) -> Path:
    """Write a bundle."""
    os.environ[FILE_VARIABLE] = str(key_file(target.parent, key))
    try:
        terminal.do(f"bundle {target} {options}")
    finally:
        del os.environ[FILE_VARIABLE]
    return target


# Hands that tamper


def lines_of(folder: Path, name: str = "lines.jsonl") -> list[bytes]:
    """The lines of a file, without their ends."""
    return (folder / name).read_bytes().split(b"\n")[:-1]


def put_lines(folder: Path, lines: Sequence[bytes], name: str = "lines.jsonl") -> None:
    """Write the lines of a file."""
    (folder / name).write_bytes(b"".join(line + b"\n" for line in lines))


def change(folder: Path, name: str, old: bytes, new: bytes) -> None:
    """Change the first place where `old` stands."""
    text = (folder / name).read_bytes()
    assert old in text, f"{old!r} is not in {name}"
    (folder / name).write_bytes(text.replace(old, new, 1))


def sign_again(folder: Path, lines: Sequence[bytes], key: Signer = LOG_KEY) -> None:
    """What a lying operator can do: sign other lines, with all hashes right."""
    frontier: list[bytes] = []
    leaves = [merkle.leaf_hash(line) for line in lines]
    for size, leaf in enumerate(leaves):
        merkle.extend(frontier, size, leaf)
    put_lines(folder, lines)
    (folder / "leaves").write_bytes(b"".join(leaves))
    found = Checkpoint(key.name, len(lines), merkle.root(frontier))
    (folder / "checkpoint").write_bytes(key.sign(found.body()))


def edit_json(folder: Path, name: str, edit: Callable[[Any], Any]) -> None:
    """Change a JSON file in place; what stands there afterwards is canonical."""
    value = json.loads((folder / name).read_bytes())
    value = edit(value) or value
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (folder / name).write_text(text, encoding="utf-8")
