"""Segments: position-ordered events as Parquet files of typed columns, and what vouches for them.

A sealed segment lies beside its manifest, which is written last: first and last position, the
tree's root and frontier at its end, the file's digest. A file without a manifest is nothing.
The state stands in a column of its own, so every line can be had again, byte for byte.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import duckdb
import msgspec
from msgspec import Struct

from ledger.domain.errors import BadSegment, CorruptLog
from ledger.log import merkle
from ledger.store.log import LogStore
from ledger.store.tree import root_at
from projections.column_files import Columns, lines_between, quoted, write_parquet
from projections.columns import COLUMNS, FIELDS, whole
from projections.tables import Progress, layout_of, unwatched

#: Events of one sealed segment: a hundred megabytes of lines at a time.
SEGMENT_EVENTS: Final = 245_760
#: What the columns mean; a segment of another form is sealed anew.
FORM: Final = layout_of((*COLUMNS, *FIELDS.values()))
#: What is being written has this ending until it is whole.
UNFINISHED: Final = ".unfinished"


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What vouches for a segment. `root` and `frontier` (hex): of the tree of the first `last`."""

    form: str
    first: int
    last: int
    root: str
    frontier: tuple[str, ...]
    file: str
    bytes: int
    sha256: str


class Segment(Struct, frozen=True):
    """A sealed segment: its Parquet file, and what vouches for it."""

    path: Path
    manifest: Manifest


def sealed(folder: Path) -> list[Segment]:
    """The segments of a folder from position 1 on, as far as they follow each other.

    Only their manifests and sizes are looked at, see `verify`.
    """
    found = sorted((_manifest(path) for path in folder.glob("*.json")), key=lambda m: m.first)
    chain: list[Segment] = []
    for manifest in found:
        path = folder / manifest.file
        last = chain[-1].manifest.last if chain else 0
        if manifest.form != FORM or manifest.first != last + 1 or not path.is_file():
            break
        if path.stat().st_size != manifest.bytes:
            raise BadSegment("segment", file=manifest.file, error="another size")
        chain.append(Segment(path, manifest))
    return chain


def _manifest(path: Path) -> Manifest:
    """A manifest. Raises BadSegment."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise BadSegment("segment", file=path.name, error=str(error)) from error


def verify(segments: Sequence[Segment], store: LogStore) -> None:
    """Hold segments against their digests, and the last one's root against the log's.

    Raises BadSegment.
    """
    size, _ = store.glance(())
    for segment in segments:
        with segment.path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != segment.manifest.sha256:
                raise BadSegment("segment", file=segment.manifest.file, error="another digest")
        if segment.manifest.last > size:
            raise BadSegment("segment", file=segment.manifest.file, error="beyond the log")
        if root_at(store, segment.manifest.last) != bytes.fromhex(segment.manifest.root):
            raise BadSegment("segment", file=segment.manifest.file, error="of another log")


def columns_of(store: LogStore, segments: Sequence[Segment] = ()) -> Columns:
    """The columns of a log, from segments as far as they go."""
    until = segments[-1].manifest.last if segments else 0
    return Columns(store, [segment.path for segment in segments], until)


def seal(
    store: LogStore,
    folder: Path,
    *,
    until: int,
    events: int = SEGMENT_EVENTS,
    progress: Progress = unwatched,
) -> list[Segment]:
    """Seal the log up to a position into whole segments of `events`, and a last one of the rest.

    The last sealed segment is replaced when it is not a whole one. Raises CorruptLog when lines
    do not give the hashes stored with them. Killed anywhere, it leaves whole segments and waste.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for waste in folder.glob(f"*{UNFINISHED}"):
        waste.unlink()
    kept = sealed(folder)
    if kept and kept[-1].manifest.last < until and _events(kept[-1]) < events:
        kept.pop()
    while (before := kept[-1].manifest if kept else None) is None or before.last < until:
        last = min(until, (before.last if before else 0) + events)
        kept.append(Sealing(folder, before, last).run(store, progress))
    _drop_covered(folder, kept)
    return kept


def _events(segment: Segment) -> int:
    return segment.manifest.last - segment.manifest.first + 1


class Sealing:
    """One segment being sealed: its lines, then its file, then its manifest."""

    def __init__(self, folder: Path, before: Manifest | None, last: int) -> None:
        self.after, self.last = (before.last if before else 0), last
        self._frontier = [bytes.fromhex(node) for node in before.frontier] if before else []
        self._size = self.after
        self._path = folder / f"{self.after + 1:012}-{last:012}.parquet"
        self._lines = unfinished(self._path.with_suffix(".lines"))

    def run(self, store: LogStore, progress: Progress) -> Segment:
        """Seal it. Raises CorruptLog."""
        try:
            self._write_lines(store, progress)
            root = merkle.root(self._frontier)
            if root != root_at(store, self.last):
                raise CorruptLog("hashes", position=self.last, error="the lines give another root")
            with duckdb.connect() as connection:
                query = whole(quoted(self._lines))
                write_parquet(connection, query, unfinished(self._path), "zstd")
        finally:
            self._lines.unlink(missing_ok=True)
        return Segment(self._path, self._vouch(root, _finish(self._path)))

    def _write_lines(self, store: LogStore, progress: Progress) -> None:
        with self._lines.open("wb") as file:
            for text in lines_between(store, self.after, self.last):
                file.write(text + b"\n")
                lines = text.split(b"\n")
                for line in lines:
                    merkle.extend(self._frontier, self._size, merkle.leaf_hash(line))
                    self._size += 1
                progress(len(lines))

    def _vouch(self, root: bytes, digest: str) -> Manifest:
        """Write the manifest: from now on the file is a segment."""
        manifest = Manifest(
            form=FORM,
            first=self.after + 1,
            last=self.last,
            root=root.hex(),
            frontier=tuple(node.hex() for node in self._frontier),
            file=self._path.name,
            bytes=self._path.stat().st_size,
            sha256=digest,
        )
        place = self._path.with_suffix(".json")
        unfinished(place).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        _finish(place)
        return manifest


def unfinished(path: Path) -> Path:
    """The name a file has while it is written."""
    return path.with_name(path.name + UNFINISHED)


def _finish(path: Path) -> str:
    """Make a file durable under its own name, and the name too; the file's SHA-256."""
    with unfinished(path).open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    unfinished(path).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest


def _drop_covered(folder: Path, kept: Iterable[Segment]) -> None:
    """Remove what is not of the chain: a shorter last segment that was sealed anew.

    Its manifest goes first, so that a file never lacks what it is vouched for by.
    """
    names = {segment.path.stem for segment in kept}
    for suffix in ("json", "parquet"):
        for path in folder.glob(f"*-*.{suffix}"):
            if path.stem not in names:
                path.unlink()
