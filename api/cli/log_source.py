"""A log as a witness asks it: over HTTP, in a database of this machine, or in a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from ledger.domain.errors import CheckpointNotFound, LedgerError
from ledger.log import checkpoint, merkle, proofs
from ledger.log.checkpoint import BadCheckpoint, Verifier
from ledger.log.tlog_proof import HASHES_MAX
from ledger.log.witness import Consistency

if TYPE_CHECKING:
    import httpx

    from ledger.store.log import LogStore

#: Seconds one question to a log may take.
WAIT_S: Final = 60.0
#: No checkpoint and no proof is longer.
ANSWER_BYTES_MAX: Final = 1 << 16


class LogNotReached(LedgerError):  # noqa: N818  named for what it is
    """The log could not be asked, or answered something else."""


class _Answered(Struct):
    """What of an answer to a question of consistency is needed."""

    from_root: str
    hashes: list[str]


class HttpLog:
    """A log's HTTP service. `secret` is any key of it."""

    def __init__(self, url: str, secret: str | None) -> None:
        """Nothing is asked yet. Raises LogNotReached for what is no address or no key."""
        import httpx  # noqa: PLC0415 (not for --help)

        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        try:
            self._client = httpx.Client(base_url=url, headers=headers, timeout=WAIT_S)
        except (httpx.InvalidURL, ValueError) as error:
            raise LogNotReached("log", reason=type(error).__name__) from None

    def checkpoint(self) -> bytes:
        """The signed checkpoint it shows now. Raises LogNotReached."""
        return self._ask("/v1/log/checkpoint")

    def consistency(self, old: int, new: int) -> Consistency:
        """The proof it gives. Raises LogNotReached."""
        text = self._ask("/v1/log/proof/consistency", **{"from": old, "to": new})
        try:
            answer = msgspec.json.decode(text, type=_Answered)
            hashes = list(map(checkpoint.unbase64, answer.hashes))
            root = checkpoint.unbase64(answer.from_root)
        except (msgspec.DecodeError, UnicodeDecodeError, BadCheckpoint):
            raise LogNotReached("log", reason="the answer is no proof") from None
        if len(hashes) > HASHES_MAX:
            raise LogNotReached("log", reason="the answer is no proof")
        return Consistency(root, hashes)

    def _ask(self, path: str, **params: Any) -> bytes:
        """One question, its answer bounded."""
        from httpx import HTTPError, InvalidURL  # noqa: PLC0415 (not for --help)

        try:
            with self._client.stream("GET", path, params=params) as answer:
                body = _bounded(answer)
        except (HTTPError, InvalidURL) as error:
            raise LogNotReached("log", reason=type(error).__name__) from None
        if answer.status_code != 200:
            raise LogNotReached("log", status=answer.status_code)
        return body


def _bounded(answer: "httpx.Response") -> bytes:
    body = b""
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise LogNotReached("log", reason="the answer is too long")
    return body


class StoredLog:
    """A log in a database of this machine, which shows what its key signed last."""

    def __init__(self, store: "LogStore", log: Verifier) -> None:
        self._store, self._log = store, log

    def checkpoint(self) -> bytes:
        """The last checkpoint that was signed with the key. Raises CheckpointNotFound."""
        kept = self._store.last_checkpoint(str(self._log))
        if kept is None:
            raise CheckpointNotFound("checkpoint", key=str(self._log))
        return kept.note

    def consistency(self, old: int, new: int) -> Consistency:
        """The proof, from the stored tree. Raises CorruptLog."""
        from ledger.store.tree import prove_consistency, root_at  # noqa: PLC0415 (as above)

        hashes = prove_consistency(self._store, old, new)
        return Consistency(root_at(self._store, old), hashes)


class FolderLog:
    """A folder with a `checkpoint` and the exported lines: one file `*.jsonl`, or a bundle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def checkpoint(self) -> bytes:
        """The content of the file `checkpoint`. Raises LogNotReached."""
        try:
            with (self._folder / "checkpoint").open("rb") as file:
                return file.read(ANSWER_BYTES_MAX)
        except OSError as error:
            raise LogNotReached("log", reason=error.strerror) from None

    def consistency(self, old: int, new: int) -> Consistency:
        """The proof, made from the lines. Raises LogNotReached when there are too few."""
        ranges = [proofs.nodes_of(*each) for each in proofs.consistency_ranges(old, new)]
        wanted = {node.row: node for nodes in ranges for node in nodes}
        found: dict[proofs.Node, bytes] = {}
        frontier: list[bytes] = []
        old_root = b""
        for size, line in enumerate(self._lines(new)):
            hashes = merkle.extend(frontier, size, merkle.leaf_hash(line))
            if (node := wanted.get(size + 1)) is not None:
                found[node] = proofs.hash_in_row(node, hashes)
            if size + 1 == old:
                old_root = merkle.root(frontier)
        hashes_ = proofs.prove_consistency(old, new, lambda nodes: [found[node] for node in nodes])
        return Consistency(old_root, hashes_)

    def _file(self) -> Path:
        """The file with the lines; a bundle has figures beside them. Raises LogNotReached."""
        files = sorted(self._folder.glob("*.jsonl"))
        if (named := self._folder / "lines.jsonl") in files:
            return named
        if len(files) != 1:
            raise LogNotReached("log", reason="not exactly one file *.jsonl, and no lines.jsonl")
        return files[0]

    def _lines(self, count: int) -> Iterator[bytes]:
        """The first `count` lines."""
        number = 0
        with self._file().open("rb") as file:
            for line in file:
                yield line.removesuffix(b"\n")
                number += 1
                if number == count:
                    return
        raise LogNotReached("log", reason=f"only {number} lines", lines=count)


def is_url(source: str) -> bool:
    """Whether a source is asked over HTTP."""
    return source.lower().startswith(("http://", "https://"))
