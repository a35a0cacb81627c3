"""A bundle's own check beside reading and writing the same lines as JSON, alternating in one run.

Seconds are of the processor, so that others at work on the machine weigh on both alike.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.cli.county.run import run_demo
from api.evidence.bundle import Contents, write_bundle
from ledger.application import Ledger
from ledger.log.checkpoint import ED25519
from ledger.log.signer import Signer
from ledger.settings import Settings
from ledger.store.tree import origin_of
from projections.database import open_reads

#: What any program does that reads the lines and could write them again.
PEER = (
    "import gc, json, sys; gc.disable();"
    "w = json.JSONEncoder(sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode\n"
    "for line in open(sys.argv[1], 'rb'): w(json.loads(line.decode()))"
)


def make_bundle(folder: Path, scale: Fraction) -> tuple[Path, int]:
    """The bundle of a demonstration county; its lines."""
    settings = Settings(database_url=f"sqlite:///{folder}/county.db")
    ledger, reads = Ledger(settings, create=True), open_reads(settings.read_models)
    run_demo(ledger, reads, scale, 1, lambda _: None)
    signer = Signer(origin_of(ledger.store), ED25519, Ed25519PrivateKey.generate())
    target = folder / "bundle"
    target.mkdir()
    with reads.read() as snapshot:
        contents = Contents(
            ledger.store, snapshot, signer, "", with_notes=False, advance=lambda _: None
        )
        made = write_bundle(contents, target)
    reads.close()
    ledger.close()
    return target, made.size


def seconds(command: Sequence[str]) -> float:
    """Processor time of a program that must end well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(runs: int = 5) -> None:
    """Print a line of JSON."""
    scale = Fraction(os.environ.get("SCALE", "0.01"))
    with TemporaryDirectory() as place:
        folder, events = make_bundle(Path(place), scale)
        lines = str(folder / "lines.jsonl")
        pairs = [
            (seconds(["-I", str(folder / "verify.py")]), seconds(["-I", "-c", PEER, lines]))
            for _ in range(runs)
        ]
    told = {
        "what": "verify.py, events a second of processor time",
        "events": events,
        "ours": round(statistics.median(events / ours for ours, _ in pairs)),
        "JSON read and written": round(statistics.median(events / peer for _, peer in pairs)),
        "ratio": round(statistics.median(peer / ours for ours, peer in pairs), 2),
        "runs": runs,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
