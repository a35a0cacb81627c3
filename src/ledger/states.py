"""The states of streams, kept warm: the books a rule looks into.

What is cached is right as long as the log's head is the one it was loaded at;
the writer makes sure of that. Numbering is here too: a state knows its version.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from ledger.domain.decision import Evolve
from ledger.domain.errors import LedgerNotOpened
from ledger.domain.events import Event
from ledger.domain.rulebook import Rulebook
from ledger.domain.rules import fold_of
from ledger.log.codec import decode
from ledger.store.log import LogStore

#: Events whose effect is kept in memory at most; an entry takes about 200 bytes.
EVENTS_KEPT_MAX: Final = 1_500_000
#: So many events of others are rather taken in than their streams read again.
FOLLOWED_MAX: Final = 5_000


class Known(Struct):
    """A stream's state after its first `version` events."""

    #: The fold of its type.
    evolve: Evolve
    version: int = 0
    state: object | None = None


def _cost(known: Known) -> int:
    """What a state counts for: its events, and itself. To know of nothing takes room as well."""
    return known.version + 1


class States:
    """Books over one store, loaded on demand. Not for use by two threads."""

    def __init__(
        self,
        store: LogStore,
        *,
        events_kept_max: int = EVENTS_KEPT_MAX,
        until: int | None = None,
    ) -> None:
        """`until`: only what stands up to this position is known; not for writing."""
        self._store = store
        self._until = until
        self._known: dict[str, Known] = {}
        self._events_kept = 0
        self._events_kept_max = events_kept_max
        self._ledger_stream: str | None = None
        self._rulebook: Rulebook | None = None
        #: Tells at the first miss what else will be asked for, so that it is read all at once.
        self.hint: Callable[[], set[str]] | None = None

    @property
    def rulebook(self) -> Rulebook:
        """State of the ledger stream. Raises LedgerNotOpened."""
        if self._rulebook is None:
            state = self.get(self._find_ledger_stream())
            assert isinstance(state, Rulebook)
            self._rulebook = state
        return self._rulebook

    def _find_ledger_stream(self) -> str:
        if self._ledger_stream is None:
            first = next((s for s in self._known if s.startswith("ledger/") and self.get(s)), None)
            if first is None:
                first = next((row.originator_id for row in self._store.select_rows(0, 1)), None)
            if first is None:
                raise LedgerNotOpened
            self._ledger_stream = first
        return self._ledger_stream

    def get(self, stream: str) -> object | None:
        """State of a stream, None when it has no events."""
        return (self._known.get(stream) or self._miss(stream)).state

    def _miss(self, stream: str) -> Known:
        """Read a stream that is not known, and with it what the hint says will be needed."""
        hint, self.hint = self.hint, None
        self.load({stream} | hint() if hint else {stream})
        return self._known[stream]

    def load(self, streams: Iterable[str]) -> None:
        """Read the streams that are not known yet, all at once."""
        wanted = {s: Known(fold_of(s)) for s in streams if s not in self._known}
        for row in self._store.select_streams(list(wanted)) if wanted else ():
            if self._until is None or row.position <= self._until:
                known, event = wanted[row.originator_id], decode(row.topic, row.state)
                known.state = known.evolve(known.state, row.originator_id, event)
                known.version += 1
        self._known.update(wanted)
        self._events_kept += sum(map(_cost, wanted.values()))

    def apply(self, stream: str, event: Event) -> int:
        """Take one more event of a stream into its state; its version there."""
        known = self._known.get(stream) or self._miss(stream)
        self._events_kept += 1
        known.state = known.evolve(known.state, stream, event)
        known.version += 1
        return known.version

    def follow(self, after: int, until: int) -> None:
        """Take in what another writer wrote behind `after`, up to `until`.

        So a long stream stays warm whoever writes to it. Where there is too much, what it touches
        is dropped, and read again when asked for.
        """
        if until - after > FOLLOWED_MAX:
            self.forget(self._store.streams_after(after))
            return
        for row in self._store.select_rows(after, until - after):
            stream, version = row.originator_id, row.originator_version
            known = self._known.get(stream)
            # What was read in the meantime may have it already.
            if known is None or known.version >= version:
                continue
            if stream == self._ledger_stream:
                self._rulebook = None
            if known.version + 1 == version:
                self.apply(stream, decode(row.topic, row.state))
            else:
                self.forget((stream,))

    def forget(self, streams: Iterable[str]) -> None:
        """Drop states that another writer changed, or that hold what was not written."""
        for stream in streams:
            if stream == self._ledger_stream:
                # Its very name may be one that was not written.
                self._ledger_stream = self._rulebook = None
            known = self._known.pop(stream, None)
            self._events_kept -= _cost(known) if known else 0

    def forget_all(self) -> None:
        """Drop everything; what is asked for next is read again."""
        self._known.clear()
        self._events_kept, self._ledger_stream, self._rulebook = 0, None, None

    @property
    def is_full(self) -> bool:
        """Whether more is kept than the bound allows."""
        return self._events_kept > self._events_kept_max

    def trim(self) -> None:
        """Keep within the bound, dropping what was loaded first (never within a transaction)."""
        if self.is_full:
            spared = self._ledger_stream
            for stream in [s for s in self._known if s != spared]:
                self.forget((stream,))
                if self._events_kept <= self._events_kept_max // 2:
                    return
