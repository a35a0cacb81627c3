"""The log read line by line: each against its neighbours, its hashes, and what was signed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from ledger.domain.errors import CorruptLog
from ledger.domain.events import STREAM_OF
from ledger.log import checkpoint, codec, merkle
from ledger.log.checkpoint import BadCheckpoint, Checkpoint, Verifier
from ledger.store.log import LogStore, Row, row_of_line
from ledger.store.tree import rows_between

#: The types of a row's columns; a SQLite file keeps whatever is put into it.
COLUMNS: Final = (int, str, int, str, bytes, bytes)
#: Kept checkpoints read at once.
PAGE: Final = 1000


class LineCheck:
    """`take` each row in order, then `end`; the first wrong one is refused.

    `signed`: the root that was signed, by size. `exported`: rows come from lines, with no hashes
    stored beside them.
    """

    def __init__(
        self, signed: Mapping[int, bytes] | None = None, *, exported: bool = False
    ) -> None:
        self.size = 0
        self.frontier: list[bytes] = []
        #: Up to where the lines are known to be those that were signed.
        self.signed_until = 0
        self._signed = dict(signed or {})
        self._is_exported = exported
        self._versions: defaultdict[str, int] = defaultdict(int)
        self._latest: datetime | None = None

    @property
    def root(self) -> bytes:
        """The root of the lines so far."""
        return merkle.root(self.frontier)

    def take(self, row: Row) -> None:
        """One more row. Raises CorruptLog with the position and what is wrong there."""
        fault = self._fault(row)
        if fault:
            raise CorruptLog("position", position=self.size + 1, error=fault)
        self.size += 1
        if self.size in self._signed:
            self._compare()

    def end(self) -> None:
        """There are no more rows. Raises CorruptLog when more were signed."""
        longest = max(self._signed, default=0)
        if longest > self.size:
            error = f"missing: a checkpoint of {longest} events was signed"
            raise CorruptLog("position", position=self.size + 1, error=error)

    def _compare(self) -> None:
        """The lines up to here are those that were signed. Raises CorruptLog with the stretch."""
        if self.root != self._signed[self.size]:
            first = self.signed_until + 1
            error = f"the lines from here to {self.size} are not those that were signed"
            raise CorruptLog("position", position=first, last=self.size, error=error)
        self.signed_until = self.size

    def _fault(self, row: Row) -> str:
        """What is wrong with a row, empty when it is right."""
        if tuple(map(type, row)) != COLUMNS:
            return "a column holds something of another type"
        if row.position != self.size + 1:
            return f"missing: the next row is at {row.position}"
        self._versions[row.originator_id] += 1
        if row.originator_version != self._versions[row.originator_id]:
            return f"version {row.originator_version} is not the next of {row.originator_id}"
        try:
            event = codec.decode_canonical(row.topic, row.state)
            _check_stream(row)
        except CorruptLog as error:
            return str(error.facts.get("error") or f"unknown topic {row.topic}")
        if self._latest and event.timestamp < self._latest:
            return "recorded before the row in front of it"
        self._latest = event.timestamp
        hashes = merkle.extend(self.frontier, self.size, merkle.leaf_hash(row.line()))
        is_right = self._is_exported or hashes == row.hashes
        return "" if is_right else "the stored hashes are not those of the line"


def _check_stream(row: Row) -> None:
    """A topic stands in streams of its type. Raises CorruptLog."""
    wanted = STREAM_OF[row.topic]
    found, slash, name = row.originator_id.partition("/")
    if found != wanted or not slash or not name:
        error = f"{row.topic} stands in {row.originator_id}, and belongs to a stream {wanted}/…"
        raise CorruptLog("stream", error=error)


def check_stored(
    store: LogStore,
    signed: Mapping[int, bytes],
    advance: Callable[[int], object],
    also: Callable[[list[Row]], object] = lambda _: None,
) -> LineCheck:
    """Every row of a store; `advance` is told how many more were read. Raises CorruptLog.

    Rows that are right are handed on to `also`.
    """
    lines = LineCheck(signed)
    size, _ = store.glance(())  # the head would decode the last line, which may be the wrong one
    for rows in rows_between(store, 0, size):
        for row in rows:
            lines.take(row)
        also(rows)
        advance(len(rows))
    lines.end()
    return lines


def rows_of_lines(lines: Iterable[bytes]) -> Iterator[Row]:
    """The rows of exported lines. Raises CorruptLog with the number of a line that is none."""
    for number, line in enumerate(lines, start=1):
        try:
            yield row_of_line(line.removesuffix(b"\n"))
        except CorruptLog as error:
            raise CorruptLog("position", position=number, **error.facts) from None


def signed_roots(
    store: LogStore | None = None,
    others: Iterable[Checkpoint] = (),
    key: Verifier | None = None,
) -> dict[int, bytes]:
    """The roots that were signed, by size: of the kept checkpoints of a store, and of others.

    `key`: the log's own; what others have signed is then none of its words. Raises CorruptLog for
    a kept one that its key did not sign, or when two exclude each other.
    """
    found: dict[int, bytes] = {}
    for each in (*_kept(store, key), *others):
        if found.setdefault(each.size, each.root) != each.root:
            error = "two roots were signed for this size"
            raise CorruptLog("checkpoint", size=each.size, error=error)
    return found


def _kept(store: LogStore | None, key: Verifier | None) -> Iterator[Checkpoint]:
    after = 0
    while store is not None and (some := store.checkpoints(after, PAGE)):
        for kept in some:
            if key is not None and kept.verifier != str(key):
                continue
            try:
                found = checkpoint.check(kept.note, checkpoint.parse_verifier(kept.verifier))
            except BadCheckpoint as error:
                raise CorruptLog("checkpoint", size=kept.size, error=f"{error}") from None
            if found.size != kept.size:
                raise CorruptLog("checkpoint", size=kept.size, error="kept under another size")
            yield found
        after = some[-1].size
