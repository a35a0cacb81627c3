"""Programs that sign and cosign until they are killed: `python -m … MODE URL FILE …`.

Each appends what it has shown to FILE, one JSON object a line, synced.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from ledger.checkpoints import Checkpoints
from ledger.domain.errors import Unavailable
from ledger.log.witness import (
    Consistency,
    LogForked,
    LogInconsistent,
    LogRolledBack,
    WitnessBusy,
)
from ledger.settings import Settings
from ledger.store.open import open_store
from ledger.witness import Witness
from tests.signed_log import LOG_KEY, WITNESS_KEY, SignedLog, lines

#: Events of the logs that are witnessed; the second one is a fork of the first from its beginning.
WITNESSED: Final = 400


def histories() -> tuple[SignedLog, SignedLog]:
    """The log and its fork."""
    return SignedLog(lines(WITNESSED)), SignedLog(lines(WITNESSED, but=0))


class Growing:
    """A log that shows a little more each time it is asked."""

    def __init__(self, log: SignedLog, chance: Random) -> None:
        self._log, self._chance, self._size = log, chance, 1

    def checkpoint(self) -> bytes:
        """The next checkpoint."""
        self._size = min(WITNESSED, self._size + self._chance.randint(0, 3))
        return self._log.note(self._size)

    def consistency(self, old: int, new: int) -> Consistency:
        """Its proof."""
        return self._log.answer(old, new)


def sign(url: str, show: "Show") -> None:
    """Sign the log again and again."""
    store = open_store(Settings(database_url=url))
    while True:
        signing = Checkpoints(store, LOG_KEY)
        for _ in range(5):
            with suppress(Unavailable):
                show(signed=signing.sign().note.decode())


def witness(folder: str, show: "Show", history: str, seed: str) -> None:
    """Cosign what one of the two logs shows, again and again."""
    source = Growing(histories()[int(history)], Random(int(seed)))
    watching = Witness(Path(folder), WITNESS_KEY, LOG_KEY.verifier)
    while True:
        try:
            seen = watching.observe(source, int(time.time()))
        except WitnessBusy:
            show(busy=history)
        except (LogForked, LogInconsistent, LogRolledBack) as error:
            show(refused=error.code)
        else:
            show(cosigned=seen.note.decode(), history=history)


class Show:
    """What is shown to others is on the disk before the program goes on."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(self._file, b"\n")

    def __call__(self, **note: Any) -> None:
        """Append a note."""
        os.write(self._file, json.dumps(note).encode() + b"\n")
        os.fsync(self._file)


if __name__ == "__main__":
    mode, url, path, *arguments = sys.argv[1:]
    modes: dict[str, Callable[..., None]] = {"sign": sign, "witness": witness}
    modes[mode](url, Show(path), *arguments)
