"""Messages between two processes of ours: frames of bytes behind their length."""

import fcntl
import os
import select
from collections import deque
from contextlib import suppress
from typing import IO, Final

LENGTH_BYTES: Final = 8
#: What a pipe is to hold: two thousand events. As it comes it holds a sixteenth, and whoever fills
#: it bit by bit has to wait for the interpreter's lock as often.
PIPE_BYTES: Final = 1 << 20


def write_frame(output: IO[bytes], content: bytes) -> None:
    """Write one frame. Raises OSError."""
    output.write(len(content).to_bytes(LENGTH_BYTES, "big"))
    output.write(content)
    output.flush()


def read_frame(source: IO[bytes]) -> bytes:
    """Read one frame. Raises OSError, and EOFError where there is no more or only a part."""
    length = source.read(LENGTH_BYTES)
    content = source.read(int.from_bytes(length, "big")) if length else b""
    if len(length) < LENGTH_BYTES or len(content) < int.from_bytes(length, "big"):
        raise EOFError
    return content


def frame(content: bytes) -> bytes:
    """One frame as it is written."""
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


class Incoming:
    """Frames out of bytes as they come in, for whoever may not wait for a whole one."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def take(self, piece: bytes) -> list[bytes]:
        """The frames that are whole with these bytes."""
        kept, found, at = self._kept, [], 0
        kept += piece
        while len(kept) - at >= LENGTH_BYTES:
            begin = at + LENGTH_BYTES
            end = begin + int.from_bytes(kept[at:begin], "big")
            if len(kept) < end:
                break
            found.append(bytes(kept[begin:end]))
            at = end
        del kept[:at]
        return found


def widen(descriptor: int) -> None:
    """Let a pipe hold `PIPE_BYTES`, where the system can and allows it."""
    command = getattr(fcntl, "F_SETPIPE_SZ", None)
    if command is not None:
        with suppress(OSError):
            fcntl.fcntl(descriptor, command, PIPE_BYTES)


def send_frame(descriptor: int, content: bytes, wait_s: float) -> None:
    """Write one frame to a pipe that does not block.

    Raises OSError, TimeoutError among them when nothing is taken for `wait_s` seconds.
    """
    rest = memoryview(frame(content))
    while rest:
        _wait(descriptor, select.POLLOUT, wait_s)
        rest = rest[os.write(descriptor, rest) :]


class Receiver:
    """Takes frames from a pipe, as many bytes at once as are there."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._incoming = Incoming()
        self._whole: deque[bytes] = deque()

    def frame(self, wait_s: float) -> bytes:
        """The next frame. Raises as `send_frame`, and EOFError as `read_frame`."""
        while not self._whole:
            _wait(self._descriptor, select.POLLIN, wait_s)
            part = os.read(self._descriptor, PIPE_BYTES)
            if not part:
                raise EOFError
            self._whole += self._incoming.take(part)
        return self._whole.popleft()

    def has_arrived(self) -> bool:
        """Whether there is something to read, or the end."""
        try:
            _wait(self._descriptor, select.POLLIN, 0)
        except TimeoutError:
            return False
        return True


def _wait(descriptor: int, event: int, wait_s: float) -> None:
    """Raises TimeoutError."""
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(wait_s * 1000):
        raise TimeoutError
