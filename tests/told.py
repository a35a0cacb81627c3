"""The story as the read models know it, and a recount of it that does not know them."""

from typing import cast

from ledger.store.log import LogStore
from tests.memory_store import MemoryStore
from tests.recount import Recount
from tests.story import rows_of, tell

ROWS = rows_of(tell())
_MEMORY = MemoryStore()
_MEMORY.rows = ROWS
STORE = cast("LogStore", _MEMORY)
RECOUNT = Recount([row.line() for row in ROWS])
