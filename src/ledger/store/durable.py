"""Names in a folder that outlive a loss of power, as what is in the files does."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make durable which names the folder has, after one was made or moved. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
