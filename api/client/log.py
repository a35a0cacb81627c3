"""The log's evidence: its size and root as signed, and proofs against them."""

from collections.abc import Iterator

import msgspec

from api.answers import Consistency, Inclusion, ListedCheckpoint
from api.client.door import Door

PATH = "/v1/log"


class Log:
    """Checkpoints and proofs; any key may ask. Hashes are base64. `size` counts events."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def checkpoint(self, size: int | None = None) -> str:
        """The signed note (C2SP tlog-checkpoint) of now, or the one that was signed at a size."""
        return self._door.get(f"{PATH}/checkpoint", size=size).text

    def checkpoints(self, after: int = 0) -> Iterator[ListedCheckpoint]:
        """All checkpoints that were signed, of sizes above `after`."""
        while True:
            answer = self._door.get(f"{PATH}/checkpoints", after=after)
            told = msgspec.json.decode(answer.content, type=dict[str, list[ListedCheckpoint]])
            if not told["checkpoints"]:
                return
            yield from told["checkpoints"]
            after = told["checkpoints"][-1].size

    def inclusion(self, position: int, size: int | None = None) -> Inclusion:
        """The proof that an event is in the tree of a size: of the last checkpoint unless named."""
        path = f"{PATH}/proof/inclusion"
        return self._door.read(Inclusion, path, position=position, size=size)

    def consistency(self, old: int, new: int | None = None) -> Consistency:
        """The proof that the tree of one size begins with that of an earlier one."""
        return self._door.read(Consistency, f"{PATH}/proof/consistency", **{"from": old, "to": new})
