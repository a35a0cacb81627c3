"""Bundles: one folder that proves the figures of a log, of a member or of a fund.

Everything that is signed is recomputed from rows read back; the same log, key and position give
the same bytes.
"""

import re
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from api.evidence import readme
from ledger.checkpoints import Checkpoints, kept_at
from ledger.domain.decision import Note
from ledger.domain.errors import CorruptLog, Unavailable
from ledger.log import checkpoint, merkle, proofs
from ledger.log.checkpoint import Checkpoint
from ledger.log.signer import Signer
from ledger.store.log import LogStore, Row
from ledger.store.tree import prove_inclusion, rows_between
from projections import figures
from projections.fund_usage import fund_usage
from projections.progress import Progress
from projections.session import Snapshot

STATEMENT: Final = b"hourledger.statement/v1"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Contents(NamedTuple):
    """Of what a bundle is made. `stream`: `member/<id>`, `fund/<id>`, or empty for all of it."""

    store: LogStore
    snapshot: Snapshot
    signer: Signer
    stream: str
    #: Whether texts and their salts come along, as far as they were not erased.
    with_notes: bool
    #: Told how many more lines were written.
    advance: Progress


class Bundled(NamedTuple):
    """What a bundle rests on: size and root of the log, and the public key as text."""

    size: int
    root: bytes
    key: str
    #: How many lines of a fund name a grant, and so a member.
    grants: int


def write_bundle(contents: Contents, folder: Path) -> Bundled:
    """Write a bundle into an empty folder; what it rests on.

    Raises CorruptLog, InvalidSettings, Unavailable, NotFound; the folder is not to be used then.
    """
    rows = _figures_of(contents)
    told = list(rows) if contents.stream else []
    lines = sorted(b"%b\n" % to_json(row) for row in told or rows)
    signed = sign_at(contents.store, contents.signer, contents.snapshot.position)
    verifier = str(contents.signer.verifier)
    found = checkpoint.check(signed, contents.signer.verifier)
    written = _write_lines(contents, found, folder)
    if contents.stream:
        (folder / "statement").write_bytes(_statement(contents, found, written[0], told))
    (folder / "checkpoint").write_bytes(signed)
    write_json(folder / "bundle.json", {"key": verifier, "stream": contents.stream})
    write_json(folder / "postings.json", figures.TABLE)
    (folder / "figures.jsonl").write_bytes(b"".join(lines))
    (folder / "verify.py").write_bytes(verify_program())
    with_notes = contents.with_notes
    text = readme.text(found, verifier, contents.stream, told, with_notes=with_notes)
    (folder / "README.md").write_text(text, encoding="utf-8")
    return Bundled(found.size, found.root, verifier, written[1])


def verify_program() -> bytes:
    """The program that checks bundles."""
    return resources.files("api.evidence").joinpath("verify.py").read_bytes()


def sign_at(store: LogStore, signer: Signer, size: int) -> bytes:
    """The signed checkpoint of the first `size` lines, kept like any other.

    Raises CorruptLog, InvalidSettings; Unavailable when more was signed meanwhile.
    """
    verifier = str(signer.verifier)
    kept = kept_at(store, size, verifier)
    if kept is not None and kept.verifier == verifier:
        return kept.note
    last = store.last_checkpoint(verifier)
    more = size - (last.size if last else 0)
    if more < 0:
        raise Unavailable("checkpoint", size=size)
    return Checkpoints(store, signer).sign(rows_max=more).note


def to_json(value: Any) -> bytes:
    """A value as canonical JSON."""
    return msgspec.json.encode(value, order="sorted")


def write_json(path: Path, value: Any) -> None:
    """Write a value as canonical JSON."""
    path.write_bytes(to_json(value))


def _figures_of(contents: Contents) -> Iterable[figures.Figure]:
    """The figures that the bundle proves; a fund without money has none. Raises NotFound."""
    kind, _, owner = contents.stream.partition("/")
    if kind == "member":
        return [figures.member_figure(contents.snapshot, owner)]
    if kind == "fund":
        found = fund_usage(contents.snapshot, owner)
        return [figures.fund_figure(found)] if found.receipts else []
    return figures.all_figures(contents.snapshot)


