"""Segments: position-ordered events as Parquet files of typed columns, and what vouches for them.

A sealed segment lies beside its sums and its manifest, which is written last: first and last
position, the tree's root and frontier at its end, the files' digests. A file without a manifest is
nothing.
The state stands in a column of its own, so every line can be had again, byte for byte.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from ledger.domain.errors import BadSegment, CorruptLog
from ledger.log import merkle
from ledger.store.durable import sync_folder
from ledger.store.log import LogStore
from ledger.store.tree import root_at
from projections import sums
from projections.column_files import Columns, Sealed, connect, lines_between, quoted, write_parquet
from projections.columns import COLUMNS, FIELDS, whole
from projections.participation import CELLS
from projections.progress import Progress, unwatched
from projections.tables import layout_of

#: Events of one sealed segment: a hundred megabytes of lines at a time.
SEGMENT_EVENTS: Final = 245_760
#: What columns and sums mean; a segment of another form is sealed anew.
FORM: Final = layout_of((*COLUMNS, *FIELDS.values(), sums.FORM))
#: What is being written has this ending until it is whole.
UNFINISHED: Final = ".unfinished"


class File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file beside its manifest."""

    name: str
    bytes: int
    sha256: str


class Formed(Struct, frozen=True):
    """What every manifest says, whatever else is in it."""

    form: str


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What vouches for a segment. `root` and `frontier` (hex): of the tree of the first `last`."""

    form: str
    first: int
    last: int
    root: str
    frontier: tuple[str, ...]
    columns: File
    #: By the name of their table.
    sums: dict[str, File]

    @property
    def files(self) -> list[File]:
        """All of them."""
        return [self.columns, *self.sums.values()]


class Segment(Struct, frozen=True):
    """A sealed segment: where its files are, and what vouches for them."""

    folder: Path
    manifest: Manifest

    @property
    def columns(self) -> Path:
        """The typed columns."""
        return self.folder / self.manifest.columns.name

    @property
    def sums(self) -> dict[str, Path]:
        """The sums by the name of their table."""
        return {table: self.folder / file.name for table, file in self.manifest.sums.items()}


def sealed(folder: Path) -> list[Segment]:
    """The segments of a folder from position 1 on, as far as they follow each other.

    Only their manifests and sizes are looked at, see `verify`.
    """
    found = [manifest for path in folder.glob("*.json") if (manifest := _manifest(path))]
    chain: list[Segment] = []
    for manifest in sorted(found, key=lambda each: each.first):
        last = chain[-1].manifest.last if chain else 0
        are_there = all((folder / file.name).is_file() for file in manifest.files)
        if manifest.first != last + 1 or not are_there:
            break
        for file in manifest.files:
            if (folder / file.name).stat().st_size != file.bytes:
                raise BadSegment("segment", file=file.name, error="another size")
        chain.append(Segment(folder, manifest))
    return chain


def check_whole(folder: Path) -> None:
    """Every manifest has its files beside it, and one that ends in front of it. Raises BadSegment.

    Where one has not, `sealed` ends before it and the log is read instead: right, but what was
    sealed to be kept is gone.
    """
    for path in folder.glob("*.json"):
        manifest = _manifest(path)
        for file in manifest.files if manifest else ():
            # Where a segment is replaced meanwhile, its manifest goes before its files.
            if not (folder / file.name).exists() and path.exists():
                raise BadSegment("segment", file=file.name, error="missing")
    if _behind_a_gap(folder):
        # Manifests that come and go while the folder is listed may look like one.
        with _alone(folder):
            found = _behind_a_gap(folder)
        if found:
            error = f"nothing is sealed in front of it from {found.after + 1} on"
            raise BadSegment("segment", file=found.manifest.columns.name, error=error)


class _Gap(NamedTuple):
    """Up to where segments follow each other, and the one that begins further on."""

    after: int
    manifest: Manifest


def _behind_a_gap(folder: Path) -> _Gap | None:
    """The first gap between segments. Raises BadSegment."""
    found = [manifest for path in folder.glob("*.json") if (manifest := _manifest(path))]
    after = 0
    for manifest in sorted(found, key=lambda each: each.first):
        if manifest.first > after + 1:
            return _Gap(after, manifest)
        after = max(after, manifest.last)
    return None


def _manifest(path: Path) -> Manifest | None:
    """A manifest, None for one of another form, or that is gone. Raises BadSegment."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        if msgspec.json.decode(content, type=Formed).form != FORM:
            return None
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise BadSegment("segment", file=path.name, error=str(error)) from error
    # Without one of them its events would be left out where sums are added up.
    if manifest.sums.keys() != sums.SUMMED.keys():
        raise BadSegment("segment", file=path.name, error="other tables of sums")
    return manifest


def verify(segments: Sequence[Segment], store: LogStore) -> None:
    """Hold segments against their digests, and the last one's root against the log's.

    Raises BadSegment.
    """
    size, _ = store.glance(())
    for segment in segments:
        manifest, name = segment.manifest, segment.manifest.columns.name
        for file in manifest.files:
            if _digest(segment.folder / file.name) != file.sha256:
                raise BadSegment("segment", file=file.name, error="another digest")
        if manifest.last > size:
            raise BadSegment("segment", file=name, error="beyond the log")
        if root_at(store, manifest.last) != bytes.fromhex(manifest.root):
            raise BadSegment("segment", file=name, error="of another log")
        if merkle.root([bytes.fromhex(node) for node in manifest.frontier]).hex() != manifest.root:
            raise BadSegment("segment", file=name, error="another frontier")


