"""Exported lines, read and judged by the standard library alone: form, order, time, tree.

Nothing here imports the product, so an error there cannot hide here. What is wrong with the lines
is collected in `faults`; of an honest log there are none.
"""

import hashlib
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

Keys = dict[str, Any]

UTC_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def tree_root(lines: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word: split at the largest power of two below n."""
    if not lines:
        return hashlib.sha256(b"").digest()
    return _subtree([hashlib.sha256(b"\0" + line).digest() for line in lines])


def _subtree(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + _subtree(leaves[:split]) + _subtree(leaves[split:])).digest()


def _without_twins(pairs: list[tuple[str, Any]]) -> Keys:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        msg = f"a key stands twice: {names}"
        raise ValueError(msg)
    return dict(pairs)


def _no_float(text: str) -> int:
    msg = f"not an integer: {text}"
    raise ValueError(msg)


def read_line(line: bytes) -> Keys:
    """One line as JSON. Raises ValueError when a key stands twice, or a number is no integer."""
    read: Keys = json.loads(
        line, object_pairs_hook=_without_twins, parse_float=_no_float, parse_constant=_no_float
    )
    return read


def is_canonical(line: bytes) -> bool:
    """Whether writing the line again gives the very same bytes, and nothing in it is null."""
    read = read_line(line)
    again = json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return again.encode() == line and not _has_null(read)


def _has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    if isinstance(value, list):
        return any(map(_has_null, value))
    return value is None


class Exported:
    """The lines of one log as they stand, and what is wrong with them."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = list(lines)
        self.faults: list[str] = []
        self.position = 0
        self.origin = ""
        #: Last version of each stream.
        self.streams: Counter[str] = Counter()
        #: First and last position of the events of each command id.
        self.commands: dict[str, tuple[int, int]] = {}
        #: Recorded time of each position, from 1 (at index 0).
        self.recorded: list[datetime] = []
        for line in self.lines:
            self._take(line)
        self.root = tree_root(self.lines)
        self._look_back()

    def count(self, topic: str, stream: str, event: Keys) -> bool:
        """What the event changes; False when the topic is not known in this stream."""
        raise NotImplementedError

    def position_at(self, moment: datetime) -> int:
        """The last position recorded at or before a moment."""
        return bisect_right(self.recorded, moment)

    def _look_back(self) -> None:
        """What can be judged only at the end."""

    def _take(self, line: bytes) -> None:
        self.position += 1
        row = read_line(line)
        if not is_canonical(line):
            self._fault("not canonical")
        if row["position"] != self.position:
            self._fault(f"position {row['position']} stands at {self.position}")
        stream, event = row["originator_id"], row["state"]
        self.streams[stream] += 1
        if row["originator_version"] != self.streams[stream]:
            self._fault(f"{stream} has a gap at version {row['originator_version']}")
        self._take_time(event)
        self._take_command(event["command_id"])
        if not self.count(row["topic"], stream, event):
            self._fault(f"{row['topic']} is not known in {stream}")

    def _take_time(self, event: Keys) -> None:
        text = event["timestamp"]
        if not UTC_TIME.fullmatch(text) or text.endswith(".000000Z"):
            self._fault(f"timestamp {text} is not as written")
        moment = datetime.fromisoformat(text)
        if self.recorded and moment < self.recorded[-1]:
            self._fault("time runs backwards")
        self.recorded.append(moment)

    def _take_command(self, command_id: str) -> None:
        first, last = self.commands.get(command_id, (self.position, self.position - 1))
        if last != self.position - 1:
            self._fault(f"command {command_id} had an effect before, at {first}")
        elif first < self.position and self.recorded[-1] != self.recorded[-2]:
            self._fault(f"command {command_id} is in two transactions")
        self.commands[command_id] = (first, self.position)

    def _fault(self, what: str) -> None:
        self.faults.append(f"{self.position}: {what}")

    def _must(self, *, be: bool, what: str) -> None:
        if not be:
            self._fault(what)