def _rows_of(contents: Contents, size: int) -> Iterator[list[Row]]:
    """The rows of the whole log; or the row that opens it, and then those of the stream."""
    if not contents.stream:
        return rows_between(contents.store, 0, size)
    own = contents.store.select_streams([contents.stream])
    return iter([contents.store.select_rows(0, 1), [row for row in own if row.position <= size]])


def _write_lines(contents: Contents, found: Checkpoint, folder: Path) -> tuple[int, int]:
    """Lines, what proves them, and their texts if asked for.

    How many lines are the stream's, and how many of these name a grant.

    Raises CorruptLog when they give another root.
    """
    proof = _StreamProof(contents.store, found) if contents.stream else _LogProof(found)
    versions, grants, digests = 0, 0, dict[str, None]()
    with (folder / "lines.jsonl").open("wb") as lines:
        for rows in _rows_of(contents, found.size):
            for row in rows:
                lines.write(row.line() + b"\n")
                proof.take(row)
                if row.originator_id == contents.stream:
                    versions += 1
                    grants += b'"grant":' in row.state
                if contents.with_notes:
                    digests |= dict.fromkeys(_digests_of(row))
            contents.advance(len(rows))
    proof.write(folder)
    if contents.with_notes:
        # Last: what was erased while lines were written does not come along.
        notes = filter(None, map(contents.store.find_note, digests))
        (folder / "notes.jsonl").write_bytes(b"".join(map(_note_line, notes)))
    return versions, grants


class _LogProof:
    """Of the whole log: its leaves, whose root is the signed one."""

    def __init__(self, found: Checkpoint) -> None:
        self._found = found
        self._frontier: list[bytes] = []
        self._leaves = bytearray()

    def take(self, row: Row) -> None:
        """One more row."""
        leaf = merkle.leaf_hash(row.line())
        merkle.extend(self._frontier, row.position - 1, leaf)
        self._leaves += leaf

    def write(self, folder: Path) -> None:
        """Write the leaves. Raises CorruptLog for another root."""
        if merkle.root(self._frontier) != self._found.root:
            error = "the lines give another root"
            raise CorruptLog("hashes", position=self._found.size, error=error)
        (folder / "leaves").write_bytes(self._leaves)


class _StreamProof:
    """Of one stream: the inclusion proof of each of its lines."""

    def __init__(self, store: LogStore, found: Checkpoint) -> None:
        self._store, self._found = store, found
        self._proofs: list[list[str]] = []

    def take(self, row: Row) -> None:
        """One more row. Raises BadProof when it is not in the tree that was signed."""
        leaf, size = merkle.leaf_hash(row.line()), self._found.size
        proof = prove_inclusion(self._store, row.position, size)
        proofs.check_inclusion(leaf, row.position - 1, size, proof, self._found.root)
        self._proofs.append([step.hex() for step in proof])

    def write(self, folder: Path) -> None:
        """Write the proofs."""
        write_json(folder / "proofs.json", self._proofs)


def _digests_of(row: Row) -> list[str]:
    """What may be the digests of texts in a row."""
    values = msgspec.json.decode(row.state).values()
    return [value for value in values if isinstance(value, str) and _DIGEST.fullmatch(value)]


def _note_line(note: Note) -> bytes:
    line = {"digest": note.digest, "salt": note.salt.hex(), "text": note.text}
    return to_json(line) + b"\n"


def _statement(
    contents: Contents, found: Checkpoint, versions: int, told: list[figures.Figure]
) -> bytes:
    """The signed word that the stream ends there, with the verified minutes of its projects.

    A signed note; no checkpoint begins so, and neither passes for the other.
    """
    # Hours are not in a fund's lines; a member's lines have all there is.
    stated = [figure[2]["verified_minutes"] for figure in told if figure[0] == "fund"]
    facts = {
        "checkpoint": [found.size, checkpoint.base64_of(found.root)],
        "stream": contents.stream,
        "versions": versions,
        "verified_minutes": stated[0] if stated else {},
    }
    return contents.signer.sign(
        b"%b\n%b\n%b\n" % (STATEMENT, found.origin.encode(), to_json(facts))
    )
