"""Files that take their name when they are whole: readers see the old or the new one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def part_of(path: Path) -> Path:
    """What is written beside a file before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextmanager
def put_in_place(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into; it is at `path` when the body is done, or what was there still is.

    A pipe or a device is written to as it is. Raises OSError.
    """
    is_there = path.exists()
    if is_there:
        with path.open("ab") as file:  # one that may not be written to is refused
            if not path.is_file():
                yield file
                return
    path = path.resolve()  # a link goes on pointing there
    part = part_of(path)
    try:
        with part.open("wb") as file:
            if is_there:
                _take_after(part, path)
            yield file
        part.replace(path)
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
        if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
            with suppress(OSError):
                os.chown(part, found.st_uid, found.st_gid)
        shutil.copymode(path, part)
