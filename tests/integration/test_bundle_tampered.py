"""Bundles that someone changed: nothing gets through, and of clean bundles nothing is refused."""

import os
import random
import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from api.evidence.verify import MALFORMED, Refuted, check
from tests.bundle_faults import FAULTS, Bundles, flip
from tests.bundles import KEY, bundle, verify
from tests.signed_log import OTHER_KEY, signer
from tests.terminal import at_work

IS_LONG: Final = bool(os.environ.get("TEST_LONG"))
#: Where bits are turned over: the files that are evidence.
EVIDENCE: Final = (
    "bundle.json", "checkpoint", "figures.jsonl", "leaves", "lines.jsonl", "notes.jsonl",
    "postings.json", "proofs.json", "statement",
)  # fmt: skip
FLIPS: Final = 20_000 if IS_LONG else 250


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    folder = tmp_path_factory.mktemp("bundles")
    terminal = at_work(f"sqlite:///{folder}/ledger.db")
    earlier = bundle(terminal, folder / "earlier", "--fund F1")
    terminal.do("release-funds F1 --target project/P1 --yuan 1")
    return Bundles(
        log=bundle(terminal, folder / "log", "--with-notes"),
        fund=bundle(terminal, folder / "fund", "--fund F1 --with-notes"),
        member=bundle(terminal, folder / "member", "--member V0001"),
        earlier=earlier,
    )


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refuted_with_its_reason(clean: Bundles, tmp_path: Path, name: str) -> None:
    which, fault, reason = FAULTS[name]
    folder = tmp_path / "b"
    shutil.copytree(getattr(clean, which), folder)
    fault(folder, clean)
    verdict = verify(folder, "--key", KEY)
    assert verdict.code == 1, verdict.text
    assert "REFUTED. " in verdict.text
    assert reason in verdict.text, verdict.text
    assert re.fullmatch(r"[ -~\n]*", verdict.text)  # nothing moves the cursor
    assert "Traceback" not in verdict.text


def test_clean_bundles_raise_no_alarm(clean: Bundles) -> None:
    for folder in clean:
        assert verify(folder, "--key", KEY).code == 0


def test_the_right_bundle_under_the_wrong_key_is_refuted(clean: Bundles) -> None:
    for key in (OTHER_KEY, signer("huli.example/hours")):
        assert verify(clean.log, "--key", str(key.verifier)).code == 1
    for malformed in (
        "",
        "x",
        "x+y+z",
        "haiyan.example/hours+00+AA==",
        KEY[:-1],
        KEY + "A",
        KEY.replace("+A", "+B"),
    ):
        verdict = verify(clean.log, "--key", malformed)
        assert verdict.code == 1
        assert "key: " in verdict.text


def test_signatures_of_others_do_no_harm(clean: Bundles, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    shutil.copytree(clean.fund, folder)
    for name in ("checkpoint", "statement"):
        text = (folder / name).read_bytes()
        body = text.rpartition(b"\n\n")[0] + b"\n"
        (folder / name).write_bytes(text + OTHER_KEY.sign(body).rpartition(b"\n\n")[2])
    assert verify(folder, "--key", KEY).code == 0


@pytest.mark.parametrize("which", ["log", "fund", "member"])
def test_no_turned_bit_goes_unseen(clean: Bundles, tmp_path: Path, which: str) -> None:
    folder = tmp_path / "b"
    shutil.copytree(getattr(clean, which), folder)
    chance = random.Random(which)
    files = [folder / name for name in EVIDENCE if (folder / name).exists()]
    unseen = []
    for _ in range(FLIPS // 3):
        path = chance.choice(files)
        bit = chance.randrange(8 * path.stat().st_size)
        flip(path, bit)
        if not is_refuted(folder):
            unseen.append((path.name, bit))
        flip(path, bit)
    assert unseen == []
    assert not is_refuted(folder)


def is_refuted(folder: Path) -> bool:
    """The verdict, in this process."""
    try:
        list(check(folder, KEY))
    except (Refuted, OSError, *MALFORMED):
        return True
    return False
