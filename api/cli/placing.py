"""Files that take their name when they are whole: readers see the old or the new one."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def part_of(path: Path) -> Path:
    """What is written beside a file before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def is_stdout(path: Path) -> bool:
    """Whether that is where stdout goes, under a name such as `/dev/stdout`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError, AttributeError):  # the last of them where stdout is closed
        return False


@contextmanager
def put_in_place(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into; it is at `path` when the body is done, or what was there still is.

    A pipe or a device is written to as it is, and so is a file in a folder that takes no other.
    Raises OSError.
    """
    target = path.resolve()  # a link goes on pointing there
    part, is_there = part_of(target), path.exists()
    if is_there and path.is_file():
        path.open("ab").close()  # one that may not be written to is refused
    try:
        beside = part.open("wb") if path.is_file() or not is_there else None
    except OSError:
        beside = None
    if beside is None:
        with path.open("wb") as file:
            yield file
        return
    try:
        with beside:
            if is_there:
                _take_after(part, target)
            yield beside
            beside.flush()
            os.fsync(beside.fileno())
        _move(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _take_after(part: Path, path: Path) -> None:
    """Let a file be whose the other is, and open to those alone; before there is anything in it.

    As far as one may: only root gives files away, and some file systems know no modes.
    """
    found = path.stat()
    with suppress(OSError):
        part.chmod(0o600)
        with suppress(OSError):
            os.chown(part, found.st_uid, found.st_gid)
        shutil.copymode(path, part)


def _move(part: Path, path: Path) -> None:
    """Put a file in the place of another; where that is mounted by itself, what is in it."""
    try:
        part.replace(path)
    except OSError:
        shutil.copyfile(part, path)
        part.unlink()