@contextmanager
def opened(store: LogStore, folder: Path | None) -> Iterator[list[Segment]]:
    """What is sealed in a folder, if there is one, verified, for as long as it is read.

    The last segment is read from a copy: sealing may replace it meanwhile. Raises BadSegment.
    """
    with TemporaryDirectory(prefix="hourledger-") as copies:
        yield _taken(store, folder, Path(copies)) if folder is not None and folder.is_dir() else []


def _taken(store: LogStore, folder: Path, copies: Path) -> list[Segment]:
    while True:
        # What is not there any more was replaced meanwhile.
        with suppress(FileNotFoundError):
            segments = sealed(folder)
            for file in segments[-1].manifest.files if segments else ():
                shutil.copyfile(folder / file.name, copies / file.name)
            taken = [*segments[:-1], *(Segment(copies, last.manifest) for last in segments[-1:])]
            verify(taken, store)
            return taken


def columns_of(store: LogStore, segments: Sequence[Segment] = ()) -> Columns:
    """The columns of a log, from segments as far as they go."""
    files = [Sealed(each.manifest.last, each.columns, each.sums) for each in segments]
    return Columns(store, files)


def seal(
    store: LogStore,
    folder: Path,
    *,
    until: int,
    events: int = SEGMENT_EVENTS,
    progress: Progress = unwatched,
) -> list[Segment]:
    """Seal the log up to a position into whole segments of `events`, and a last one of the rest.

    The last sealed segment is replaced when it is not a whole one. Raises BadSegment when what is
    sealed there is not of this log, CorruptLog when lines do not give the hashes stored with them.
    Killed anywhere, it leaves whole segments and waste. Two of them take turns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        return _seal(store, folder, until, events, progress)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else seals there; who is killed holds nothing up."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _seal(
    store: LogStore, folder: Path, until: int, events: int, progress: Progress
) -> list[Segment]:
    kept = sealed(folder)
    verify(kept, store)
    for waste in folder.glob(f"*{UNFINISHED}"):
        waste.unlink()
    if kept and kept[-1].manifest.last < until and _events(kept[-1]) < events:
        kept.pop()
    while (before := kept[-1].manifest if kept else None) is None or before.last < until:
        last = min(until, (before.last if before else 0) + events)
        kept.append(Sealing(folder, before, last).run(store, progress, cells_of(kept)))
    _drop_covered(folder, kept)
    return kept


def cells_of(segments: Iterable[Segment]) -> list[Path]:
    """The files of their cells, which those of the next segment are numbered behind."""
    return [segment.sums[CELLS.name] for segment in segments]


def _events(segment: Segment) -> int:
    return segment.manifest.last - segment.manifest.first + 1


class Sealing:
    """One segment being sealed: its lines, then its columns, their sums, and its manifest."""

    def __init__(self, folder: Path, before: Manifest | None, last: int) -> None:
        self.after, self.last = (before.last if before else 0), last
        self._frontier = [bytes.fromhex(node) for node in before.frontier] if before else []
        self._size = self.after
        self._folder, self._name = folder, f"{self.after + 1:012}-{last:012}"
        self._columns = folder / f"{self._name}.parquet"
        self._sums = {table: folder / f"{self._name}.{table}.parquet" for table in sums.SUMMED}
        self._lines = unfinished(folder / f"{self._name}.lines")

    def run(self, store: LogStore, progress: Progress, cells: Sequence[Path]) -> Segment:
        """Seal it behind segments with these cells. Raises CorruptLog."""
        try:
            self._write_lines(store, progress)
            root = merkle.root(self._frontier)
            if root != root_at(store, self.last):
                raise CorruptLog("hashes", position=self.last, error="the lines give another root")
            with connect() as connection:
                query = whole(quoted(self._lines))
                write_parquet(connection, query, unfinished(self._columns), "zstd")
        finally:
            self._lines.unlink(missing_ok=True)
        written = {table: unfinished(path) for table, path in self._sums.items()}
        sums.write_sums(unfinished(self._columns), written, cells)
        return Segment(self._folder, self._vouch(root))

    def _write_lines(self, store: LogStore, progress: Progress) -> None:
        with self._lines.open("wb") as file:
            for text in lines_between(store, self.after, self.last):
                file.write(text)
                lines = text[:-1].split(b"\n")
                merkle.extend_all(self._frontier, self._size, map(merkle.leaf_hash, lines))
                self._size += len(lines)
                progress(len(lines))

    def _vouch(self, root: bytes) -> Manifest:
        """Write the manifest: from now on the files are a segment."""
        manifest = Manifest(
            form=FORM,
            first=self.after + 1,
            last=self.last,
            root=root.hex(),
            frontier=tuple(node.hex() for node in self._frontier),
            columns=_finish(self._columns),
            sums={table: _finish(path) for table, path in self._sums.items()},
        )
        place = self._folder / f"{self._name}.json"
        unfinished(place).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        _finish(place)
        return manifest


def unfinished(path: Path) -> Path:
    """The name a file has while it is written."""
    return path.with_name(path.name + UNFINISHED)


def _finish(path: Path) -> File:
    """Make a file durable under its own name, and the name too."""
    with unfinished(path).open("rb+") as file:
        os.fsync(file.fileno())
    unfinished(path).replace(path)
    sync_folder(path.parent)
    return File(name=path.name, bytes=path.stat().st_size, sha256=_digest(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _drop_covered(folder: Path, kept: Iterable[Segment]) -> None:
    """Remove what is not of the chain: a shorter last segment that was sealed anew, for one.

    Its manifest goes first, so that no file lacks what it is vouched for by.
    """
    names = {segment.columns.with_suffix(".json").name for segment in kept}
    names |= {file.name for segment in kept for file in segment.manifest.files}
    for suffix in ("json", "parquet"):
        for path in folder.glob(f"*-*.{suffix}"):
            if path.name not in names:
                path.unlink()
