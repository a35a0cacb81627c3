"""A bundle as a folder, or as one .zip or .tar file whose bytes depend on its contents alone."""

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: The earliest time that a zip file can hold.
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o644


def _pack_zip(folder: Path, file: Path) -> None:
    """All files by name, at no time, for everyone to read."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(f"{file.stem}/{path.name}", _ZIP_TIME)
            entry.external_attr = (0o100000 | _MODE) << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def _pack_tar(folder: Path, file: Path) -> None:
    """All files by name, at no time, of nobody, for everyone to read."""
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.iterdir()):
            entry = tarfile.TarInfo(f"{file.stem}/{path.name}")
            entry.size, entry.mode = path.stat().st_size, _MODE
            with path.open("rb") as source:
                archive.addfile(entry, source)


_PACKERS: Final[dict[str, Callable[[Path, Path], None]]] = {".zip": _pack_zip, ".tar": _pack_tar}


@contextmanager
def packed(target: Path) -> Iterator[Path]:
    """A folder to write into; it is at `target` when the body is done, or nothing is.

    Raises FileExistsError: nothing is overwritten.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as beside:
        # Archives name their folder after the file.
        folder = Path(beside) / target.stem
        folder.mkdir()
        yield folder
        pack = _PACKERS.get(target.suffix.lower())
        if pack is None:
            folder.rename(target)
        else:
            file = Path(beside) / target.name
            pack(folder, file)
            file.rename(target)
